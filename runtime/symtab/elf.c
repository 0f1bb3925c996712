/* SPDX-License-Identifier: MIT */
/*
 * ELF files that may be truncated, replaced or hostile: every offset is checked against what is
 * there, and what does not fit is treated as absent. Pure: buffers in, nothing kept.
 *
 * Of several symbols at one place the report wants the name that its reader knows: what other
 * files can name before what is local, and `write` before `__write`. A symbol without a size, as
 * hand-written assembly has, is taken only where no other covers the address.
 */
#include "symtab/symtab_priv.h"

static bool
same(const char *a, const char *b)
{
	return rt__strcmp(a, b) == 0;
}

/* Section header i; false if there is none. */
static bool
section_at(const struct rt__elf *elf, uint64_t i, Elf64_Shdr *ret)
{
	struct rt__bytes h = rt__bytes_part(&elf->sections, i * sizeof *ret, sizeof *ret);

	if (h.bad)
		return false;
	__builtin_memcpy(ret, h.p, sizeof *ret);
	return true;
}

static struct rt__bytes
contents(const struct rt__elf *elf, const Elf64_Shdr *sh)
{
	if (sh->sh_type == SHT_NOBITS || (sh->sh_flags & SHF_COMPRESSED) != 0)
		return rt__bytes(NULL, 0);
	struct rt__bytes b = rt__bytes_part(&elf->file, sh->sh_offset, sh->sh_size);
	return b.bad ? rt__bytes(NULL, 0) : b;
}

static size_t
section_count(const struct rt__elf *elf)
{
	return rt__bytes_left(&elf->sections) / sizeof(Elf64_Shdr);
}

static void
find_symbols(struct rt__elf *elf)
{
	Elf64_Shdr sh, str;

	for (size_t i = 0; i < section_count(elf) && section_at(elf, i, &sh); i++) {
		if (sh.sh_type != SHT_SYMTAB || !section_at(elf, sh.sh_link, &str))
			continue;
		elf->symbols = contents(elf, &sh);
		elf->strings = contents(elf, &str);
		return;
	}
}

bool
rt__elf_open(struct rt__elf *elf, const void *data, size_t size)
{
	Elf64_Ehdr eh;
	Elf64_Shdr sh;

	*elf = (struct rt__elf){.file = rt__bytes(data, size)};
	if (size < sizeof eh)
		return false;
	__builtin_memcpy(&eh, data, sizeof eh);
	if (__builtin_memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh.e_machine != EM_X86_64)
		return false;
	if (eh.e_shentsize == sizeof sh) {
		struct rt__bytes first = rt__bytes_part(&elf->file, eh.e_shoff, sizeof sh);
		uint64_t count = eh.e_shnum, name_index = eh.e_shstrndx;

		if (!first.bad) {
			__builtin_memcpy(&sh, first.p, sizeof sh);
			count = count ? count : sh.sh_size; /* more than fit 16 bits */
			name_index = name_index == SHN_XINDEX ? sh.sh_link : name_index;
		}
		if (count <= size / sizeof sh)
			elf->sections = rt__bytes_part(&elf->file, eh.e_shoff, count * sizeof sh);
		if (section_at(elf, name_index, &sh))
			elf->names = contents(elf, &sh);
	}
	find_symbols(elf);
	return true;
}

static const char *
string_at(const struct rt__bytes *strings, uint64_t offset)
{
	struct rt__bytes b = *strings;

	return rt__bytes_take(&b, offset) || offset == 0 ? rt__bytes_string(&b) : NULL;
}

struct rt__bytes
rt__elf_section(const struct rt__elf *elf, const char *name)
{
	Elf64_Shdr sh;

	for (size_t i = 0; i < section_count(elf) && section_at(elf, i, &sh); i++) {
		const char *s = string_at(&elf->names, sh.sh_name);

		if (s && same(s, name))
			return contents(elf, &sh);
	}
	return rt__bytes(NULL, 0);
}

/* ---- symbols ---- */

static bool
is_code(const struct rt__elf *elf, const Elf64_Sym *sym)
{
	unsigned type = ELF64_ST_TYPE(sym->st_info);
	Elf64_Shdr sh;

	if (sym->st_shndx == SHN_UNDEF || sym->st_name == 0)
		return false;
	if (type == STT_FUNC || type == STT_GNU_IFUNC)
		return true;
	return type == STT_NOTYPE && section_at(elf, sym->st_shndx, &sh) &&
		(sh.sh_flags & SHF_EXECINSTR) != 0;
}

static unsigned
underscores(const char *name)
{
	unsigned n = 0;

	while (name[n] == '_')
		n++;
	return n;
}

/* Whether a's name tells a reader more than b's, both covering the address. */
static bool
better(const struct rt__elf *elf, const Elf64_Sym *a, const Elf64_Sym *b)
{
	unsigned bind_a = ELF64_ST_BIND(a->st_info), bind_b = ELF64_ST_BIND(b->st_info);

	if ((a->st_size > 0) != (b->st_size > 0))
		return a->st_size > 0;
	if (a->st_value != b->st_value)
		return a->st_value > b->st_value; /* the innermost */
	if ((bind_a == STB_LOCAL) != (bind_b == STB_LOCAL))
		return bind_b == STB_LOCAL;
	const char *name_a = string_at(&elf->strings, a->st_name);
	const char *name_b = string_at(&elf->strings, b->st_name);
	if (!name_a || !name_b)
		return name_a != NULL;
	return underscores(name_a) < underscores(name_b);
}

/* Whether a symbol without a size reaches to addr: that is, no other one begins in between. */
static bool
reaches(const struct rt__elf *elf, const Elf64_Sym *from, uint64_t addr)
{
	struct rt__bytes b = elf->symbols;
	Elf64_Sym sym;
	Elf64_Shdr sh;

	if (!section_at(elf, from->st_shndx, &sh) || addr - sh.sh_addr >= sh.sh_size)
		return false;
	for (const uint8_t *p; (p = rt__bytes_take(&b, sizeof sym));) {
		__builtin_memcpy(&sym, p, sizeof sym);
		if (sym.st_value > from->st_value && sym.st_value <= addr && is_code(elf, &sym))
			return false;
	}
	return true;
}

/* Its index; 0: none. */
static uint64_t
find_symbol(const struct rt__elf *elf, uint64_t addr)
{
	struct rt__bytes b = elf->symbols;
	Elf64_Sym sym, best = {0};
	uint64_t found = 0, i = 0;

	for (const uint8_t *p; (p = rt__bytes_take(&b, sizeof sym)); i++) {
		__builtin_memcpy(&sym, p, sizeof sym);
		if (sym.st_value > addr || (sym.st_size > 0 && addr - sym.st_value >= sym.st_size))
			continue;
		if (is_code(elf, &sym) && (!found || better(elf, &sym, &best))) {
			best = sym;
			found = i;
		}
	}
	return found && best.st_size == 0 && !reaches(elf, &best, addr) ? 0 : found;
}

uint64_t
rt__elf_symbol_of(const struct rt__elf *elf, uint64_t addr, uint64_t was,
		  struct rt__elf_symbol *ret)
{
	uint64_t i = was ? was : find_symbol(elf, addr);
	struct rt__bytes b =
		rt__bytes_part(&elf->symbols, i * sizeof(Elf64_Sym), sizeof(Elf64_Sym));
	Elf64_Sym sym;

	if (i == 0 || b.bad)
		return 0;
	__builtin_memcpy(&sym, b.p, sizeof sym);
	*ret = (struct rt__elf_symbol){string_at(&elf->strings, sym.st_name), sym.st_value,
				       sym.st_size};
	return ret->name ? i : 0;
}

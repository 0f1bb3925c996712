/* SPDX-License-Identifier: MIT */
/*
 * symbols.c: what .symtab, the rt0 note and the arrays of constructors say about an image.
 *
 * Invariant: symbols are sorted by address and then by how good a name they are, so that the first
 * one at an address is the one to print. A name that makes no sense is left out.
 */
#include "image.h"

#include <stdlib.h>
#include <string.h>

/* An array of more constructors than this is garbage. */
#define ARRAY_MAX ((uint64_t)1 << 20)

static int
by_address_and_preference(const void *left, const void *right)
{
	const struct ri_symbol *a = left;
	const struct ri_symbol *b = right;

	if (a->address != b->address) {
		return a->address < b->address ? -1 : 1;
	}
	if (a->preference != b->preference) {
		return a->preference < b->preference ? -1 : 1;
	}
	return (a->index > b->index) - (a->index < b->index);
}

/* The entry has two names; the one that says what it is wins over _start. */
static uint8_t
preference(const Elf64_Sym *symbol, const char *name)
{
	uint8_t score = 0;

	if (ELF64_ST_TYPE(symbol->st_info) == STT_NOTYPE) {
		score += RI_UNTYPED;
	}
	if (ELF64_ST_BIND(symbol->st_info) == STB_WEAK) {
		score += 2;
	} else if (ELF64_ST_BIND(symbol->st_info) == STB_LOCAL) {
		score += 4;
	}
	if (strncmp(name, "_rt0_", 5) != 0) {
		score += 1;
	}
	return score;
}

/* True for what may name code or a place: not sections and files, not the assembler's own marks. */
static bool
worth_keeping(const Elf64_Sym *symbol, const char *name)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	if (symbol->st_shndx == SHN_UNDEF || name[0] == '\0' || name[0] == '$' ||
	    strncmp(name, ".L", 2) == 0) {
		return false;
	}
	return type == STT_NOTYPE || type == STT_FUNC || type == STT_GNU_IFUNC;
}

static void
add_symbol(struct ri_image *image, const Elf64_Shdr *strings, const Elf64_Sym *symbol, size_t index)
{
	const char *name;
	size_t room;

	if (symbol->st_name >= strings->sh_size) {
		return;
	}
	name = (const char *)image->data + strings->sh_offset + symbol->st_name;
	room = strings->sh_size - symbol->st_name;
	if (memchr(name, '\0', room < RI_STRING_MAX ? room : RI_STRING_MAX) == NULL ||
	    !worth_keeping(symbol, name)) {
		return;
	}
	image->symbols[image->nsymbols++] = (struct ri_symbol){
		.address = symbol->st_value,
		.name = name,
		.index = (uint32_t)index,
		.preference = preference(symbol, name),
	};
}

void
ri_symbols_load(struct ri_image *image)
{
	const Elf64_Shdr *table = NULL;
	const Elf64_Shdr *strings;
	size_t count;

	for (size_t i = 0; i < image->nsections && table == NULL; i++) {
		if (image->sections[i].header.sh_type == SHT_SYMTAB) {
			table = &image->sections[i].header;
		}
	}
	if (table == NULL || table->sh_link >= image->nsections ||
	    !ri_in_range(table->sh_offset, table->sh_size, image->size)) {
		return;
	}
	strings = &image->sections[table->sh_link].header;
	if (strings->sh_type != SHT_STRTAB ||
	    !ri_in_range(strings->sh_offset, strings->sh_size, image->size)) {
		return;
	}
	count = table->sh_size / sizeof(Elf64_Sym);
	image->symbols = ri_calloc(count, sizeof(struct ri_symbol));
	for (size_t i = 0; i < count; i++) {
		Elf64_Sym symbol;

		memcpy(&symbol, image->data + table->sh_offset + i * sizeof(symbol),
		       sizeof(symbol));
		add_symbol(image, strings, &symbol, i);
	}
	qsort(image->symbols, image->nsymbols, sizeof(struct ri_symbol), by_address_and_preference);
}

const char *
ri_image_function(const struct ri_image *image, uint64_t address)
{
	size_t low = 0;
	size_t high = image->nsymbols;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->symbols[middle].address < address) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == image->nsymbols || image->symbols[low].address != address) {
		return NULL;
	}
	return image->symbols[low].name;
}

const char *
ri_image_function_at(const struct ri_image *image, uint64_t address, uint64_t *ret_start)
{
	size_t low = 0;
	size_t high = image->nsymbols;
	const struct ri_symbol *found;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->symbols[middle].address <= address) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	/* Labels without a type may stand in the middle of a function. */
	while (low > 0 && image->symbols[low - 1].preference >= RI_UNTYPED) {
		low--;
	}
	if (low == 0) {
		return NULL;
	}
	found = &image->symbols[low - 1];
	while (found > image->symbols && found[-1].address == found->address) {
		found--; /* the best name is the first */
	}
	*ret_start = found->address;
	return found->name;
}

bool
ri_image_symbol(const struct ri_image *image, const char *name, uint64_t *ret_address)
{
	for (size_t i = 0; i < image->nsymbols; i++) {
		if (strcmp(image->symbols[i].name, name) == 0) {
			*ret_address = image->symbols[i].address;
			return true;
		}
	}
	return false;
}

/* Where the description of a note lies, in the file and in memory. */
struct note {
	uint64_t offset, address, size;
};

/* Looks for the rt0 note among the notes in [offset, offset + size), which lies in the file. */
static bool
scan_notes(const struct ri_image *image, uint64_t offset, uint64_t size, uint64_t align,
	   struct note *ret)
{
	const uint8_t *bytes = image->data + offset;
	uint64_t at = 0;

	/* Notes are padded to 4 bytes; those in a segment aligned to 8 (GNU properties) to 8. */
	align = align == 8 ? 8 : 4;
	while (ri_in_range(at, sizeof(Elf64_Nhdr), size)) {
		Elf64_Nhdr note;
		uint64_t name = at + sizeof(note);
		uint64_t desc;

		memcpy(&note, bytes + at, sizeof(note));
		desc = (name + note.n_namesz + align - 1) / align * align;
		if (!ri_in_range(name, note.n_namesz, size) ||
		    !ri_in_range(desc, note.n_descsz, size)) {
			return false;
		}
		if (note.n_type == 1 && note.n_namesz == 4 && memcmp(bytes + name, "rt0", 4) == 0 &&
		    note.n_descsz >= 8) {
			*ret = (struct note){
				.offset = offset + desc, .address = desc, .size = note.n_descsz};
			return true;
		}
		at = (desc + note.n_descsz + align - 1) / align * align;
	}
	return false;
}

static bool
find_note(const struct ri_image *image, struct note *ret)
{
	for (size_t i = 0; i < image->nprogram; i++) {
		const Elf64_Phdr *ph = &image->program[i];

		if (ph->p_type == PT_NOTE &&
		    scan_notes(image, ph->p_offset, ph->p_filesz, ph->p_align, ret)) {
			ret->address += ph->p_vaddr;
			return true;
		}
	}
	for (size_t i = 0; i < image->nsections; i++) {
		const Elf64_Shdr *header = &image->sections[i].header;

		if (header->sh_type == SHT_NOTE &&
		    ri_in_range(header->sh_offset, header->sh_size, image->size) &&
		    scan_notes(image, header->sh_offset, header->sh_size, header->sh_addralign,
			       ret)) {
			ret->address += header->sh_addr;
			return true;
		}
	}
	return false;
}

bool
ri_image_note(const struct ri_image *image, uint32_t *ret_abi, uint32_t *ret_record_size)
{
	struct note note;

	if (!find_note(image, &note)) {
		return false;
	}
	memcpy(ret_abi, image->data + note.offset, 4);
	memcpy(ret_record_size, image->data + note.offset + 4, 4);
	return true;
}

bool
ri_image_layout(const struct ri_image *image, uint64_t *ret_address)
{
	struct note note;
	int32_t distance;

	if (!find_note(image, &note) || note.size < 12) {
		return false;
	}
	memcpy(&distance, image->data + note.offset + 8, 4);
	*ret_address = note.address + 8 + (uint64_t)(int64_t)distance;
	return true;
}

/* Where the array lies: what the loader would use, else the section headers, else the symbols. */
static bool
locate_array(const struct ri_image *image, bool fini, uint64_t *ret_address, uint64_t *ret_size)
{
	const struct ri_dynamic *dynamic = &image->dynamic;
	uint64_t end;

	*ret_address = fini ? dynamic->fini_array : dynamic->init_array;
	*ret_size = fini ? dynamic->fini_array_size : dynamic->init_array_size;
	if (*ret_size != 0) {
		return true;
	}
	for (size_t i = 0; i < image->nsections; i++) {
		const Elf64_Shdr *header = &image->sections[i].header;

		if (header->sh_type == (fini ? SHT_FINI_ARRAY : SHT_INIT_ARRAY)) {
			*ret_address = header->sh_addr;
			*ret_size = header->sh_size;
			return true;
		}
	}
	if (ri_image_symbol(image, fini ? "__fini_array_start" : "__init_array_start",
			    ret_address) &&
	    ri_image_symbol(image, fini ? "__fini_array_end" : "__init_array_end", &end) &&
	    end >= *ret_address) {
		*ret_size = end - *ret_address;
		return true;
	}
	*ret_address = 0;
	*ret_size = 0;
	return image->dynamic.present || image->nsections != 0;
}

static bool
is_relative(const struct ri_image *image, uint32_t type)
{
	switch (image->header.e_machine) {
	case EM_X86_64:
		return type == R_X86_64_RELATIVE;
	case EM_AARCH64:
		return type == R_AARCH64_RELATIVE;
	case EM_RISCV:
		return type == R_RISCV_RELATIVE;
	default:
		return false;
	}
}

static bool
is_absolute(const struct ri_image *image, uint32_t type)
{
	switch (image->header.e_machine) {
	case EM_X86_64:
		return type == R_X86_64_64;
	case EM_AARCH64:
		return type == R_AARCH64_ABS64;
	case EM_RISCV:
		return type == R_RISCV_64;
	default:
		return false;
	}
}

/* Writes into the array what the loader would. RELR needs nothing: it adds the load base to the
 * word in place, and the base is 0 here. */
static void
relocate_array(const struct ri_image *image, uint64_t address, struct ri_array *array)
{
	const struct ri_dynamic *dynamic = &image->dynamic;
	const uint8_t *rela = ri_image_bytes(image, dynamic->rela, dynamic->rela_size);

	if (rela == NULL) {
		return;
	}
	for (size_t i = 0; i < dynamic->rela_size / sizeof(Elf64_Rela); i++) {
		Elf64_Rela entry;
		uint64_t value;

		memcpy(&entry, rela + i * sizeof(entry), sizeof(entry));
		if (entry.r_offset < address || (entry.r_offset - address) % 8 != 0 ||
		    (entry.r_offset - address) / 8 >= array->count) {
			continue;
		}
		value = (uint64_t)entry.r_addend;
		if (is_absolute(image, (uint32_t)ELF64_R_TYPE(entry.r_info))) {
			uint64_t index = ELF64_R_SYM(entry.r_info);
			const uint8_t *at =
				ri_image_bytes(image, dynamic->symbols + index * sizeof(Elf64_Sym),
					       sizeof(Elf64_Sym));
			Elf64_Sym symbol;

			if (at == NULL) {
				continue;
			}
			memcpy(&symbol, at, sizeof(symbol));
			value += symbol.st_value;
		} else if (!is_relative(image, (uint32_t)ELF64_R_TYPE(entry.r_info))) {
			continue;
		}
		array->words[(entry.r_offset - address) / 8] = value;
	}
}

void
ri_array_read(const struct ri_image *image, bool fini, struct ri_array *ret_array)
{
	const char *what = fini ? "fini_array" : "init_array";
	uint64_t address;
	uint64_t size;
	const uint8_t *bytes;

	*ret_array = (struct ri_array){0};
	if (!locate_array(image, fini, &address, &size)) {
		ri_fail(&ret_array->error, "%s cannot be located: %s", what,
			image->sections_error.text);
		return;
	}
	ret_array->known = true;
	if (size == 0) {
		return;
	}
	bytes = ri_image_bytes(image, address, size);
	if (bytes == NULL || size % 8 != 0 || size / 8 > ARRAY_MAX) {
		ri_fail(&ret_array->error,
			"%s is malformed: %llu bytes at %#llx are not an array of addresses in a "
			"loaded segment",
			what, (unsigned long long)size, (unsigned long long)address);
		ret_array->known = false;
		return;
	}
	ret_array->count = size / 8;
	ret_array->words = ri_calloc(ret_array->count, 8);
	memcpy(ret_array->words, bytes, size);
	relocate_array(image, address, ret_array);
}

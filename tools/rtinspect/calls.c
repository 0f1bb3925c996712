/* SPDX-License-Identifier: MIT */
/*
 * calls.c: see calls.h. libelf finds the sections, and inflates compressed ones; what is in them is
 * checked by runtime/symtab, byte by byte, in bounded time and without recursion, which libdw's
 * dwarf_getscopes does not offer.
 */
#include "calls.h"

#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "symtab/dwarf.h"
#include "util.h"

static struct rt__bytes
contents(Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = NULL;

	if (header->sh_type != SHT_NOBITS &&
	    ((header->sh_flags & SHF_COMPRESSED) == 0 || elf_compress(section, 0, 0) >= 0)) {
		data = elf_getdata(section, NULL);
	}
	return data != NULL && data->d_buf != NULL ? rt__bytes(data->d_buf, data->d_size)
						   : rt__bytes("", 0);
}

static void
find_sections(Elf *elf, struct rt__dwarf *dwarf)
{
	const struct {
		const char *name;
		struct rt__bytes *bytes;
	} wanted[] = {
		{".debug_line", &dwarf->line},         {".debug_line_str", &dwarf->line_str},
		{".debug_str", &dwarf->str},           {".debug_str_offsets", &dwarf->str_offsets},
		{".debug_info", &dwarf->info},         {".debug_abbrev", &dwarf->abbrev},
		{".debug_addr", &dwarf->addr},         {".debug_ranges", &dwarf->ranges},
		{".debug_rnglists", &dwarf->rnglists},
	};
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0) {
		return;
	}
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
		GElf_Shdr header;
		const char *name = gelf_getshdr(section, &header) != NULL
			? elf_strptr(elf, names, header.sh_name)
			: NULL;

		for (size_t i = 0; name != NULL && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			if (strcmp(name, wanted[i].name) == 0) {
				*wanted[i].bytes = contents(section, &header);
			}
		}
	}
}

/* root/dir/file, from the last absolute one on. */
static char *
path_of(const struct rt__line *line)
{
	const char *dir = line->dir != NULL && line->file[0] != '/' ? line->dir : "";
	const char *root = line->root != NULL && dir[0] != '/' && dir[0] != '\0' ? line->root : "";
	char *path = ri_format("%s%s%s%s%s", root, root[0] != '\0' ? "/" : "", dir,
			       dir[0] != '\0' ? "/" : "", line->file);
	char *escaped = ri_escape(path);

	free(path);
	return escaped;
}

static struct ri_calls
calls_of(const struct rt__dwarf *dwarf, const struct rt__inlined *inlined)
{
	struct ri_calls calls = {ri_calloc(inlined->n, sizeof(struct ri_call)), inlined->n};

	for (unsigned i = 0; i < inlined->n; i++) {
		struct ri_call *call = &calls.call[inlined->n - 1 - i];
		struct rt__line from;
		const char *name = rt__inlined_at(dwarf, inlined, i, &from);

		call->function = ri_escape(name != NULL ? name : "???");
		if (from.file != NULL) {
			call->from_file = path_of(&from);
			call->from_line = (uint32_t)from.line;
		}
	}
	return calls;
}

void
ri_calls_find(const uint8_t *data, size_t size, uint64_t text, const uint64_t *addresses,
	      size_t count, struct ri_calls *ret_calls)
{
	struct rt__inlined inlined[RT_PLACES_MAX];
	struct rt__dwarf dwarf = {0};
	/* libelf does not write to the bytes: it opens them for reading. */
	Elf *elf = elf_version(EV_CURRENT) != EV_NONE ? elf_memory((char *)(uintptr_t)data, size)
						      : NULL;

	if (elf != NULL) {
		find_sections(elf, &dwarf);
	}
	for (size_t i = 0; i < count; i += RT_PLACES_MAX) {
		size_t n = count - i < RT_PLACES_MAX ? count - i : RT_PLACES_MAX;

		rt__inlined_find(&dwarf, text, addresses + i, (int)n, inlined);
		for (size_t j = 0; j < n; j++) {
			ret_calls[i + j] = calls_of(&dwarf, &inlined[j]);
		}
	}
	elf_end(elf);
}

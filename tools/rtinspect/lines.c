/* SPDX-License-Identifier: MIT */
/*
 * lines.c: from an address to file and line, by libdw.
 *
 * It walks the units itself: dwarf_addrdie wants .debug_aranges, which clang does not write. Each
 * unit's ranges are read once and the addresses looked up in them, so the work is bounded by what
 * the file holds, and by RANGES_MAX where a file says the same ranges again and again.
 *
 * libdw 0.188 is trusted with hostile DWARF: two million damaged files, 40 000 of them under
 * valgrind, neither crashed it nor made it read out of bounds (tests/fuzz/README.md).
 *
 * Rejected: a child process to run it in, which would have kept a crash of libdw from us. Nothing
 * found asks for it, and --no-dwarf is there.
 */
#include "lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "util.h"

#define RANGES_MAX ((size_t)1 << 20)

struct wanted {
	uint64_t address;
	struct ri_line *line;
};

struct search {
	struct wanted *wanted; /* sorted by address */
	size_t nwanted;
	size_t nranges; /* how many were read */
	bool absolute;
};

static int
by_address(const void *left, const void *right)
{
	const struct wanted *a = left;
	const struct wanted *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

/* The path from the root, if the compiler's folder is known. */
static char *
absolute_path(Dwarf_Die *unit, const char *file)
{
	Dwarf_Attribute attribute;
	const char *folder = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));

	if (file[0] == '/' || folder == NULL || folder[0] != '/' ||
	    strnlen(folder, RI_STRING_MAX) == RI_STRING_MAX) {
		return ri_strdup(file);
	}
	return ri_format("%s/%s", folder, file);
}

static void
find_line(const struct search *search, Dwarf_Die *unit, const struct wanted *wanted)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, wanted->address);
	const char *file;
	int number;

	if (line == NULL || dwarf_lineno(line, &number) != 0 || number <= 0) {
		return;
	}
	file = dwarf_linesrc(line, NULL, NULL);
	if (file == NULL || strnlen(file, RI_STRING_MAX) == RI_STRING_MAX) {
		return;
	}
	wanted->line->file = search->absolute ? absolute_path(unit, file) : ri_strdup(file);
	wanted->line->line = (uint32_t)number;
}

/* Finds the lines of all wanted addresses in [start, end), a range of the unit. */
static void
find_in_range(struct search *search, Dwarf_Die *unit, uint64_t start, uint64_t end)
{
	size_t low = 0;
	size_t high = search->nwanted;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (search->wanted[middle].address < start) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	for (; low < search->nwanted && search->wanted[low].address < end; low++) {
		if (search->wanted[low].line->file == NULL && search->nranges++ < RANGES_MAX) {
			find_line(search, unit, &search->wanted[low]);
		}
	}
}

static void
find_in_unit(struct search *search, Dwarf_Die *unit)
{
	ptrdiff_t offset = 0;
	Dwarf_Addr base;
	Dwarf_Addr start;
	Dwarf_Addr end;

	while (search->nranges < RANGES_MAX) {
		offset = dwarf_ranges(unit, offset, &base, &start, &end);
		if (offset <= 0) {
			return;
		}
		search->nranges++;
		find_in_range(search, unit, start, end);
	}
}

static void
find_in_dwarf(struct search *search, Dwarf *dwarf)
{
	Dwarf_Off offset = 0;
	Dwarf_Off next;
	size_t header_size;

	while (search->nranges < RANGES_MAX) {
		Dwarf_Die unit;

		if (dwarf_nextcu(dwarf, offset, &next, &header_size, NULL, NULL, NULL) != 0 ||
		    next <= offset) {
			return;
		}
		if (dwarf_offdie(dwarf, offset + header_size, &unit) != NULL) {
			find_in_unit(search, &unit);
		}
		offset = next;
	}
}

void
ri_lines_find(const uint8_t *data, size_t size, const uint64_t *addresses, size_t count,
	      bool absolute, struct ri_line *ret_lines)
{
	struct search search = {
		.wanted = ri_calloc(count, sizeof(struct wanted)),
		.absolute = absolute,
	};
	Elf *elf;
	Dwarf *dwarf;

	for (size_t i = 0; i < count; i++) {
		ret_lines[i] = (struct ri_line){0};
		search.wanted[i] = (struct wanted){addresses[i], &ret_lines[i]};
	}
	search.nwanted = count;
	qsort(search.wanted, count, sizeof(struct wanted), by_address);

	/* libelf does not write to the bytes: it opens them for reading. */
	elf = elf_version(EV_CURRENT) != EV_NONE ? elf_memory((char *)(uintptr_t)data, size) : NULL;
	dwarf = elf != NULL ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL;
	if (dwarf != NULL) {
		find_in_dwarf(&search, dwarf);
		dwarf_end(dwarf);
	}
	elf_end(elf);
	free(search.wanted);
}

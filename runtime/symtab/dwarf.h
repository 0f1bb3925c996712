/* SPDX-License-Identifier: MIT */
/* Debug information (DWARF 2 to 5): pure, on whatever memory it is given. */
#ifndef RT_SYMTAB_DWARF_H
#define RT_SYMTAB_DWARF_H

#include "symtab/bytes.h"
#include "symtab/symtab.h"

/* The sections of a file, without ".debug_"; empty where there is none. */
struct rt__dwarf {
	struct rt__bytes line, line_str, str, str_offsets;
	struct rt__bytes info, abbrev, addr, ranges, rnglists;
};

/* How a unit writes its values. */
struct rt__dwarf_format {
	unsigned version, offset_size;
	uint64_t str_base; /* where its part of .debug_str_offsets begins */
};

/* What a value is. Strings are not looked at until they are wanted: most are not. */
enum rt__dwarf_kind {
	RT_DW_NONE,
	RT_DW_NUMBER, /* a constant, or an offset in another section */
	RT_DW_STRING, /* str */
	RT_DW_STRP,   /* offset in .debug_str */
	RT_DW_LINE_STRP,
	RT_DW_STRX, /* index in .debug_str_offsets */
	RT_DW_ADDR,
	RT_DW_ADDRX,    /* index in .debug_addr */
	RT_DW_UNIT_REF, /* offset in its unit */
	RT_DW_INFO_REF, /* offset in .debug_info */
	RT_DW_RNGLISTX, /* index of a list of ranges */
	RT_DW_BLOCK,    /* bytes; num is how many */
	RT_DW_OTHER,    /* what nothing here asks for */
};
struct rt__dwarf_value {
	enum rt__dwarf_kind kind;
	union {
		uint64_t num;
		const char *str;
	};
};

/* An offset in another section. */
uint64_t rt__dwarf_offset(struct rt__bytes *b, unsigned size);
/* What is in a unit, behind its length, which tells the size of offsets: of 64 bits, it comes after
 * 32 ones. Goes behind it. */
struct rt__bytes rt__dwarf_part(struct rt__bytes *b, unsigned *ret_offset_size);
/* Reads a value of a form (DW_FORM_*) but implicit_const; one that is not known makes b bad. */
struct rt__dwarf_value rt__dwarf_value(const struct rt__dwarf_format *format, struct rt__bytes *b,
				       uint64_t form);
/* An offset or an address in an array of them that begins at base. */
bool rt__dwarf_indexed(struct rt__bytes section, uint64_t base, uint64_t index, unsigned size,
		       uint64_t *ret);
/* NULL if it is no string, or not all there. */
const char *rt__dwarf_string(const struct rt__dwarf *dwarf, const struct rt__dwarf_format *format,
			     const struct rt__dwarf_value *v);

/* ---- lines.c ---- */

/* Fills lines[i] for the address addrs[i], as it is in the file; text begins at lo. The names point
 * into the sections. */
void rt__lines_find(const struct rt__dwarf *dwarf, uint64_t lo, const uint64_t *addrs, int n,
		    struct rt__line *lines);
/* The name of a file by its number in the table that is at an offset in .debug_line; l->line stays.
 */
void rt__lines_file(const struct rt__dwarf *dwarf, uint64_t offset, uint64_t index,
		    struct rt__line *l);

/* ---- inlined.c ---- */

/* Fills inlined[i] for the address addrs[i], for up to RT_PLACES_MAX at once. */
void rt__inlined_find(const struct rt__dwarf *dwarf, uint64_t lo, const uint64_t *addrs, int n,
		      struct rt__inlined *inlined);
/* The i-th of those, from the outside: its name, or NULL; and from where it was called. */
const char *rt__inlined_at(const struct rt__dwarf *dwarf, const struct rt__inlined *inlined,
			   unsigned i, struct rt__line *ret_call);

#endif

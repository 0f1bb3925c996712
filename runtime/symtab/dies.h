/* SPDX-License-Identifier: MIT */
/* Entries of .debug_info, one after the other. */
#ifndef RT_SYMTAB_DIES_H
#define RT_SYMTAB_DIES_H

#include "symtab/dwarf.h"

enum {
	TAG_LEXICAL_BLOCK = 0x0b,
	TAG_COMPILE_UNIT = 0x11,
	TAG_INLINED_SUBROUTINE = 0x1d,
	TAG_MODULE = 0x1e,
	TAG_CATCH_BLOCK = 0x25,
	TAG_SUBPROGRAM = 0x2e,
	TAG_TRY_BLOCK = 0x32,
	TAG_NAMESPACE = 0x39,
};

/* The attributes that are kept of an entry. */
enum rt__die_slot {
	DIE_SIBLING,
	DIE_NAME,
	DIE_STMT_LIST,
	DIE_LOW_PC,
	DIE_HIGH_PC,
	DIE_ORIGIN, /* abstract_origin or specification: where the name is */
	DIE_RANGES,
	DIE_CALL_FILE,
	DIE_CALL_LINE,
	DIE_STR_BASE,
	DIE_ADDR_BASE,
	DIE_RNGLISTS_BASE,
	DIE_SLOTS
};

struct rt__die {
	uint64_t offset; /* in .debug_info */
	uint64_t tag;    /* 0: the end of somebody's children */
	bool has_children;
	struct rt__dwarf_value at[DIE_SLOTS];
};

#define RT_ABBREVS 256 /* codes whose place is remembered: compilers use two hundred at most */

struct rt__unit {
	const struct rt__dwarf *dwarf;
	struct rt__dwarf_format format;
	uint64_t offset;       /* of its header, in .debug_info */
	struct rt__bytes dies; /* behind its header */
	struct rt__die root;
	uint64_t low_pc, addr_base, rnglists_base;
	/* Declarations of what entries look like: where each is by its code, as far as read. */
	struct rt__bytes abbrevs, unread;
	uint32_t abbrev_at[RT_ABBREVS];
	/* What may still be read: entries share declarations and lists, so without it, damaged
	 * ones could cost the product of all sizes. */
	uint64_t *fuel;
};

/* Fuel for one pass over everything. */
uint64_t rt__dwarf_fuel(const struct rt__dwarf *dwarf);

/* Opens the unit at an offset in .debug_info. *ret_next: where the next one is, also if this one
 * makes no sense; not before `offset`, and 0 if there is none. */
bool rt__unit_open(struct rt__unit *u, const struct rt__dwarf *dwarf, uint64_t offset,
		   uint64_t *fuel, uint64_t *ret_next);
/* The one that holds an entry. */
bool rt__unit_open_of(struct rt__unit *u, const struct rt__dwarf *dwarf, uint64_t die,
		      uint64_t *fuel);

/* Reads the entry at *b, and goes behind it, to its first child. */
bool rt__die_read(struct rt__unit *u, struct rt__bytes *b, struct rt__die *die);
/* Reads the entry at an offset in .debug_info that is in the unit. */
bool rt__die_at(struct rt__unit *u, uint64_t offset, struct rt__die *die);

/* The address that a value of the unit is; false if it is none. */
bool rt__unit_address(const struct rt__unit *u, const struct rt__dwarf_value *v, uint64_t *ret);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * .debug_info: units, each a tree of entries in preorder (DWARF 5, 2.3 and 7.5; versions 2 to 5 are
 * read). An entry begins with a code, whose declaration in .debug_abbrev says which attributes
 * follow in which form; a few of those are kept, the others passed over.
 *
 * Nothing recurses and nothing is allocated: a unit is a kilobyte on the caller's stack, most of it
 * the places of declarations. Every byte is checked for being there; what no bytes stand for, as a
 * declaration of a thousand attributes without values, costs fuel.
 */
#include "symtab/dies.h"

enum {
	UT_COMPILE = 1,
	UT_PARTIAL = 3,

	FORM_IMPLICIT_CONST = 0x21,
};

uint64_t
rt__dwarf_fuel(const struct rt__dwarf *d)
{
	return 4096 + 4 * rt__bytes_left(&d->info) + rt__bytes_left(&d->abbrev) +
		rt__bytes_left(&d->ranges) + rt__bytes_left(&d->rnglists);
}

static bool
burn(uint64_t *fuel)
{
	if (*fuel == 0)
		return false;
	--*fuel;
	return true;
}

/* ---- declarations ---- */

/* Goes behind the attributes of a declaration. */
static void
skip_attributes(struct rt__bytes *b, uint64_t *fuel)
{
	uint64_t name, form;

	do {
		name = rt__bytes_uleb(b);
		form = rt__bytes_uleb(b);
		if (form == FORM_IMPLICIT_CONST)
			rt__bytes_sleb(b);
	} while ((name != 0 || form != 0) && burn(fuel) && !b->bad);
}

/* The declaration of a code, behind the code itself. Small codes are found at once, as far as the
 * table was read; others by reading it from the start. */
static bool
find_abbrev(struct rt__unit *u, uint64_t code, struct rt__bytes *ret)
{
	bool small = code < RT_ABBREVS;
	struct rt__bytes *unread = &u->unread, all = u->abbrevs;
	uint64_t found;

	if (small && u->abbrev_at[code] != 0) {
		*ret = rt__bytes_part(&u->abbrevs, u->abbrev_at[code], 0);
		ret->end = u->abbrevs.end;
		return true;
	}
	struct rt__bytes *b = small ? unread : &all;
	while ((found = rt__bytes_uleb(b)) != 0 && burn(u->fuel)) {
		size_t at = (size_t)(b->p - u->abbrevs.p);

		if (b->bad || at > UINT32_MAX)
			return false;
		if (found < RT_ABBREVS && u->abbrev_at[found] == 0)
			u->abbrev_at[found] = (uint32_t)at;
		*ret = *b;
		rt__bytes_uleb(b); /* tag */
		rt__bytes_u8(b);   /* whether it has children */
		skip_attributes(b, u->fuel);
		if (found == code)
			return true;
	}
	b->p = b->end;
	return false;
}

/* ---- entries ---- */

/* Where an attribute (DW_AT_*) is kept. */
static enum rt__die_slot
slot_of(uint64_t name)
{
	switch (name) {
	case 0x01:
		return DIE_SIBLING;
	case 0x03:
		return DIE_NAME;
	case 0x10:
		return DIE_STMT_LIST;
	case 0x11:
		return DIE_LOW_PC;
	case 0x12:
		return DIE_HIGH_PC;
	case 0x31: /* abstract_origin */
	case 0x47: /* specification */
		return DIE_ORIGIN;
	case 0x55:
		return DIE_RANGES;
	case 0x58:
		return DIE_CALL_FILE;
	case 0x59:
		return DIE_CALL_LINE;
	case 0x72:
		return DIE_STR_BASE;
	case 0x73:
		return DIE_ADDR_BASE;
	case 0x74:
		return DIE_RNGLISTS_BASE;
	default:
		return DIE_SLOTS;
	}
}

static void
read_attributes(struct rt__unit *u, struct rt__bytes decl, struct rt__bytes *b, struct rt__die *die)
{
	while (!b->bad && !decl.bad) {
		uint64_t name = rt__bytes_uleb(&decl), form = rt__bytes_uleb(&decl);
		enum rt__die_slot slot = slot_of(name);
		struct rt__dwarf_value v;

		if ((name == 0 && form == 0) || !burn(u->fuel))
			break;
		if (form == FORM_IMPLICIT_CONST) {
			v.kind = RT_DW_NUMBER;
			v.num = (uint64_t)rt__bytes_sleb(&decl);
		} else {
			v = rt__dwarf_value(&u->format, b, form);
		}
		if (slot != DIE_SLOTS)
			die->at[slot] = v;
	}
	b->bad |= decl.bad || *u->fuel == 0;
}

bool
rt__die_read(struct rt__unit *u, struct rt__bytes *b, struct rt__die *die)
{
	struct rt__bytes decl;

	*die = (struct rt__die){.offset = (uint64_t)(b->p - u->dwarf->info.p)};
	uint64_t code = rt__bytes_uleb(b);
	if (code == 0 || b->bad)
		return !b->bad && burn(u->fuel);
	if (!find_abbrev(u, code, &decl))
		return false;
	die->tag = rt__bytes_uleb(&decl);
	die->has_children = rt__bytes_u8(&decl) != 0;
	read_attributes(u, decl, b, die);
	return !b->bad && die->tag != 0;
}

bool
rt__die_at(struct rt__unit *u, uint64_t offset, struct rt__die *die)
{
	uint64_t first = (uint64_t)(u->dies.p - u->dwarf->info.p);

	if (offset < first || offset - first >= rt__bytes_left(&u->dies))
		return false;
	struct rt__bytes b = {u->dies.p + (offset - first), u->dies.end, false};
	return rt__die_read(u, &b, die) && die->tag != 0;
}

/* ---- units ---- */

static bool
read_header(struct rt__unit *u, struct rt__bytes b)
{
	uint8_t type = UT_COMPILE, address_size = 0;
	uint64_t abbrevs;

	u->format.version = rt__bytes_u16(&b);
	if (u->format.version < 2 || u->format.version > 5)
		return false;
	if (u->format.version >= 5) {
		type = rt__bytes_u8(&b);
		address_size = rt__bytes_u8(&b);
	}
	abbrevs = rt__dwarf_offset(&b, u->format.offset_size);
	if (u->format.version < 5)
		address_size = rt__bytes_u8(&b);
	u->abbrevs = rt__bytes_part(&u->dwarf->abbrev, abbrevs, 0);
	u->abbrevs.end = u->dwarf->abbrev.end;
	u->unread = u->abbrevs;
	u->dies = b;
	return !b.bad && !u->abbrevs.bad && address_size == sizeof(uint64_t) &&
		(type == UT_COMPILE || type == UT_PARTIAL);
}

static uint64_t
number_of(const struct rt__dwarf_value *v)
{
	return v->kind == RT_DW_NUMBER ? v->num : 0;
}

bool
rt__unit_open(struct rt__unit *u, const struct rt__dwarf *dwarf, uint64_t offset, uint64_t *fuel,
	      uint64_t *ret_next)
{
	struct rt__bytes b = rt__bytes_part(&dwarf->info, offset, 0);

	*u = (struct rt__unit){.dwarf = dwarf, .offset = offset, .fuel = fuel};
	b.end = dwarf->info.end;
	struct rt__bytes unit = rt__dwarf_part(&b, &u->format.offset_size);
	*ret_next = b.bad || b.p == b.end ? 0 : (uint64_t)(b.p - dwarf->info.p);
	if (unit.bad || !burn(fuel) || !read_header(u, unit))
		return false;
	b = u->dies;
	if (!rt__die_read(u, &b, &u->root))
		return false;
	u->addr_base = number_of(&u->root.at[DIE_ADDR_BASE]);
	u->rnglists_base = number_of(&u->root.at[DIE_RNGLISTS_BASE]);
	u->format.str_base = number_of(&u->root.at[DIE_STR_BASE]);
	rt__unit_address(u, &u->root.at[DIE_LOW_PC], &u->low_pc);
	return true;
}

bool
rt__unit_open_of(struct rt__unit *u, const struct rt__dwarf *dwarf, uint64_t die, uint64_t *fuel)
{
	struct rt__bytes b = dwarf->info;
	unsigned offset_size;

	while (b.p < b.end && burn(fuel)) {
		uint64_t offset = (uint64_t)(b.p - dwarf->info.p), next;

		rt__dwarf_part(&b, &offset_size);
		if (b.bad)
			return false;
		if (die < (uint64_t)(b.p - dwarf->info.p))
			return rt__unit_open(u, dwarf, offset, fuel, &next);
	}
	return false;
}

bool
rt__unit_address(const struct rt__unit *u, const struct rt__dwarf_value *v, uint64_t *ret)
{
	if (v->kind == RT_DW_ADDRX)
		return rt__dwarf_indexed(u->dwarf->addr, u->addr_base, v->num, sizeof *ret, ret);
	*ret = v->num;
	return v->kind == RT_DW_ADDR;
}

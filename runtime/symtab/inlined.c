/* SPDX-License-Identifier: MIT */
/*
 * Which functions were inlined where a program counter is. .debug_info has for each function a tree
 * of the blocks and of the calls that were inlined into it (DW_TAG_inlined_subroutine), with the
 * ranges of code that are theirs; so from the function inwards, those that cover the pc are its
 * frames. Only their places in .debug_info are kept. Names and call sites are read when they
 * are printed: the entry of the call says where it was, its abstract_origin what was called, which
 * after link-time optimization is in another unit.
 *
 * One pass over .debug_info is for all pcs asked for, and reads the trees of those functions only:
 * gcc says where an entry's children end, clang's are passed over one by one. Fuel bounds it (see
 * dies.h).
 *
 * Functions that the linker has dropped have their ranges at 0 or thereabouts, below the program's
 * text. Rejected: .debug_aranges, to find the unit by. clang does not write it, and the ranges in
 * each unit's first entry are as good: a hundred nanoseconds for a unit, beside a pass over
 * all line tables. Nested functions of GNU C have their own code inside the tree of another one,
 * which does not cover it: their calls are not found, and they are shown as if nothing were
 * inlined.
 */
#include "symtab/dies.h"

enum {
	RLE_END_OF_LIST,
	RLE_BASE_ADDRESSX,
	RLE_STARTX_ENDX,
	RLE_STARTX_LENGTH,
	RLE_OFFSET_PAIR,
	RLE_BASE_ADDRESS,
	RLE_START_END,
	RLE_START_LENGTH,
};

#define ORIGINS_MAX 8 /* steps to a name: compilers need two or three */

struct search {
	struct rt__unit unit;
	const uint64_t *addrs;
	struct rt__inlined *inlined;
	int n;
	uint64_t lo;      /* where text begins */
	uint64_t wanted;  /* those not found yet, one bit for each */
	uint64_t in_unit; /* ... of them, in this unit */
	uint64_t missing; /* ... of those, whose functions have not come up */
};

/* ---- ranges ---- */

static uint64_t
in_range(const struct search *s, uint64_t lo, uint64_t hi)
{
	uint64_t found = 0;

	if (lo < s->lo)
		return 0;
	for (int i = 0; i < s->n; i++)
		if (s->addrs[i] >= lo && s->addrs[i] < hi)
			found |= 1ul << i;
	return found;
}

/* Before version 5: pairs of offsets from a base, up to a pair of zeros. */
static uint64_t
in_old_list(const struct search *s, uint64_t offset)
{
	struct rt__bytes b = rt__bytes_part(&s->unit.dwarf->ranges, offset, 0);
	uint64_t base = s->unit.low_pc, found = 0;

	b.end = s->unit.dwarf->ranges.end;
	for (;;) {
		uint64_t lo = rt__bytes_u64(&b), hi = rt__bytes_u64(&b);

		if (b.bad || (lo == 0 && hi == 0) || *s->unit.fuel == 0)
			return found;
		--*s->unit.fuel;
		if (lo == UINT64_MAX)
			base = hi;
		else
			found |= in_range(s, base + lo, base + hi);
	}
}

static uint64_t
indexed_address(const struct search *s, struct rt__bytes *b)
{
	uint64_t address = 0;

	b->bad |= !rt__dwarf_indexed(s->unit.dwarf->addr, s->unit.addr_base, rt__bytes_uleb(b),
				     sizeof address, &address);
	return address;
}

/* Reads one entry of a list; an empty range for one that is none. False at the end. */
static bool
next_range(const struct search *s, struct rt__bytes *b, uint64_t *base, uint64_t *lo, uint64_t *hi)
{
	*lo = *hi = 0;
	switch (rt__bytes_u8(b)) {
	case RLE_BASE_ADDRESSX:
		*base = indexed_address(s, b);
		break;
	case RLE_BASE_ADDRESS:
		*base = rt__bytes_u64(b);
		break;
	case RLE_STARTX_ENDX:
		*lo = indexed_address(s, b);
		*hi = indexed_address(s, b);
		break;
	case RLE_STARTX_LENGTH:
		*lo = indexed_address(s, b);
		*hi = *lo + rt__bytes_uleb(b);
		break;
	case RLE_OFFSET_PAIR:
		*lo = *base + rt__bytes_uleb(b);
		*hi = *base + rt__bytes_uleb(b);
		break;
	case RLE_START_END:
		*lo = rt__bytes_u64(b);
		*hi = rt__bytes_u64(b);
		break;
	case RLE_START_LENGTH:
		*lo = rt__bytes_u64(b);
		*hi = *lo + rt__bytes_uleb(b);
		break;
	default: /* RLE_END_OF_LIST, or one that nobody knows */
		return false;
	}
	return !b->bad;
}

static uint64_t
in_list(const struct search *s, const struct rt__dwarf_value *v)
{
	struct rt__bytes b = s->unit.dwarf->rnglists;
	uint64_t base = s->unit.low_pc, offset = v->num, found = 0, lo, hi;

	if (v->kind == RT_DW_RNGLISTX) {
		if (!rt__dwarf_indexed(b, s->unit.rnglists_base, v->num, s->unit.format.offset_size,
				       &offset))
			return 0;
		offset += s->unit.rnglists_base;
	}
	rt__bytes_take(&b, offset);
	while (next_range(s, &b, &base, &lo, &hi) && *s->unit.fuel > 0) {
		--*s->unit.fuel;
		found |= in_range(s, lo, hi);
	}
	return found;
}

/* Which of the addresses the entry's code covers; false if it has none. */
static bool
covers(const struct search *s, const struct rt__die *die, uint64_t *ret)
{
	const struct rt__dwarf_value *ranges = &die->at[DIE_RANGES], *high = &die->at[DIE_HIGH_PC];
	uint64_t lo, hi;

	*ret = 0;
	if (ranges->kind != RT_DW_NONE) {
		*ret = s->unit.format.version < 5 ? in_old_list(s, ranges->num)
						  : in_list(s, ranges);
		return true;
	}
	if (!rt__unit_address(&s->unit, &die->at[DIE_LOW_PC], &lo) || high->kind == RT_DW_NONE)
		return false;
	if (high->kind == RT_DW_NUMBER)
		hi = lo + high->num;
	else if (!rt__unit_address(&s->unit, high, &hi))
		return false;
	*ret = in_range(s, lo, hi);
	return true;
}

/* ---- the tree of a unit ---- */

static void
add(struct search *s, const struct rt__die *die, uint64_t which)
{
	for (int i = 0; i < s->n; i++) {
		struct rt__inlined *in = &s->inlined[i];

		if ((which >> i & 1) == 0 || in->n == RT_INLINED_MAX)
			continue;
		in->unit = (uint32_t)s->unit.offset;
		in->die[in->n++] = (uint32_t)die->offset;
	}
}

/* Looks at an entry: whether calls that we look for may be among its children. */
static bool
visit(struct search *s, const struct rt__die *die)
{
	uint64_t which;
	bool has_code = covers(s, die, &which);

	which &= s->in_unit;
	switch (die->tag) {
	case TAG_SUBPROGRAM:
		s->missing &= ~which;
		return which != 0;
	case TAG_INLINED_SUBROUTINE:
		add(s, die, which);
		return which != 0;
	case TAG_LEXICAL_BLOCK:
	case TAG_TRY_BLOCK:
	case TAG_CATCH_BLOCK:
		return !has_code || which != 0;
	default:
		return die->tag == TAG_NAMESPACE || die->tag == TAG_MODULE;
	}
}

/* Goes to an entry's sibling if it says where that is: it can only be further on. */
static bool
skip_children(const struct search *s, struct rt__bytes *b, const struct rt__die *die)
{
	const struct rt__dwarf_value *v = &die->at[DIE_SIBLING];
	const uint8_t *start = s->unit.dwarf->info.p + s->unit.offset;

	if (v->kind != RT_DW_UNIT_REF || v->num >= (uint64_t)(b->end - start) ||
	    start + v->num <= b->p)
		return false;
	b->p = start + v->num;
	return true;
}

/* depth: of the entries that are read now; ignored: how many levels up one is whose children are
 * of no interest, 0 if there is none. */
static void
walk(struct search *s)
{
	struct rt__bytes b = s->unit.dies;
	uint64_t depth = 0, ignored = 0, found_at = 0;
	struct rt__die die;

	s->missing = s->in_unit;
	rt__die_read(&s->unit, &b, &die); /* the root */
	while (b.p < b.end && rt__die_read(&s->unit, &b, &die)) {
		if (die.tag == 0) {
			ignored -= ignored > 0;
			if (depth-- == 0)
				return;
			continue;
		}
		if (s->missing == 0 && depth <= found_at)
			return;
		bool enter = ignored == 0 && visit(s, &die);
		if (enter && die.tag == TAG_SUBPROGRAM)
			found_at = depth;
		if (!die.has_children || (!enter && skip_children(s, &b, &die)))
			continue;
		depth++;
		ignored += !enter;
	}
}

void
rt__inlined_find(const struct rt__dwarf *dwarf, uint64_t lo, const uint64_t *addrs, int n,
		 struct rt__inlined *inlined)
{
	struct search s = {.addrs = addrs, .inlined = inlined, .n = n, .lo = lo};
	uint64_t fuel = rt__dwarf_fuel(dwarf), next = 0;

	for (int i = 0; i < n; i++) {
		inlined[i].n = 0;
		s.wanted |= 1ul << i;
	}
	if (rt__bytes_left(&dwarf->info) - 1 >= UINT32_MAX) /* or empty */
		return;
	do {
		if (!rt__unit_open(&s.unit, dwarf, next, &fuel, &next) ||
		    !covers(&s, &s.unit.root, &s.in_unit) || (s.in_unit &= s.wanted) == 0)
			continue;
		walk(&s);
		s.wanted &= ~(s.in_unit & ~s.missing);
	} while (next != 0 && fuel > 0 && s.wanted != 0);
}

/* ---- one of them ---- */

/* Goes to the entry that a value refers to, if it is in another unit, to that one as well. */
static bool
follow(struct rt__unit *u, struct rt__die *die, const struct rt__dwarf_value *v)
{
	uint64_t offset = v->num;

	if (v->kind == RT_DW_UNIT_REF)
		offset += u->offset;
	else if (v->kind != RT_DW_INFO_REF)
		return false;
	return rt__die_at(u, offset, die) ||
		(v->kind == RT_DW_INFO_REF && rt__unit_open_of(u, u->dwarf, offset, u->fuel) &&
		 rt__die_at(u, offset, die));
}

static const char *
name_of(struct rt__unit *u, struct rt__die *die)
{
	for (int i = 0; i < ORIGINS_MAX; i++) {
		const char *name = rt__dwarf_string(u->dwarf, &u->format, &die->at[DIE_NAME]);
		struct rt__dwarf_value origin = die->at[DIE_ORIGIN];

		if (name)
			return name;
		if (!follow(u, die, &origin))
			return NULL;
	}
	return NULL;
}

const char *
rt__inlined_at(const struct rt__dwarf *dwarf, const struct rt__inlined *inlined, unsigned i,
	       struct rt__line *call)
{
	uint64_t fuel = rt__dwarf_fuel(dwarf), next;
	struct rt__unit u;
	struct rt__die die;

	*call = (struct rt__line){0};
	if (!rt__unit_open(&u, dwarf, inlined->unit, &fuel, &next) ||
	    !rt__die_at(&u, inlined->die[i], &die))
		return NULL;
	const struct rt__dwarf_value *file = &die.at[DIE_CALL_FILE], *line = &die.at[DIE_CALL_LINE];
	if (file->kind == RT_DW_NUMBER && line->kind == RT_DW_NUMBER && line->num <= INT32_MAX &&
	    u.root.at[DIE_STMT_LIST].kind == RT_DW_NUMBER) {
		call->line = (int)line->num;
		rt__lines_file(dwarf, u.root.at[DIE_STMT_LIST].num, file->num, call);
	}
	return name_of(&u, &die);
}

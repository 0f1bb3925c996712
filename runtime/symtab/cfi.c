/* SPDX-License-Identifier: MIT */
/*
 * Call frame information: .eh_frame_hdr is a sorted table from functions to their FDEs, each FDE
 * a program that builds, up to the pc, the rules by which the caller's registers are found; its
 * CIE has what functions share, and the rules that hold at entry. (DWARF 5, 6.4; the Linux
 * Standard Base Core, 10.6, for what .eh_frame changes.)
 *
 * Everything is checked: tables are read inside the bounds that the image gives, memory inside
 * the stack's. A pc costs a binary search and a few dozen table bytes, 100 to 200 ns; nothing is
 * cached, so signal handlers may come in at any time. Rejected: .debug_frame, which is not loaded,
 * and the linear search for a table without header, which no linker leaves out.
 */
#include "symtab/cfi.h"

/* How a pointer is encoded (DW_EH_PE_*): the format in the low bits, what it is relative to above.
 */
enum {
	PE_FORMAT = 0x0f,
	PE_ABSPTR = 0x00,
	PE_ULEB = 0x01,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SLEB = 0x09,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_BASE = 0x70,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_INDIRECT = 0x80,
	PE_OMIT = 0xff,
};

enum rule_kind {
	RULE_SAME,
	RULE_UNDEFINED,
	RULE_AT,
	RULE_IS,
	RULE_REG,
	RULE_AT_EXPR,
	RULE_IS_EXPR
};

/* Offsets and the places of expressions in the tables fit 32 bits, or the table is bad. */
struct rule {
	uint8_t kind;
	int32_t value; /* offset from the CFA, register number, or offset in the tables */
};

/* The rules at one pc. The CFA is reg + offset (RULE_REG) or an expression (RULE_IS_EXPR). */
struct row {
	struct rule reg[RT_NREGS];
	uint8_t cfa_kind, cfa_reg;
	int32_t cfa_value;
};

struct cie {
	struct rt__bytes program;
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_reg;
	uint8_t encoding;
	bool has_augmentation, signal;
};

struct fde {
	struct rt__bytes program;
	uintptr_t start, size;
};

#define MAX_REMEMBERED 6 /* compilers nest one or two */

/* A program being run. */
struct run {
	const struct rt__cfi *cfi;
	const struct cie *cie;
	struct rt__bytes code;
	struct row row, initial;
	struct row remembered[MAX_REMEMBERED];
	unsigned depth;
	uintptr_t loc, where;
	bool bad;
};

/* ---- finding the table ---- */

static uintptr_t
raw_pointer(struct rt__bytes *b, uint8_t format)
{
	switch (format) {
	case PE_ABSPTR:
	case PE_UDATA8:
	case PE_SDATA8:
		return rt__bytes_u64(b);
	case PE_ULEB:
		return rt__bytes_uleb(b);
	case PE_UDATA2:
		return rt__bytes_u16(b);
	case PE_UDATA4:
		return rt__bytes_u32(b);
	case PE_SLEB:
		return (uintptr_t)rt__bytes_sleb(b);
	case PE_SDATA2:
		return (uintptr_t)(intptr_t)rt__bytes_i16(b);
	case PE_SDATA4:
		return (uintptr_t)(intptr_t)rt__bytes_i32(b);
	default:
		b->bad = true;
		return 0;
	}
}

static uintptr_t
encoded_pointer(struct rt__bytes *b, uint8_t encoding, uintptr_t data)
{
	uintptr_t at = (uintptr_t)b->p;
	uintptr_t v = raw_pointer(b, encoding & PE_FORMAT);

	if ((encoding & PE_INDIRECT) != 0)
		b->bad = true;
	else if ((encoding & PE_BASE) == PE_PCREL)
		v += at;
	else if ((encoding & PE_BASE) == PE_DATAREL)
		v += data;
	else if ((encoding & PE_BASE) != 0)
		b->bad = true;
	return v;
}

/* The address of the FDE of the last function that starts at or before pc, by binary search. */
static bool
search_table(const struct rt__cfi *cfi, uintptr_t pc, uintptr_t *ret)
{
	struct rt__bytes b = cfi->hdr;
	uintptr_t base = (uintptr_t)b.p;
	uint8_t version = rt__bytes_u8(&b), ptr_enc = rt__bytes_u8(&b);
	uint8_t count_enc = rt__bytes_u8(&b), table_enc = rt__bytes_u8(&b);
	struct entry {
		int32_t start, fde;
	} e;

	if (version != 1 || table_enc != (PE_DATAREL | PE_SDATA4))
		return false;
	encoded_pointer(&b, ptr_enc, base);
	uint64_t n = encoded_pointer(&b, count_enc, base);
	if (b.bad || n > rt__bytes_left(&b) / sizeof e)
		return false;
	intptr_t key = (intptr_t)(pc - base);
	uint64_t lo = 0, hi = n; /* entries before lo start at or before pc, from hi on after it */
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		__builtin_memcpy(&e, b.p + mid * sizeof e, sizeof e);
		if (e.start <= key)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return false;
	__builtin_memcpy(&e, b.p + (lo - 1) * sizeof e, sizeof e);
	*ret = base + (uintptr_t)(intptr_t)e.fde;
	return true;
}

/* The bytes of the CIE or FDE at addr, behind its length. */
static struct rt__bytes
entry_at(const struct rt__cfi *cfi, uintptr_t addr)
{
	struct rt__bytes b = cfi->tables;

	if (!rt__bytes_take(&b, addr - (uintptr_t)b.p) && addr != (uintptr_t)cfi->tables.p)
		b.bad = true;
	uint64_t n = rt__bytes_u32(&b);
	if (n == UINT32_MAX)
		n = rt__bytes_u64(&b);
	struct rt__bytes entry = rt__bytes_part(&b, 0, n);
	entry.bad |= b.bad;
	return entry;
}

/* The letters of "zPLRSB": what follows in the augmentation data. Unknown letters are without
 * meaning for unwinding by their definition; their data is skipped with the rest. */
static void
parse_augmentation(struct cie *cie, const char *letters, struct rt__bytes *b)
{
	struct rt__bytes data = rt__bytes_part(b, 0, 0);

	if (*letters == 'z') {
		uint64_t n = rt__bytes_uleb(b);

		data = rt__bytes_part(b, 0, n);
		rt__bytes_take(b, n);
		cie->has_augmentation = true;
		letters++;
	}
	for (; *letters; letters++) {
		if (*letters == 'R')
			cie->encoding = rt__bytes_u8(&data);
		else if (*letters == 'L')
			rt__bytes_u8(&data);
		else if (*letters == 'P')
			raw_pointer(&data, rt__bytes_u8(&data) & PE_FORMAT);
		else if (*letters == 'S')
			cie->signal = true;
		else if (*letters != 'B' || !cie->has_augmentation)
			break;
	}
	b->bad |= data.bad || (*letters && !cie->has_augmentation);
}

static bool
parse_cie(const struct rt__cfi *cfi, uintptr_t addr, struct cie *cie)
{
	struct rt__bytes b = entry_at(cfi, addr);
	uint32_t id = rt__bytes_u32(&b);
	uint8_t version = rt__bytes_u8(&b);
	const char *letters = rt__bytes_string(&b);

	*cie = (struct cie){.encoding = PE_ABSPTR};
	if (b.bad || id != 0 || (version != 1 && version != 3 && version != 4))
		return false;
	if (version == 4 && rt__bytes_u16(&b) != sizeof(void *)) /* and segments of 0 bytes */
		return false;
	cie->code_align = rt__bytes_uleb(&b);
	cie->data_align = rt__bytes_sleb(&b);
	cie->ra_reg = version == 1 ? rt__bytes_u8(&b) : rt__bytes_uleb(&b);
	parse_augmentation(cie, letters, &b);
	cie->program = b;
	return !b.bad && cie->ra_reg < RT_NREGS;
}

static bool
parse_fde(const struct rt__cfi *cfi, uintptr_t addr, struct fde *fde, struct cie *cie)
{
	struct rt__bytes b = entry_at(cfi, addr);
	uintptr_t at = (uintptr_t)b.p;
	uint32_t back = rt__bytes_u32(&b);

	if (b.bad || back == 0 || !parse_cie(cfi, at - back, cie))
		return false;
	fde->start = encoded_pointer(&b, cie->encoding, 0);
	fde->size = raw_pointer(&b, cie->encoding & PE_FORMAT & ~0x08); /* a size has no sign */
	if (cie->has_augmentation)
		rt__bytes_take(&b, rt__bytes_uleb(&b));
	fde->program = b;
	return !b.bad;
}

/* ---- running it ---- */

static int32_t
to_int32(struct run *r, int64_t v)
{
	if (v < INT32_MIN || v > INT32_MAX)
		r->bad = true;
	return (int32_t)v;
}

/* A factored offset. The product of two hostile numbers may not fit. */
static int32_t
scaled(struct run *r, int64_t n)
{
	int64_t v = 0;

	if (__builtin_mul_overflow(n, r->cie->data_align, &v))
		r->bad = true;
	return to_int32(r, v);
}

static int32_t
uleb32(struct run *r)
{
	uint64_t v = rt__bytes_uleb(&r->code);

	return to_int32(r, v > INT32_MAX ? INT64_MAX : (int64_t)v);
}

static void
set_rule(struct run *r, uint64_t reg, enum rule_kind kind, int32_t value)
{
	if (reg < RT_NREGS) /* vector registers and flags are nobody's base */
		r->row.reg[reg] = (struct rule){(uint8_t)kind, value};
}

static void
restore_rule(struct run *r, uint64_t reg)
{
	if (reg < RT_NREGS)
		r->row.reg[reg] = r->initial.reg[reg];
}

/* Where the expression at the program's position lies; goes behind it. */
static int32_t
expression(struct run *r)
{
	int64_t at = r->code.p - r->cfi->tables.p;

	rt__bytes_take(&r->code, rt__bytes_uleb(&r->code));
	return to_int32(r, at);
}

static void
set_cfa(struct run *r, enum rule_kind kind, uint64_t reg, int32_t value)
{
	r->bad |= reg >= RT_NREGS;
	r->row.cfa_kind = (uint8_t)kind;
	r->row.cfa_reg = (uint8_t)reg;
	r->row.cfa_value = value;
}

enum {
	CFA_ADVANCE = 0x40, /* these three have an operand in the low six bits */
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
	CFA_NOP = 0x00,
	CFA_SET_LOC,
	CFA_ADVANCE1,
	CFA_ADVANCE2,
	CFA_ADVANCE4,
	CFA_OFFSET_EXTENDED,
	CFA_RESTORE_EXTENDED,
	CFA_UNDEFINED,
	CFA_SAME_VALUE,
	CFA_REGISTER,
	CFA_REMEMBER,
	CFA_RESTORE_STATE,
	CFA_DEF_CFA,
	CFA_DEF_CFA_REGISTER,
	CFA_DEF_CFA_OFFSET,
	CFA_DEF_CFA_EXPRESSION,
	CFA_EXPRESSION,
	CFA_OFFSET_EXTENDED_SF,
	CFA_DEF_CFA_SF,
	CFA_DEF_CFA_OFFSET_SF,
	CFA_VAL_OFFSET,
	CFA_VAL_OFFSET_SF,
	CFA_VAL_EXPRESSION,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED,
};

static bool
advance(struct run *r, uint8_t op)
{
	uint64_t by;

	switch (op) {
	case CFA_SET_LOC:
		r->loc = encoded_pointer(&r->code, r->cie->encoding, 0);
		return true;
	case CFA_ADVANCE1:
		by = rt__bytes_u8(&r->code);
		break;
	case CFA_ADVANCE2:
		by = rt__bytes_u16(&r->code);
		break;
	case CFA_ADVANCE4:
		by = rt__bytes_u32(&r->code);
		break;
	default:
		return false;
	}
	r->loc += by * r->cie->code_align;
	return true;
}

static bool
define_cfa(struct run *r, uint8_t op)
{
	uint64_t reg = r->row.cfa_reg;
	int32_t value = r->row.cfa_value;

	switch (op) {
	case CFA_DEF_CFA:
		reg = rt__bytes_uleb(&r->code);
		value = uleb32(r);
		break;
	case CFA_DEF_CFA_SF:
		reg = rt__bytes_uleb(&r->code);
		value = scaled(r, rt__bytes_sleb(&r->code));
		break;
	case CFA_DEF_CFA_REGISTER:
		r->bad |= r->row.cfa_kind != RULE_REG;
		reg = rt__bytes_uleb(&r->code);
		break;
	case CFA_DEF_CFA_OFFSET:
		r->bad |= r->row.cfa_kind != RULE_REG;
		value = uleb32(r);
		break;
	case CFA_DEF_CFA_OFFSET_SF:
		r->bad |= r->row.cfa_kind != RULE_REG;
		value = scaled(r, rt__bytes_sleb(&r->code));
		break;
	case CFA_DEF_CFA_EXPRESSION:
		set_cfa(r, RULE_IS_EXPR, 0, expression(r));
		return true;
	default:
		return false;
	}
	set_cfa(r, RULE_REG, reg, value);
	return true;
}

static bool
define_register(struct run *r, uint8_t op)
{
	uint64_t reg = rt__bytes_uleb(&r->code);

	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set_rule(r, reg, RULE_AT, scaled(r, uleb32(r)));
		return true;
	case CFA_OFFSET_EXTENDED_SF:
		set_rule(r, reg, RULE_AT, scaled(r, rt__bytes_sleb(&r->code)));
		return true;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_rule(r, reg, RULE_AT, scaled(r, -(int64_t)uleb32(r)));
		return true;
	case CFA_VAL_OFFSET:
		set_rule(r, reg, RULE_IS, scaled(r, uleb32(r)));
		return true;
	case CFA_VAL_OFFSET_SF:
		set_rule(r, reg, RULE_IS, scaled(r, rt__bytes_sleb(&r->code)));
		return true;
	case CFA_RESTORE_EXTENDED:
		restore_rule(r, reg);
		return true;
	case CFA_UNDEFINED:
		set_rule(r, reg, RULE_UNDEFINED, 0);
		return true;
	case CFA_SAME_VALUE:
		set_rule(r, reg, RULE_SAME, 0);
		return true;
	case CFA_REGISTER:
		set_rule(r, reg, RULE_REG, uleb32(r));
		return true;
	case CFA_EXPRESSION:
		set_rule(r, reg, RULE_AT_EXPR, expression(r));
		return true;
	case CFA_VAL_EXPRESSION:
		set_rule(r, reg, RULE_IS_EXPR, expression(r));
		return true;
	default:
		return false;
	}
}

/* GNU as lets .cfi_restore_state bring back the CFA, too, and so does libgcc. */
static bool
keep_state(struct run *r, uint8_t op)
{
	if (op == CFA_REMEMBER && r->depth < MAX_REMEMBERED)
		r->remembered[r->depth++] = r->row;
	else if (op == CFA_RESTORE_STATE && r->depth > 0)
		r->row = r->remembered[--r->depth];
	else
		return false;
	return true;
}

static void
execute(struct run *r)
{
	uint8_t op = rt__bytes_u8(&r->code), low = op & 0x3f;

	switch (op & 0xc0) {
	case CFA_ADVANCE:
		r->loc += low * r->cie->code_align;
		return;
	case CFA_OFFSET:
		set_rule(r, low, RULE_AT, scaled(r, uleb32(r)));
		return;
	case CFA_RESTORE:
		restore_rule(r, low);
		return;
	default:
		break;
	}
	if (op == CFA_NOP)
		return;
	if (op == CFA_GNU_ARGS_SIZE)
		rt__bytes_uleb(&r->code);
	else if (!advance(r, op) && !keep_state(r, op) && !define_cfa(r, op))
		r->bad |= !define_register(r, op);
}

/* Runs a program up to the row that holds at r->where. */
static bool
run_program(struct run *r, struct rt__bytes code)
{
	r->code = code;
	while (r->code.p < r->code.end && r->loc <= r->where && !r->bad && !r->code.bad)
		execute(r);
	return !r->bad && !r->code.bad;
}

/* The instruction that goes past `where` has changed nothing but loc: what comes after it is not
 * run, and so r->row is the row. */
static bool
find_row(struct run *r, const struct fde *fde)
{
	__builtin_memset(&r->row, 0, sizeof r->row);
	r->row.cfa_kind = RULE_UNDEFINED;
	r->depth = 0;
	r->bad = false;
	r->loc = 0;
	if (!run_program(r, r->cie->program))
		return false;
	r->initial = r->row;
	r->loc = fde->start;
	return run_program(r, fde->program);
}

/* ---- applying the rules ---- */

static bool
eval_at(const struct rt__cfi *cfi, int32_t at, const struct rt__context *c, struct rt__stack stack,
	const uintptr_t *initial, uintptr_t *ret)
{
	struct rt__bytes b = cfi->tables;

	rt__bytes_take(&b, (uint64_t)at);
	uint64_t n = rt__bytes_uleb(&b);
	return rt__expr_eval(rt__bytes_part(&b, 0, n), c, stack, initial, ret);
}

/* A function keeps its caller's registers in its own frame: below the CFA, and not below the stack
 * pointer by more than what it has just popped. gcc's tables are wrong for the last two
 * instructions of functions that realign the stack: rbp is said to be saved where rbp points to,
 * but is the caller's again already. */
#define POPPED 64

struct frame {
	const struct rt__context *c;
	struct rt__stack stack;
	uintptr_t cfa;
	bool interrupted; /* a signal frame: it may be on another stack than what it interrupted */
	bool unsure;      /* a register is not where the table says */
};

static bool
saved_at(struct frame *f, uintptr_t addr, uintptr_t *value)
{
	uintptr_t lo = f->c->reg[RT_REG_SP] - POPPED;

	if (f->interrupted || (addr >= lo && addr < f->cfa))
		return rt__stack_word(f->stack, addr, value);
	f->unsure = true;
	return true;
}

static bool
caller_register(const struct rt__cfi *cfi, struct rule rule, struct frame *f, uintptr_t *value)
{
	uintptr_t addr = f->cfa + (uintptr_t)(intptr_t)rule.value;

	switch (rule.kind) {
	case RULE_AT:
		return saved_at(f, addr, value);
	case RULE_IS:
		*value = addr;
		return true;
	case RULE_REG:
		if ((uint32_t)rule.value >= RT_NREGS)
			return false;
		*value = f->c->reg[rule.value];
		return true;
	case RULE_AT_EXPR:
		return eval_at(cfi, rule.value, f->c, f->stack, &f->cfa, &addr) &&
			saved_at(f, addr, value);
	case RULE_IS_EXPR:
		return eval_at(cfi, rule.value, f->c, f->stack, &f->cfa, value);
	default:
		return true; /* the same, or unknown, which nobody asks for */
	}
}

static enum rt__cfi_result
apply(const struct run *r, struct rt__context *c, struct rt__stack stack)
{
	struct rt__context next = *c;
	struct frame f = {c, stack, 0, r->cie->signal, false};

	if (r->row.reg[r->cie->ra_reg].kind == RULE_UNDEFINED)
		return RT_CFI_OUTERMOST;
	if (r->row.reg[r->cie->ra_reg].kind == RULE_SAME)
		return RT_CFI_BAD;
	if (r->row.cfa_kind == RULE_REG)
		f.cfa = c->reg[r->row.cfa_reg] + (uintptr_t)(intptr_t)r->row.cfa_value;
	else if (r->row.cfa_kind != RULE_IS_EXPR ||
		 !eval_at(r->cfi, r->row.cfa_value, c, stack, NULL, &f.cfa))
		return RT_CFI_BAD;
	next.reg[RT_REG_SP] = f.cfa;
	for (int i = 0; i < RT_NREGS; i++)
		if (r->row.reg[i].kind != RULE_SAME &&
		    !caller_register(r->cfi, r->row.reg[i], &f, &next.reg[i]))
			return RT_CFI_BAD;
	next.reg[RT_REG_PC] = next.reg[r->cie->ra_reg];
	*c = next;
	return f.unsure ? RT_CFI_UNSURE : RT_CFI_OK;
}

enum rt__cfi_result
rt__cfi_step(const struct rt__cfi *cfi, uintptr_t where, struct rt__context *c,
	     struct rt__stack stack, bool *ret_signal)
{
	struct fde fde;
	struct cie cie;
	struct run r;
	uintptr_t addr;

	if (!search_table(cfi, where, &addr))
		return RT_CFI_NONE;
	if (!parse_fde(cfi, addr, &fde, &cie))
		return RT_CFI_BAD;
	if (where - fde.start >= fde.size)
		return RT_CFI_NONE;
	r.cfi = cfi;
	r.cie = &cie;
	r.where = where;
	if (!find_row(&r, &fde))
		return RT_CFI_BAD;
	*ret_signal = cie.signal;
	return apply(&r, c, stack);
}

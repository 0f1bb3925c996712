/* SPDX-License-Identifier: MIT */
/*
 * DWARF expressions, as unwind tables use them: for frames whose CFA is no register plus offset
 * (realigned stacks, PLT stubs, signal trampolines). All operations of DWARF 5 that make sense
 * without a debugger; any other makes the expression fail. Memory is read inside the stack's
 * bounds only. Loops are legal, so the number of steps is limited.
 */
#include "symtab/cfi.h"

#define MAX_DEPTH 32
#define MAX_STEPS 1000

enum {
	OP_ADDR = 0x03,
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST1S,
	OP_CONST2U,
	OP_CONST2S,
	OP_CONST4U,
	OP_CONST4S,
	OP_CONST8U,
	OP_CONST8S,
	OP_CONSTU,
	OP_CONSTS,
	OP_DUP,
	OP_DROP,
	OP_OVER,
	OP_PICK,
	OP_SWAP,
	OP_ROT,
	OP_ABS = 0x19,
	OP_AND,
	OP_DIV,
	OP_MINUS,
	OP_MOD,
	OP_MUL,
	OP_NEG,
	OP_NOT,
	OP_OR,
	OP_PLUS,
	OP_PLUS_UCONST,
	OP_SHL,
	OP_SHR,
	OP_SHRA,
	OP_XOR,
	OP_BRA,
	OP_EQ,
	OP_GE,
	OP_GT,
	OP_LE,
	OP_LT,
	OP_NE,
	OP_SKIP,
	OP_LIT0 = 0x30,
	OP_LIT31 = 0x4f,
	OP_REG0 = 0x50,
	OP_REG31 = 0x6f,
	OP_BREG0 = 0x70,
	OP_BREG31 = 0x8f,
	OP_BREGX = 0x92,
	OP_DEREF_SIZE = 0x94,
	OP_NOP = 0x96,
};

struct machine {
	struct rt__bytes code, all;
	const struct rt__context *c;
	struct rt__stack stack;
	uintptr_t v[MAX_DEPTH];
	unsigned depth;
	bool bad;
};

static void
push(struct machine *m, uintptr_t v)
{
	if (m->depth == MAX_DEPTH)
		m->bad = true;
	else
		m->v[m->depth++] = v;
}

/* The word i below the top of the stack. */
static uintptr_t
peek(struct machine *m, uint64_t i)
{
	if (i >= m->depth) {
		m->bad = true;
		return 0;
	}
	return m->v[m->depth - 1 - i];
}

static uintptr_t
pop(struct machine *m)
{
	uintptr_t v = peek(m, 0);

	if (!m->bad)
		m->depth--;
	return v;
}

static void
push_reg(struct machine *m, uint64_t reg, int64_t offset)
{
	if (reg >= RT_NREGS)
		m->bad = true;
	else
		push(m, m->c->reg[reg] + (uintptr_t)offset);
}

static void
deref(struct machine *m, unsigned size)
{
	uintptr_t addr = pop(m), word = 0;

	/* A word that holds all of it: smaller reads do not cross one in anything that exists. */
	if (size == 0 || size > 8 || addr % 8 + size > 8 ||
	    !rt__stack_word(m->stack, addr & ~(uintptr_t)7, &word)) {
		m->bad = true;
		return;
	}
	word >>= addr % 8 * 8;
	push(m, size == 8 ? word : word & (((uintptr_t)1 << size * 8) - 1));
}

static void
jump(struct machine *m, int16_t by)
{
	int64_t at = m->code.p - m->all.p + by;

	if (at < 0 || at > m->all.end - m->all.p)
		m->bad = true;
	else
		m->code.p = m->all.p + at;
}

static bool
constant(struct machine *m, uint8_t op)
{
	switch (op) {
	case OP_ADDR:
	case OP_CONST8U:
	case OP_CONST8S:
		push(m, rt__bytes_u64(&m->code));
		return true;
	case OP_CONST1U:
		push(m, rt__bytes_u8(&m->code));
		return true;
	case OP_CONST1S:
		push(m, (uintptr_t)(intptr_t)rt__bytes_i8(&m->code));
		return true;
	case OP_CONST2U:
		push(m, rt__bytes_u16(&m->code));
		return true;
	case OP_CONST2S:
		push(m, (uintptr_t)(intptr_t)rt__bytes_i16(&m->code));
		return true;
	case OP_CONST4U:
		push(m, rt__bytes_u32(&m->code));
		return true;
	case OP_CONST4S:
		push(m, (uintptr_t)(intptr_t)rt__bytes_i32(&m->code));
		return true;
	case OP_CONSTU:
		push(m, rt__bytes_uleb(&m->code));
		return true;
	case OP_CONSTS:
		push(m, (uintptr_t)rt__bytes_sleb(&m->code));
		return true;
	default:
		return false;
	}
}

static bool
stack_op(struct machine *m, uint8_t op)
{
	uintptr_t a, b, c;

	switch (op) {
	case OP_DUP:
		push(m, peek(m, 0));
		return true;
	case OP_DROP:
		pop(m);
		return true;
	case OP_OVER:
		push(m, peek(m, 1));
		return true;
	case OP_PICK:
		push(m, peek(m, rt__bytes_u8(&m->code)));
		return true;
	case OP_SWAP:
		a = pop(m), b = pop(m);
		push(m, a), push(m, b);
		return true;
	case OP_ROT:
		a = pop(m), b = pop(m), c = pop(m);
		push(m, a), push(m, c), push(m, b);
		return true;
	default:
		return false;
	}
}

static bool
unary(struct machine *m, uint8_t op)
{
	switch (op) {
	case OP_DEREF:
		deref(m, 8);
		return true;
	case OP_DEREF_SIZE:
		deref(m, rt__bytes_u8(&m->code));
		return true;
	case OP_ABS:
		push(m, (intptr_t)peek(m, 0) < 0 ? 0 - pop(m) : pop(m));
		return true;
	case OP_NEG:
		push(m, 0 - pop(m));
		return true;
	case OP_NOT:
		push(m, ~pop(m));
		return true;
	case OP_PLUS_UCONST:
		push(m, pop(m) + rt__bytes_uleb(&m->code));
		return true;
	default:
		return false;
	}
}

static uintptr_t
divide(struct machine *m, intptr_t a, intptr_t b)
{
	if (b == 0 || (b == -1 && a == INTPTR_MIN)) {
		m->bad = true;
		return 0;
	}
	return (uintptr_t)(a / b);
}

/* With the sign, which C leaves to the implementation. */
static uintptr_t
shift_right(uintptr_t a, uintptr_t by)
{
	return (intptr_t)a < 0 ? ~(~a >> by) : a >> by;
}

/* a op b, b on top of the stack. Comparisons and division are signed, mod is not (libgcc, too). */
static bool
binary(struct machine *m, uint8_t op)
{
	uintptr_t b = peek(m, 0), a = peek(m, 1), v;
	intptr_t sa = (intptr_t)a, sb = (intptr_t)b;

	switch (op) {
#define CASE(name, value)                                                                          \
	case name:                                                                                 \
		v = (uintptr_t)(value);                                                            \
		break
		CASE(OP_AND, a & b);
		CASE(OP_OR, a | b);
		CASE(OP_XOR, a ^ b);
		CASE(OP_PLUS, a + b);
		CASE(OP_MINUS, a - b);
		CASE(OP_MUL, a * b);
		CASE(OP_DIV, divide(m, sa, sb));
		CASE(OP_MOD, b ? a % b : divide(m, 0, 0));
		CASE(OP_SHL, b < 64 ? a << b : 0);
		CASE(OP_SHR, b < 64 ? a >> b : 0);
		CASE(OP_SHRA, shift_right(a, b < 64 ? b : 63));
		CASE(OP_EQ, sa == sb);
		CASE(OP_GE, sa >= sb);
		CASE(OP_GT, sa > sb);
		CASE(OP_LE, sa <= sb);
		CASE(OP_LT, sa < sb);
		CASE(OP_NE, sa != sb);
#undef CASE
	default:
		return false;
	}
	pop(m), pop(m);
	push(m, v);
	return true;
}

static bool
register_op(struct machine *m, uint8_t op)
{
	if (op >= OP_REG0 && op <= OP_REG31) {
		push_reg(m, op - OP_REG0, 0);
	} else if (op >= OP_BREG0 && op <= OP_BREG31) {
		push_reg(m, op - OP_BREG0, rt__bytes_sleb(&m->code));
	} else if (op == OP_BREGX) {
		uint64_t reg = rt__bytes_uleb(&m->code);
		push_reg(m, reg, rt__bytes_sleb(&m->code));
	} else {
		return false;
	}
	return true;
}

static void
execute(struct machine *m)
{
	uint8_t op = rt__bytes_u8(&m->code);

	if (op >= OP_LIT0 && op <= OP_LIT31) {
		push(m, op - OP_LIT0);
	} else if (op == OP_SKIP) {
		jump(m, rt__bytes_i16(&m->code));
	} else if (op == OP_BRA) {
		int16_t by = rt__bytes_i16(&m->code);
		if (pop(m) != 0)
			jump(m, by);
	} else if (op != OP_NOP && !register_op(m, op) && !constant(m, op) && !stack_op(m, op) &&
		   !unary(m, op)) {
		/* Only now: binary() looks at two words, which others need not have. */
		m->bad |= !binary(m, op);
	}
}

bool
rt__expr_eval(struct rt__bytes code, const struct rt__context *c, struct rt__stack stack,
	      const uintptr_t *initial, uintptr_t *ret)
{
	struct machine m;

	m.code = m.all = code;
	m.c = c;
	m.stack = stack;
	m.depth = 0;
	m.bad = code.bad;
	if (initial)
		push(&m, *initial);
	for (int steps = 0; m.code.p < m.code.end && !m.bad && !m.code.bad; steps++) {
		if (steps == MAX_STEPS)
			return false;
		execute(&m);
	}
	uintptr_t v = pop(&m);
	if (m.bad || m.code.bad)
		return false;
	*ret = v;
	return true;
}

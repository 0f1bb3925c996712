/* SPDX-License-Identifier: MIT */
/*
 * The length of any x86-64 instruction up to AVX-512 (SDM volume 2, appendix A). A table has a
 * letter for each opcode that says what follows it:
 *
 *	. nothing   m ModRM   b ModRM and 1 byte   z ModRM and 4 bytes (2 with prefix 66)
 *	1 1 byte    4 4 bytes (2 with prefix 66)   j 1-byte jump   J 4-byte jump
 *	w 2 bytes   3 3 bytes   o 8-byte address   v 4 bytes, 8 with REX.W   g ModRM and by /digit
 *	- no instruction in 64-bit mode   p a prefix, or an escape to another table
 */
#include "arch/x86_64/insn.h"

static const char one_byte[] = "mmmm14--mmmm14-p"  /* 00 */
			       "mmmm14--mmmm14--"  /* 10 */
			       "mmmm14p-mmmm14p-"  /* 20 */
			       "mmmm14p-mmmm14p-"  /* 30 */
			       "pppppppppppppppp"  /* 40 */
			       "................"  /* 50 */
			       "--pmpppp4z1b...."  /* 60 */
			       "jjjjjjjjjjjjjjjj"  /* 70 */
			       "bz-bmmmmmmmmmmmm"  /* 80 */
			       "..........-....."  /* 90 */
			       "oooo....14......"  /* a0 */
			       "11111111vvvvvvvv"  /* b0 */
			       "bbw.ppbz3.w..1-."  /* c0 */
			       "mmmm---.mmmmmmmm"  /* d0 */
			       "jjjj1111JJ-j...."  /* e0 */
			       "p.pp..gg......mm"; /* f0 */

static const char two_bytes[] = "mmmm-.....-.-m.b"  /* 00 */
				"mmmmmmmmmmmmmmmm"  /* 10 */
				"mmmm----mmmmmmmm"  /* 20 */
				"........p-p-----"  /* 30 */
				"mmmmmmmmmmmmmmmm"  /* 40 */
				"mmmmmmmmmmmmmmmm"  /* 50 */
				"mmmmmmmmmmmmmmmm"  /* 60 */
				"bbbbmmm.mm--mmmm"  /* 70 */
				"JJJJJJJJJJJJJJJJ"  /* 80 */
				"mmmmmmmmmmmmmmmm"  /* 90 */
				"...mbm--...mbmmm"  /* a0 */
				"mmmmmmmmmmbmmmmm"  /* b0 */
				"mmbmbbbm........"  /* c0 */
				"mmmmmmmmmmmmmmmm"  /* d0 */
				"mmmmmmmmmmmmmmmm"  /* e0 */
				"mmmmmmmmmmmmmmmm"; /* f0 */

struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

static uint8_t
next(struct cursor *c)
{
	if (c->p >= c->end) {
		c->bad = true;
		return 0;
	}
	return *c->p++;
}

/* A little-endian number of n bytes with its sign. */
static int64_t
number(struct cursor *c, unsigned n)
{
	uint64_t v = 0;

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)next(c) << (8 * i);
	return (int64_t)(v << (64 - 8 * n)) >> (64 - 8 * n);
}

struct prefixes {
	uint8_t rex; /* or what VEX has of it */
	bool opsize;
};

static uint8_t
legacy_prefixes(struct cursor *c, struct prefixes *pre)
{
	uint8_t op = next(c);

	for (; op == 0x66 || op == 0x67 || op == 0xf0 || op == 0xf2 || op == 0xf3 ||
	     (op & 0xe7) == 0x26 || op == 0x64 || op == 0x65;
	     op = next(c))
		pre->opsize |= op == 0x66;
	if ((op & 0xf0) == 0x40) {
		pre->rex = op;
		op = next(c);
	}
	return op;
}

/* VEX (c4, c5) and EVEX (62): the opcode map is in the prefix, inverted REX bits, too. */
static uint8_t
vector_prefix(struct cursor *c, uint8_t first, struct prefixes *pre, uint8_t *ret_map)
{
	uint8_t b = next(c);

	*ret_map = 1;
	pre->rex = (uint8_t)(~b >> 5 & 4);
	if (first != 0xc5) {
		*ret_map = b & (first == 0x62 ? 7 : 0x1f);
		pre->rex = (uint8_t)(~b >> 5 & 7);
		pre->rex |= (uint8_t)(next(c) >> 4 & 8);
	}
	if (first == 0x62)
		next(c);
	return next(c);
}

/* The opcode; the letter of what follows it. */
static char
opcode(struct cursor *c, struct prefixes *pre, struct rt__insn *in)
{
	uint8_t op = legacy_prefixes(c, pre);
	bool vector = op == 0xc4 || op == 0xc5 || op == 0x62;

	if (vector) {
		op = vector_prefix(c, op, pre, &in->map);
	} else if (op == 0x0f) {
		in->map = 1;
		op = next(c);
		if (op == 0x38 || op == 0x3a) {
			in->map = op == 0x38 ? 2 : 3;
			op = next(c);
		}
	}
	in->op = op;
	if (in->map > 3 || (vector && in->map == 0))
		return '-';
	char kind = 'b'; /* 0f 3a */
	if (in->map == 0)
		kind = one_byte[op];
	else if (in->map == 1)
		kind = two_bytes[op];
	else if (in->map == 2)
		kind = 'm';
	if (vector) {
		in->map |= RT_INSN_VEX;
		if (kind != 'b' && op != 0x77)
			kind = 'm';
	}
	return kind;
}

static void
modrm(struct cursor *c, uint8_t rex, struct rt__insn *in)
{
	uint8_t b = next(c), mod = b >> 6;

	in->has_modrm = true;
	in->reg = (uint8_t)((b >> 3 & 7) | (rex << 1 & 8));
	in->rm = (uint8_t)((b & 7) | (rex << 3 & 8));
	in->is_memory = mod != 3;
	if (!in->is_memory)
		return;
	if (mod == 0 && (b & 7) == 5) { /* pc-relative */
		in->rm = 16;
		in->disp = (int32_t)number(c, 4);
		return;
	}
	if ((b & 7) == 4) {
		uint8_t sib = next(c);

		in->rm = (uint8_t)((sib & 7) | (rex << 3 & 8));
		in->has_index = ((sib >> 3 & 7) | (rex << 2 & 8)) != 4;
		if (mod == 0 && (sib & 7) == 5) {
			in->rm = 17;
			mod = 2;
		}
	}
	in->disp = (int32_t)number(c, mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

/* How many bytes of immediate follow. */
static unsigned
immediate_size(char kind, const struct rt__insn *in)
{
	switch (kind) {
	case '1':
	case 'b':
	case 'j':
		return 1;
	case '4':
	case 'z':
		return in->narrow ? 2 : 4;
	case 'J':
		return 4;
	case 'w':
		return 2;
	case '3':
		return 3;
	case 'o':
		return 8;
	case 'v':
		return in->wide ? 8 : in->narrow ? 2 : 4;
	case 'g': /* f6, f7: only test has one */
		return (in->reg & 7) >= 2 ? 0 : in->op == 0xf6 ? 1 : in->narrow ? 2 : 4;
	default:
		return 0;
	}
}

bool
rt__insn_decode(const uint8_t *p, const uint8_t *end, struct rt__insn *in)
{
	struct cursor c = {p, end - p > 15 ? p + 15 : end, false};
	struct prefixes pre = {0};

	*in = (struct rt__insn){0};
	char kind = opcode(&c, &pre, in);
	in->wide = (pre.rex & 8) != 0;
	in->narrow = pre.opsize && !in->wide;
	if (kind == 'm' || kind == 'b' || kind == 'z' || kind == 'g')
		modrm(&c, pre.rex, in);
	else
		in->rm = (uint8_t)((in->op & 7) | (pre.rex << 3 & 8)); /* push, pop, mov, xchg */
	in->imm = number(&c, immediate_size(kind, in));
	in->length = (uint8_t)(c.p - p);
	return !c.bad && kind != '-' && kind != 'p';
}

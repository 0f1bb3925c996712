/* SPDX-License-Identifier: MIT */
/*
 * The caller of code without unwind tables, from the code itself: what its instructions do to the
 * stack is followed through the function's branches, nothing is executed.
 *
 *	to the end: from the pc, with the registers as they are, until a ret. Its operand is the
 *	return address, and the pops on the way have brought back the caller's registers. Needs no
 *	symbols, and works in the middle of prologues and epilogues alike. A call that does not
 *	return leads astray.
 *	from the start: from the function's first instruction to the pc. How far rsp (or rbp) has
 *	moved tells where the return address lies, and the pushes on the way where the registers
 *	are. Needs the function's bounds.
 *
 * Both rest on what compilers keep to: at one instruction the stack has one height, however it was
 * reached; calls leave the stack and callee-saved registers as they were; who changes such a
 * register has saved it, and restores it. The result must be a return address: a word that is in
 * text behind a call. Where the two disagree, a call that names the function decides.
 *
 * No system call, no allocation; memory is read inside the text and the stack that are given.
 * About 1 us, at most MAX_STEPS instructions, and 4 KiB of stack.
 */
#include <stddef.h>

#include "arch/arch.h"
#include "arch/x86_64/insn.h"

#define MAX_STEPS 4000
#define MAX_SAVED 32   /* words written on the way */
#define MAX_PENDING 64 /* branches not taken yet */
#define MAX_SEEN 512   /* places jumped to, a power of two */
#define MAX_TABLE 256  /* entries of a switch */

enum { RAX, RCX, RDX, RBX, RSP, RBP, R10 = 10, NREGS = 16 };
#define CALLEE_SAVED (1u << RBX | 1u << RSP | 1u << RBP | 0xf000u)

static const uint8_t dwarf_number[NREGS] = {
	RT_REG_RAX, RT_REG_RCX, RT_REG_RDX, RT_REG_RBX, RT_REG_SP,  RT_REG_RBP,
	RT_REG_RSI, RT_REG_RDI, RT_REG_R8,  RT_REG_R9,  RT_REG_R10, RT_REG_R11,
	RT_REG_R12, RT_REG_R13, RT_REG_R14, RT_REG_R15,
};

/* From the start, the registers at entry are unknown: these stand for their values. No stack and
 * no text lies there (they are not canonical addresses). */
#define ENTRY_SP ((uintptr_t)1 << 62)
#define ENTRY_OF(reg) (((uintptr_t)3 << 62) + ((uintptr_t)(reg) << 40))

struct cpu {
	uintptr_t reg[NREGS];
	uint32_t known; /* bit for each register whose value we know */
	uint32_t saved; /* from the start: bit for each that was pushed and not yet restored */
	uint32_t nwrites;
	uintptr_t pc;
};

/* What is kept of a branch not taken: enough to go on there. A register is what it was in the
 * beginning, or rsp, rbp, r10 (from which gcc restores realigned stacks) relative to the first
 * rsp; any other is forgotten. */
struct pending {
	uint32_t pc; /* offset in the text */
	int32_t moved[3];
	uint16_t known, same, saved, nwrites;
};
static const uint8_t movable[3] = {RSP, RBP, R10};

struct walk {
	const struct rt__code *code;
	uintptr_t goal;         /* from the start: the pc; else 0 */
	uintptr_t first[NREGS]; /* registers where the walk began */
	uintptr_t constant;     /* the last address computed from the pc, */
	uintptr_t table;        /* and what was read from with an index: a switch's jump table */
	struct cpu cpu;
	struct word {
		uintptr_t addr, value;
		bool known;
	} writes[MAX_SAVED]; /* newest last; those before a pending nwrites stay as they are */
	struct pending pending[MAX_PENDING];
	uint32_t npending, steps;
	bool open;               /* a way was given up, which may have led to a return */
	uint32_t seen[MAX_SEEN]; /* offsets in the text + 1, by hash */
};

/* NEXT_STOPS: the program ends here. NEXT_DEAD: we cannot follow. */
enum next { NEXT_FOLLOWING, NEXT_BRANCH, NEXT_JUMP, NEXT_RETURN, NEXT_STOPS, NEXT_DEAD };

/* ---- memory and registers ---- */

static bool
stack_word(const struct rt__code *code, uintptr_t addr, uintptr_t *ret)
{
	if (addr % 8 != 0 || addr < code->stack_lo || code->stack_hi < 8 ||
	    addr > code->stack_hi - 8)
		return false;
	*ret = *(const uintptr_t *)addr;
	return true;
}

static bool
load(const struct walk *w, uintptr_t addr, uintptr_t *ret)
{
	for (uint32_t i = w->cpu.nwrites; i-- > 0;) {
		if (w->writes[i].addr == addr) {
			*ret = w->writes[i].value;
			return w->writes[i].known;
		}
	}
	return w->goal == 0 && stack_word(w->code, addr, ret);
}

static bool
store(struct walk *w, uintptr_t addr, uintptr_t value, bool known)
{
	uint32_t kept = w->npending > 0 ? w->pending[w->npending - 1].nwrites : 0;

	for (uint32_t i = w->cpu.nwrites; i-- > kept;) {
		if (w->writes[i].addr == addr) {
			w->writes[i] = (struct word){addr, value, known};
			return true;
		}
	}
	if (w->cpu.nwrites == MAX_SAVED)
		return false;
	w->writes[w->cpu.nwrites++] = (struct word){addr, value, known};
	return true;
}

static bool
is_known(const struct cpu *c, unsigned reg)
{
	return (c->known >> reg & 1) != 0;
}

static void
set(struct cpu *c, unsigned reg, uintptr_t value, bool known)
{
	c->reg[reg] = value;
	c->known = (c->known & ~(1u << reg)) | (uint32_t)known << reg;
	if (known && value == ENTRY_OF(reg))
		c->saved &= ~(1u << reg);
}

static bool
push(struct walk *w, uintptr_t value, bool known)
{
	w->cpu.reg[RSP] -= 8;
	return store(w, w->cpu.reg[RSP], value, known);
}

static bool
push_reg(struct walk *w, unsigned reg)
{
	struct cpu *c = &w->cpu;

	if (is_known(c, reg) && c->reg[reg] == ENTRY_OF(reg))
		c->saved |= 1u << reg;
	return push(w, c->reg[reg], is_known(c, reg));
}

static void
pop_reg(struct walk *w, unsigned reg)
{
	uintptr_t value = 0, at = w->cpu.reg[RSP];

	w->cpu.reg[RSP] += 8;
	bool known = load(w, at, &value);
	set(&w->cpu, reg, value, known);
}

static bool
address_of(const struct cpu *c, const struct rt__insn *in, uintptr_t *ret)
{
	if (!in->is_memory || in->has_index || in->rm >= NREGS || !is_known(c, in->rm))
		return false;
	*ret = c->reg[in->rm] + (uintptr_t)(intptr_t)in->disp;
	return true;
}

/* ---- one instruction ---- */

/* mov and lea, as far as they carry stack pointers and saved registers. */
static void
move(struct walk *w, const struct rt__insn *in)
{
	struct cpu *c = &w->cpu;
	uintptr_t addr = 0, value = 0;
	bool has_addr = address_of(c, in, &addr), full = in->wide;

	if (in->op == 0x8d && in->is_memory && in->rm == 16) {
		w->constant = c->pc + (uintptr_t)(intptr_t)in->disp;
		set(c, in->reg, w->constant, full);
	} else if (in->op == 0x8d) {
		set(c, in->reg, addr, full && has_addr);
	} else if (in->op == 0x8b && in->is_memory) {
		bool known = full && has_addr && load(w, addr, &value);
		set(c, in->reg, value, known);
	} else if (in->op == 0x8b) {
		set(c, in->reg, c->reg[in->rm], full && is_known(c, in->rm));
	} else if (!in->is_memory) {
		set(c, in->rm, c->reg[in->reg], full && is_known(c, in->reg));
	} else if (has_addr && (in->rm == RSP || in->rm == RBP)) {
		bool known = full && is_known(c, in->reg);
		/* Spills may be many, and pushes must fit. */
		if (w->cpu.nwrites < MAX_SAVED / 2 && store(w, addr, c->reg[in->reg], known) &&
		    known && c->reg[in->reg] == ENTRY_OF(in->reg))
			c->saved |= 1u << in->reg;
	}
}

/* 81, 83: add, or, adc, sbb, and, sub, xor, cmp with a constant. */
static void
arithmetic(struct cpu *c, const struct rt__insn *in)
{
	uintptr_t v, by = (uintptr_t)in->imm;

	if (in->is_memory || (in->reg & 7) == 7)
		return;
	v = c->reg[in->rm];
	bool known = in->wide && is_known(c, in->rm);
	if ((in->reg & 7) == 0)
		v += by;
	else if ((in->reg & 7) == 5)
		v -= by;
	else if ((in->reg & 7) == 4 && v < ENTRY_SP)
		v &= by;
	else
		known = false;
	set(c, in->rm, v, known);
}

/* Registers that common instructions compute: their values are not followed. Vector instructions
 * and x87 number other registers, so this is a list of what compilers use, not a rule. */
static void
forget(struct cpu *c, const struct rt__insn *in)
{
	bool alu = in->map == 0 && in->op < 0x38 && (in->op & 7) < 4;
	bool to_rm = (alu && (in->op & 2) == 0) || (in->map == 0 && in->op == 0x87);
	bool to_reg = (alu && (in->op & 2) != 0) || (in->map == 0 && in->op == 0x87);

	switch (in->map << 8 | in->op) {
	case 0xc0: /* shifts */
	case 0xc1:
	case 0xc6: /* mov imm */
	case 0xc7:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
	case 0xf6: /* not, neg (test, mul and div leave it alone) */
	case 0xf7:
		to_rm = true;
		break;
	case 0x63: /* movslq */
	case 0x69: /* imul */
	case 0x6b:
	case 0x1af:
	case 0x1b6: /* movz, movs, bsf, bsr, popcnt */
	case 0x1b7:
	case 0x1b8:
	case 0x1bc:
	case 0x1bd:
	case 0x1be:
	case 0x1bf:
		to_reg = true;
		break;
	default:
		to_reg |= in->map == 1 && (in->op & 0xf0) == 0x40; /* cmov */
		if (in->map == 0 && (in->op & 0xf0) == 0xb0)       /* mov imm */
			set(c, in->rm, 0, false);
	}
	if (to_reg)
		set(c, in->reg, 0, false);
	if (to_rm && !in->is_memory)
		set(c, in->rm, 0, false);
}

static enum next
group_ff(struct walk *w, const struct rt__insn *in)
{
	uintptr_t addr, value = 0;

	switch (in->reg & 7) {
	case 2: /* call */
		w->cpu.known &= CALLEE_SAVED;
		return NEXT_FOLLOWING;
	case 6: { /* push */
		bool known = address_of(&w->cpu, in, &addr) && load(w, addr, &value);
		return push(w, value, known) ? NEXT_FOLLOWING : NEXT_DEAD;
	}
	case 0: /* inc, dec */
	case 1:
		if (!in->is_memory)
			set(&w->cpu, in->rm, 0, false);
		return NEXT_FOLLOWING;
	default: /* jumps through a pointer */
		return NEXT_DEAD;
	}
}

static enum next
step_two_bytes(struct walk *w, const struct rt__insn *in)
{
	if (in->op >= 0x80 && in->op <= 0x8f)
		return NEXT_BRANCH;
	if (in->op == 0x05) /* syscall */
		w->cpu.known &= ~(1u << RAX | 1u << RCX | 1u << 11);
	forget(&w->cpu, in);
	bool push_pop = (in->op & 0xf6) == 0xa0; /* of fs, gs */
	return in->op == 0x0b ? NEXT_STOPS : push_pop ? NEXT_DEAD : NEXT_FOLLOWING;
}

static enum next
step_stack(struct walk *w, const struct rt__insn *in)
{
	if (in->narrow)
		return NEXT_DEAD; /* 16-bit pushes are nobody's */
	if (in->op >= 0x50 && in->op <= 0x57)
		return push_reg(w, in->rm) ? NEXT_FOLLOWING : NEXT_DEAD;
	if (in->op >= 0x58 && in->op <= 0x5f) {
		pop_reg(w, in->rm);
		return NEXT_FOLLOWING;
	}
	if (in->op == 0x9d) { /* popf */
		w->cpu.reg[RSP] += 8;
		return NEXT_FOLLOWING;
	}
	/* push imm, pushf */
	return push(w, 0, false) ? NEXT_FOLLOWING : NEXT_DEAD;
}

/* The one function without return that half of all functions end with a call of: musl's
 * __stack_chk_fail, which is a hlt. */
static bool
does_return(const struct walk *w, uintptr_t fn)
{
	return fn < w->code->lo || fn >= w->code->hi || *(const uint8_t *)fn != 0xf4;
}

/* What an instruction does to the stack and the registers; the rest of them pass. */
static enum next
step_one_byte(struct walk *w, const struct rt__insn *in)
{
	struct cpu *c = &w->cpu;

	if ((in->op >= 0x70 && in->op <= 0x7f) || (in->op >= 0xe0 && in->op <= 0xe3))
		return NEXT_BRANCH;
	if ((in->op >= 0x50 && in->op <= 0x5f) || in->op == 0x68 || in->op == 0x6a ||
	    in->op == 0x9c || in->op == 0x9d)
		return step_stack(w, in);
	switch (in->op) {
	case 0x89:
	case 0x8b:
	case 0x8d:
		move(w, in);
		return NEXT_FOLLOWING;
	case 0x81:
	case 0x83:
		arithmetic(c, in);
		return NEXT_FOLLOWING;
	case 0xc9: /* leave */
		set(c, RSP, c->reg[RBP], is_known(c, RBP));
		pop_reg(w, RBP);
		return NEXT_FOLLOWING;
	case 0xe8:
		c->known &= CALLEE_SAVED;
		return does_return(w, c->pc + (uintptr_t)in->imm) ? NEXT_FOLLOWING : NEXT_STOPS;
	case 0xe9:
	case 0xeb:
		return NEXT_JUMP;
	case 0xc2:
	case 0xc3:
		return NEXT_RETURN;
	case 0xff:
		return group_ff(w, in);
	case 0xcc: /* int3 */
	case 0xf4: /* hlt */
		return NEXT_STOPS;
	case 0x8f: /* pop to memory; AMD's XOP */
	case 0xc8: /* enter */
	case 0xca: /* far returns */
	case 0xcb:
	case 0xcf:
		return NEXT_DEAD;
	case 0x63: /* movslq: reads a jump table */
		if (in->is_memory && in->has_index)
			w->table = in->rm < NREGS && is_known(c, in->rm) ? c->reg[in->rm]
									 : w->constant;
		forget(c, in);
		return NEXT_FOLLOWING;
	default:
		forget(c, in);
		return NEXT_FOLLOWING;
	}
}

/* ---- walking ---- */

/* The slot of a place that is jumped to, or the empty one where it would be; NULL if full. */
static uint32_t *
seen_slot(struct walk *w, uintptr_t pc, uint32_t *ret_key)
{
	uint32_t key = (uint32_t)(pc - w->code->lo) + 1;

	*ret_key = key;
	for (uint32_t i = 0, h = key * 2654435761u >> 16; i < MAX_SEEN; i++) {
		uint32_t *slot = &w->seen[(h + i) % MAX_SEEN];

		if (*slot == key || *slot == 0)
			return slot;
	}
	return NULL;
}

/* Whether a place is jumped to for the first time; once is enough. */
static bool
first_visit(struct walk *w, uintptr_t pc)
{
	uint32_t key, *slot = seen_slot(w, pc, &key);

	if (!slot || *slot == key)
		return false;
	*slot = key;
	return true;
}

/* Whether walking on at pc would repeat what a jump there does. */
static bool
is_seen(struct walk *w, uintptr_t pc)
{
	uint32_t key;
	const uint32_t *slot = seen_slot(w, pc, &key);

	return slot && *slot == key;
}

static void
remember(struct walk *w, uintptr_t pc)
{
	const struct cpu *c = &w->cpu;
	struct pending p = {.pc = (uint32_t)(pc - w->code->lo),
			    .saved = (uint16_t)c->saved,
			    .nwrites = (uint16_t)c->nwrites};

	if (!first_visit(w, pc))
		return;
	if (w->npending == MAX_PENDING) {
		w->open = true;
		return;
	}
	for (unsigned i = 0; i < NREGS; i++)
		if ((CALLEE_SAVED >> i & 1) != 0 && is_known(c, i) && c->reg[i] == w->first[i])
			p.same |= (uint16_t)(1u << i);
	p.known = p.same;
	for (unsigned i = 0; i < 3; i++) {
		intptr_t by = (intptr_t)(c->reg[movable[i]] - w->first[RSP]);

		p.moved[i] = (int32_t)by;
		if (is_known(c, movable[i]) && by == p.moved[i])
			p.known |= (uint16_t)(1u << movable[i]);
	}
	w->pending[w->npending++] = p;
}

static bool
resume(struct walk *w)
{
	struct cpu *c = &w->cpu;

	if (w->npending == 0)
		return false;
	const struct pending *p = &w->pending[--w->npending];
	for (unsigned i = 0; i < 3; i++)
		c->reg[movable[i]] = w->first[RSP] + (uintptr_t)(intptr_t)p->moved[i];
	for (unsigned i = 0; i < NREGS; i++)
		if ((p->same >> i & 1) != 0)
			c->reg[i] = w->first[i];
	c->pc = w->code->lo + p->pc;
	c->known = p->known;
	c->saved = p->saved;
	c->nwrites = p->nwrites;
	return true;
}

/* Whether code at pc may belong to what is walked. From the start, only the function itself. */
static bool
is_inside(const struct walk *w, uintptr_t pc)
{
	if (w->goal != 0)
		return pc >= w->code->fn && pc < w->code->fn_end;
	return pc >= w->code->lo && pc < w->code->hi;
}

static bool
table_entry(const struct walk *w, uintptr_t addr, int size, uintptr_t *ret)
{
	int32_t offset;

	if (addr < w->code->data_lo || addr >= w->code->data_hi ||
	    w->code->data_hi - addr < (uintptr_t)size)
		return false;
	if (size == 8) {
		__builtin_memcpy(ret, (const void *)addr, 8);
		return true;
	}
	__builtin_memcpy(&offset, (const void *)addr, 4);
	*ret = w->table + (uintptr_t)(intptr_t)offset;
	return true;
}

/* jmp *reg, after an offset was read from a table that it is relative to; jmp *table(,reg,8). How
 * long the table is, nobody says: it ends where an entry leads out of the function, if that is
 * known. */
static void
jump_table(struct walk *w, const struct rt__insn *in)
{
	uintptr_t at = in->is_memory ? (uintptr_t)(intptr_t)in->disp : w->table, target;
	int size = in->is_memory ? 8 : 4;

	if (w->code->fn == 0 || in->map != 0 || in->op != 0xff || (in->reg & 7) != 4 ||
	    (in->is_memory && (in->rm != 17 || !in->has_index)))
		return;
	for (int i = 0; i < MAX_TABLE && table_entry(w, at, size, &target);
	     i++, at += (unsigned)size) {
		if (target < w->code->fn || target >= w->code->fn_end)
			break;
		remember(w, target);
	}
}

/* Goes to the next goal, a ret or the pc, and stops before it. false if there is none left. */
static bool
walk_on(struct walk *w)
{
	struct rt__insn in = {0};
	struct cpu *c = &w->cpu;

	for (; w->steps < MAX_STEPS; w->steps++) {
		enum next next = NEXT_DEAD;

		if (w->goal != 0 && c->pc == w->goal)
			return true;
		if (is_inside(w, c->pc) && (w->goal != 0 || is_known(c, RSP)) &&
		    rt__insn_decode((const uint8_t *)c->pc, (const uint8_t *)w->code->hi, &in)) {
			c->pc += in.length;
			next = in.map == 0    ? step_one_byte(w, &in)
				: in.map == 1 ? step_two_bytes(w, &in)
					      : NEXT_FOLLOWING;
		}
		if (next == NEXT_RETURN && w->goal == 0 && is_known(c, RSP))
			return true;
		if (next == NEXT_BRANCH && is_inside(w, c->pc + (uintptr_t)in.imm))
			remember(w, c->pc + (uintptr_t)in.imm);
		if (next == NEXT_JUMP)
			c->pc += (uintptr_t)in.imm;
		w->open |= next == NEXT_DEAD || next == NEXT_RETURN;
		if (next == NEXT_DEAD)
			jump_table(w, &in);
		bool goes_on = next == NEXT_JUMP ? first_visit(w, c->pc)
						 : next < NEXT_RETURN && !is_seen(w, c->pc);
		if (!goes_on && !resume(w))
			return false;
	}
	w->open = true;
	return false;
}

/* ---- results ---- */

/* Whether addr is behind a call: e8 rel32, or ff /2 with any operand (2 to 7 bytes). *ret_target is
 * where a direct call goes, else 0. */
bool
rt__is_return_address(const struct rt__code *code, uintptr_t addr, uintptr_t *ret_target)
{
	const uint8_t *end = (const uint8_t *)addr;
	struct rt__insn in;

	*ret_target = 0;
	if (addr <= code->lo || addr > code->hi)
		return false;
	if (addr - code->lo >= 5 && end[-5] == 0xe8 && rt__insn_decode(end - 5, end, &in)) {
		*ret_target = addr + (uintptr_t)in.imm;
		return true;
	}
	for (unsigned n = 2; n <= 8 && n <= addr - code->lo; n++)
		if (rt__insn_decode(end - n, end, &in) && in.length == n && in.map == 0 &&
		    in.op == 0xff && (in.reg & 7) == 2)
			return true;
	return false;
}

/* The caller's context if what is at sp is a return address; its quality: 0 none, 1, or 2 if the
 * call names the function. */
static int
take_return(const struct rt__code *code, uintptr_t sp, struct rt__context *next)
{
	uintptr_t target;

	if (!stack_word(code, sp, &next->reg[RT_REG_PC]) ||
	    !rt__is_return_address(code, next->reg[RT_REG_PC], &target))
		return 0;
	next->reg[RT_REG_SP] = sp + 8;
	return target != 0 && target == code->fn ? 2 : 1;
}

static void
begin(struct walk *w, uintptr_t pc, uintptr_t goal)
{
	w->goal = goal;
	w->npending = w->steps = 0;
	w->open = false;
	w->constant = w->table = 0;
	w->cpu = (struct cpu){.known = 0xffff, .pc = pc};
	__builtin_memcpy(w->cpu.reg, w->first, sizeof w->first);
	__builtin_memset(w->seen, 0, sizeof w->seen);
}

static int
walk_to_end(struct walk *w, const struct rt__context *c, struct rt__context *next)
{
	for (unsigned i = 0; i < NREGS; i++)
		w->first[i] = c->reg[dwarf_number[i]];
	begin(w, c->reg[RT_REG_PC], 0);
	while (walk_on(w)) {
		*next = *c;
		for (unsigned i = 0; i < NREGS; i++)
			if ((CALLEE_SAVED >> i & 1) != 0 && is_known(&w->cpu, i))
				next->reg[dwarf_number[i]] = w->cpu.reg[i];
		int quality = take_return(w->code, w->cpu.reg[RSP], next);
		if (quality > 0 || !resume(w))
			return quality;
	}
	return 0;
}

/* Where the return address lies, once the walk from the start has come to the pc: by rsp, or where
 * alloca has moved that, by the frame pointer. */
static bool
return_slot(const struct cpu *at, const struct rt__context *c, uintptr_t *ret)
{
	if (is_known(at, RSP) && at->reg[RSP] - (ENTRY_SP - (1u << 30)) <= (1u << 30))
		*ret = c->reg[RT_REG_SP] + (ENTRY_SP - at->reg[RSP]);
	else if (is_known(at, RBP) && at->reg[RBP] - (ENTRY_SP - (1u << 30)) <= (1u << 30))
		*ret = c->reg[RT_REG_RBP] + (ENTRY_SP - at->reg[RBP]);
	else
		return false;
	return true;
}

static int
walk_from_start(struct walk *w, const struct rt__context *c, struct rt__context *next)
{
	struct cpu *at = &w->cpu;
	uintptr_t slot;

	for (unsigned i = 0; i < NREGS; i++)
		w->first[i] = ENTRY_OF(i);
	w->first[RSP] = ENTRY_SP;
	begin(w, w->code->fn, c->reg[RT_REG_PC]);
	if (w->code->fn == 0 || !walk_on(w) || !return_slot(at, c, &slot))
		return 0;
	*next = *c;
	for (unsigned i = 0; i < NREGS; i++) {
		if ((at->saved >> i & 1) == 0)
			continue;
		for (uint32_t j = at->nwrites; j-- > 0;) {
			if (w->writes[j].known && w->writes[j].value == ENTRY_OF(i)) {
				stack_word(w->code, w->writes[j].addr - ENTRY_SP + slot,
					   &next->reg[dwarf_number[i]]);
				break;
			}
		}
	}
	return take_return(w->code, slot, next);
}

enum rt__caller
rt__context_caller(struct rt__context *c, const struct rt__code *code)
{
	struct walk w;
	struct rt__context from_start, to_end;

	w.code = code;
	int start = walk_from_start(&w, c, &from_start);
	if (start == 2) {
		*c = from_start;
		return RT_CALLER_FOUND;
	}
	int end = walk_to_end(&w, c, &to_end);
	if (start == 0 && end == 0)
		return w.open ? RT_CALLER_UNKNOWN : RT_CALLER_NONE;
	*c = end > start ? to_end : from_start;
	return RT_CALLER_FOUND;
}

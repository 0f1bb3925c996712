/* SPDX-License-Identifier: MIT */
/*
 * Contexts from where registers have been saved: by rt__mcall on a goroutine's stack (switch.S
 * draws it), and by the kernel in a signal frame. rt__context_here is in switch.S.
 */
#include <stddef.h>

#include "arch/arch.h"

enum { SAVED_R15, SAVED_R14, SAVED_R13, SAVED_R12, SAVED_RBX, SAVED_RBP, SAVED_WORDS };

void
rt__context_of_saved(struct rt__context *c, uintptr_t sp, uintptr_t pc)
{
	const uintptr_t *saved = (const uintptr_t *)sp;

	*c = (struct rt__context){0};
	c->reg[RT_REG_R15] = saved[SAVED_R15];
	c->reg[RT_REG_R14] = saved[SAVED_R14];
	c->reg[RT_REG_R13] = saved[SAVED_R13];
	c->reg[RT_REG_R12] = saved[SAVED_R12];
	c->reg[RT_REG_RBX] = saved[SAVED_RBX];
	c->reg[RT_REG_RBP] = saved[SAVED_RBP];
	c->reg[RT_REG_SP] = (uintptr_t)(saved + SAVED_WORDS);
	c->reg[RT_REG_PC] = pc;
}

/* struct ucontext begins with flags, a link and a stack_t; then the registers, in this order. */
#define UC_REGS 40
static const uint8_t order_in_ucontext[] = {
	RT_REG_R8,  RT_REG_R9,  RT_REG_R10, RT_REG_R11, RT_REG_R12, RT_REG_R13,
	RT_REG_R14, RT_REG_R15, RT_REG_RDI, RT_REG_RSI, RT_REG_RBP, RT_REG_RBX,
	RT_REG_RDX, RT_REG_RAX, RT_REG_RCX, RT_REG_SP,  RT_REG_PC,
};
_Static_assert(sizeof order_in_ucontext == RT_NREGS, "each register once");

void
rt__context_of_signal(struct rt__context *c, const void *uc)
{
	const uintptr_t *regs = (const uintptr_t *)((uintptr_t)uc + UC_REGS);

	for (int i = 0; i < RT_NREGS; i++)
		c->reg[order_in_ucontext[i]] = regs[i];
}

/* mov $15, %rax; syscall: rt_sigreturn, to which musl has every handler return; compilers put no
 * other meaning to these bytes. The ucontext_t is on top of the stack there. */
const void *
rt__context_signal_frame(const struct rt__context *c, const struct rt__code *code)
{
	static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
	uintptr_t pc = c->reg[RT_REG_PC], sp = c->reg[RT_REG_SP];
	size_t size = UC_REGS + sizeof c->reg;

	if (pc < code->lo || pc >= code->hi || code->hi - pc < sizeof sigreturn ||
	    __builtin_memcmp((const void *)pc, sigreturn, sizeof sigreturn) != 0)
		return NULL;
	bool there = sp % 8 == 0 && sp >= code->stack_lo && sp <= code->stack_hi &&
		code->stack_hi - sp >= size;
	return there ? (const void *)sp : NULL;
}

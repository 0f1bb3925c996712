/* SPDX-License-Identifier: MIT */
/*
 * Contexts from where registers have been saved: by rt__mcall on a goroutine's stack (switch.S
 * draws it), and by the kernel in a signal frame. rt__context_here is in switch.S.
 */
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

/* SPDX-License-Identifier: MIT */
/* The registers of an interrupted or parked goroutine, by DWARF number: what unwinding starts from
 * and what reports print. */
#ifndef RT_ARCH_X86_64_CONTEXT_H
#define RT_ARCH_X86_64_CONTEXT_H

#include <stdint.h>

enum {
	RT_REG_RAX,
	RT_REG_RDX,
	RT_REG_RCX,
	RT_REG_RBX,
	RT_REG_RSI,
	RT_REG_RDI,
	RT_REG_RBP,
	RT_REG_SP,
	RT_REG_R8,
	RT_REG_R9,
	RT_REG_R10,
	RT_REG_R11,
	RT_REG_R12,
	RT_REG_R13,
	RT_REG_R14,
	RT_REG_R15,
	RT_REG_PC,
	RT_NREGS
};

struct rt__context {
	uintptr_t reg[RT_NREGS];
};

/* The context that rt__mcall has saved at sp and pc (switch.S): the caller's after its return. */
void rt__context_of_saved(struct rt__context *c, uintptr_t sp, uintptr_t pc);

/* The context that a signal interrupted; uc is a ucontext_t of the kernel. */
void rt__context_of_signal(struct rt__context *c, const void *uc);

/* The caller's own context: what it is just after the call returns. */
void rt__context_here(struct rt__context *c);

#endif

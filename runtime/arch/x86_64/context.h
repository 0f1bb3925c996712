/* SPDX-License-Identifier: MIT */
/* The registers of an interrupted or parked goroutine, by DWARF number: what unwinding starts from
 * and what reports print. */
#ifndef RT_ARCH_X86_64_CONTEXT_H
#define RT_ARCH_X86_64_CONTEXT_H

#include <stdbool.h>
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

/* ---- caller.c: callers of code without unwind tables ---- */

/* What may be read to find one: text, constants (jump tables), the stack; and, if known, the
 * function that the pc is in. */
struct rt__code {
	uintptr_t lo, hi, data_lo, data_hi, stack_lo, stack_hi;
	uintptr_t fn, fn_end; /* 0 if unknown */
};

enum rt__caller {
	RT_CALLER_FOUND,
	RT_CALLER_NONE, /* this code never returns: a thread's first function */
	RT_CALLER_UNKNOWN,
};
/* Makes *c its caller's context, if found, by following the instructions around the pc. */
enum rt__caller rt__context_caller(struct rt__context *c, const struct rt__code *code);

/* Whether a call ends at addr; *ret_target is where it goes if that is constant, else 0. */
bool rt__is_return_address(const struct rt__code *code, uintptr_t addr, uintptr_t *ret_target);

/* The ucontext_t that the kernel's signal frame has, if the pc is where handlers return to. */
const void *rt__context_signal_frame(const struct rt__context *c, const struct rt__code *code);

#endif

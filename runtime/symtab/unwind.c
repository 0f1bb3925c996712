/* SPDX-License-Identifier: MIT */
/*
 * From a context to its caller's: by unwind tables, which compilers write for all they compile and
 * switch.S has by hand. musl's libc.a has none, and no frame pointers: there the instructions
 * are followed (arch/CPU/caller.c), and where that fails, the stack is searched for a
 * return address.
 *
 * RT_STEP_EXACT is a promise: the tables said so, the stack has grown, and the return address is
 * behind a call in the program's text, or the caller was interrupted. What rests on anything else
 * is RT_STEP_GUESS, and so is all that follows it: exact from there, but from a guess.
 *
 * Nothing is kept between calls but what symbol a pc has, so signal handlers and any number of
 * threads may unwind. Symbols help with guesses, but only once somebody else has mapped them.
 */
#include "symtab/symtab_priv.h"

#define SEARCH_WORDS 4096 /* how far up a lost return address is searched for */

static struct rt__code
code_around(uintptr_t where, struct rt__stack stack)
{
	struct rt__code code = {.stack_lo = stack.lo, .stack_hi = stack.hi};
	struct rt__elf_symbol sym;
	struct rt__image im;

	rt__text_bounds(&code.lo, &code.hi);
	if (!rt__image_find(&im))
		return code;
	/* Unwind tables and .rodata share a segment. */
	code.data_lo = (uintptr_t)im.cfi.tables.p;
	code.data_hi = (uintptr_t)im.cfi.tables.end;
	if (rt__program_symbol(where - im.bias, &sym)) {
		code.fn = sym.start + im.bias;
		code.fn_end = code.fn + sym.size;
	}
	return code;
}

/* Where a caller goes on. */
enum site { SITE_CALL, SITE_SIGRETURN, SITE_OTHER, SITE_NONE };

/* musl's handlers return to code that was not called, though it looks like it. */
static enum site
site_of(const struct rt__context *c, struct rt__stack stack)
{
	struct rt__code code = {.stack_lo = stack.lo, .stack_hi = stack.hi};
	uintptr_t pc = c->reg[RT_REG_PC], target;

	rt__text_bounds(&code.lo, &code.hi);
	if (rt__text_of(pc) == RT_TEXT_LIBC && rt__context_signal_frame(c, &code))
		return SITE_SIGRETURN;
	if (rt__is_return_address(&code, pc, &target))
		return SITE_CALL;
	return rt__text_of(pc - 1) != RT_TEXT_NONE ? SITE_OTHER : SITE_NONE;
}

/* Makes next the context, if it makes sense. */
static enum rt__step
accept(struct rt__context *c, bool *is_call, struct rt__stack stack, struct rt__context *next,
       enum rt__step step)
{
	uintptr_t sp = c->reg[RT_REG_SP], next_sp = next->reg[RT_REG_SP];

	bool grows = next_sp > sp || (next_sp == sp && !*is_call);

	next->reg[RT_REG_PC] = rt__true_return(next->reg[RT_REG_PC]);

	if (next->reg[RT_REG_PC] == 0)
		return RT_STEP_OUTERMOST;
	enum site site = site_of(next, stack);
	if (!grows || next_sp > stack.hi || site == SITE_NONE)
		return RT_STEP_LOST;
	*c = *next;
	/* The instruction before it belongs to another function. */
	*is_call = site != SITE_SIGRETURN;
	return site == SITE_OTHER ? RT_STEP_GUESS : step;
}

/* The same for what was interrupted by the frame of c: at any instruction, and when handlers have a
 * stack of their own, on another. There, stack.lo to stack.hi ends it at the next step. */
static enum rt__step
accept_interrupted(struct rt__context *c, bool *is_call, struct rt__stack stack,
		   const struct rt__context *next, enum rt__step step)
{
	uintptr_t sp = c->reg[RT_REG_SP], next_sp = next->reg[RT_REG_SP];
	bool inside = next_sp > stack.lo && next_sp <= stack.hi;

	if (inside ? next_sp <= sp : sp <= stack.lo || sp > stack.hi)
		return RT_STEP_LOST; /* a loop */
	*c = *next;
	*is_call = false;
	return step;
}

/* The first word up the stack that is a return address, or one a little further whose call names
 * the function. What registers there were, nobody knows: they stay as they are. */
static bool
search(const struct rt__code *code, struct rt__context *next)
{
	struct rt__stack stack = {code->stack_lo, code->stack_hi};
	uintptr_t sp = next->reg[RT_REG_SP] & ~(uintptr_t)7, word, target, found = 0;

	for (int i = 0; i < SEARCH_WORDS && rt__stack_word(stack, sp, &word); i++, sp += 8) {
		if (!rt__is_return_address(code, word, &target))
			continue;
		bool named = target != 0 && target == code->fn;
		if (!found || named) {
			found = sp + 8;
			next->reg[RT_REG_PC] = word;
		}
		if (named || code->fn == 0)
			break;
	}
	next->reg[RT_REG_SP] = found;
	return found != 0;
}

/* Code without tables. */
static enum rt__step
guess(struct rt__context *c, bool *is_call, struct rt__stack stack)
{
	struct rt__code code = code_around(c->reg[RT_REG_PC] - *is_call, stack);
	struct rt__context next = *c;
	const void *uc = rt__context_signal_frame(c, &code);

	if (uc) {
		rt__context_of_signal(&next, uc);
		return accept_interrupted(c, is_call, stack, &next, RT_STEP_EXACT);
	}
	enum rt__caller found = rt__context_caller(&next, &code);
	if (found == RT_CALLER_NONE)
		return RT_STEP_OUTERMOST;
	if (found == RT_CALLER_UNKNOWN && !search(&code, &next))
		return RT_STEP_LOST;
	return accept(c, is_call, stack, &next, RT_STEP_GUESS);
}

/* A jump to nowhere: if it was a call, the return address is on top of the stack. */
static enum rt__step
from_nowhere(struct rt__context *c, bool *is_call, struct rt__stack stack)
{
	struct rt__code code = {.stack_lo = stack.lo, .stack_hi = stack.hi};
	struct rt__context next = *c;
	uintptr_t word, target;

	rt__text_bounds(&code.lo, &code.hi);
	if (*is_call || !rt__stack_word(stack, c->reg[RT_REG_SP], &word) ||
	    !rt__is_return_address(&code, word, &target))
		return RT_STEP_LOST;
	next.reg[RT_REG_PC] = word;
	next.reg[RT_REG_SP] += sizeof word;
	return accept(c, is_call, stack, &next, RT_STEP_GUESS);
}

enum rt__step
rt__unwind(struct rt__context *c, bool *is_call, struct rt__stack stack)
{
	uintptr_t where = c->reg[RT_REG_PC] - *is_call;
	struct rt__context next = *c;
	struct rt__image im;
	bool signal = false;

	if (rt__text_of(where) == RT_TEXT_NONE)
		return from_nowhere(c, is_call, stack);
	if (!rt__image_find(&im))
		return guess(c, is_call, stack);
	switch (rt__cfi_step(&im.cfi, where, &next, stack, &signal)) {
	case RT_CFI_OK:
		return signal ? accept_interrupted(c, is_call, stack, &next, RT_STEP_EXACT)
			      : accept(c, is_call, stack, &next, RT_STEP_EXACT);
	case RT_CFI_UNSURE:
		return accept(c, is_call, stack, &next, RT_STEP_GUESS);
	case RT_CFI_OUTERMOST:
		return RT_STEP_OUTERMOST;
	case RT_CFI_NONE:
		return guess(c, is_call, stack);
	default:
		return RT_STEP_LOST;
	}
}

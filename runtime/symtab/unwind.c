/* SPDX-License-Identifier: MIT */
/* From a context to its caller's. */
#include "symtab/symtab_priv.h"

static enum rt__step
accept(struct rt__context *c, bool *is_call, struct rt__stack stack, const struct rt__context *next,
       bool signal)
{
	uintptr_t sp = c->reg[RT_REG_SP], next_sp = next->reg[RT_REG_SP];
	uintptr_t pc = next->reg[RT_REG_PC];

	if (!signal && pc == 0)
		return RT_STEP_OUTERMOST;
	bool grows = next_sp > sp || (next_sp == sp && !*is_call);
	bool inside = next_sp > stack.lo && next_sp <= stack.hi;
	if (inside ? !grows : !signal)
		return RT_STEP_LOST;
	if (!signal && rt__text_of(pc - 1) == RT_TEXT_NONE)
		return RT_STEP_LOST;
	*c = *next;
	*is_call = !signal;
	return RT_STEP_EXACT;
}

enum rt__step
rt__unwind(struct rt__context *c, bool *is_call, struct rt__stack stack)
{
	struct rt__image im;
	struct rt__context next = *c;
	bool signal = false;

	if (!rt__image_find(&im))
		return RT_STEP_LOST;
	switch (rt__cfi_step(&im.cfi, c->reg[RT_REG_PC] - *is_call, &next, stack, &signal)) {
	case RT_CFI_OK:
		return accept(c, is_call, stack, &next, signal);
	case RT_CFI_OUTERMOST:
		return RT_STEP_OUTERMOST;
	default:
		return RT_STEP_LOST;
	}
}

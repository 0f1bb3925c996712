/* SPDX-License-Identifier: MIT */
/* From a context to its caller's. */
#include "symtab/symtab_priv.h"

enum rt__step
rt__unwind(struct rt__context *c, bool *is_call, struct rt__stack stack)
{
	uintptr_t bp = c->reg[RT_REG_RBP], sp = c->reg[RT_REG_SP];

	if (bp == 0)
		return RT_STEP_OUTERMOST;
	if (bp < sp || bp < stack.lo || bp > stack.hi - 16 || bp % 8 != 0)
		return RT_STEP_LOST;
	const uintptr_t *frame = (const uintptr_t *)bp;
	if (frame[1] == 0)
		return RT_STEP_OUTERMOST;
	if (rt__text_of(frame[1]) == RT_TEXT_NONE)
		return RT_STEP_LOST;
	c->reg[RT_REG_RBP] = frame[0];
	c->reg[RT_REG_SP] = bp + 16;
	c->reg[RT_REG_PC] = frame[1];
	*is_call = true;
	return RT_STEP_GUESS;
}

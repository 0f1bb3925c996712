/* SPDX-License-Identifier: MIT */
/*
 * Who called the allocator. Frames are read between here and the end of the stack that the caller
 * runs on: a goroutine's or a foreign thread's; on any other, such as that of a signal handler, in
 * the page that it is in.
 *
 * The runtime's own frames, the innermost, are left by their frame pointers, which is many times as
 * fast as by unwind tables; all of it has them. What other registers held in the program's frame is
 * lost by this, but compilers find its caller by the stack pointer or the frame pointer.
 */
#include "mem/stacks.h"
#include "proc/proc.h"
#include "symtab/symtab.h"

#define PAGE 4096ul /* at least so large on any machine */

static struct rt__stack
stack_here(void)
{
	const struct rt__m *mp = rt__getm();
	uintptr_t sp = rt__sp();
	struct rt__stack stack = {0, 0};

	if (mp == &rt__m_foreign)
		stack = rt__hooks.thread_stack(rt__get_tp());
	else if (mp->curg)
		stack = mp->curg->stack;
	if (rt__on_this_stack(stack, sp))
		return stack;
	return (struct rt__stack){sp, RT_ALIGN_UP(sp + 1, PAGE)};
}

/* Where the runtime was called. */
static bool
find_program(struct rt__stack stack, struct rt__context *ret)
{
	const uintptr_t *frame = __builtin_frame_address(0);

	while (stack.hi > 2 * sizeof *frame && (uintptr_t)frame - stack.lo < stack.hi - stack.lo &&
	       (uintptr_t)frame <= stack.hi - 2 * sizeof *frame) {
		const uintptr_t *next = (const uintptr_t *)frame[0];
		uintptr_t pc = rt__true_return(frame[1]);

		if (rt__text_of(pc - 1) != RT_TEXT_RT0) {
			*ret = (struct rt__context){0};
			ret->reg[RT_REG_PC] = pc;
			ret->reg[RT_REG_SP] = (uintptr_t)(frame + 2);
			ret->reg[RT_REG_RBP] = (uintptr_t)next;
			return true;
		}
		if (next <= frame)
			break;
		frame = next;
	}
	return false;
}

unsigned
rt__stacks_callers(uintptr_t *pcs, unsigned max)
{
	struct rt__stack stack = stack_here();
	struct rt__context from;

	return find_program(stack, &from) ? (unsigned)rt__callers(&from, true, stack, pcs, (int)max)
					  : 0;
}

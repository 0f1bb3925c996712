/* SPDX-License-Identifier: MIT */
/*
 * Who called the allocator. Frames are read between here and the end of the stack that the caller
 * runs on: a goroutine's or a foreign thread's; on any other, such as that of a signal handler, in
 * the page that it is in.
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
	if (sp - stack.lo < stack.hi - stack.lo)
		return stack;
	return (struct rt__stack){sp, RT_ALIGN_UP(sp + 1, PAGE)};
}

unsigned
rt__stacks_callers(uintptr_t *pcs, unsigned max)
{
	struct rt__context here;

	rt__context_here(&here);
	int n = rt__callers(&here, true, stack_here(), pcs, (int)max);
	return (unsigned)n;
}

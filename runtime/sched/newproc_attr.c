/* SPDX-License-Identifier: MIT */
/* rt_go_attr: see newproc.c. */
#include <errno.h>

#include <rt/rt.h>

#include "sched/launch.h"

#include "stack/stack.h"

/* For rt_go_attr: regs->fn is not the function but what the macro says about the call. */
void
rt__newproc_attr(struct rt__go_regs *regs)
{
	struct rt__go_call *call = (struct rt__go_call *)regs->fn;
	int class = rt__stack_class(call->rt_attr ? call->rt_attr->stack : 0);
	struct rt__p *pp = rt__p_with_room();
	struct rt__slot slot;

	call->rt_result = class < 0 ? EINVAL : 0;
	if (class < 0)
		return;
	struct rt__g *gp = class == 0 ? rt__gfget(pp) : rt__gfget_class(class);
	if (!gp) {
		if (rt__stack_alloc(class, &slot) != RT_STACK_OK) {
			call->rt_result = ENOMEM;
			return;
		}
		gp = rt__newg(&slot);
	}
	regs->fn = (uintptr_t)call->rt_fn;
	gp->sp = rt__frame_prepare_any(rt__g_frames_top(gp), regs, &gp->pc);
	rt__launch(gp, regs, pp);
}

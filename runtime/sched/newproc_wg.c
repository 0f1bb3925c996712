/* SPDX-License-Identifier: MIT */
/* rt_wg_go: see newproc.c. */
#include <rt/rt.h>

#include "sched/launch.h"

/* For rt_wg_go: regs->fn is not the function but what the macro says about the call. */
static struct rt__g *
counted(struct rt__go_regs *regs, struct rt__p *pp)
{
	struct rt__wg_call *call = (struct rt__wg_call *)regs->fn;
	struct rt__g *gp = rt__get_g(pp);

	regs->fn = (uintptr_t)call->rt_fn;
	rt_wg_add(call->rt_wg, 1);
	gp->wg = call->rt_wg;
	return gp;
}

void
rt__newproc_wg(struct rt__go_regs *regs)
{
	struct rt__p *pp = rt__p_with_room();
	struct rt__g *gp = counted(regs, pp);

	gp->sp = rt__frame_prepare_any(rt__g_frames_top(gp), regs, &gp->pc);
	rt__launch(gp, regs, pp);
}

void
rt__newproc_wg_words(struct rt__go_regs *regs)
{
	struct rt__p *pp = rt__p_with_room();
	struct rt__g *gp = counted(regs, pp);

	gp->sp = rt__frame_prepare_words(rt__g_frames_top(gp), regs, &gp->pc);
	rt__launch(gp, regs, pp);
}

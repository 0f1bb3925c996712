/* SPDX-License-Identifier: MIT */
/* Goroutines that timers and contexts start, from g0: see newproc.c. */
#include "sched/launch.h"

void
rt__newproc_later(const struct rt__go_later *call)
{
	struct rt__go_regs regs = {
		.fn = (uintptr_t)call->fn, .ints = {(uintptr_t)call->arg}, .pc = call->pc};
	struct rt__p *pp = rt__getm()->p;
	struct rt__g *gp = rt__get_g(pp);

	gp->sp = rt__frame_prepare_words(rt__g_frames_top(gp), &regs, &gp->pc);
	gp->fpctl = call->fpctl;
	rt__launch_with(gp, &regs, pp);
}

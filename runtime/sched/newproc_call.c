/* SPDX-License-Identifier: MIT */
/* Goroutines whose call is kept on their stack, as those of scopes: see newproc.c. */
#include "sched/defer.h"
#include "sched/launch.h"

void
rt__newproc_call(const struct rt__go_regs *regs,
		 void (*main)(const struct rt__deferred *call, void *arg), void *arg, void *wg)
{
	struct rt__p *pp = rt__p_with_room();
	struct rt__g *gp = rt__get_g(pp);
	struct rt__deferred *call = (struct rt__deferred *)rt__g_frames_top(gp) - 1;
	struct rt__go_regs in_main = {.fn = (uintptr_t)main,
				      .ints = {(uintptr_t)call, (uintptr_t)arg}};

	rt__deferred_of(call, regs);
	gp->sp = rt__frame_prepare_words(call, &in_main, &gp->pc);
	gp->wg = wg;
	rt__launch(gp, regs, pp);
}

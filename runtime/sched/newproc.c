/* SPDX-License-Identifier: MIT */
/*
 * rt_go: starting goroutines. Runs on the stack of the caller, goroutine or not. Other ways to
 * start one are in newproc_*.c, the main goroutine and the end of any in goend.c, which is in all
 * programs.
 */
#include "sched/launch.h"

#include "stack/stack.h"

/* Until there is a second goroutine, a program is like any other: no thread but its own. */
void
rt__second_goroutine(void)
{
	if (rt__load_rlx(&rt__sched.stage) == RT_STAGE_BOOT)
		return;
	rt__sysmon_ensure();
	rt__wakep();
	if (rt__seeded())
		rt__seeded_yield();
}

/* While it is still known who wants it. */
void
rt__go_of_nil(void)
{
	rt__panic("go of nil func value");
}

struct rt__g *
rt__new_g(void)
{
	struct rt__slot slot;
	enum rt__stack_error e = rt__stack_alloc(0, &slot);

	if (e)
		rt__stack_fatal(0, e);
	return rt__newg(&slot);
}

void
rt__newproc(const struct rt__go_regs *regs)
{
	struct rt__p *pp = rt__p_with_room();
	struct rt__g *gp = rt__get_g(pp);

	gp->sp = rt__frame_prepare_any(rt__g_frames_top(gp), regs, &gp->pc);
	rt__launch(gp, regs, pp);
}

void
rt__newproc_words(const struct rt__go_regs *regs)
{
	struct rt__p *pp = rt__p_with_room();
	struct rt__g *gp = rt__get_g(pp);

	gp->sp = rt__frame_prepare_words(rt__g_frames_top(gp), regs, &gp->pc);
	rt__launch(gp, regs, pp);
}

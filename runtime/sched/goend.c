/* SPDX-License-Identifier: MIT */
/* The main goroutine's start, and the end of any: what a program without rt_go has, too. */
#include <rt/rt.h>

#include "sched/launch.h"

#include "stack/stack.h"

void
rt__newproc_main(void (*fn)(void), struct rt__stack stack)
{
	struct rt__go_regs regs = {.fn = (uintptr_t)fn};
	struct rt__g *gp = rt__newg(&(struct rt__slot){.stack = stack, .number = 1});

	gp->sp = rt__frame_prepare_words(rt__g_frames_top(gp), &regs, &gp->pc);
	rt__save_fpctl(&gp->fpctl);
	rt__first_runnable(gp, &regs, rt__getm()->p);
}

void
rt__main_started(void)
{
	rt__store_rlx(&rt__sched.stage, (uint32_t)RT_STAGE_SINGLE);
	if (rt__debug.schedtrace > 0) {
		rt__schedtrace_tick(rt__nanotime()); /* a short program has one line, too */
		rt__sysmon_ensure();
	}
}

/* On g0: the goroutine is off its stack, which may be reused from now on. */
static void
goexit0(struct rt__g *gp)
{
	struct rt__m *mp = rt__getm();

	if (rt__unlikely(rt__debug.stackuse))
		rt__stackuse_end(gp);
	rt__g_set_status(gp, RT_G_RUNNING, RT_G_DEAD);
	rt__store_rel(&mp->p->ended, mp->p->ended + 1); /* to rt_num_goroutine */
	rt__dropg(mp);
	if (gp->locked_m) {
		/* The thread's state (namespaces, signal mask, ...) is not fit for others. */
		gp->locked_m = NULL;
		mp->locked_g = NULL;
		rt__gfput(mp->p, gp);
		rt__mexit();
	}
	rt__gfput(mp->p, gp);
	rt__schedule();
}

/* Somebody waits for this: its place may be gone as soon as it is told. */
static RT_NOINLINE void
tell_wg(struct rt__g *gp)
{
	void *wg = gp->wg;

	gp->wg = NULL;
	rt__hooks.wg_done(wg);
}

/* Where a goroutine's function returns to (switch.S). */
void
rt__goend(void)
{
	struct rt__g *gp = rt__getg();

	rt__hooks.tls_finish(gp->tp);
	if (gp->wg)
		tell_wg(gp);
	rt__mleave(goexit0);
}

void
rt_goexit(void)
{
	struct rt__g *gp = rt__getg();

	if (!gp)
		rt__panic("rt_goexit on a thread that is not a goroutine");
	rt__unwind_all();
	rt__goend();
}

/* SPDX-License-Identifier: MIT */
/* Go's checkdead: when every M is idle and nothing can wake one, the program can only hang. */
#include "sched/sched_priv.h"

static const char *
status_text(const struct rt__g *gp)
{
	switch (rt__g_status(gp)) {
	case RT_G_RUNNABLE:
		return "runnable";
	case RT_G_RUNNING:
		return "running";
	case RT_G_WAITING:
		return gp->wait_reason ? rt__wait_reason_text[gp->wait_reason] : "waiting";
	default:
		return "idle";
	}
}

static void
print_goroutine(struct rt__g *gp, void *except)
{
	if (gp == except || rt__g_status(gp) == RT_G_DEAD)
		return;
	rt__eprintf("\ngoroutine %lu [%s%s]:\n", gp->id, status_text(gp),
		    gp->locked_m ? ", locked to thread" : "");
	if (gp->parent_id)
		rt__eprintf("started at %p by goroutine %lu\n", (void *)gp->start_pc,
			    gp->parent_id);
}

void
rt__print_goroutines(const struct rt__g *gp)
{
	if (gp)
		print_goroutine((struct rt__g *)(uintptr_t)gp, NULL);
	rt__for_each_g(print_goroutine, (void *)(uintptr_t)gp);
}

struct tally {
	int waiting, ready;
};

static void
count(struct rt__g *gp, void *arg)
{
	struct tally *t = arg;

	if (rt__g_status(gp) == RT_G_WAITING)
		t->waiting++;
	else if (rt__g_status(gp) != RT_G_DEAD)
		t->ready++;
}

void
rt__checkdead(void)
{
	struct tally t = {0, 0};
	int32_t run =
		rt__sched.mcount - rt__sched.nmidle - rt__sched.nmidle_locked - rt__sched.nmsys;

	if (run > 0 || rt__hooks.foreign_threads() > 0 || rt__load_rlx(&rt__sched.gcwaiting))
		return;
	if (run < 0) {
		rt__eprintf("runtime: checkdead: nmidle=%d nmidlelocked=%d mcount=%d nmsys=%d\n",
			    rt__sched.nmidle, rt__sched.nmidle_locked, rt__sched.mcount,
			    rt__sched.nmsys);
		rt__throw("checkdead: inconsistent counts");
	}
	rt__for_each_g(count, &t);
	if (t.ready > 0)
		return; /* on a queue: whoever put it there is about to wake an M */
	rt__eprintf("fatal error: %s - deadlock!\n",
		    t.waiting ? "all goroutines are asleep"
			      : "no goroutines (main called runtime.Goexit)");
	rt__print_goroutines(NULL);
	rt__os_exit(2);
}

void
rt__check_deadlock(void)
{
	rt__lock(&rt__sched.lock);
	rt__checkdead();
	rt__unlock(&rt__sched.lock);
}

/* SPDX-License-Identifier: MIT */
/* Go's checkdead: when every M is idle, foreign threads wait for goroutines, and no timer is set,
 * the program can only hang. */
#include "sched/sched_priv.h"

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

	if (run > 0 || rt__foreign_may_wake() || rt__load_rlx(&rt__sched.gcwaiting) ||
	    rt__crashing() || rt__timers_pending())
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
	rt__fatal_deadlock(t.waiting ? "all goroutines are asleep - deadlock!"
				     : "no goroutines (main called runtime.Goexit) - deadlock!");
}

void
rt__check_deadlock(void)
{
	rt__lock(&rt__sched.lock);
	rt__checkdead();
	rt__unlock(&rt__sched.lock);
}

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

	if (gp->id == 1 && rt__sched.main_left)
		return;
	if (rt__g_status(gp) == RT_G_WAITING)
		t->waiting++;
	else if (rt__g_status(gp) != RT_G_DEAD)
		t->ready++;
}

void
rt__checkdead(void)
{
	struct tally t = {0, 0};
	int threads;
	int32_t run = rt__sched.mcount - rt__sched.nmidle - rt__sched.nmidle_locked -
		rt__sched.nmsys - rt__sched.main_left;

	if (run > 0 || rt__foreign_may_wake(&threads) || rt__load_rlx(&rt__sched.gcwaiting) ||
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
	if (t.waiting == 0 && rt__sched.main_left && threads == 0) {
		rt__store_rel(&rt__sched.main_last, 1u); /* to who waits for it */
		rt__futex_wake(&rt__sched.main_last, 1);
		return;
	}
	rt__fatal_deadlock(t.waiting ? "all goroutines are asleep - deadlock!"
				     : "no goroutines (main called runtime.Goexit) - deadlock!");
}

uint32_t *
rt__main_leaves(void)
{
	rt__lock(&rt__sched.lock);
	rt__sched.main_left = 1;
	rt__checkdead();
	rt__unlock(&rt__sched.lock);
	return &rt__sched.main_last;
}

void
rt__check_deadlock(void)
{
	rt__lock(&rt__sched.lock);
	rt__checkdead();
	rt__unlock(&rt__sched.lock);
}

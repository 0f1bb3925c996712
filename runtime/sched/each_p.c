/* SPDX-License-Identifier: MIT */
/*
 * Running a function on every P, without stopping them all at once (Go's forEachP): who runs on a P
 * runs it when its goroutine next comes by the scheduler, or is preempted; for a P that is idle or
 * in a system call, who asked does. So what belongs to a P's owner alone is only touched by whoever
 * has the P.
 *
 *	asks		each.fn, then safe_point = 1 (release), on every P
 *	has the P	sees it (acquire), makes it 0, runs fn, counts itself off
 *
 * A P has one owner, so nobody else does the same at the same time. The model is
 * tests/model/each_p.pml.
 *
 * It is an idle P's turn under sched.lock, which taking it from the list needs as well; a P in a
 * system call is taken by the CAS of its status (syscall.c) and handed on, as sysmon does. A P that
 * changes hands just then is found in the next round, 100 us later. That is why, unlike in Go,
 * neither a system call nor an M that goes to sleep looks for it, and a switch does not either:
 * preempt is set along with it, which keeps the scheduler off its short way.
 *
 * A goroutine that cannot be preempted holds it up until it can, as it does a stop of the world;
 * those exclude each other. fn may take locks behind sched.lock, and does not park.
 */
#include "sched/sched_priv.h"

#define POLL_NS 100000

static struct {
	void (*fn)(struct rt__p *pp);
	int32_t left; /* (a) Ps that have not run it */
	struct rt__note done;
} each;

void
rt__run_safe_point(struct rt__p *pp)
{
	if (!rt__load_acq(&pp->safe_point)) /* pairs with the release in ask */
		return;
	rt__store_rlx(&pp->safe_point, 0u);
	each.fn(pp);
	/* acqrel: what fn has done, to who asked. */
	if (rt__add_acqrel(&each.left, -1) == 0)
		rt__note_wakeup(&each.done);
}

static void
ask(const struct rt__ps *ps, void (*fn)(struct rt__p *pp))
{
	each.fn = fn;
	rt__store_rlx(&each.left, ps->n);
	rt__note_clear(&each.done);
	for (int32_t i = 0; i < ps->n; i++)
		rt__store_rel(&ps->p[i]->safe_point, 1u); /* fn, to rt__run_safe_point */
}

/* For those that nobody runs on. */
static void
run_for_others(const struct rt__ps *ps)
{
	rt__lock(&rt__sched.lock);
	for (struct rt__p *pp = rt__sched.idle_ps; pp; pp = pp->link)
		rt__run_safe_point(pp);
	rt__unlock(&rt__sched.lock);
	for (int32_t i = 0; i < ps->n; i++) {
		struct rt__p *pp = ps->p[i];

		if (!rt__load_rlx(&pp->safe_point) || !rt__retake_syscall(pp, RT_P_IDLE))
			continue;
		rt__run_safe_point(pp);
		rt__store_rlx(&pp->syscall_tick, pp->syscall_tick + 1);
		rt__handoffp(pp);
	}
}

static void
preempt_others(const struct rt__ps *ps)
{
	for (int32_t i = 0; i < ps->n; i++)
		if (rt__load_rlx(&ps->p[i]->safe_point) &&
		    rt__load_rlx(&ps->p[i]->status) == RT_P_RUNNING)
			rt__preempt_one(ps->p[i]);
}

void
rt__for_each_p(void (*fn)(struct rt__p *pp), const char *reason)
{
	rt__world_take(reason);
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	struct rt__p *own = rt__getm()->p;
	ask(ps, fn);
	if (own)
		rt__run_safe_point(own);
	do {
		run_for_others(ps);
		preempt_others(ps);
	} while (!rt__note_timedsleep(&each.done, POLL_NS));
	rt__world_release();
}

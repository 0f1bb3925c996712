/* SPDX-License-Identifier: MIT */
/*
 * Stopping the world: taking every P away from everybody else. Idle Ps are taken at once, the
 * others stop when their goroutine next reaches the scheduler. It waits as long as that takes: a
 * goroutine that never calls the runtime holds it up.
 */
#include <rt/rt.h>

#include "sched/sched_priv.h"

#define POLL_NS 100000

/* Asks every running P to end its slice. */
static void
preempt_all(void)
{
	struct rt__ps *ps = rt__sched.ps;

	for (int32_t i = 0; i < ps->n; i++)
		rt__store_rlx(&ps->p[i]->preempt, true);
}

/* Takes the caller's P and the idle ones; true if that was all of them. */
static bool
take_ps(void)
{
	rt__lock(&rt__sched.lock);
	rt__sched.stopwait = rt__sched.ps->n;
	rt__note_clear(&rt__sched.stopnote);
	rt__store_seq(&rt__sched.gcwaiting, 1u); /* pairs with the acquire in find_runnable */
	preempt_all();
	rt__store_rlx(&rt__getm()->p->status, (uint32_t)RT_P_GCSTOP);
	rt__sched.stopwait--;
	for (struct rt__p *pp; (pp = rt__pidle_get());) {
		rt__store_rlx(&pp->status, (uint32_t)RT_P_GCSTOP);
		rt__sched.stopwait--;
	}
	bool done = rt__sched.stopwait == 0;
	rt__unlock(&rt__sched.lock);
	return done;
}

/* Called on a goroutine. Two stoppers take turns by yielding: one that slept with its P would
 * keep the other from ever getting that P. */
void
rt__stop_the_world(void)
{
	while (!rt__cas_acq(&rt__sched.world_busy, 0u, 1u)) {
		rt_gosched();
		rt__cpu_relax();
	}
	if (take_ps())
		return;
	while (!rt__note_timedsleep(&rt__sched.stopnote, POLL_NS))
		preempt_all();
}

/* Sets the number of Ps and lets everybody go on. */
void
rt__start_the_world(int32_t procs)
{
	rt__lock(&rt__sched.lock);
	struct rt__p *runnable = rt__procresize(procs);
	rt__store_rel(&rt__sched.gcwaiting, 0u);
	if (rt__load_rlx(&rt__sched.sysmonwait)) {
		rt__store_rlx(&rt__sched.sysmonwait, 0u);
		rt__note_wakeup(&rt__sched.sysmonnote);
	}
	rt__unlock(&rt__sched.lock);
	while (runnable) {
		struct rt__p *pp = runnable;

		runnable = pp->link;
		pp->link = NULL;
		rt__startm(pp, false);
	}
	/* Goroutines of Ps that went are on the global queue: someone may be needed for them. */
	rt__fence_seq();
	rt__wakep();
	rt__store_rel(&rt__sched.world_busy, 0u);
}

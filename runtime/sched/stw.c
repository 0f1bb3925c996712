/* SPDX-License-Identifier: MIT */
/*
 * Stopping the world: taking every P away from everybody else. Idle Ps and those of Ms in system
 * calls are taken at once; the others stop when their goroutine next comes by the scheduler, or is
 * preempted. Every 100 us it looks again: for Ps that have entered a system call since, and for
 * goroutines that could not be stopped where they were. A goroutine that cannot be preempted holds
 * it up until it can: one inside libc, for as long as that call takes.
 *
 * Ms that come back from a system call meanwhile find no P, queue their goroutine and sleep. The
 * model is tests/model/stw.pml.
 *
 * Who stops it says why: a report of a program that dies meanwhile tells, since nothing else that
 * it shows would explain goroutines that do not run.
 */
#include <rt/rt.h>

#include "sched/sched_priv.h"

#define POLL_NS 100000

void
rt__stop_one_less(void)
{
	if (--rt__sched.stopwait == 0)
		rt__note_wakeup(&rt__sched.stopnote);
}

/* Takes the Ps of Ms in system calls. With sched.lock. */
static void
take_syscall_ps(void)
{
	struct rt__ps *ps = rt__sched.ps;

	for (int32_t i = 0; i < ps->n; i++)
		if (rt__retake_syscall(ps->p[i], RT_P_GCSTOP))
			rt__stop_one_less();
}

/* Asks every running P to end its slice. */
static void
preempt_all(void)
{
	struct rt__ps *ps = rt__load_acq(&rt__sched.ps);

	for (int32_t i = 0; i < ps->n; i++)
		if (rt__load_rlx(&ps->p[i]->status) == RT_P_RUNNING)
			rt__preempt_one(ps->p[i]);
}

/* Takes the caller's P and those that nobody runs on. */
static void
take_ps(void)
{
	rt__lock(&rt__sched.lock);
	rt__sched.stopwait = rt__sched.ps->n;
	rt__note_clear(&rt__sched.stopnote);
	rt__store_seq(&rt__sched.gcwaiting, 1u); /* pairs with the acquire in find_runnable */
	rt__store_rlx(&rt__getm()->p->status, (uint32_t)RT_P_GCSTOP);
	rt__stop_one_less();
	for (struct rt__p *pp; (pp = rt__pidle_get());) {
		rt__store_rlx(&pp->status, (uint32_t)RT_P_GCSTOP);
		rt__stop_one_less();
	}
	take_syscall_ps();
	rt__unlock(&rt__sched.lock);
}

/* Two take turns by yielding: one that slept with its P would keep the other from ever getting that
 * P. */
void
rt__world_take(const char *reason)
{
	while (!rt__cas_acq(&rt__sched.world_busy, 0u, 1u)) {
		rt_gosched();
		rt__cpu_relax();
	}
	rt__store_rel(&rt__sched.stop_reason, reason); /* to reports */
}

void
rt__world_release(void)
{
	rt__store_rlx(&rt__sched.stop_reason, (const char *)NULL);
	rt__store_rel(&rt__sched.world_busy, 0u);
}

/* Called on a goroutine. */
void
rt__stop_the_world(const char *reason)
{
	rt__world_take(reason);
	take_ps();
	/* The first round at once: most goroutines are gone after it. */
	while (!rt__note_timedsleep(&rt__sched.stopnote, 0)) {
		preempt_all();
		if (rt__note_timedsleep(&rt__sched.stopnote, POLL_NS))
			break;
		rt__lock(&rt__sched.lock);
		take_syscall_ps();
		rt__unlock(&rt__sched.lock);
	}
}

/* Sets the number of Ps and lets everybody go on; but not under the eyes of a report, which has
 * frozen the world for itself (crash.c). */
void
rt__start_the_world(int32_t procs)
{
	rt__crash_wait();
	rt__lock(&rt__sched.lock);
	struct rt__p *runnable = rt__procresize(procs);
	rt__store_rel(&rt__sched.gcwaiting, 0u);
	if (rt__load_rlx(&rt__sched.sysmonwait))
		rt__sysmon_kick();
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
	rt__world_release();
}

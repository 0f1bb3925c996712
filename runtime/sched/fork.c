/* SPDX-License-Identifier: MIT */
/*
 * The scheduler in the child of a fork. POSIX copies the calling thread only: the child has the
 * goroutine that forked, on its M, and no other goroutine, as it would have no other thread. Ms,
 * the contents of queues, idle lists and per-P caches belonged to threads that are not there;
 * what is left is what a program has when main starts, and it grows again with the next rt_go.
 *
 * fork holds all locks of the runtime meanwhile, so what they protect is whole. What belongs to a
 * P's owner alone may have been caught in the middle, and is dropped; but for the free blocks of
 * its cache (mem/cache.c).
 */
#include "sched/sched_priv.h"

#include "mem/mem.h"

void
rt__fork_prepare(void)
{
	rt__lock_all();
}

void
rt__fork_parent(void)
{
	rt__unlock_all();
}

static void
reset_p(struct rt__p *pp)
{
	pp->m = NULL;
	pp->link = NULL;
	pp->preempt = pp->urgent = false;
	pp->safe_point = 0;
	pp->runq.head = pp->runq.tail = 0;
	pp->runq.next = NULL;
	pp->nfree = 0;
	rt__timers_init(&pp->timers);
	rt__store_rlx(&pp->status, (uint32_t)RT_P_IDLE);
}

static void
reset_ps(struct rt__p *own)
{
	for (int32_t i = 0; i < rt__sched.ps->n; i++) {
		reset_p(rt__sched.ps->p[i]);
		if (rt__sched.ps->p[i] != own)
			rt__pidle_put(rt__sched.ps->p[i]);
	}
}

/* Of goroutines there is the caller, at most. */
static void
reset_counts(const struct rt__g *gp)
{
	for (int32_t i = 0; i < rt__sched.ps->len; i++)
		rt__sched.ps->p[i]->started = rt__sched.ps->p[i]->ended = 0;
	rt__sched.started = gp != NULL;
	rt__allg_lose_others(gp);
}

/* A foreign thread that forks leaves a child without an M, and every P idle. */
static void
reset_ms(struct rt__m *mp)
{
	for (struct rt__m *m = rt__sched.all_ms; m; m = m->all_link)
		m->firing = NULL; /* who stops that timer would wait for it */
	rt__sched.mcount = mp != NULL;
	rt__sched.all_ms = mp;
	rt__sched.idle_ms = rt__sched.free_ms = rt__sched.unborn_ms = rt__sched.keeper = NULL;
	rt__sched.lookout = NULL;
	rt__sched.nmidle = rt__sched.nmidle_locked = rt__sched.nmsys = 0;
	if (!mp)
		return;
	mp->all_link = mp->idle_link = NULL;
	mp->tid = rt__os_gettid();
	mp->urg_pending = 0;
	mp->spinning = false;
}

static void
reset_sched(void)
{
	rt__sched.idle_ps = NULL;
	rt__sched.runq.n = 0;
	rt__sched.npidle = rt__sched.nmspinning = 0;
	rt__sched.needspinning = rt__sched.gcwaiting = rt__sched.world_busy = 0;
	rt__sched.sysmonwait = rt__sched.sysmon_slow = rt__sched.sysmon_kick = 0;
	rt__sched.urgent = rt__sched.clock = 0;
	rt__sched.sysmon_when = 0;
	rt__sched.main_left = 0;
	rt__sched.stop_reason = NULL;
	rt__sched.stage = RT_STAGE_SINGLE;
}

void
rt__fork_child(void)
{
	struct rt__m *mp = rt__getm();
	struct rt__p *own = mp->p;

	if (mp == &rt__m_foreign)
		mp = NULL;
	reset_sched();
	rt__foreign_lose_others(!mp);
	rt__interrupt_forget();
	reset_ms(mp);
	reset_ps(own);
	reset_counts(mp ? mp->curg : NULL);
	if (own) {
		own->m = mp;
		rt__store_rlx(&own->status, (uint32_t)RT_P_RUNNING);
	}
	rt__unlock_all();
	rt__caches_recover();
}

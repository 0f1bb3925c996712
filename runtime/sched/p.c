/* SPDX-License-Identifier: MIT */
/* Ps: attaching them to Ms, the idle list, and procresize, the only way to change their number. */
#include <rt/rt.h>

#include "sched/sched_priv.h"

#include "mem/mem.h"

/* Published like all else that Ms share: by the locks through which a P changes hands, or by the
 * start of a thread. */
uint32_t rt__alone;
static bool had_foreign; /* for good: such a thread may be in a lock still when it has ended */

void
rt__not_alone(void)
{
	had_foreign = true;
	rt__store_rlx(&rt__alone, 0u);
}

void
rt__acquirep(struct rt__p *pp)
{
	struct rt__m *mp = rt__getm();

	if (mp->p || pp->m)
		rt__throw("acquirep: already in use");
	mp->p = pp;
	mp->cache = pp->fast_cache;
	pp->m = mp;
	/* A slice is about to start; nobody counts it while there is one goroutine. */
	if (rt__load_rlx(&rt__sched.stage) >= RT_STAGE_FULL) {
		int64_t now = rt__nanotime();

		rt__clock_set(now);
		rt__store_rlx(&pp->sysmon_when, now);
		rt__store_rlx(&pp->sysmon_tick, pp->sched_tick + 1);
	}
	rt__store_rlx(&pp->status, (uint32_t)RT_P_RUNNING);
}

struct rt__p *
rt__releasep(void)
{
	struct rt__m *mp = rt__getm();
	struct rt__p *pp = mp->p;

	if (!pp || pp->m != mp)
		rt__throw("releasep: invalid p state");
	mp->p = NULL;
	mp->cache = &rt__cache_none;
	pp->m = NULL;
	rt__store_rlx(&pp->status, (uint32_t)RT_P_IDLE);
	return pp;
}

/* With sched.lock. An idle P has no local work: nobody would look there. */
void
rt__pidle_put(struct rt__p *pp)
{
	if (!rt__runq_empty(&pp->runq))
		rt__throw("pidleput: P has non-empty run queue");
	pp->link = rt__sched.idle_ps;
	rt__sched.idle_ps = pp;
	rt__store_rlx(&rt__sched.npidle, rt__sched.npidle + 1);
}

/* With sched.lock. */
void
rt__pidle_taken(struct rt__p *pp)
{
	pp->link = NULL;
	rt__store_rlx(&rt__sched.npidle, rt__sched.npidle - 1);
	if (rt__load_rlx(&rt__sched.sysmonwait)) /* there is something to monitor again */
		rt__sysmon_watch_again();
}

/* With sched.lock. */
struct rt__p *
rt__pidle_get(void)
{
	struct rt__p *pp = rt__sched.idle_ps;

	if (!pp)
		return NULL;
	rt__sched.idle_ps = pp->link;
	rt__pidle_taken(pp);
	return pp;
}

/* Takes pp off the idle list if it is there. With sched.lock. */
static bool
pidle_take(struct rt__p *pp)
{
	for (struct rt__p **at = &rt__sched.idle_ps; *at; at = &(*at)->link) {
		if (*at == pp) {
			*at = pp->link;
			rt__pidle_taken(pp);
			return true;
		}
	}
	return false;
}

/* The caches of pp are warm, or its timers are due. With sched.lock. */
struct rt__p *
rt__pidle_get_or_any(struct rt__p *pp)
{
	if (rt__load_rlx(&pp->status) == RT_P_IDLE && pidle_take(pp))
		return pp;
	return rt__pidle_get();
}

/* With sched.lock. For who has found work: if no P is idle, those that are about to give theirs up
 * without having spun are told, or they would sleep over it. Before nmspinning is dropped. */
struct rt__p *
rt__pidle_get_for_work(void)
{
	struct rt__p *pp = rt__pidle_get();

	if (!pp)
		rt__store_rlx(&rt__sched.needspinning, 1u);
	return pp;
}

/* ---- procresize ---- */

/* Writes only: a page that is read first, at boot, is faulted in twice. */
static struct rt__p *
new_p(int32_t id)
{
	struct rt__p *pp = rt__persistent_alloc(sizeof *pp, RT_CACHE_LINE);

	pp->id = id;
	pp->cache = pp->fast_cache = &rt__cache_none;
	rt__timers_init(&pp->timers);
	return pp;
}

/* A P that is new, or was dead. */
static void
p_init(struct rt__p *pp)
{
	pp->preempt = false;
	rt__store_rlx(&pp->status, (uint32_t)RT_P_GCSTOP);
}

/* A P that goes: its goroutines to the head of the global queue, in order; its free Gs to the
 * global list, and its free blocks to central; its timers to the caller. The struct stays, since an
 * M without a P may still look at it. */
static void
p_destroy(struct rt__p *pp)
{
	struct rt__runq *q = &pp->runq;

	/* From the tail, so that the queue's head ends up first; then next, before all of them. */
	while (q->head != q->tail) {
		q->tail--;
		rt__gd_push_front(&rt__sched.runq, q->ring[q->tail % RT_RUNQ_SIZE]);
	}
	if (q->next) {
		rt__gd_push_front(&rt__sched.runq, q->next);
		q->next = NULL;
	}
	rt__gfpurge(pp);
	rt__cache_flush(pp->cache);
	rt__timers_move(&rt__getm()->p->timers, &pp->timers);
	rt__store_rlx(&pp->status, (uint32_t)RT_P_DEAD);
}

/* Makes all_ps hold at least n Ps. The old array is not freed: snapshots may still point to it. */
static void
grow(int32_t n)
{
	if (n > rt__sched.all_ps_cap) {
		struct rt__p **all =
			rt__persistent_alloc((size_t)n * sizeof(void *), sizeof(void *));

		for (int32_t i = 0; i < rt__sched.all_ps_len; i++)
			all[i] = rt__sched.all_ps[i];
		rt__sched.all_ps = all;
		rt__sched.all_ps_cap = n;
	}
	for (; rt__sched.all_ps_len < n; rt__sched.all_ps_len++)
		rt__sched.all_ps[rt__sched.all_ps_len] = new_p(rt__sched.all_ps_len);
}

static uint32_t
gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

/* A new snapshot for n Ps: the array and the steal order. */
static struct rt__ps *
make_ps(int32_t n)
{
	struct rt__ps *ps = rt__persistent_alloc(sizeof *ps, _Alignof(struct rt__ps));

	ps->n = n;
	ps->len = rt__sched.all_ps_len;
	ps->p = rt__sched.all_ps;
	ps->coprimes = rt__persistent_alloc((size_t)n * sizeof(uint32_t), sizeof(uint32_t));
	for (uint32_t i = 1; i <= (uint32_t)n; i++)
		if (gcd(i, (uint32_t)n) == 1)
			ps->coprimes[ps->ncoprimes++] = i;
	return ps;
}

/* Keeps the current P if it survives, else takes P 0: this M needs one to go on. */
static void
choose_own_p(int32_t n)
{
	struct rt__m *mp = rt__getm();

	if (mp->p && mp->p->id < n) {
		rt__store_rlx(&mp->p->status, (uint32_t)RT_P_RUNNING);
		return;
	}
	if (mp->p) {
		mp->p->m = NULL;
		mp->p = NULL;
		mp->cache = &rt__cache_none;
	}
	rt__sched.all_ps[0]->m = NULL;
	rt__acquirep(rt__sched.all_ps[0]);
}

/*
 * Changes the number of Ps to n, with the world stopped and sched.lock held (neither matters at
 * boot). Returns the Ps that have local work, linked, for the caller to find Ms for; the others
 * are idle.
 */
struct rt__p *
rt__procresize(int32_t n)
{
	struct rt__ps *old = rt__sched.ps;
	struct rt__p *runnable = NULL;

	if (n <= 0)
		rt__throw("procresize: invalid arg");
	grow(n);
	for (int32_t i = old ? old->n : 0; i < n; i++)
		p_init(rt__sched.all_ps[i]);
	choose_own_p(n);
	for (int32_t i = n; old && i < old->n; i++)
		p_destroy(rt__sched.all_ps[i]);
	for (int32_t i = n - 1; i >= 0; i--) {
		struct rt__p *pp = rt__sched.all_ps[i];

		if (pp == rt__getm()->p)
			continue;
		rt__store_rlx(&pp->status, (uint32_t)RT_P_IDLE);
		if (rt__runq_empty(&pp->runq)) {
			rt__pidle_put(pp);
		} else {
			pp->link = runnable;
			runnable = pp;
		}
	}
	rt__store_rel(&rt__sched.ps, make_ps(n)); /* pairs with the acquire of its readers */
	rt__store_rlx(&rt__alone, (uint32_t)(n == 1 && !had_foreign));
	return runnable;
}

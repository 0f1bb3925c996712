/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's loop: find a runnable goroutine, run it, until it parks, yields or ends.
 * Everything here but the API at the end runs on g0, with a P unless said otherwise.
 *
 * Order of the search, as in Go: stop-the-world first; every 61st slice the global queue, for
 * fairness; the local queue; the global queue; then, if there are not too many others at it,
 * stealing; then the P is given up and the M sleeps. Timers are looked at first, but only once the
 * local queue has run dry or one of the other things is due: timers.c.
 *
 * An M that looks for work without having any is "spinning", and counted. Who makes work visible
 * (ready, newproc) wakes an M only if none spins; a spinning M that gives up therefore drops the
 * count first and looks once more after: of the two, at least one sees the other. The argument is
 * in idle.c, its model in tests/model/spinning.pml.
 *
 * Rejected: Gosched onto the global queue, as Go has it: a lock for each yield, and the local
 * queue's tail gives the same turn to everyone on this P, while stealing takes care of the others.
 */
#include <rt/rt.h>

#include "sched/sched_priv.h"

#define GLOBAL_EVERY 61
#define GIVE_WAY_LAST 16 /* of so many times, once */

struct rt__sched rt__sched;

/* ---- queues ---- */

static void
globrunq_put_n(struct rt__g *const *gs, int32_t n)
{
	rt__lock(&rt__sched.lock);
	rt__gd_push_back(&rt__sched.runq, gs, n);
	rt__unlock(&rt__sched.lock);
}

void
rt__globrunq_put(struct rt__g *gp)
{
	globrunq_put_n(&gp, 1);
}

void
rt__runq_put_p(struct rt__p *pp, struct rt__g *gp, bool next)
{
	struct rt__gbatch overflow;

	if (rt__unlikely(rt__runq_put(&pp->runq, gp, next, &overflow)))
		globrunq_put_n(overflow.g, overflow.n);
}

/* The first of the global queue, with sched.lock. Whoever takes it will run it: an M that has come
 * back from a system call with it is one idle M more. */
struct rt__g *
rt__globrunq_pop(void)
{
	struct rt__g *gp = rt__gd_pop_front(&rt__sched.runq);

	if (gp->wait_m)
		rt__m_stop_waiting(gp);
	return gp;
}

/* Takes a fair share of the global queue, at most max: returns one, puts the rest on pp's queue.
 * With sched.lock held. */
struct rt__g *
rt__globrunq_get(struct rt__p *pp, int32_t max)
{
	int32_t n = rt__sched.runq.n / rt__sched.ps->n + 1;

	if (n > rt__sched.runq.n)
		n = rt__sched.runq.n;
	if (n > max)
		n = max;
	struct rt__g *gp = rt__globrunq_pop();
	/* The local queue is empty or a single one is asked for: there is room. */
	while (--n > 0)
		rt__runq_put_tail(&pp->runq, rt__globrunq_pop());
	return gp;
}

static struct rt__g *
globrunq_try(struct rt__p *pp, int32_t max)
{
	struct rt__g *gp = NULL;

	if (rt__load_rlx(&rt__sched.runq.n) == 0)
		return NULL;
	rt__lock(&rt__sched.lock);
	if (rt__sched.runq.n > 0)
		gp = rt__globrunq_get(pp, max);
	rt__unlock(&rt__sched.lock);
	return gp;
}

/* ---- running ---- */

/* Debug builds: on g0, with a P of its own, nothing running, no lock held, gp nobody else's. */
static inline void
check_switch(const struct rt__m *mp, const struct rt__g *gp)
{
	rt__assert(!rt__on_goroutine(mp));
	rt__assert(mp->p && rt__load_rlx(&mp->p->m) == mp);
	rt__assert(rt__load_rlx(&mp->p->status) == RT_P_RUNNING);
	rt__assert(!mp->curg && !gp->m);
	rt__assert(!gp->locked_m || gp->locked_m == mp);
	rt__assert(gp->sp - gp->stack.lo <= gp->stack.hi - gp->stack.lo);
	rt__assert(mp->locks_held == 0);
	(void)mp, (void)gp; /* elsewhere, nothing is left of it */
}

static inline RT_NORETURN void
execute(struct rt__m *mp, struct rt__g *gp, bool inherit)
{
	check_switch(mp, gp);
	gp->m = mp;
	rt__g_set_status(gp, RT_G_RUNNABLE, RT_G_RUNNING);
	if (rt__unlikely(gp->own_mask | mp->own_mask))
		rt__m_use_mask(mp, gp->own_mask ? gp->sigmask : rt__os.sigmask);
	struct rt__p *pp = mp->p;
	rt__store_rlx(&pp->switches, pp->switches + 1);
	if (!inherit)
		rt__store_rlx(&pp->sched_tick, pp->sched_tick + 1);
	rt__gogo(gp);
}

/* Runs gp. With inherit, it goes on in the time slice of the one before. */
void
rt__execute(struct rt__g *gp, bool inherit)
{
	execute(rt__getm(), gp, inherit);
}

/*
 * The slice was too long. Goroutines that ready each other share one slice through the next slot:
 * the next one has to queue up behind the others; but not after an early preemption, since it is
 * the one that was stopped. First comes who waits globally: for those it was done, mostly. If that
 * one's M sleeps there with it, it gets the P and this one sleeps (rt__start_waiting_m): threads
 * keep their roles, and the kernel is quick to wake one that seldom runs.
 */
static struct rt__g *
after_preemption(struct rt__p *pp)
{
	struct rt__gbatch overflow;
	bool early = rt__load_rlx(&pp->urgent);

	rt__store_rlx(&pp->preempt, false);
	rt__store_rlx(&pp->urgent, false);
	if (!early)
		pp->early_stops = 0;
	if (!early && rt__runq_kick_next(&pp->runq, &overflow))
		globrunq_put_n(overflow.g, overflow.n);
	rt__lock(&rt__sched.lock);
	struct rt__g *gp = rt__gd_pop_front(&rt__sched.runq);
	rt__unlock(&rt__sched.lock);
	return gp;
}

/* Whether it is the global queue's turn. */
static inline bool
global_is_due(const struct rt__p *pp)
{
	return (int32_t)(pp->sched_tick - pp->global_tick) >= 0;
}

/* Work without stealing. */
static struct rt__g *
find_near(struct rt__m *mp, struct rt__p *pp, bool *inherit)
{
	struct rt__g *gp = NULL;

	*inherit = false;
	/* What a timer has woken comes before whom a preemption was for: that stays asked for. */
	bool fired = rt__load_rlx(&pp->timers.next) != RT_NEVER && rt__timers_look(mp, pp);
	if (rt__unlikely(rt__seeded()))
		return rt__seeded_get(pp);
	if (rt__unlikely(rt__load_rlx(&pp->preempt)) && !fired) {
		gp = after_preemption(pp);
	} else if (rt__unlikely(global_is_due(pp))) {
		pp->global_tick = pp->sched_tick + GLOBAL_EVERY;
		gp = globrunq_try(pp, 1);
	}
	if (!gp)
		gp = rt__runq_get(&pp->runq, inherit);
	return gp ? gp : globrunq_try(pp, RT_RUNQ_SIZE / 2);
}

/* Stealing, if this M spins already or fewer than half of the busy Ps have a thief; else others'
 * timers. */
static struct rt__g *
find_far(struct rt__m *mp)
{
	int32_t busy = rt__load_acq(&rt__sched.ps)->n - rt__load_rlx(&rt__sched.npidle);
	bool inherit;

	if (!mp->spinning && 2 * rt__load_rlx(&rt__sched.nmspinning) >= busy)
		return rt__timers_look_far(mp, mp->p) ? rt__runq_get(&mp->p->runq, &inherit) : NULL;
	rt__become_spinning(mp);
	return rt__steal_work(mp->p);
}

/* Gives the P up, unless work has turned up: then that. */
static struct rt__g *
give_up_p(struct rt__m *mp, bool *still_have_p)
{
	struct rt__g *gp = NULL;

	rt__lock(&rt__sched.lock);
	*still_have_p = rt__load_rlx(&rt__sched.gcwaiting) != 0; /* the P is for the stopper */
	if (!*still_have_p && rt__sched.runq.n > 0)
		gp = rt__globrunq_get(mp->p, RT_RUNQ_SIZE / 2);
	if (!*still_have_p && !gp)
		rt__pidle_put(rt__releasep());
	rt__unlock(&rt__sched.lock);
	return gp;
}

/*
 * The idler's half of the hand-over with rt__wakep, after the P was put on the idle list: stop
 * spinning, then look once more at all queues, if this M spun (who made work visible relied on
 * it) or somebody found work with no P idle (and could wake nobody). True if there is work and
 * the M has got a P again.
 */
static bool
last_look(struct rt__m *mp)
{
	bool was_spinning = mp->spinning;

	mp->spinning = false;
	if (was_spinning && rt__add_seq(&rt__sched.nmspinning, -1) < 0)
		rt__throw("findrunnable: negative nmspinning");
	/* StoreLoad between nmspinning and npidle above and the loads below; pairs with the fence
	 * in rt__wakep. */
	rt__fence_seq();
	if (!was_spinning && !rt__load_rlx(&rt__sched.needspinning))
		return false;
	/* The global queue first, and with the lock: who moves goroutines from there to a local
	 * queue holds it, so they are seen in one place or the other. */
	rt__lock(&rt__sched.lock);
	bool work = rt__sched.runq.n > 0;
	rt__unlock(&rt__sched.lock);
	if (!work && !rt__any_runq_has_work(rt__load_acq(&rt__sched.ps)) && !rt__timers_due())
		return false;
	rt__lock(&rt__sched.lock);
	struct rt__p *pp = rt__pidle_get_for_work();
	rt__unlock(&rt__sched.lock);
	if (!pp)
		return false; /* whoever gives a P up next sees needspinning */
	rt__acquirep(pp);
	rt__become_spinning(mp);
	return true;
}

/* A goroutine to run; sleeps until there is one. */
static struct rt__g *
find_runnable(bool *inherit)
{
	struct rt__m *mp = rt__getm();
	bool have_p;

	for (;;) {
		if (rt__unlikely(rt__load_acq(&rt__sched.gcwaiting))) {
			rt__gcstopm();
			continue;
		}
		if (rt__unlikely(rt__load_rlx(&mp->p->safe_point)))
			rt__run_safe_point(mp->p);
		struct rt__g *gp = find_near(mp, mp->p, inherit);
		if (!gp)
			gp = find_far(mp);
		if (!gp)
			gp = give_up_p(mp, &have_p);
		if (gp)
			return gp;
		if (!have_p && !last_look(mp))
			rt__stopm();
	}
}

/* This M has found work: it stops spinning, and as the last to do so it starts another, so that
 * work that comes up now is found too. */
static void
reset_spinning(struct rt__m *mp)
{
	mp->spinning = mp->in_vain = false;
	if (rt__add_seq(&rt__sched.nmspinning, -1) < 0)
		rt__throw("schedule: negative nmspinning");
	rt__wakep();
}

/* Out of line, so that the usual way through rt__schedule saves no registers. */
static RT_NOINLINE RT_NORETURN void
schedule_slow(void)
{
	struct rt__m *mp = rt__getm();
	bool inherit;

	for (;;) {
		if (rt__unlikely(mp->locked_g)) {
			rt__stop_locked_m();
			rt__execute(mp->locked_g, false);
		}
		struct rt__g *gp = find_runnable(&inherit);
		if (mp->spinning)
			reset_spinning(mp);
		if (rt__unlikely(gp->wait_m))
			rt__start_waiting_m(gp);
		else if (rt__likely(!gp->locked_m))
			rt__execute(gp, inherit);
		else
			rt__start_locked_m(gp); /* hands the P over and sleeps */
	}
}

/* Whether there is nothing to see to but the local queue: with a seed, never. */
static inline bool
only_local(struct rt__m *mp, struct rt__p *pp)
{
	return !rt__load_acq(&rt__sched.gcwaiting) && !mp->locked_g && !mp->spinning &&
		!rt__load_rlx(&pp->preempt) && !global_is_due(pp);
}

/* Only of what is queued. A prefetch of an empty slot does not fault, but walks the page tables for
 * a page that is not there, each time again: 0.1 us on some machines. */
static inline void
prefetch_next(struct rt__runq *q)
{
	uint32_t at = rt__load_rlx(&q->head) + RT_PREFETCH - 1;

	if ((int32_t)(q->tail - at) > 0)
		rt__g_prefetch(rt__load_rlx(&q->ring[at % RT_RUNQ_SIZE]));
}

/* hot: gcc takes what ends in a call that does not return for cold, and builds it for size. */
__attribute__((hot)) void
rt__schedule(void)
{
	struct rt__m *mp = rt__getm();
	struct rt__p *pp = mp->p;
	bool inherit;

	if (rt__likely(pp && only_local(mp, pp))) {
		struct rt__g *gp = rt__runq_get(&pp->runq, &inherit);

		if (rt__likely(gp != NULL)) {
			prefetch_next(&pp->runq);
			if (rt__likely(!gp->locked_m))
				execute(mp, gp, inherit);
			rt__start_locked_m(gp);
		}
	}
	schedule_slow();
}

/* ---- yield, park, ready ---- */

static __attribute__((hot)) void
gosched_m(struct rt__g *gp)
{
	struct rt__m *mp = rt__getm();
	struct rt__p *pp = mp->p;

	rt__g_set_status(gp, RT_G_RUNNING, RT_G_RUNNABLE);
	rt__dropg(mp);
	if (rt__unlikely(!rt__runq_put_tail(&pp->runq, gp)))
		rt__runq_put_p(pp, gp, false);
	rt__schedule();
}

void
rt_gosched(void)
{
	struct rt__m *mp = rt__getm();

	if (!rt__may_park(mp)) {
		rt__os_yield();
		return;
	}
	if (!rt__work_waits_owner(mp->p) && !rt__load_rlx(&rt__sched.gcwaiting) &&
	    !rt__load_rlx(&mp->p->safe_point) &&
	    !rt__load_rlx(&mp->p->preempt)) /* for a timer, which is not work yet */
		return;                     /* the search would come back to the caller */
	rt__mcall(gosched_m);
}

/*
 * On g0. To the front of the global queue: of a tree of goroutines that start goroutines, the
 * youngest branch goes on, and few are alive at a time. But some times behind all that wait there,
 * or two who never stop starting goroutines would keep everybody else off. Nobody is woken for it:
 * this P comes back to it, at the latest when its own queue has run dry.
 */
static void
give_way_m(struct rt__g *gp)
{
	struct rt__m *mp = rt__getm();
	bool last = ++mp->p->gave_way % GIVE_WAY_LAST == 0;

	rt__g_set_status(gp, RT_G_RUNNING, RT_G_RUNNABLE);
	rt__dropg(mp);
	rt__lock(&rt__sched.lock);
	if (last)
		rt__gd_push_back(&rt__sched.runq, &gp, 1);
	else
		rt__gd_push_front(&rt__sched.runq, gp);
	rt__unlock(&rt__sched.lock);
	rt__schedule();
}

struct rt__p *
rt__give_way(void)
{
	rt__mcall(give_way_m);
	return rt__getm()->p;
}

void
rt__park_m(struct rt__g *gp)
{
	struct rt__park_args *args = gp->link_arg;
	rt__unlock_fn *unlock = args->unlock;
	void *arg = args->arg;

	gp->wait_since = rt__load_rlx(&rt__sched.clock);
	rt__g_set_status(gp, RT_G_RUNNING, RT_G_WAITING);
	rt__dropg(rt__getm());
	/* The context is saved (rt__mcall) and the status set: from the moment that unlock lets go
	 * of the wait queue, another thread may ready and run gp. tests/model/park.pml. */
	if (unlock && !unlock(gp, arg)) {
		rt__g_set_status(gp, RT_G_WAITING, RT_G_RUNNABLE);
		rt__execute(gp, true);
	}
	rt__schedule();
}

void
rt__park_in_handler(void)
{
	rt__panic("a signal handler waits for other goroutines");
}

void
rt__ready(struct rt__g *gp)
{
	struct rt__p *pp = rt__getm()->p;

	rt__assert(!gp->m);
	rt__g_set_status(gp, RT_G_WAITING, RT_G_RUNNABLE);
	if (pp)
		rt__runq_put_p(pp, gp, true);
	else
		rt__globrunq_put(gp);
	rt__wakep_for(pp);
}

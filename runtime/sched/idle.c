/* SPDX-License-Identifier: MIT */
/*
 * Idle Ms and Ps: who sleeps, who is woken, who passes a P on to whom. An M without work sleeps on
 * its note, its P given up; who has a P and work for it takes an idle M, or makes a thread.
 *
 * The hand-over between those who make work visible (W: ready, newproc) and those who run out of
 * it (I: find_runnable). W: queue the goroutine; fence; if nobody spins and a P is idle, wake an
 * M as spinning; if none is idle, set needspinning and look at npidle again. I: put the P on the
 * idle list; stop spinning; fence; if it spun or needspinning is set, look at all queues again,
 * and if there is work but no idle P, set needspinning before unlocking.
 *
 * Why no goroutine waits while a P is idle. If W sees a spinner, that one's last look comes after
 * W's store (both fences): it finds the goroutine, or somebody has it already. If W sees no spinner
 * but an idle P, it wakes an M. If W sees no idle P, every P is busy, and the first that is given
 * up afterwards, by last_look or by handoffp, is given up by somebody who sees needspinning. Who
 * counts itself as a spinner and then gets no P drops the count under sched.lock, with needspinning
 * set: others have relied on it meanwhile.
 *
 * The model is tests/model/spinning.pml. It found four holes in the first version of this.
 *
 * Two goroutines that wake each other share one P through its next slot, and each wake-up of an M
 * for them is in vain: the futex costs them more than all else they do, and the thief takes their
 * cache lines. So an M that was woken in vain becomes the lookout: it naps, and looks every so
 * often whether a goroutine is stuck in a next slot. While there is one, nobody is woken for a
 * goroutine that is alone in its queue: it waits for a nap at most. That goes for who has made it
 * ready only: others that wake somebody may do so for work that is elsewhere. Who takes the lookout
 * for something else wakes an M in its place. After a nap in which it has spared nobody a wake-up,
 * it stops being the lookout, fence, and looks a last time, as any idler: naps cost about half of
 * what wake-ups in vain do.
 *
 * Timers are work that has not come yet: one of the idle Ms, the keeper, sleeps only until the
 * first is due (timers.c).
 *
 * An idle M's thread pointer is its own, so that a signal handler that runs there meanwhile does
 * not write to the errno of a goroutine that runs elsewhere.
 */
#include "sched/sched_priv.h"

void
rt__become_spinning(struct rt__m *mp)
{
	if (mp->spinning)
		return;
	mp->spinning = true;
	/* needspinning first: the count's read-modify-write orders it before the search, so that
	 * who still sees it set has queued its goroutine before that search. */
	rt__store_rlx(&rt__sched.needspinning, 0u);
	rt__add_seq(&rt__sched.nmspinning, 1);
}

#define SPARE_M_NS 5000000000
#define HAND_OVER_NS 30000
#define ASK_AGAIN_MAX_NS 10000000
#define NAP_NS 50000

/* ---- idle Ms; sched.lock is held for the list itself ---- */

static void
link_idle(struct rt__m *mp)
{
	mp->idle_link = rt__sched.idle_ms;
	rt__sched.idle_ms = mp;
}

static void
mput(struct rt__m *mp)
{
	link_idle(mp);
	rt__sched.nmidle++;
	rt__checkdead();
}

/* Until when the keeper sleeps. */
static int64_t
kept_until(void)
{
	return rt__sched.keeper ? rt__sched.keeper_until : RT_NEVER;
}

/* The same as mput; mp is the keeper if its timer comes before that of the one there is, who sleeps
 * on and finds out when it wakes. */
static bool
mput_keeper(struct rt__m *mp, int64_t until)
{
	if (until >= kept_until())
		return false;
	if (rt__sched.keeper)
		link_idle(rt__sched.keeper);
	rt__sched.keeper = mp;
	rt__sched.keeper_until = until;
	rt__sched.nmidle++;
	return true;
}

/* mp, which was woken in vain, is the lookout, if there is none. */
static bool
mput_lookout(struct rt__m *mp)
{
	if (!mp->in_vain || rt__sched.lookout)
		return false;
	rt__store_rlx(&rt__sched.lookout, mp);
	rt__store_rlx(&rt__sched.spared, false);
	rt__sched.nmidle++;
	rt__checkdead();
	return true;
}

/* The keeper last, and the lookout before it: while there is another one. */
static struct rt__m *
mget(bool *lookout)
{
	struct rt__m *mp = rt__sched.idle_ms;

	*lookout = !mp && rt__sched.lookout;
	if (mp) {
		rt__sched.idle_ms = mp->idle_link;
	} else if (*lookout) {
		mp = rt__sched.lookout;
		rt__store_rlx(&rt__sched.lookout, (struct rt__m *)NULL);
	} else {
		mp = rt__sched.keeper;
		rt__sched.keeper = NULL;
	}
	if (mp)
		rt__sched.nmidle--;
	return mp;
}

/* Takes mp off the idle list; false: somebody has, and is about to wake it. With sched.lock. */
static bool
mtake(struct rt__m *mp)
{
	for (struct rt__m **at = &rt__sched.idle_ms; *at; at = &(*at)->idle_link) {
		if (*at == mp) {
			*at = mp->idle_link;
			rt__sched.nmidle--;
			return true;
		}
	}
	return false;
}

/*
 * Idle Ms beyond one for each P were needed once, for system calls that blocked. Who has slept for
 * long ends its thread; Go keeps them for good. The idle list is LIFO, so it is always the same
 * ones that sleep on. m0 stays: see rt__mexit.
 */
static bool
is_spare(const struct rt__m *mp)
{
	return mp != &rt__m0 && rt__sched.nmidle > rt__load_acq(&rt__sched.ps)->n;
}

/*
 * The keeper's timer is due, if it was not stopped or run meanwhile: the P to run it with, or NULL
 * and until when to sleep on. Without an idle P, all Ms that have one are looked after by sysmon.
 * With sched.lock.
 */
static struct rt__p *
keeper_is_up(struct rt__m *mp, int64_t *until)
{
	struct rt__p *pp = rt__timers_first(until);

	rt__sched.keeper_until = *until;
	if (*until != RT_NEVER && *until > rt__nanotime())
		return NULL;
	rt__sched.keeper = NULL;
	pp = pp ? rt__pidle_get_or_any(pp) : NULL;
	if (pp)
		rt__sched.nmidle--;
	else
		link_idle(mp);
	*until = RT_NEVER;
	return pp;
}

/*
 * The lookout has napped. The P to go on with, if goroutines wait; else NULL, and until when to
 * sleep. With sched.lock.
 */
static struct rt__p *
lookout_is_up(struct rt__m *mp, bool work, int64_t *until)
{
	struct rt__p *pp = NULL;
	bool over = work;

	if (!work && !rt__load_rlx(&rt__sched.spared)) {
		over = true;
		rt__store_rlx(&rt__sched.lookout, (struct rt__m *)NULL);
		rt__fence_seq(); /* StoreLoad, to the queues; pairs with that in want_wake */
		work = rt__any_runq_has_work(rt__load_acq(&rt__sched.ps));
	}
	if (work)
		pp = rt__pidle_get_for_work();
	*until = rt__nanotime() + (over ? SPARE_M_NS : NAP_NS);
	rt__store_rlx(&rt__sched.spared, false);
	if (!over)
		return NULL;
	rt__store_rlx(&rt__sched.lookout, (struct rt__m *)NULL);
	if (pp) {
		rt__sched.nmidle--;
	} else {
		link_idle(mp);
		if (!is_spare(mp))
			*until = RT_NEVER;
	}
	return pp;
}

/*
 * mp waits with a goroutine for a P (rt__m_wait_with), and asks for that of who has run longest.
 * Who is asked may have gone by the queue just before, or be asked for somebody else already: so it
 * asks again, less and less often. Returns when; the slices of others end in any case.
 */
static int64_t
ask_for_p(struct rt__m *mp)
{
	int64_t wait = mp->ask_again;

	rt__preempt_for_global();
	mp->ask_again *= 2;
	return wait <= ASK_AGAIN_MAX_NS ? rt__nanotime() + wait : RT_NEVER;
}

/* An idle M has slept for as long as it wanted to. Returns a P if it has one to go on with, or
 * until when to sleep on. */
static struct rt__p *
time_is_up(struct rt__m *mp, int64_t *until)
{
	struct rt__p *pp = NULL;
	bool ends = false, looks = rt__load_rlx(&rt__sched.lookout) == mp;
	bool work = looks && rt__any_p_is_stuck(rt__load_acq(&rt__sched.ps));

	*until = RT_NEVER;
	rt__lock(&rt__sched.lock);
	bool late = mp->wait_g && mp->wait_g->wait_m == mp;
	if (rt__sched.keeper == mp)
		pp = keeper_is_up(mp, until);
	else if (rt__sched.lookout == mp)
		pp = lookout_is_up(mp, work, until);
	else
		ends = !late && is_spare(mp) && mtake(mp);
	rt__unlock(&rt__sched.lock);
	if (ends)
		rt__mexit();
	if (late)
		*until = ask_for_p(mp);
	/* As an M that was woken for work: there may be more than it takes. */
	if (pp && looks)
		rt__become_spinning(mp);
	return pp;
}

/*
 * Sleeps until somebody hands it a P, or the time has come. soon: that is likely to be some
 * microseconds only, which are less than a sleep and a wake-up take, of which nobody else has any
 * use: the P, which is on its way from thread to thread, runs nothing meanwhile.
 */
static void
mpark(struct rt__m *mp, int64_t until, bool soon)
{
	struct rt__p *pp = NULL;

	rt__use_own_tp(mp);
	rt__m_use_mask(mp, rt__load_rlx(&rt__main_mask));
	bool fired = soon && rt__os.ncpu > 1 && rt__note_spin(&mp->park, HAND_OVER_NS);
	bool timed = until != RT_NEVER && !fired;
	if (timed) /* only for this sleep, since what the program starts would inherit it */
		rt__os_precise_sleep(true);
	while (!pp && !fired && !rt__note_sleep_until(&mp->park, until))
		pp = time_is_up(mp, &until);
	if (timed)
		rt__os_precise_sleep(false);
	if (!pp) {
		rt__note_clear(&mp->park);
		pp = mp->next_p;
		mp->next_p = NULL;
	}
	rt__acquirep(pp);
}

/* Wakes mp, which sleeps in mpark, or is about to, with pp. */
static void
munpark(struct rt__m *mp, struct rt__p *pp)
{
	mp->next_p = pp;
	rt__note_wakeup(&mp->park);
}

/* Gives itself up to whoever has a P for it: soon, mostly. */
static void
stopm(bool soon)
{
	struct rt__m *mp = rt__getm();

	if (mp->p || mp->spinning)
		rt__throw("stopm: holding a P or spinning");
	int64_t until;

	rt__lock(&rt__sched.lock);
	rt__timers_first(&until);
	if (mput_keeper(mp, until)) {
		/* until its timer */
	} else if (mput_lookout(mp)) {
		until = rt__nanotime() + NAP_NS;
	} else {
		mput(mp);
		until = is_spare(mp) ? rt__nanotime() + SPARE_M_NS : RT_NEVER;
	}
	rt__unlock(&rt__sched.lock);
	mpark(mp, until, soon);
}

void
rt__stopm(void)
{
	stopm(false);
}

/* An M that sleeps until the first goroutine of the global queue gets a P. With sched.lock. */
static struct rt__m *
mget_waiting(void)
{
	struct rt__g *gp = rt__gd_front(&rt__sched.runq);

	if (!gp || (!gp->wait_m && !gp->locked_m))
		return NULL;
	rt__gd_pop_front(&rt__sched.runq);
	struct rt__m *mp = gp->wait_m;
	gp->wait_m = NULL;
	if (mp)
		return mp;
	rt__sched.nmidle_locked--;
	return gp->locked_m;
}

/*
 * Runs pp, or an idle P if it is NULL, on an M that sleeps or a new one. If spinning, the caller
 * has counted it in nmspinning already. Callers that are no M, and ones without a P, may use it.
 * Before a thread is made, Ms are looked at that have come back from a system call: making one
 * may have to wait for libc's fork, which may be what such an M is in.
 */
void
rt__startm(struct rt__p *pp, bool spinning)
{
	bool lookout = false;

	rt__lock(&rt__sched.lock);
	if (!pp)
		pp = rt__pidle_get();
	struct rt__m *mp = pp ? mget(&lookout) : NULL;
	if (pp && !mp && !spinning)
		mp = mget_waiting();
	rt__unlock(&rt__sched.lock);
	if (!pp)
		return;
	if (!mp) {
		rt__newm(NULL, pp, spinning);
		return;
	}
	mp->spinning = mp->in_vain = spinning;
	munpark(mp, pp);
	if (lookout && !spinning)
		rt__wakep();
}

/* What it readies, it runs itself, or wakes somebody for afterwards: rt__timers_look. */
static bool
runs_own_timers(const struct rt__m *mp)
{
	return mp->p && mp->firing;
}

/* Whether there is at most the next slot to take from pp, which is the caller's. */
static bool
is_alone(const struct rt__p *pp)
{
	return rt__load_rlx(&pp->runq.head) == pp->runq.tail;
}

/* Whether some P is in a system call: it may be a long one. */
static bool
some_p_calls(void)
{
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);

	for (int32_t i = 0; i < ps->n; i++)
		if (rt__load_rlx(&ps->p[i]->status) == RT_P_SYSCALL)
			return true;
	return false;
}

/* Whether to wake somebody for work that was just made visible; pp: on the caller's P, nowhere
 * else, or NULL. */
static bool
want_wake(const struct rt__p *pp)
{
	if (rt__getm()->p && rt__load_acq(&rt__sched.ps)->n == 1)
		return false; /* the only P is the caller's: nobody is idle */
	/* Pairs with last_look. What rt__runq_put has made visible are plain stores: to the next
	 * slot, if it was empty; to the ring, behind the exchange that displaced the old one. */
	rt__fence_seq();
	if (rt__load_rlx(&rt__sched.nmspinning) != 0)
		return false;
	if (pp && rt__load_rlx(&rt__sched.lookout) && is_alone(pp)) {
		if (!rt__load_rlx(&rt__sched.spared))
			rt__store_rlx(&rt__sched.spared, true);
		return false;
	}
	if (rt__load_rlx(&rt__sched.npidle) != 0)
		return !runs_own_timers(rt__getm());
	if (rt__load_rlx(&rt__sched.needspinning))
		return false;
	rt__store_rlx(&rt__sched.needspinning, 1u);
	if (some_p_calls())
		rt__sysmon_tell_of_call();
	rt__fence_seq(); /* StoreLoad; pairs with last_look's, between npidle and needspinning */
	return rt__load_rlx(&rt__sched.npidle) != 0;
}

static RT_NOINLINE void
wake_one(void)
{
	if (!rt__cas_acqrel(&rt__sched.nmspinning, 0, 1))
		return;
	rt__lock(&rt__sched.lock);
	struct rt__p *pp = rt__pidle_get_for_work();
	/* No longer a spinner, under the lock: others relied on this one, and an M that gives its P
	 * up from now on sees needspinning and looks for them. */
	if (!pp)
		rt__add_seq(&rt__sched.nmspinning, -1);
	rt__unlock(&rt__sched.lock);
	if (pp)
		rt__startm(pp, true);
}

void
rt__wakep(void)
{
	if (rt__unlikely(want_wake(NULL)))
		wake_one();
}

void
rt__wakep_for(const struct rt__p *pp)
{
	if (rt__unlikely(want_wake(pp)))
		wake_one();
}

/* Whether somebody sleeps until the earliest timer. With sched.lock. */
static bool
is_kept(void)
{
	int64_t when;

	rt__timers_first(&when);
	return when >= kept_until();
}

/* Passes on a P that its M cannot use now. */
void
rt__handoffp(struct rt__p *pp)
{
	bool stopping;

	if (rt__work_waits(pp)) {
		rt__startm(pp, false);
		return;
	}
	/* No thief and no idle P: others' work would wait for this one, so it goes stealing. */
	if (rt__load_rlx(&rt__sched.nmspinning) + rt__load_rlx(&rt__sched.npidle) == 0 &&
	    rt__cas_acqrel(&rt__sched.nmspinning, 0, 1)) {
		rt__store_rlx(&rt__sched.needspinning, 0u);
		rt__startm(pp, true);
		return;
	}
	rt__lock(&rt__sched.lock);
	stopping = rt__load_rlx(&rt__sched.gcwaiting) != 0;
	if (stopping) {
		rt__store_rlx(&pp->status, (uint32_t)RT_P_GCSTOP);
		rt__stop_one_less();
	} else if (rt__sched.runq.n == 0 && is_kept()) {
		rt__pidle_put(pp);
		pp = NULL;
	}
	rt__unlock(&rt__sched.lock);
	if (!stopping && pp) {
		rt__startm(pp, false);
	} else if (!pp) {
		/* As in last_look: work may have turned up while this P was not idle yet. */
		rt__fence_seq();
		if (rt__load_rlx(&rt__sched.needspinning))
			rt__wakep();
	}
}

/* Gives the P to whoever stops the world, and sleeps. */
void
rt__gcstopm(void)
{
	struct rt__m *mp = rt__getm();

	if (mp->spinning) {
		mp->spinning = false;
		if (rt__add_seq(&rt__sched.nmspinning, -1) < 0)
			rt__throw("gcstopm: negative nmspinning");
	}
	struct rt__p *pp = rt__releasep();
	rt__lock(&rt__sched.lock);
	if (!rt__load_rlx(&rt__sched.gcwaiting)) { /* it is over already */
		rt__unlock(&rt__sched.lock);
		rt__acquirep(pp);
		return;
	}
	rt__store_rlx(&pp->preempt, false);
	rt__store_rlx(&pp->urgent, false);
	rt__store_rlx(&pp->status, (uint32_t)RT_P_GCSTOP);
	rt__stop_one_less();
	rt__unlock(&rt__sched.lock);
	rt__stopm();
}

/* ---- Ms that have come back from a system call and found no P ---- */

/* Queues gp globally and sleeps until either may run: gp, which this M came back with, or anything.
 * Called with sched.lock, which it unlocks. */
void
rt__m_wait_with(struct rt__g *gp)
{
	struct rt__m *mp = rt__getm();

	gp->wait_m = mp;
	mp->wait_g = gp;
	mp->ask_again = RT_URGENT_EVERY_NS;
	rt__gd_push_back(&rt__sched.runq, &gp, 1);
	bool alone = rt__sched.runq.n == 1;
	rt__unlock(&rt__sched.lock);
	int64_t until = ask_for_p(mp);
	mpark(mp, until, alone);
	gp = mp->wait_g;
	mp->wait_g = NULL;
	if (gp)
		rt__execute(gp, false);
	rt__schedule();
}

/* Somebody else runs gp: its M waits for just anything. With sched.lock. */
void
rt__m_stop_waiting(struct rt__g *gp)
{
	struct rt__m *mp = gp->wait_m;

	gp->wait_m = NULL;
	mp->wait_g = NULL;
	mput(mp);
}

/* Gives our P to the M that waits with gp, and sleeps. */
void
rt__start_waiting_m(struct rt__g *gp)
{
	struct rt__m *mp = gp->wait_m;

	gp->wait_m = NULL;
	munpark(mp, rt__releasep());
	stopm(true); /* to wait for a P, it may be about to wait in the kernel again */
}

/* ---- locked Ms ---- */

/* The M's own goroutine is not running: passes the P on and sleeps until it is handed over again,
 * with a P, by whoever found that goroutine runnable. */
void
rt__stop_locked_m(void)
{
	struct rt__m *mp = rt__getm();

	if (mp->p)
		rt__handoffp(rt__releasep());
	rt__lock(&rt__sched.lock);
	rt__sched.nmidle_locked++;
	rt__checkdead();
	rt__unlock(&rt__sched.lock);
	mpark(mp, RT_NEVER, false);
}

/* gp may run on its own M only: wakes that with our P, and sleeps. */
void
rt__start_locked_m(struct rt__g *gp)
{
	struct rt__m *owner = gp->locked_m;

	rt__lock(&rt__sched.lock);
	rt__sched.nmidle_locked--;
	rt__unlock(&rt__sched.lock);
	munpark(owner, rt__releasep());
	rt__stopm();
}

/* SPDX-License-Identifier: MIT */
/*
 * Timers and the scheduler: who looks at the clock, and when.
 *
 * A timer goes onto the heap of the P that starts it, and mostly that P's M finds it due, on its
 * way through the scheduler: when its queue has run dry, every 61 slices, and when it was
 * preempted. A yield between goroutines never looks. An M that is about to sleep looks at the other
 * heaps as well: the M of such a P may wait for a CPU, and who sleeps with its timer overdue would
 * wake at once, again and again.
 *
 * While a P is idle, one idle M is the keeper (idle.c): it sleeps until the earliest timer of all
 * Ps. An M that is about to sleep takes the role over if it knows of an earlier one. So who starts
 * a timer on a P tells no keeper: it will come by the scheduler itself, or is watched.
 *
 * While a P is busy, sysmon is awake, and plans to look once more when the earliest timer is
 * LATE_NS overdue. If the P that has it did not look at the clock meanwhile, because one goroutine
 * keeps it busy or is in a system call, sysmon runs the function itself. What that readies is on
 * the global queue, and the goroutine that has run longest is preempted for it, as for all who are
 * late (preempt.c). Who starts a timer that is earlier than sysmon's next look tells it.
 *
 * Who has no P, a foreign thread, puts its timer onto the first P's heap and wakes an M as for a
 * goroutine (rt__wakep), whose argument is in idle.c: that M, or the one that it relies on, looks
 * at all heaps before it sleeps.
 *
 * A forked child has no timers, as it has none of timer_create's: they belong to goroutines that
 * are not there, or would do twice what the parent does.
 */
#include "sched/sched_priv.h"

#define LATE_NS 50000
#define STUCK_NS 2000000 /* more than RT_URGENT_EVERY_NS: asked before */
#define PASS_ON_MAX 1024 /* with both heaps locked */
/* As many as P's slices between two looks: others run in between, while their stacks are warm. */
#define FIRE_MAX 64

/* ---- starting and stopping ---- */

/* A timer is the first of its queue now. pp: the caller's, if it has one. */
static void
is_earliest(const struct rt__p *pp, int64_t when)
{
	if (pp) {
		/* StoreLoad between the queue's next and what sysmon plans: pairs with the fence in
		 * rt__timers_plan. */
		rt__fence_seq();
		rt__sysmon_look_by(when + LATE_NS);
		return;
	}
	rt__sysmon_ensure();
	rt__wakep();
}

void
rt__timer_start(struct rt__timer *t, int64_t when, int64_t now)
{
	struct rt__p *pp = rt__getm()->p;
	struct rt__p *where = pp ? pp : rt__load_acq(&rt__sched.ps)->p[0];

	when = rt__round_when(when, now);
	if (rt__timers_add(&where->timers, t, when))
		is_earliest(pp, when);
}

void
rt__ready_at(struct rt__g *gp, int64_t when, int64_t now)
{
	struct rt__p *pp = rt__getm()->p;

	when = rt__round_when(when, now);
	if (rt__timers_add_g(&pp->timers, gp, when))
		is_earliest(pp, when);
}

bool
rt__timer_stop(struct rt__timer *t)
{
	return rt__timer_stop_by(t, rt__getm());
}

/* ---- looking ---- */

/*
 * Each of them is on a page that nobody has touched for long: half a microsecond for the tables of
 * the TLB, on a virtual machine. Asked for in a row, several come at a time.
 */
void
rt__timers_ready(struct rt__g *const *gs, int n)
{
	struct rt__p *pp = rt__getm()->p;

	for (int i = 0; i < n; i++)
		__builtin_prefetch(gs[i], 1);
	for (int i = 0; i < n; i++) {
		rt__assert(!gs[i]->m);
		rt__g_set_status(gs[i], RT_G_WAITING, RT_G_RUNNABLE);
		__builtin_prefetch((const void *)gs[i]->sp); /* for the switch */
		/* The first comes before what is on the queue already. */
		rt__runq_put_p(pp, gs[i], i == 0);
	}
}

/* Nobody was woken for what timers have put on the queue (want_wake). This M takes one. */
static void
wake_for_rest(const struct rt__p *pp)
{
	if (rt__load_rlx(&pp->runq.head) != pp->runq.tail || rt__load_rlx(&rt__sched.runq.n) != 0)
		rt__wakep();
}

bool
rt__timers_look(struct rt__m *mp, struct rt__p *pp)
{
	int64_t now = rt__nanotime();

	rt__store_rlx(&pp->timers.looked, now);
	if (rt__timers_fire(&pp->timers, mp, now, FIRE_MAX) == 0)
		return false;
	wake_for_rest(pp);
	return true;
}

bool
rt__timers_look_far(struct rt__m *mp, struct rt__p *pp)
{
	if (!rt__timers_steal(mp, rt__load_acq(&rt__sched.ps)))
		return false;
	wake_for_rest(pp);
	return true;
}

bool
rt__timers_steal(struct rt__m *mp, const struct rt__ps *ps)
{
	int64_t now = 0;
	bool fired = false;

	for (int32_t i = 0; i < ps->n && !fired; i++) {
		struct rt__timers *ts = &ps->p[i]->timers;

		if (rt__load_rlx(&ts->next) == RT_NEVER)
			continue;
		now = now ? now : rt__nanotime();
		fired = rt__timers_fire(ts, mp, now, FIRE_MAX) > 0;
	}
	return fired;
}

struct rt__p *
rt__timers_first(int64_t *ret_when)
{
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	struct rt__p *first = NULL;

	*ret_when = RT_NEVER;
	for (int32_t i = 0; i < ps->n; i++) {
		int64_t when = rt__load_rlx(&ps->p[i]->timers.next);

		if (when < *ret_when) {
			*ret_when = when;
			first = ps->p[i];
		}
	}
	return first;
}

bool
rt__timers_due(void)
{
	int64_t when;

	return rt__timers_first(&when) && when <= rt__nanotime();
}

bool
rt__timers_pending(void)
{
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);

	for (int32_t i = 0; i < ps->n; i++)
		if (rt__load_rlx(&ps->p[i]->timers.pending) != 0)
			return true;
	return false;
}

/* ---- sysmon's part ---- */

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* When a timer of pp is to be looked after, if pp's M does not, and may be preempted again. */
static int64_t
late_when(const struct rt__p *pp)
{
	int64_t when = rt__load_rlx(&pp->timers.next);

	if (when > RT_NEVER - LATE_NS)
		return RT_NEVER;
	when = later(when, rt__load_rlx(&pp->timers.looked)) + LATE_NS;
	return later(when, rt__load_rlx(&pp->urgent_when) + RT_URGENT_EVERY_NS);
}

/* Whether its goroutine was asked to stop: sysmon comes back to that in any case. */
static bool
was_asked(const struct rt__p *pp)
{
	return rt__load_rlx(&pp->preempt) && rt__load_rlx(&pp->status) == RT_P_RUNNING;
}

/* The lock keeps the number of Ps. */
static void
pass_on(struct rt__p *pp, int64_t now)
{
	rt__lock(&rt__sched.lock);
	const struct rt__ps *ps = rt__sched.ps;
	if (pp->id < ps->n && ps->n > 1)
		rt__timers_move_due(&ps->p[(pp->id + 1) % ps->n]->timers, &pp->timers, now,
				    PASS_ON_MAX);
	rt__unlock(&rt__sched.lock);
}

/*
 * Has the timers of pp run: by an M that steals them, or by its own, whose goroutine is preempted
 * or in a system call. One that cannot be stopped where it is, and was asked before, leaves those
 * that are due to the next P; not one that is late because there are so many.
 */
static void
help(struct rt__p *pp, int64_t now)
{
	if (now - later(rt__load_rlx(&pp->timers.next), rt__load_rlx(&pp->timers.looked)) >=
	    STUCK_NS)
		pass_on(pp, now);
	if (rt__load_rlx(&rt__sched.npidle) != 0)
		rt__wakep();
	else if (!rt__preempt_for_timers(pp, now) && rt__retake_syscall(pp, RT_P_IDLE))
		rt__handoffp(pp);
}

void
rt__timers_watch(int64_t now)
{
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);

	if (rt__load_rlx(&rt__sched.gcwaiting))
		return;
	for (int32_t i = 0; i < ps->n; i++)
		if (late_when(ps->p[i]) <= now)
			help(ps->p[i], now);
}

int64_t
rt__timers_plan(void)
{
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	int64_t first = RT_NEVER;

	rt__fence_seq(); /* pairs with rt__timer_start */
	for (int32_t i = 0; i < ps->n; i++) {
		int64_t when = late_when(ps->p[i]);

		if (when < first && !was_asked(ps->p[i]))
			first = when;
	}
	return first;
}

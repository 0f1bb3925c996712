/* SPDX-License-Identifier: MIT */
/*
 * rt_timer. Its lock, taken on goroutines and on g0, protects all of it; held for a moment, with
 * the locks of heaps and what waking takes inside it. In a forked child it may stay held, if
 * another thread had it; as a mutex would.
 *
 * Whether a timer has fired is a matter of the clock: it is set, and its time has come. So one that
 * nobody waits on is in no heap, and stop and reset only write to it: what was due before is void,
 * since nothing was sent anywhere. While somebody waits, it is on a heap; and if it runs a
 * function, while it is set.
 *
 * The engine's function, on_time, may already be about to run when the timer is set anew. It takes
 * the lock, and does what is due then: nothing, if that is to come yet, but starting itself again.
 * `queued` is true from the start on until on_time has seen to it or was taken off the heap before.
 * While it is true, the engine has the timer; so who is the last to wait, or stops a function,
 * lets nobody go on to free it before it is false.
 *
 * Rejected: rt__timer_stop, which waits for on_time: not with the lock held, and without it
 * two who set the timer at the same time would start it twice.
 */
#include "time/time.h"

#include "os/os.h"
#include "sync/sync.h"

#define SPINS 100

struct timer {
	struct rt__timer engine; /* first: on_time gets this */
	struct rt__lock lock;
	bool set, queued;
	rt_time when;
	rt_duration period;           /* 0: fires once */
	struct rt__timer_node *first; /* who waits */
	struct rt__go_later call;     /* fn NULL: it is for waiting */
};
_Static_assert(sizeof(struct timer) <= sizeof(rt_timer), "rt_timer is too small");
_Static_assert(_Alignof(struct timer) <= _Alignof(rt_timer), "rt_timer is not aligned");

const struct rt__wait_kind rt__wait_kind_timer = {
	.what = RT_ON_TIMER, /* of select, and usync/sleep.c */
	.value = {RT_FIELD(struct timer, when), RT_FIELD(struct timer, set)},
};
RT_WAIT_WITHOUT_OWNER;

static inline struct timer *
of(rt_timer *t)
{
	return (struct timer *)t;
}

/* ---- with the lock ---- */

/* Takes the event if there is one. Missed periods are one event. */
static bool
take_event(struct timer *t, rt_time now)
{
	if (!t->set || now < t->when)
		return false;
	if (t->period == 0)
		t->set = false;
	else
		t->when = rt__time_add(t->when, t->period * (1 + (now - t->when) / t->period));
	return true;
}

static bool
is_wanted(const struct timer *t)
{
	return t->set && (t->call.fn || t->first);
}

static void on_time(struct rt__timer *engine, int64_t now);

/* The heap has it if and only if somebody wants it, and with the right time; or on_time is about to
 * take the lock, and will see to that. */
static void
requeue(struct timer *t, rt_time now)
{
	if (t->queued && rt__timer_try_stop(&t->engine))
		t->queued = false;
	if (t->queued || !is_wanted(t))
		return;
	if (!t->engine.fn)
		rt__timer_init(&t->engine, on_time);
	rt__timer_start(&t->engine, t->when, now);
	t->queued = true;
}

/* Comes back when the engine does not have it, unless somebody wants it. Lets go of the lock
 * meanwhile. */
static void
settle(struct timer *t)
{
	for (int i = 0; t->queued && !is_wanted(t); i++) {
		if (rt__timer_try_stop(&t->engine)) {
			t->queued = false;
			break;
		}
		rt__unlock(&t->lock);
		if (i < SPINS)
			rt__cpu_relax();
		else
			rt__os_yield();
		rt__lock(&t->lock);
	}
}

/* Wakes one of those who wait, if it waits still. */
static void
wake_first(struct timer *t, rt_time now)
{
	while (t->first && t->set && now >= t->when) {
		struct rt__timer_node *node = t->first;

		t->first = node->next;
		if (rt__waiter_claim(node->waiter)) {
			take_event(t, now);
			node->waiter->winner = node->winner;
			rt__waiter_wake(node->waiter);
		}
	}
}

/* ---- what the engine calls ---- */

static void
on_time(struct rt__timer *engine, int64_t now)
{
	struct timer *t = (struct timer *)engine;
	struct rt__go_later call = {0};

	rt__lock(&t->lock);
	t->queued = false;
	if (!t->call.fn)
		wake_first(t, now);
	else if (take_event(t, now))
		call = t->call;
	requeue(t, now);
	rt__unlock(&t->lock);
	if (call.fn)
		rt__newproc_later(&call);
}

/* ---- what programs call ---- */

/* Whether it was set. */
static bool
set(rt_timer *timer, rt_duration d, rt_duration period)
{
	struct timer *t = of(timer);
	rt_time now = rt__nanotime();

	rt__lock(&t->lock);
	bool was_set = t->set;
	t->set = true;
	t->when = rt__time_add(now, d);
	t->period = period;
	requeue(t, now);
	rt__unlock(&t->lock);
	return was_set;
}

bool
rt_timer_reset(rt_timer *timer, rt_duration d)
{
	return set(timer, d, 0);
}

bool
rt_timer_every(rt_timer *timer, rt_duration d)
{
	if (d <= 0)
		rt__panic("non-positive interval for rt_timer_every");
	if (of(timer)->call.fn)
		rt__panic("rt_timer_every on a timer of rt_after_func");
	return set(timer, d, d);
}

bool
rt_timer_stop(rt_timer *timer)
{
	struct timer *t = of(timer);

	rt__lock(&t->lock);
	bool was_set = t->set;
	t->set = false;
	settle(t);
	rt__unlock(&t->lock);
	return was_set;
}

void
rt_after_func(rt_timer *timer, rt_duration d, void (*fn)(void *arg), void *arg)
{
	struct timer *t = of(timer);
	struct rt__go_later call = {fn, arg, 0, (uintptr_t)__builtin_return_address(0)};

	if (!fn)
		rt__panic("go of nil func value");
	rt__save_fpctl(&call.fpctl);
	rt__sysmon_ensure(); /* somebody must look at the clock while the caller is busy */
	rt_timer_stop(timer);
	rt__lock(&t->lock);
	t->call = call;
	rt__unlock(&t->lock);
	set(timer, d, 0);
}

/* ---- for select ---- */

bool
rt__timer_is_due(rt_timer *timer)
{
	struct timer *t = of(timer);

	rt__lock(&t->lock);
	bool due = t->set && rt__nanotime() >= t->when;
	rt__unlock(&t->lock);
	return due;
}

bool
rt__timer_try(rt_timer *timer)
{
	struct timer *t = of(timer);

	if (t->call.fn)
		rt__panic("rt_timer_wait on a timer of rt_after_func");
	rt__lock(&t->lock);
	bool fired = t->set && take_event(t, rt__nanotime());
	rt__unlock(&t->lock);
	return fired;
}

void
rt__timer_enrol(rt_timer *timer, struct rt__timer_node *node)
{
	struct timer *t = of(timer);
	struct rt__timer_node **at;

	rt__lock(&t->lock);
	node->next = NULL;
	for (at = &t->first; *at; at = &(*at)->next)
		;
	*at = node;
	requeue(t, rt__nanotime());
	rt__unlock(&t->lock);
}

void
rt__timer_leave(rt_timer *timer, struct rt__timer_node *node)
{
	struct timer *t = of(timer);

	rt__lock(&t->lock);
	for (struct rt__timer_node **at = &t->first; *at; at = &(*at)->next) {
		if (*at == node) {
			*at = node->next;
			break;
		}
	}
	settle(t);
	rt__unlock(&t->lock);
}

/* SPDX-License-Identifier: MIT */
/* Sleeping and waiting for a timer, with options: the ends that time/ cannot have. */
#include <errno.h>

#include "os/os.h"
#include "time/time.h"
#include "usync/usync.h"

/* A thread that may not park, of whatever kind, sleeps itself. */
static void
sleep_thread(rt_time when)
{
	for (rt_time now; (now = rt__nanotime()) < when;)
		rt__os_sleep(when - now);
}

static bool
sleep_with(rt_time when, const rt_wait_options *o)
{
	bool own = o->deadline == 0 || when < o->deadline;
	const rt_wait_options both = {own ? when : o->deadline, o->ctx};
	struct rt__waiter w;

	rt__waiter_init(&w);
	int e = rt__wait(&w, NULL, NULL, &both, RT_WAIT_SLEEP);
	return (e == ETIMEDOUT && own) || rt__failed(e);
}

bool
rt__sleep(rt_duration d, const rt_wait_options *o)
{
	if (d <= 0)
		return true;
	rt_time when = rt_after(d);
	if (o)
		return sleep_with(when, o);
	if (rt__may_park(rt__getm()))
		rt__sleep_until(when, when - d);
	else
		sleep_thread(when);
	return true;
}

struct wait {
	rt_timer *timer;
	struct rt__timer_node node;
};

static bool
enrol(struct rt__g *gp, void *arg)
{
	struct wait *w = arg;

	(void)gp;
	rt__timer_enrol(w->timer, &w->node);
	return true;
}

const struct rt__wait_kind rt__wait_kind_timer_wait = {
	RT_WAIT_KIND(enrol, RT_ON_TIMER),
	.object = offsetof(struct wait, timer), /* its values: time/timer.c */
};

bool
rt__timer_wait(rt_timer *t, const rt_wait_options *o)
{
	struct rt__waiter waiter;
	struct wait w = {t, {.waiter = &waiter, .winner = t}};

	if (rt__timer_try(t))
		return true;
	rt__waiter_init(&waiter);
	int e = rt__wait(&waiter, enrol, &w, o, RT_WAIT_CHAN_RECEIVE);
	rt__timer_leave(t, &w.node);
	return e == 0 || rt__failed(e);
}

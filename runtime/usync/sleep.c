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

/* Until then, or until the context ends: whether it has not. */
static bool
sleep_with(rt_time when, rt_ctx *ctx)
{
	const rt_wait_options o = {.deadline = when, .ctx = ctx};
	struct rt__waiter w;

	rt__waiter_init(&w);
	return rt__wait(&w, NULL, NULL, &o, RT_WAIT_SLEEP) == ETIMEDOUT;
}

bool
rt__sleep(rt_duration d, const rt_wait_options *o)
{
	rt_time when = rt_after(d > 0 ? d : 0);
	bool early = o && o->deadline != 0 && o->deadline < when;

	if (early)
		when = o->deadline;
	if (d > 0 && when > rt__nanotime()) {
		if (o && o->ctx) {
			if (!sleep_with(when, o->ctx))
				return rt__failed(ECANCELED);
		} else if (rt__may_park(rt__getm()))
			rt__sleep_until(when);
		else
			sleep_thread(when);
	}
	if (early)
		errno = ETIMEDOUT;
	return !early;
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

bool
rt__timer_wait(rt_timer *t, const rt_wait_options *o)
{
	struct rt__waiter waiter;
	struct wait w = {t, {.waiter = &waiter, .winner = t}};

	if (rt__timer_try(t))
		return true;
	rt__waiter_init(&waiter);
	int r = rt__wait(&waiter, enrol, &w, o, RT_WAIT_CHAN_RECEIVE);
	rt__timer_leave(t, &w.node);
	return r == 0 || rt__failed(r);
}

/* SPDX-License-Identifier: MIT */
/* The clock, and sleeping without options. Runs on goroutines, and on foreign threads. */
#include "time/time.h"

#include "os/os.h"

rt_time
rt_now(void)
{
	return rt__nanotime();
}

rt_time
rt_after(rt_duration d)
{
	rt_time t = rt__time_add(rt__nanotime(), d);

	return t ? t : 1;
}

struct sleeper {
	struct rt__timer timer;
	struct rt__g *gp;
	rt_time when;
};

/* Nobody stops this one, so the frame may go once its goroutine is ready. */
static void
wake(struct rt__timer *t, int64_t now)
{
	(void)now;
	rt__ready(((struct sleeper *)t)->gp);
}

static bool
start(struct rt__g *gp, void *arg)
{
	struct sleeper *s = arg;

	s->gp = gp;
	rt__timer_start(&s->timer, s->when);
	return true;
}

const struct rt__wait_kind rt__wait_kind_sleep = {
	RT_WAIT_KIND(start, RT_ON_TIME),
	.object = RT_WAIT_ARG,
	.value = {RT_FIELD(struct sleeper, when)},
};

void
rt__sleep_until(rt_time when)
{
	struct sleeper s = {.when = when};

	rt__timer_init(&s.timer, wake);
	rt__park(start, &s, RT_WAIT_SLEEP);
}

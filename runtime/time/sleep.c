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
	rt_time when, now;
};

static bool
start(struct rt__g *gp, void *arg)
{
	const struct sleeper *s = arg;

	rt__ready_at(gp, s->when, s->now);
	return true;
}

const struct rt__wait_kind rt__wait_kind_sleep = {
	RT_WAIT_KIND(start, RT_ON_TIME),
	.object = RT_WAIT_ARG,
	.value = {RT_FIELD(struct sleeper, when)},
};

void
rt__sleep_until(rt_time when, rt_time now)
{
	struct sleeper s = {when, now};

	rt__park(start, &s, RT_WAIT_SLEEP);
}

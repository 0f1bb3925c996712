/* SPDX-License-Identifier: MIT */
/*
 * nanosleep and clock_nanosleep, thus usleep and sleep, on a goroutine: it parks, as in rt_sleep,
 * and no thread waits in the kernel for it. Left to the kernel: times of the wall clock, which may
 * be set meanwhile, clocks of CPU time, arguments that are wrong, and sleeps of a program that is
 * one goroutine, which are what they were to the last detail.
 *
 * EINTR comes for the main goroutine only: sched/interrupt.c.
 */
#include <errno.h>
#include <time.h>
#include <sys/syscall.h>

#include <rt/rt.h>

#include "libc/libc.h"

#include "os/os.h"
#include "time/time.h"

#define NS 1000000000

struct sleep {
	struct rt__waiter waiter;
	struct rt__timer timer;
	rt_time when, now;
};

static void
wake(struct rt__timer *t, int64_t now)
{
	struct sleep *s = (struct sleep *)((char *)t - offsetof(struct sleep, timer));

	(void)now;
	if (rt__waiter_claim(&s->waiter))
		rt__waiter_wake(&s->waiter);
}

static bool
start(struct rt__g *gp, void *arg)
{
	struct sleep *s = arg;

	(void)gp;
	rt__main_sleeps(&s->waiter, &s->timer, s->when, s->now);
	return true;
}

const struct rt__wait_kind rt__wait_kind_sleep_main = {
	RT_WAIT_KIND(start, RT_ON_TIME),
	.object = RT_WAIT_ARG,
	.value = {RT_FIELD(struct sleep, when)},
};

/* 0 or EINTR. */
static int
sleep_main(rt_time when, rt_time now)
{
	struct sleep s;

	s.when = when;
	s.now = now;
	rt__waiter_init(&s.waiter);
	rt__timer_init(&s.timer, wake);
	rt__waiter_park(&s.waiter, start, &s, RT_WAIT_SLEEP);
	rt__main_awake();
	rt__timer_stop(&s.timer);
	return s.waiter.outcome;
}

/* A clock that only counts, for which musl passes REALTIME if the time is relative. */
static bool
is_steady(long clock, long flags)
{
	return clock == CLOCK_MONOTONIC || (clock == CLOCK_REALTIME && flags == 0);
}

static bool
is_valid(const struct timespec *ts)
{
	return ts && ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NS;
}

static rt_time
nanoseconds(const struct timespec *ts)
{
	if (ts->tv_sec > RT_NEVER / NS - 1)
		return RT_NEVER;
	return ts->tv_sec * NS + ts->tv_nsec;
}

static long
sleep_until(rt_time when, struct timespec *rest)
{
	rt_time now = rt__nanotime();
	int r = 0;

	if (when <= now)
		rt_gosched();
	else if (rt_goid() == 1)
		r = sleep_main(when, now);
	else
		rt__sleep_until(when, now);
	if (r && rest) {
		rt_duration left = when - rt__nanotime();

		left = left > 0 ? left : 0;
		*rest = (struct timespec){.tv_sec = left / NS, .tv_nsec = left % NS};
	}
	return -r;
}

bool
rt__sleep_parked(long nr, long a, long b, long c, long d, long *ret)
{
	bool plain = nr == SYS_nanosleep;
	long clock = plain ? CLOCK_REALTIME : a, flags = plain ? 0 : b;
	const struct timespec *ts = (const struct timespec *)(plain ? a : c);
	struct timespec *rest = (struct timespec *)(plain ? b : d);

	if (!rt__has_others() || !is_steady(clock, flags) || (flags & ~TIMER_ABSTIME) ||
	    !is_valid(ts))
		return false;
	if (flags)
		*ret = sleep_until(nanoseconds(ts), NULL);
	else
		*ret = sleep_until(rt__time_add(rt__nanotime(), nanoseconds(ts)), rest);
	return true;
}

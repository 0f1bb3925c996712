/* SPDX-License-Identifier: MIT */
/*
 * rt/time.h: the clock, sleeping, and timers, after Go's time package.
 *
 *	rt_timer tick = RT_TIMER_INIT;
 *
 *	rt_timer_every(&tick, 5 * RT_MILLISECOND);
 *	while (rt_timer_wait(&tick, .ctx = ctx))
 *		poll_sensor();
 *
 * A timer is the caller's struct, of any storage: nothing is allocated, and nothing has to be
 * destroyed. One that nobody waits on costs nothing, whether it is stopped or not; it may go out of
 * scope as soon as nobody waits on it. All times are of CLOCK_MONOTONIC, in nanoseconds; sums
 * saturate, at 292 years. How late a goroutine wakes is up to the kernel's timers and to who else
 * wants to run: tens of microseconds, mostly. What was far away comes together with others of about
 * the same time: later by up to a 256th of the wait, a quarter of a millisecond at most.
 *
 * None of this is for signal handlers, but rt_now and rt_after. A child of fork has no timers that
 * run a function, as it has no other goroutines.
 */
#ifndef RT_TIME_H
#define RT_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rt/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

rt_time rt_now(void);
/* The time in d from now: for .deadline. One that is past, if d is negative. Never 0. */
rt_time rt_after(rt_duration d);

/*
 * rt_sleep(d, options...): sleeps for at least d, as Go's time.Sleep; at once if d <= 0. False if
 * an option ended it before: ETIMEDOUT, ECANCELED.
 */
#define rt_sleep(d, ...) rt__sleep((d), RT__OPTIONS(rt_wait_options, ##__VA_ARGS__))
bool rt__sleep(rt_duration d, const rt_wait_options *o);

/* A timer fires once, when its time has come and somebody waits or comes to wait; or once for each
 * period, but those that nobody has waited for in time count as one, as Go's tickers have it. */
typedef struct rt_timer {
	uint64_t rt_private[14];
} rt_timer;
#define RT_TIMER_INIT                                                                              \
	{                                                                                          \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

/*
 * Sets the timer to fire in d from now, at once if d <= 0; whatever it was set to before is void:
 * no wait that begins later sees it. True: it was set, and nobody has seen it fire. Those that
 * wait already go on to wait, for the new time. Go's NewTimer and Timer.Reset.
 */
bool rt_timer_reset(rt_timer *t, rt_duration d);
/* Sets it to fire in d from now and from then on every d. A panic if d <= 0. Go's NewTicker and
 * Ticker.Reset. */
bool rt_timer_every(rt_timer *t, rt_duration d);
/* No wait that begins later sees it fire; those that wait already do so until it is set again.
 * True: it was set, and nobody has seen it fire. */
bool rt_timer_stop(rt_timer *t);

/*
 * rt_timer_wait(t, options...): waits until the timer fires, of those who wait one for each time.
 * One that is not set fires when somebody sets it. False: ETIMEDOUT, ECANCELED.
 */
#define rt_timer_wait(t, ...) rt__timer_wait((t), RT__OPTIONS(rt_wait_options, ##__VA_ARGS__))
bool rt__timer_wait(rt_timer *t, const rt_wait_options *o);

/*
 * Starts a goroutine that calls fn(arg), in d from now: Go's AfterFunc. The timer is RT_TIMER_INIT
 * or stopped, and lives until it has fired or was stopped. rt_timer_stop and rt_timer_reset say
 * whether they came before it; neither waits for fn. Reset once it has fired, it calls fn again.
 * Nobody can wait on it: that is a panic.
 */
void rt_after_func(rt_timer *t, rt_duration d, void (*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif

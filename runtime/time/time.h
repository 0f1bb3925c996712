/* SPDX-License-Identifier: MIT */
/*
 * time: floor 9, below usync/ and chan/. Clocks, sleeping, timers as programs have them. Its
 * interface is rt/time.h; here is what select needs besides. The engine is sched/timers.c.
 */
#ifndef RT_TIME_TIME_H
#define RT_TIME_TIME_H

#include <rt/time.h>

#include "sched/sched.h"

/* The sum, between the least time and RT_NEVER. */
static inline rt_time
rt__time_add(rt_time t, rt_duration d)
{
	rt_time sum;

	if (__builtin_add_overflow(t, d, &sum))
		return d < 0 ? INT64_MIN : RT_NEVER;
	return sum;
}

/* Sleeps until then, on a goroutine that may park. */
void rt__sleep_until(rt_time when, rt_time now);

/* Who waits on an rt_timer. Lies in the frame of the waiter, or is one of several of a select. */
struct rt__timer_node {
	struct rt__timer_node *next;
	struct rt__waiter *waiter;
	void *winner; /* what the waiter is told if this one fires */
};

/* Whether the timer has fired, and nobody has taken that yet. */
bool rt__timer_is_due(rt_timer *t);
/* Takes the event if the timer has fired. */
bool rt__timer_try(rt_timer *t);
/* From now on, the timer ends the wait: in an unlock function, or when the waiter cannot be readied
 * yet for another reason. */
void rt__timer_enrol(rt_timer *t, struct rt__timer_node *node);
/* After the wait, whoever has ended it. */
void rt__timer_leave(rt_timer *t, struct rt__timer_node *node);

#endif

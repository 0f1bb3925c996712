/* SPDX-License-Identifier: MIT */
/*
 * The signal that ends a sleep. nanosleep ends early, with EINTR, when a handler has run on the
 * thread that sleeps, and programs wait for SIGTERM or SIGALRM that way. A goroutine that sleeps
 * has no thread. What has one for it is the process: Linux gives a signal that is for no thread in
 * particular to the first thread if it takes it, which to a program is the one that runs main. So
 * the handler of such a signal, wherever it ran, ends the sleep of the main goroutine, unless main
 * has blocked the signal. Others sleep on.
 *
 * A handler may have interrupted anything, so it only asks sysmon to do it, some 50 us later. Main
 * may sleep in another call by then: that ends early for nothing, with its rest told as always.
 *
 * While the program is one goroutine, nothing of this is used: its sleep is the kernel's.
 */
#include <errno.h>

#include "sched/sched_priv.h"

static struct {
	struct rt__lock lock;      /* not taken in handlers */
	struct rt__waiter *waiter; /* main's, while it sleeps; also read without */
	uint32_t asked;            /* (a) */
} sleep;

/* The timer is started with the lock: who it wakes takes that before the frame goes. */
void
rt__main_sleeps(struct rt__waiter *w, struct rt__timer *t, int64_t when, int64_t now)
{
	rt__lock(&sleep.lock);
	rt__store_rlx(&sleep.waiter, w);
	rt__timer_start(t, when, now);
	rt__unlock(&sleep.lock);
}

void
rt__main_awake(void)
{
	rt__lock(&sleep.lock);
	rt__store_rlx(&sleep.waiter, (struct rt__waiter *)NULL);
	rt__unlock(&sleep.lock);
}

void
rt__interrupt_main(int sig)
{
	if (!rt__load_rlx(&sleep.waiter) || (rt__load_rlx(&rt__main_mask) >> (sig - 1) & 1))
		return;
	rt__store_rel(&sleep.asked, 1u); /* pairs with the exchange below */
	rt__sysmon_kick();
}

void
rt__interrupt_round(void)
{
	if (!rt__load_rlx(&sleep.asked) || !rt__xchg_acq(&sleep.asked, 0u))
		return;
	rt__lock(&sleep.lock);
	struct rt__waiter *w = sleep.waiter;
	if (w && rt__waiter_claim(w)) {
		rt__store_rlx(&sleep.waiter, (struct rt__waiter *)NULL);
		w->outcome = EINTR;
		rt__waiter_wake(w);
	}
	rt__unlock(&sleep.lock);
}

void
rt__interrupt_forget(void)
{
	__builtin_memset(&sleep, 0, sizeof sleep);
}

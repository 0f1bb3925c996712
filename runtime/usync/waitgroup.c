/* SPDX-License-Identifier: MIT */
/*
 * Wait groups. One word holds the counter (high half), the number of waiters, and a lock bit for
 * the list of them. Each step is one atomic change of that word:
 *
 *	a waiter	takes the lock and adds itself to the number, only while the counter is not
 *zero its g0		lets go of the lock, once the waiter is on the list and off its stack
 *	rt_wg_add	changes the counter, locked or not
 *
 * A round ends when the counter is zero, there are waiters, and nobody has the lock. The change
 *that makes that so is one only, since none joins at zero, and whoever made it owns the list: who
 *has brought the counter to zero, or the waiter that was about to park. So rt_wg_add never waits
 *for anybody, and may interrupt the holder of the lock, as in a signal handler. It publishes what
 *was done before it, and sees the list, by the order of these changes: each is an acquire and a
 *release.
 *
 * The lock is held for some 20 ns, from rt_wg_wait to g0, in text of the runtime, where nobody is
 * preempted. Another waiter that meets it spins; a holder that the kernel has put aside gets the
 * CPU by a yield of the thread. In the child of a fork, a wait group that others waited on is of no
 * use: they are on its list, and one of them may have the lock for ever. One that nobody waited on
 * has no such past.
 *
 * Nothing of the wait group is touched after its waiters are readied: one of them may free it.
 *
 * Rejected: a lock of sync/ beside the word: four locked instructions more for each value that is
 * passed. A list that is pushed to without a lock: one more, for what hardly ever contends.
 */
#include "usync/usync.h"

#include "os/os.h"
#include "sched/sched.h"

#define LOCK ((uint64_t)1)
#define WAITER ((uint64_t)2)
#define SPINS 100

static int32_t
counter(uint64_t state)
{
	return (int32_t)(state >> 32);
}

static uint32_t
waiters(uint64_t state)
{
	return (uint32_t)state / (uint32_t)WAITER;
}

/* The round has ended, and is the caller's to end. `self` is not readied: it does not sleep yet.
 * Out of line, as the other slow ways: the usual one saves no registers. */
static RT_NOINLINE void
release_all(rt_wg *wg, const struct rt__g *self)
{
	struct rt__g *gp = wg->rt_waiters;

	wg->rt_waiters = NULL;
	/* A store: who changes the word now is an rt_wg_add that sees waiters, and panics. rel: the
	 * list is empty for who comes next, and what we have acquired is visible to it. */
	rt__store_rel(&wg->rt_state, (uint64_t)0);
	while (gp) {
		struct rt__g *next = gp->link;

		gp->link = NULL;
		if (gp != self)
			rt__ready(gp);
		gp = next;
	}
}

void
rt_wg_add(rt_wg *wg, int delta)
{
	/* acqrel: what was done before each rt_wg_done is visible after rt_wg_wait; and the list is
	 * seen as unlock_wg has left it. */
	uint64_t state = rt__add_acqrel(&wg->rt_state, (uint64_t)(int64_t)delta << 32);
	int32_t n = counter(state);

	if (rt__unlikely(n < 0))
		rt__panic("sync: negative WaitGroup counter");
	if (rt__likely(waiters(state) == 0))
		return;
	if (rt__unlikely(delta > 0 && n == delta))
		rt__panic("sync: WaitGroup misuse: Add called concurrently with Wait");
	if (n == 0 && delta < 0 && !(state & LOCK))
		release_all(wg, NULL);
}

void
rt_wg_done(rt_wg *wg)
{
	rt_wg_add(wg, -1);
}

/* False if the counter has become zero meanwhile. */
static bool
unlock_wg(struct rt__g *gp, void *arg)
{
	rt_wg *wg = arg;
	/* rel: the list, for the next holder; acq: what was done before the counter became zero. */
	uint64_t state = rt__add_acqrel(&wg->rt_state, -LOCK);

	if (rt__likely(counter(state) != 0))
		return true;
	release_all(wg, gp);
	return false;
}

/* Somebody else adds itself to the list. */
static RT_NOINLINE void
wait_for_lock(rt_wg *wg)
{
	for (int i = 0; i < SPINS; i++) {
		if (!(rt__load_rlx(&wg->rt_state) & LOCK))
			return;
		rt__cpu_relax();
	}
	rt__os_yield();
}

void
rt_wg_wait(rt_wg *wg)
{
	struct rt__g *gp = rt__getg();

	for (;;) {
		uint64_t state = rt__load_acq(&wg->rt_state); /* pairs with rt_wg_add */

		if (counter(state) == 0)
			return;
		if (rt__unlikely(!gp))
			rt__panic("rt_wg_wait on a thread that is not a goroutine");
		if (rt__unlikely(state & LOCK))
			wait_for_lock(wg);
		else if (rt__likely(rt__cas_acqrel(&wg->rt_state, state, state + WAITER + LOCK)))
			break;
	}
	gp->link = wg->rt_waiters;
	wg->rt_waiters = gp;
	rt__park(unlock_wg, wg, RT_WAIT_WAITGROUP);
	rt__stay();
}

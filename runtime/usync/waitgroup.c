/* SPDX-License-Identifier: MIT */
/*
 * Wait groups. The word holds the counter (high half) and the number of waiters (low half). A
 * waiter adds itself to both the word and the list under the lock, and only while the counter is
 * not zero; who brings the counter to zero and sees waiters takes the lock and all of them. So a
 * waiter is on the list before the word shows it, and none is added to a round that has ended.
 *
 * Nothing of the wait group is touched after its waiters are readied: one of them may free it.
 */
#include "usync/usync.h"

#include "sched/sched.h"
#include "sync/sync.h"

static int32_t
counter(uint64_t state)
{
	return (int32_t)(state >> 32);
}

static uint32_t
waiters(uint64_t state)
{
	return (uint32_t)state;
}

static struct rt__lock *
lock_of(rt_wg *wg)
{
	_Static_assert(sizeof(struct rt__lock) == sizeof wg->rt_lock, "rt_wg: size of the lock");
	return (struct rt__lock *)&wg->rt_lock;
}

static void
release_all(rt_wg *wg)
{
	rt__lock(lock_of(wg));
	struct rt__g *gp = wg->rt_waiters;
	uint64_t state = rt__load_rlx(&wg->rt_state);
	wg->rt_waiters = NULL;
	/* The counter is zero, so no waiter can have come; a new round must wait for this one. */
	bool misused = counter(state) != 0 || !rt__cas_acqrel(&wg->rt_state, state, (uint64_t)0);
	rt__unlock(lock_of(wg));
	if (misused)
		rt__panic("sync: WaitGroup misuse: Add called concurrently with Wait");
	while (gp) {
		struct rt__g *next = gp->link;

		gp->link = NULL;
		rt__ready(gp);
		gp = next;
	}
}

void
rt_wg_add(rt_wg *wg, int delta)
{
	/* acqrel: what was done before each rt_wg_done is visible after rt_wg_wait. */
	uint64_t state = rt__add_acqrel(&wg->rt_state, (uint64_t)(int64_t)delta << 32);
	int32_t n = counter(state);

	if (n < 0)
		rt__panic("sync: negative WaitGroup counter");
	if (waiters(state) != 0 && delta > 0 && n == delta)
		rt__panic("sync: WaitGroup misuse: Add called concurrently with Wait");
	if (n == 0 && waiters(state) != 0)
		release_all(wg);
}

void
rt_wg_done(rt_wg *wg)
{
	rt_wg_add(wg, -1);
}

static bool
unlock_wg(struct rt__g *gp, void *wg)
{
	(void)gp;
	rt__unlock(lock_of(wg));
	return true;
}

void
rt_wg_wait(rt_wg *wg)
{
	struct rt__g *gp = rt__getg();
	uint64_t state = rt__load_acq(&wg->rt_state); /* pairs with rt_wg_add */

	if (counter(state) == 0)
		return;
	if (!gp)
		rt__panic("rt_wg_wait on a thread that is not a goroutine");
	rt__lock(lock_of(wg));
	do {
		state = rt__load_acq(&wg->rt_state);
		if (counter(state) == 0) {
			rt__unlock(lock_of(wg));
			return;
		}
	} while (!rt__cas_acqrel(&wg->rt_state, state, state + 1));
	gp->link = wg->rt_waiters;
	wg->rt_waiters = gp;
	rt__park(unlock_wg, wg, RT_WAIT_WAITGROUP);
	rt__stay();
}

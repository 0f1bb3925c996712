/* SPDX-License-Identifier: MIT */
/*
 * The slow half of rt__lock. A waiter spins a little where other CPUs can run the holder, then
 * marks the word 2 and sleeps; who finds 2 at unlock wakes one. A woken waiter takes the lock
 * with 2, since it cannot know that it was the last: the price is one needless wake-up.
 */
#include "os/os.h"
#include "sync/sync.h"

#define SPINS 4
#define SPIN_PAUSES 30

void
rt__lock_slow(struct rt__lock *l)
{
	for (int i = 0; rt__os.ncpu > 1 && i < SPINS; i++) {
		for (int j = 0; j < SPIN_PAUSES; j++)
			rt__cpu_relax();
		if (rt__load_rlx(&l->state) == 0 && rt__cas_acq(&l->state, 0u, 1u))
			return;
	}
	/* acq: pairs with the release in rt__unlock. */
	while (rt__xchg_acq(&l->state, 2u) != 0)
		rt__futex_wait(&l->state, 2, -1);
}

void
rt__unlock_slow(struct rt__lock *l)
{
	rt__futex_wake(&l->state, 1);
}

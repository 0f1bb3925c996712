/* SPDX-License-Identifier: MIT */
/*
 * sync: floor 4. Locks and notes of the runtime itself. They block the thread, not the goroutine,
 * are held for a few hundred nanoseconds, and never across a switch. Zero-initialized is unlocked.
 * What user code uses to wait for each other is in usync/.
 */
#ifndef RT_SYNC_H
#define RT_SYNC_H

#include "base/base.h"

/* struct rt__lock: a mutex on a futex (Drepper, "Futexes Are Tricky", mutex3; Go's lock_futex). */

void rt__lock_slow(struct rt__lock *l);
void rt__unlock_slow(struct rt__lock *l);

static inline void
rt__lock(struct rt__lock *l)
{
	if (!rt__cas_acq(&l->state, 0u, 1u)) /* pairs with the release in rt__unlock */
		rt__lock_slow(l);
}

static inline void
rt__unlock(struct rt__lock *l)
{
	/* rel: publishes what the lock protects to the next holder's acquire. */
	if (rt__xchg_rel(&l->state, 0u) == 2)
		rt__unlock_slow(l);
}

/*
 * struct rt__note: a one-shot event between threads: one sleeps until another wakes it, in either
 * order. clear, then sleep by one thread and wakeup by one other, once; then clear again.
 */

void rt__note_clear(struct rt__note *n);
void rt__note_sleep(struct rt__note *n);
/* Sleeps at most ns nanoseconds: whether the note fired. */
bool rt__note_timedsleep(struct rt__note *n, int64_t ns);
void rt__note_wakeup(struct rt__note *n);

#endif

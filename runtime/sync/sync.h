/* SPDX-License-Identifier: MIT */
/*
 * sync: floor 4. Locks and notes of the runtime itself. They block the thread, not the goroutine,
 * are held for a few hundred nanoseconds, and never across a switch. Zero-initialized is unlocked.
 * What user code uses to wait for each other is in usync/.
 */
#ifndef RT_SYNC_H
#define RT_SYNC_H

#include "base/base.h"
#include "proc/proc.h"

/* struct rt__lock: a mutex on a futex (Drepper, "Futexes Are Tricky", mutex3; Go's lock_futex). */

/* The static ones, in the order in which a thread may take them: a lock only while it holds none
 * that comes later. */
enum rt__lock_rank {
	RT_RANK_CONTEXTS, /* who is whose context's child */
	RT_RANK_UNLOCK,   /* who is to see how a mutex is unlocked */
	RT_RANK_SCHED,    /* sched.lock */
	RT_RANK_FOREIGN,  /* foreign threads, and which of them wait */
	RT_RANK_GFREE,    /* the global lists of free Gs */
	RT_RANK_ALLG,     /* the list of all Gs */
	RT_RANK_STACK,    /* arenas of stacks */
	RT_RANK_STACKUSE, /* how deep goroutines have gone */
	RT_RANK_CACHES,   /* the list of foreign threads' caches */
	RT_RANK_HARD,     /* RTDEBUG=malloc=hard and =sample */
	RT_RANK_CENTRAL,  /* those of size classes: at most one of them */
	RT_RANK_PROFILE,  /* the heap profile */
	RT_RANK_HEAP,     /* units of the heap */
	RT_RANK_TABLES,   /* memory of the runtime's tables */
	RT_RANK_ACTION,   /* the program's action for the runtime's own signal */
	RT_RANKS
};

/* Gives a static lock its rank; before its first use. */
void rt__lock_rank(struct rt__lock *l, enum rt__lock_rank rank);
/* n locks of one rank, `stride` bytes apart, of which a thread may hold one. */
void rt__lock_rank_many(struct rt__lock *first, int n, size_t stride, enum rt__lock_rank rank);
/* Around fork: all that have a rank. */
void rt__lock_all(void);
void rt__unlock_all(void);

void rt__lock_slow(struct rt__lock *l);
void rt__unlock_slow(struct rt__lock *l);

/* In builds with assertions; on the host, where there are no Ms, in their own test only. Before the
 * lock is waited for: what is in the wrong order may be so for ever. */
#ifdef RT_LOCK_RANKS
void rt__lock_check(const struct rt__lock *l);
void rt__unlock_check(const struct rt__lock *l);
#else
#define rt__lock_check(l) ((void)0)
#define rt__unlock_check(l) ((void)0)
#endif

static inline __attribute__((always_inline)) void
rt__lock(struct rt__lock *l)
{
	rt__lock_check(l);
	if (!rt__cas_acq(&l->state, 0u, 1u)) /* pairs with the release in rt__unlock */
		rt__lock_slow(l);
}

static inline __attribute__((always_inline)) void
rt__unlock(struct rt__lock *l)
{
	rt__unlock_check(l);
	/* rel: publishes what the lock protects to the next holder's acquire. */
	if (rt__xchg_rel(&l->state, 0u) == 2)
		rt__unlock_slow(l);
}

/*
 * struct rt__note: a one-shot event between threads: one sleeps until another wakes it, in either
 * order. clear, then sleep by one thread and wakeup by one other, once; then clear again.
 */
static inline void
rt__note_clear(struct rt__note *n)
{
	rt__store_rlx(&n->fired, 0u);
}

/* A look: what was done before the wake-up is visible then. */
bool rt__note_has_fired(const struct rt__note *n);
void rt__note_sleep(struct rt__note *n);
/* Sleeps at most ns nanoseconds: whether the note fired. */
bool rt__note_timedsleep(struct rt__note *n, int64_t ns);
/* Sleeps until that time of CLOCK_MONOTONIC, INT64_MAX for ever: whether the note fired. */
bool rt__note_sleep_until(struct rt__note *n, int64_t when);
/* Waits for about ns nanoseconds without sleeping: whether the note fired. */
bool rt__note_spin(struct rt__note *n, int64_t ns);
void rt__note_wakeup(struct rt__note *n);

#endif

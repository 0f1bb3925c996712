/* SPDX-License-Identifier: MIT */
/*
 * What the files of usync/ share: queues of waiters, and the bit that locks one.
 *
 * The queue of an object is a pointer in it, and its nodes are in the frames of who waits. Go has
 * one table of treaps for all objects instead, since its objects must be small and its stacks
 * move; here neither is so, and this is one cache miss where that is several.
 *
 * Each object keeps all of its state in one word, and a bit of that word locks its queue. Who
 * waits sets the bit in the same step that decides to wait, and lets go of it on g0, once it is
 * off its stack: so nobody looks for a waiter who is not there yet, and none is woken before it
 * sleeps. Who lets go of an object while the bit is somebody else's leaves the rest to that one,
 * who looks at the word once more when it unlocks ("settles"): unlocking never waits, and may
 * interrupt the holder of the bit, as a signal handler does.
 *
 * Whoever lets go of an object does not touch it after the step that lets another have it, unless
 * it has the lock of a queue with a waiter in it, who cannot leave meanwhile. So the last one to
 * use an object may free it, while others are still about to return from unlocking it.
 *
 * The bit is held for some 50 ns, in text of the runtime, where nobody is preempted. Others spin; a
 * holder that the kernel has put aside gets the CPU by a yield of the thread. It is not held across
 * fork by the thread that forks. In the child the other threads are gone, and with them who waited
 * and who held: an object that was in use by others then is of no use there, as with POSIX mutexes.
 */
#ifndef RT_USYNC_PRIV_H
#define RT_USYNC_PRIV_H

#include "os/os.h"
#include "usync/usync.h"

/* For one node that is sole, and a wait without options: nobody looks at the rest. */
static inline void
rt__waiter_init_sole(struct rt__waiter *w)
{
	w->gp = rt__getg();
	if (rt__unlikely(!w->gp))
		rt__note_clear(&w->note);
}

/* ---- queues; the caller has the lock ---- */

static inline void
rt__node_init(struct rt__node *n, struct rt__waiter *w, bool sole)
{
	n->waiter = w;
	n->sole = sole;
}

static inline void
rt__queue_push_back(struct rt__node **q, struct rt__node *n)
{
	struct rt__node *first = *q;

	n->next = NULL;
	n->queued = true;
	if (rt__likely(!first)) {
		n->prev = n;
		*q = n;
		return;
	}
	n->prev = first->prev;
	first->prev->next = n;
	first->prev = n;
}

static inline void
rt__queue_push_front(struct rt__node **q, struct rt__node *n)
{
	struct rt__node *first = *q;

	n->next = first;
	n->queued = true;
	n->prev = first ? first->prev : n;
	if (first)
		first->prev = n;
	*q = n;
}

static inline void
rt__queue_remove(struct rt__node **q, struct rt__node *n)
{
	if (n->next)
		n->next->prev = n->prev;
	else if (*q != n)
		(*q)->prev = n->prev;
	if (*q == n)
		*q = n->next;
	else
		n->prev->next = n->next;
	n->queued = false;
}

/* True: the waiter is the caller's to wake. */
static inline bool
rt__node_claim(struct rt__node *n)
{
	if (n->sole)
		return true;
	if (!rt__waiter_claim(n->waiter))
		return false;
	n->waiter->winner = n;
	return true;
}

/* Takes the first that can be claimed off; those before it are off, too, and counted in *gone. */
struct rt__node *rt__queue_pop(struct rt__node **q, uint32_t *gone);

/* Takes all off; those that can be claimed are the result, linked by next, and counted. */
struct rt__node *rt__queue_take(struct rt__node **q, uint32_t *claimed);

/* Wakes them, but for one that may be `self`: whether it was there. The object is not locked. */
static inline bool
rt__nodes_wake(struct rt__node *n, const struct rt__waiter *self)
{
	bool met = false;

	while (n) {
		struct rt__node *next = n->next; /* n is gone as soon as its waiter runs */
		struct rt__waiter *w = n->waiter;

		if (w == self)
			met = true;
		else
			rt__waiter_wake(w);
		n = next;
	}
	return met;
}

/* ---- the lock bit ---- */

/* Somebody else has it: waits a little. The caller looks again. */
void rt__bit_wait(const uint32_t *word, uint32_t bit);

/* Waits until the bit is the caller's. */
static inline void
rt__bit_lock(uint32_t *word, uint32_t bit)
{
	for (;;) {
		uint32_t s = rt__load_rlx(word);

		if (s & bit)
			rt__bit_wait(word, bit);
		else if (rt__cas_acq(word, s, s | bit)) /* pairs with whoever clears it */
			return;
	}
}

/* ---- mutex.c ---- */

/* Unlocks m, which the caller has; may be called on g0. True if a waiter has it now that has
 * starved for it: the caller should let it run. */
bool rt__mutex_release(rt_mutex *m);
/* What rt__mutex_unlock (arch/.../unlock.S) leaves undone: the mutex is not LOCKED and nothing
 * else. */
void rt__mutex_unlock_slow(rt_mutex *m);

#endif

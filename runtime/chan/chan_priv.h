/* SPDX-License-Identifier: MIT */
/*
 * What chan.c and select.c share: a channel, who waits on it, and what one operation does with the
 * channel locked.
 *
 * Invariants, but for waiters that somebody else has claimed and that will leave:
 *
 *	count > 0	nobody waits to receive
 *	count < cap	nobody waits to send
 *	unbuffered	only one of the two queues has waiters; or both have, all of one goroutine,
 *			which both sends and receives in one select
 */
#ifndef RT_CHAN_PRIV_H
#define RT_CHAN_PRIV_H

#include "chan/chan.h"

#include "os/os.h"
#include "sched/sched.h"

/*
 * A wait for one operation on one channel. Lies in the frame of who waits, which does not move, so
 * the other side copies the value from or to where it is wanted. With the channel's lock, unless
 * said otherwise.
 */
struct rt__sudog {
	struct rt__sudog *next, *prev;
	struct rt__g *gp;     /* waits for nothing else; NULL: see w */
	struct rt__waiter *w; /* of a select, or a foreign thread: to be claimed */
	void *elem;           /* the value, or where it is to go; NULL: it is not wanted */
	bool queued;          /* false: somebody has popped it */
	bool ok;              /* done; false: the channel was closed */
};

struct rt__waitq {
	struct rt__sudog *first, *last;
};

/* The first line is all that a buffered operation looks at, besides the value. */
struct rt__chan {
	_Alignas(RT_CACHE_LINE) uint32_t lock; /* (a) see rt__chan_lock */
	uint32_t closed;                       /* (a) */
	size_t count;                          /* (a) values in the buffer */
	size_t cap;
	size_t sendx, recvx; /* where the next value goes, and comes from */
	struct rt__waitq recvq;
	_Alignas(RT_CACHE_LINE) struct rt__waitq sendq; /* first: (a) */
	size_t elem_size;
	size_t leaving; /* waiters that were left out, and will come for the lock once more */
	void *memory;   /* what malloc gave */
	_Alignas(16) char buf[];
};
_Static_assert(offsetof(struct rt__chan, sendq) == RT_CACHE_LINE, "a line for each purpose");

/* ---- the lock ---- */

/*
 * Held for some ten nanoseconds, or, by a goroutine that is about to wait, until it is off its
 * stack; always in text of the runtime, where nobody is preempted. While one P is all there is and
 * no foreign thread (rt__alone), the P itself is the lock: an operation keeps it from beginning to
 * end, and rt__alone changes only between operations. See rt__alone.
 *
 * A holder that the kernel has put aside is rare, and costs those that wait their time: they spin,
 * then yield, then sleep, so that it gets a CPU whatever its priority. A futex would cost each
 * unlock a locked instruction, which is half of what an operation takes.
 *
 * In the child of a fork, a channel that another thread was using may be locked for ever.
 */
void rt__chan_lock_slow(struct rt__chan *c);

static inline void
rt__chan_lock(struct rt__chan *c)
{
	if (rt__load_rlx(&rt__alone))
		return;
	if (rt__unlikely(!rt__cas_acq(&c->lock, 0u, 1u))) /* pairs with rt__chan_unlock */
		rt__chan_lock_slow(c);
}

static inline void
rt__chan_unlock(struct rt__chan *c)
{
	rt__store_rel(&c->lock, 0u); /* publishes the channel to the next holder */
}

/* ---- queues of waiters ---- */

static inline void
rt__waitq_push(struct rt__waitq *q, struct rt__sudog *sg)
{
	sg->next = NULL;
	sg->prev = q->last;
	sg->queued = true;
	if (q->last)
		q->last->next = sg;
	else
		rt__store_rlx(&q->first, sg);
	q->last = sg;
}

static inline void
rt__waitq_remove(struct rt__waitq *q, struct rt__sudog *sg)
{
	if (sg->prev)
		sg->prev->next = sg->next;
	else
		rt__store_rlx(&q->first, sg->next);
	if (sg->next)
		sg->next->prev = sg->prev;
	else
		q->last = sg->prev;
}

/*
 * The first waiter, claimed and taken off the queue. Those that somebody else has claimed are left
 * out: they do not wait any more, but have not come yet to take themselves off.
 */
static inline struct rt__sudog *
rt__waitq_pop(struct rt__chan *c, struct rt__waitq *q)
{
	for (;;) {
		struct rt__sudog *sg = q->first;

		if (!sg)
			return NULL;
		rt__store_rlx(&q->first, sg->next);
		if (sg->next)
			sg->next->prev = NULL;
		else
			q->last = NULL;
		if (rt__likely(sg->gp != NULL))
			return sg;
		if (rt__waiter_claim(sg->w)) {
			sg->w->winner = sg;
			return sg;
		}
		sg->queued = false;
		c->leaving++;
	}
}

/* Lets a popped waiter go on; it is not touched any more. Without locks. */
static inline void
rt__sudog_wake(struct rt__sudog *sg)
{
	struct rt__g *gp = sg->gp;

	if (rt__likely(gp != NULL))
		rt__ready(gp);
	else
		rt__waiter_wake(sg->w);
}

/* ---- values ---- */

void rt__elem_copy_any(void *to, const void *from, size_t size);

static inline __attribute__((always_inline)) void
rt__elem_copy(void *to, const void *from, size_t size)
{
	if (size == 4)
		__builtin_memcpy(to, from, 4);
	else if (size == 8)
		__builtin_memcpy(to, from, 8);
	else
		rt__elem_copy_any(to, from, size);
}

static inline __attribute__((always_inline)) size_t
rt__chan_after(const struct rt__chan *c, size_t x)
{
	return x + 1 == c->cap ? 0 : x + 1;
}

/* ---- one operation, with the lock ---- */

/*
 * Both are false, and nothing has changed, if it would have to wait, or the channel is closed (and,
 * for a receive, drained). *wake: who is to be woken once the lock is released, or NULL.
 */
static inline __attribute__((always_inline)) bool
rt__send_locked(struct rt__chan *c, const void *elem, size_t size, struct rt__sudog **wake)
{
	struct rt__sudog *sg;

	*wake = NULL;
	if (rt__unlikely(c->closed))
		return false;
	if (c->recvq.first && (sg = rt__waitq_pop(c, &c->recvq)) != NULL) {
		if (sg->elem)
			rt__elem_copy(sg->elem, elem, size);
		sg->ok = true;
		*wake = sg;
		return true;
	}
	if (c->count >= c->cap)
		return false;
	rt__elem_copy(c->buf + c->sendx * size, elem, size);
	c->sendx = rt__chan_after(c, c->sendx);
	rt__store_rlx(&c->count, c->count + 1);
	return true;
}

static inline __attribute__((always_inline)) bool
rt__recv_locked(struct rt__chan *c, void *elem, size_t size, struct rt__sudog **wake)
{
	struct rt__sudog *sg = NULL;
	char *slot = c->buf + c->recvx * size;

	if (c->sendq.first)
		sg = rt__waitq_pop(c, &c->sendq);
	*wake = sg;
	if (c->count == 0) {
		if (!sg)
			return false;
		if (elem)
			rt__elem_copy(elem, sg->elem, size);
		sg->ok = true;
		return true;
	}
	if (elem)
		rt__elem_copy(elem, slot, size);
	c->recvx = rt__chan_after(c, c->recvx);
	if (sg) { /* the buffer is full: its first slot becomes its last */
		rt__elem_copy(slot, sg->elem, size);
		c->sendx = c->recvx;
		sg->ok = true;
	} else {
		rt__store_rlx(&c->count, c->count - 1);
	}
	return true;
}

/* A receive from a closed channel that is drained. */
static inline void
rt__recv_nothing(const struct rt__chan *c, void *elem)
{
	if (elem)
		__builtin_memset(elem, 0, c->elem_size);
}

/*
 * Without the lock, a look that may be out of date. If it says no, so it was at one moment: the
 * channel was full, or empty, when that was looked at; and not closed, since it was not later.
 */

static inline bool
rt__send_looks_ready(struct rt__chan *c)
{
	return rt__load_acq(&c->count) < c->cap || rt__load_acq(&c->recvq.first) ||
		rt__load_acq(&c->closed);
}

static inline bool
rt__recv_looks_ready(struct rt__chan *c)
{
	return rt__load_acq(&c->count) || rt__load_acq(&c->sendq.first) || rt__load_acq(&c->closed);
}

#endif

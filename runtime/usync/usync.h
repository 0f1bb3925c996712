/* SPDX-License-Identifier: MIT */
/*
 * usync: floor 9. What goroutines use to wait for each other; its interface for programs is
 * rt/sync.h. This header is for what else waits: channels, select.
 */
#ifndef RT_USYNC_H
#define RT_USYNC_H

#include <rt/rt.h>

#include "sched/sched.h"

int rt__wait_with(struct rt__waiter *w, rt__unlock_fn *unlock, void *arg, const rt_wait_options *o,
		  enum rt__wait_reason reason);

/*
 * Parks the caller until somebody claims w and wakes it, the deadline has passed, or the context
 * has ended: 0 (or what the one who woke it has put into w->outcome), ETIMEDOUT, ECANCELED. o may
 * be NULL.
 *
 * The caller has enrolled w with what it waits for, or unlock does; unlock then lets go of its
 * locks, as for rt__park. It may return false only if it has claimed w. With options, rt__wait
 * returns only after unlock has: all of the caller's frame may be used there to the end.
 *
 * If the result is not 0, w may still be on a queue: the caller takes it off, under that lock.
 */
static inline __attribute__((always_inline)) int
rt__wait(struct rt__waiter *w, rt__unlock_fn *unlock, void *arg, const rt_wait_options *o,
	 enum rt__wait_reason reason)
{
	if (rt__unlikely(o != NULL))
		return rt__wait_with(w, unlock, arg, o, reason);
	rt__waiter_park(w, unlock, arg, reason);
	return w->outcome;
}

/* For results of calls: sets errno and is false. On the stack of who called. */
bool rt__failed(int err);

/*
 * One waiter in one queue; lies in the frame of who waits. A waiter that waits for several things
 * has one for each. All but `waiter` and `sole` belong to the lock of the queue.
 */
struct rt__node {
	struct rt__node *next;     /* NULL for the last */
	struct rt__node *prev;     /* of the first: the last */
	struct rt__waiter *waiter; /* winner: the node that has ended the wait */
	bool sole;                 /* nobody else may end this wait: it needs no claim */
	bool queued;
	bool granted; /* what was waited for is the waiter's: see there */
	int64_t n;    /* how much of it */
};

/* ---- pool.c ---- */

void rt__pools_free(void); /* rt__hooks.pools_free */

/* ---- ctx.c ---- */

/* Whose wait a context's end ends: in the frame of who waits. */
struct rt__ctx_waiter {
	struct rt__ctx_waiter *next, *prev; /* of the context's lock, or of who has claimed it */
	struct rt__waiter *waiter;
	void *winner;  /* what the waiter is told; its outcome is ECANCELED */
	bool enrolled; /* (a) */
	bool fired;    /* (a) of functions: see ctx.c */
};
/*
 * From now on, the end of the context ends the wait; false, and nothing has happened, if it has
 * ended already. In an unlock function, with options, or when n->waiter cannot be woken yet for
 * another reason; n->enrolled is false before.
 */
bool rt__ctx_enrol(rt_ctx *c, struct rt__ctx_waiter *n);
/* After the wait, whoever has ended it: whether n was still there. */
bool rt__ctx_leave(rt_ctx *c, struct rt__ctx_waiter *n);

/* ---- waitgroup.c ---- */

void rt__wg_done(void *wg); /* rt__hooks.wg_done */

/* For select: */

/* Whether the counter is zero; then what was done before is visible. */
bool rt__wg_is_done(rt_wg *wg);
/*
 * Has n->waiter claimed and woken when the counter becomes zero, with n as the winner; false if it
 * is zero already. The waiter may be woken before this returns: it is called from `unlock`, with
 * options (rt__wait).
 */
bool rt__wg_enrol(rt_wg *wg, struct rt__node *n);
/* Takes it back: if it was claimed, nothing happens. */
void rt__wg_leave(rt_wg *wg, struct rt__node *n);

#endif

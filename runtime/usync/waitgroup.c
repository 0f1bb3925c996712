/* SPDX-License-Identifier: MIT */
/*
 * Wait groups. One word holds the counter (high half), the number of waiters, and a lock bit for
 * the list of them. Each step is one atomic change of that word:
 *
 *	a waiter	takes the lock and adds itself to the number, only while the counter is not
 *			zero
 *	its g0		lets go of the lock, once the waiter is on the list and off its stack
 *	rt_wg_add	changes the counter, locked or not
 *	who gives up	takes the lock, to take itself off
 *
 * A round ends when the counter is zero, there are waiters, and nobody has the lock. The change
 * that makes that so is one only, since none joins at zero, and whoever made it owns the list: who
 * has brought the counter to zero, or who held the lock then. So rt_wg_add never waits for anybody,
 * and may interrupt the holder of the lock, as in a signal handler. It publishes what was done
 * before it, and sees the list, by the order of these changes: each is an acquire and a release.
 *
 * While the owner of the list claims those of its waiters that others may wake, too (MIXED), the
 * word still says zero and waiters, and a waiter that gives up waits for it to change: then the
 * owner is done with its frame. That is the only wait for an owner; plain waiters cost none of it.
 *
 * Another waiter that meets the lock spins; see usync_priv.h, also for what a fork leaves behind.
 * Nothing of the wait group is touched after its waiters are readied: one of them may free it.
 *
 * Rejected: a lock of sync/ beside the word: four locked instructions more for each value that is
 * passed. A list that is pushed to without a lock: one more, for what hardly ever contends.
 */
#include "usync/usync_priv.h"

#define LOCK ((uint64_t)1)
#define MIXED ((uint64_t)2) /* a waiter on the list is not sole */
#define WAITER ((uint64_t)4)

/* A plain wait, or one with options. */
struct wg_wait {
	struct rt__node node;
	struct rt__waiter w;
	rt_wg *wg;
};

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

static struct rt__node **
queue(rt_wg *wg)
{
	return (struct rt__node **)&wg->rt_waiters;
}

/* The round has ended, and is the caller's to end. `self` is not woken, since it does not sleep
 * yet: whether it was among those that were to be.
 * Out of line, as the other slow ways: the usual one saves no registers. */
static RT_NOINLINE bool
release_all(rt_wg *wg, uint64_t state, const struct rt__waiter *self)
{
	struct rt__node *first = *queue(wg);
	uint32_t n;

	if (rt__unlikely(state & MIXED))
		first = rt__queue_take(queue(wg), &n);
	*queue(wg) = NULL;
	/* A store: who changes the word now is an rt_wg_add that sees waiters, and panics. rel: the
	 * list is empty for who comes next, and what we have acquired is visible to it. */
	rt__store_rel(&wg->rt_state, (uint64_t)0);
	return rt__nodes_wake(first, self);
}

void
rt_wg_add(rt_wg *wg, int delta)
{
	/* acqrel: what was done before each rt_wg_done is visible after rt_wg_wait; and the list is
	 * seen as unlock has left it. */
	uint64_t state = rt__add_acqrel(&wg->rt_state, (uint64_t)(int64_t)delta << 32);
	int32_t n = counter(state);

	if (rt__unlikely(n < 0))
		rt__panic("sync: negative WaitGroup counter");
	if (rt__likely(waiters(state) == 0))
		return;
	if (rt__unlikely(delta > 0 && n == delta))
		rt__panic("sync: WaitGroup misuse: Add called concurrently with Wait");
	if (n == 0 && delta < 0 && !(state & LOCK))
		release_all(wg, state, NULL);
}

void
rt_wg_done(rt_wg *wg)
{
	rt_wg_add(wg, -1);
}

void
rt__wg_done(void *wg)
{
	rt_wg_add(wg, -1);
}

bool
rt__wg_is_done(rt_wg *wg)
{
	return counter(rt__load_acq(&wg->rt_state)) == 0; /* pairs with rt_wg_add */
}

/* Lets go of the lock. False if the counter has become zero meanwhile and `self` was woken by it,
 * so to speak: it does not sleep yet. */
static bool
unlock(rt_wg *wg, uint64_t less, const struct rt__waiter *self)
{
	/* rel: the list, for the next holder; acq: what was done before the counter became zero. */
	uint64_t state = rt__add_acqrel(&wg->rt_state, -less);

	if (rt__likely(counter(state) != 0 || waiters(state) == 0))
		return true;
	return !release_all(wg, state, self);
}

static bool
unlock_wg(struct rt__g *gp, void *arg)
{
	struct wg_wait *a = arg;

	(void)gp;
	return unlock(a->wg, LOCK, &a->w); /* a's address is not followed once it is unlocked */
}

const struct rt__wait_kind rt__wait_kind_wg = {
	RT_WAIT_KIND(unlock_wg, RT_ON_WG), .object = offsetof(struct wg_wait, wg),
	.value = {{offsetof(rt_wg, rt_state) + 4, 4}}, /* little-endian: its high half */
};
RT_WAIT_WITHOUT_OWNER;

/* Somebody else has the lock. */
static RT_NOINLINE void
wait_for_lock(rt_wg *wg)
{
	rt__bit_wait((const uint32_t *)&wg->rt_state, (uint32_t)LOCK);
}

/* Takes the lock for one waiter more; false if the counter is zero. */
static inline bool
join(rt_wg *wg, uint64_t mixed)
{
	for (;;) {
		uint64_t state = rt__load_acq(&wg->rt_state); /* pairs with rt_wg_add */

		if (counter(state) == 0)
			return false;
		if (rt__unlikely(state & LOCK))
			wait_for_lock(wg);
		else if (rt__likely(rt__cas_acqrel(&wg->rt_state, state,
						   (state | mixed | LOCK) + WAITER)))
			return true;
	}
}

/* A function as well, for rt_go and tables; the macro comes here without options. */
bool(rt_wg_wait)(rt_wg *wg)
{
	struct wg_wait a;

	if (!join(wg, 0))
		return true;
	a.wg = wg;
	rt__waiter_init_sole(&a.w);
	rt__node_init(&a.node, &a.w, true);
	rt__queue_push_back(queue(wg), &a.node);
	rt__waiter_park(&a.w, unlock_wg, &a, RT_WAIT_WAITGROUP);
	rt__stay();
	return true;
}

bool
rt__wg_wait(rt_wg *wg, const rt_wait_options *o)
{
	struct wg_wait a;

	if (!join(wg, MIXED))
		return true;
	a.wg = wg;
	rt__waiter_init(&a.w);
	rt__node_init(&a.node, &a.w, false);
	rt__queue_push_back(queue(wg), &a.node);
	int err = rt__wait(&a.w, unlock_wg, &a, o, RT_WAIT_WAITGROUP);
	if (err == 0)
		return true;
	rt__wg_leave(wg, &a.node);
	return rt__failed(err);
}

/* ---- for select ---- */

bool
rt__wg_enrol(rt_wg *wg, struct rt__node *n)
{
	if (!join(wg, MIXED))
		return false;
	rt__queue_push_back(queue(wg), n);
	/* If that ends the round, n's waiter is woken as any other: it is off its stack. */
	unlock(wg, LOCK, NULL);
	return true;
}

void
rt__wg_leave(rt_wg *wg, struct rt__node *n)
{
	for (;;) {
		uint64_t state = rt__load_acq(&wg->rt_state); /* pairs with release_all */

		if (waiters(state) == 0)
			return; /* the round has ended, and who ended it is done with n */
		if (counter(state) == 0)
			rt__bit_wait((const uint32_t *)&wg->rt_state, (uint32_t)-WAITER);
		else if (state & LOCK)
			wait_for_lock(wg);
		else if (rt__cas_acqrel(&wg->rt_state, state, state | LOCK))
			break;
	}
	if (n->queued) {
		rt__queue_remove(queue(wg), n);
		unlock(wg, LOCK + WAITER, NULL);
	} else {
		unlock(wg, LOCK, NULL); /* others', of a later round */
	}
}

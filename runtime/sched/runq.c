/* SPDX-License-Identifier: MIT */
/*
 * The local run queue of a P: a ring with one producer, its owner, and many consumers.
 *
 * Why it is right. Only the owner writes tail and the slots; it fills slot tail % SIZE before it
 * publishes tail + 1 with release. A consumer reads head (acquire), then tail (acquire: it sees
 * the slots below), copies slots, and commits with a compare-and-swap of head from the value that
 * it had read. If that succeeds, nobody consumed those slots in between, and the owner did not
 * overwrite them either: it writes slot t only while t - head < SIZE, so a slot is reused only
 * after head has passed it. The release half of the swap keeps the copies before it; the owner's
 * acquire load of head in put pairs with it. head and tail are free-running 32-bit counters and
 * are compared by difference; a thief would have to sleep through exactly 2^32 operations to be
 * fooled, which Go accepts too.
 *
 * The next slot is taken with an exchange by whoever wants it; only the owner fills it.
 *
 * Runs on any stack and takes no lock. tests/unit/test_runq.c runs it under TSan on the host.
 */
#include "sched/sched_priv.h"

#define MASK (RT_RUNQ_SIZE - 1)
#define HALF (RT_RUNQ_SIZE / 2)

bool
rt__runq_empty(struct rt__runq *q)
{
	/* put moves a G from next to the ring in two steps: look until tail stood still, or a queue
	 * that was never empty would seem so. */
	for (;;) {
		uint32_t head = rt__load_acq(&q->head);
		uint32_t tail = rt__load_acq(&q->tail);
		struct rt__g *next = rt__load_acq(&q->next);

		if (tail == rt__load_acq(&q->tail))
			return head == tail && !next;
	}
}

bool
rt__runq_put_slow(struct rt__runq *q, struct rt__g *gp, struct rt__gbatch *ret)
{
	while (!rt__runq_put_tail(q, gp)) {
		uint32_t h = rt__load_acq(&q->head); /* pairs with consumers' release */

		if (q->tail - h < RT_RUNQ_SIZE)
			continue;
		for (uint32_t i = 0; i < HALF; i++)
			ret->g[i] = rt__load_rlx(&q->ring[(h + i) & MASK]);
		if (!rt__cas_rel(&q->head, h, h + HALF)) /* rel: the copies stay before it */
			continue;
		ret->g[HALF] = gp;
		ret->n = HALF + 1;
		return true;
	}
	return false;
}

bool
rt__runq_kick_next(struct rt__runq *q, struct rt__gbatch *overflow)
{
	struct rt__g *gp = rt__xchg_acqrel(&q->next, (struct rt__g *)NULL);

	return gp && rt__runq_put(q, gp, false, overflow);
}

/* Takes victim's next slot, if there is nothing else. */
static uint32_t
grab_next(struct rt__runq *q, struct rt__runq *victim, uint32_t to)
{
	struct rt__g *next = rt__load_acq(&victim->next);

	if (!next)
		return 0;
	if (!rt__cas_acqrel(&victim->next, next, (struct rt__g *)NULL))
		return 0;
	rt__store_rlx(&q->ring[to & MASK], next);
	return 1;
}

/* Copies half of victim's ring behind slot `to` of q and consumes it; how many. */
static uint32_t
grab(struct rt__runq *q, struct rt__runq *victim, uint32_t to, bool take_next)
{
	for (;;) {
		uint32_t h = rt__load_acq(&victim->head); /* pairs with other consumers' release */
		uint32_t t = rt__load_acq(&victim->tail); /* pairs with the owner's release */
		uint32_t n = t - h;

		n -= n / 2;
		if (n == 0)
			return take_next ? grab_next(q, victim, to) : 0;
		if (n > HALF) /* head and tail are not of one moment */
			continue;
		for (uint32_t i = 0; i < n; i++)
			rt__store_rlx(&q->ring[(to + i) & MASK],
				      rt__load_rlx(&victim->ring[(h + i) & MASK]));
		if (rt__cas_acqrel(&victim->head, h, h + n))
			return n;
	}
}

struct rt__g *
rt__runq_steal(struct rt__runq *q, struct rt__runq *victim, bool take_next)
{
	uint32_t t = q->tail;
	uint32_t n = grab(q, victim, t, take_next);

	rt__assert(rt__load_rlx(&q->head) == t || n == 0);
	if (n == 0)
		return NULL;
	n--;
	struct rt__g *gp = rt__load_rlx(&q->ring[(t + n) & MASK]);
	/* The thief's own ring is empty when it steals, so half a ring always fits. */
	if (n > 0)
		rt__store_rel(&q->tail, t + n); /* publishes the stolen slots to other thieves */
	return gp;
}

/* SPDX-License-Identifier: MIT */
/*
 * Weighted semaphores, as golang.org/x/sync/semaphore: first come, first served, so that one who
 * wants much is not passed by those who want little.
 *
 *	WAITING	there is a queue; who comes joins it, whatever is left
 *	QLOCK	somebody has it; see usync_priv.h
 *	the rest	how much is left; whoever has QLOCK gives it to the first of the queue
 *
 * What the first is given is taken off before it is woken, so nobody can come between.
 */
#include <errno.h>

#include "usync/usync_priv.h"

#define QLOCK ((uint64_t)1)
#define WAITING ((uint64_t)2)
#define UNIT ((uint64_t)4)

struct sem_wait {
	struct rt__node node;
	struct rt__waiter w;
	rt_sem *s;
};

static struct rt__node **
queue(rt_sem *s)
{
	return (struct rt__node **)&s->rt_waiters;
}

static int64_t
left(uint64_t state)
{
	return (int64_t)(state / UNIT);
}

/* Gives the first of the queue what it wants, unless the state has changed. */
static void
serve_first(rt_sem *s, uint64_t state, struct rt__node ***end)
{
	struct rt__node *n = *queue(s);
	uint64_t units = (uint64_t)n->n * UNIT;

	/* acq: what was done before it was released, for whom we wake. */
	if (!rt__cas_acqrel(&s->rt_state, state, state - units))
		return;
	rt__queue_remove(queue(s), n);
	if (!rt__node_claim(n)) { /* it gives up */
		rt__add_rlx(&s->rt_state, units);
		return;
	}
	n->next = NULL;
	**end = n;
	*end = &n->next;
}

/* Serves those that can be, and lets go of QLOCK. The result is to be woken, in this order. */
static struct rt__node *
settle(rt_sem *s)
{
	struct rt__node *served = NULL, **end = &served;

	for (;;) {
		uint64_t state = rt__load_rlx(&s->rt_state);
		const struct rt__node *first = *queue(s);

		if (first && left(state) >= first->n)
			serve_first(s, state, &end);
		else if (rt__cas_rel(&s->rt_state, state,
				     state & ~(first ? QLOCK : QLOCK | WAITING)))
			return served;
	}
}

static bool
unlock_queue(struct rt__g *gp, void *arg)
{
	struct sem_wait *a = arg;
	const struct rt__waiter *self = &a->w;

	(void)gp;
	return !rt__nodes_wake(settle(a->s), self);
}

const struct rt__wait_kind rt__wait_kind_sem = {
	RT_WAIT_KIND(unlock_queue, RT_ON_SEMAPHORE),
	.object = offsetof(struct sem_wait, s),
	.value = {RT_FIELD(rt_sem, rt_state), RT_FIELD(rt_sem, rt_size)},
	.own = RT_FIELD(struct sem_wait, node.n),
};
RT_WAIT_WITHOUT_OWNER;

static void
wait_for_queue(const rt_sem *s)
{
	rt__bit_wait((const uint32_t *)&s->rt_state, (uint32_t)QLOCK);
}

static void
leave(rt_sem *s, struct rt__node *n)
{
	for (;;) {
		uint64_t state = rt__load_rlx(&s->rt_state);

		if (state & QLOCK)
			wait_for_queue(s);
		else if (rt__cas_acq(&s->rt_state, state, state | QLOCK)) /* the queue */
			break;
	}
	if (n->queued)
		rt__queue_remove(queue(s), n);
	rt__nodes_wake(settle(s), NULL); /* those behind may want less */
}

bool
rt_sem_tryacquire(rt_sem *s, int64_t n)
{
	uint64_t state;

	if (n < 0 || n > s->rt_size)
		return false;
	while (!((state = rt__load_rlx(&s->rt_state)) & WAITING) && left(state) >= n)
		/* acq: pairs with rt_sem_release. */
		if (rt__cas_acq(&s->rt_state, state, state - (uint64_t)n * UNIT))
			return true;
	return false;
}

/* Takes what it wants, or QLOCK, to queue up: then false. */
static bool
take_or_join(rt_sem *s, int64_t n)
{
	for (;;) {
		uint64_t state = rt__load_rlx(&s->rt_state);

		if (!(state & WAITING) && left(state) >= n) {
			/* acq: pairs with rt_sem_release. */
			if (rt__cas_acq(&s->rt_state, state, state - (uint64_t)n * UNIT))
				return true;
		} else if (state & QLOCK) {
			wait_for_queue(s);
		} else if (rt__cas_acq(&s->rt_state, state, state | QLOCK | WAITING)) {
			return false;
		}
	}
}

bool
rt__sem_acquire(rt_sem *s, int64_t n, const rt_wait_options *o)
{
	struct sem_wait a;

	if (n < 0 || n > s->rt_size)
		return rt__failed(EINVAL);
	if (take_or_join(s, n))
		return true;
	a.s = s;
	rt__waiter_init(&a.w);
	rt__node_init(&a.node, &a.w, o == NULL);
	a.node.n = n;
	rt__queue_push_back(queue(s), &a.node);
	int err = rt__wait(&a.w, unlock_queue, &a, o, RT_WAIT_SEMAPHORE);
	if (err == 0)
		return true;
	leave(s, &a.node);
	return rt__failed(err);
}

void
rt_sem_release(rt_sem *s, int64_t n)
{
	for (;;) {
		uint64_t state = rt__load_rlx(&s->rt_state);
		uint64_t next = state + (uint64_t)n * UNIT;

		if (n < 0 || n > s->rt_size - left(state))
			rt__panic("semaphore: released more than held");
		if (!(state & WAITING) || (state & QLOCK)) {
			/* rel: what was done, for who acquires it, or settles. */
			if (rt__cas_rel(&s->rt_state, state, next))
				return;
		} else if (rt__cas_acqrel(&s->rt_state, state, next | QLOCK)) {
			rt__nodes_wake(settle(s), NULL);
			return;
		}
	}
}

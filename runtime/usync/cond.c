/* SPDX-License-Identifier: MIT */
/*
 * Condition variables. Who waits is on the queue before it lets go of the mutex, so whoever changes
 * what it waits for under the mutex, and signals, finds it there; and they are woken in the order
 * in which they came. Go needs tickets for that, since there the one comes before the other.
 *
 *	QLOCK	somebody has the queue; see usync_priv.h
 *	WAITING	there is somebody on it; others read it without QLOCK
 *
 * The mutex is let go of on g0, when the goroutine is off its stack, after QLOCK. That is the last
 * step there, and the mutex cannot be gone: who waited locks it before it returns.
 */
#include "usync/usync_priv.h"

#define QLOCK 1u
#define WAITING 2u

struct cond_wait {
	struct rt__node node;
	struct rt__waiter w;
	rt_cond *c;
	rt_mutex *m;
};

static struct rt__node **
queue(rt_cond *c)
{
	return (struct rt__node **)&c->rt_waiters;
}

/* Go's copyChecker: the first use leaves the address. */
static void
check_copy(rt_cond *c)
{
	if (rt__likely(rt__load_rlx(&c->rt_self) == c))
		return;
	if (!rt__cas_rlx(&c->rt_self, (const void *)NULL, (const void *)c) &&
	    rt__load_rlx(&c->rt_self) != c)
		rt__panic("sync.Cond is copied");
}

/* Nobody changes the word while another has QLOCK. */
static void
unlock_queue(rt_cond *c)
{
	rt__store_rel(&c->rt_state, *queue(c) ? WAITING : 0u); /* pairs with rt__bit_lock */
}

static bool
unlock_both(struct rt__g *gp, void *arg)
{
	struct cond_wait *a = arg;
	rt_mutex *m = a->m;

	(void)gp;
	unlock_queue(a->c);
	rt__mutex_release(m);
	return true;
}

const struct rt__wait_kind rt__wait_kind_cond = {
	RT_WAIT_KIND(unlock_both, RT_ON_COND),
	.object = offsetof(struct cond_wait, c),
};
RT_WAIT_WITHOUT_OWNER;

bool
rt__cond_wait(rt_cond *c, rt_mutex *m, const rt_wait_options *o)
{
	struct cond_wait a = {.c = c, .m = m};

	check_copy(c);
	if (!rt__mutex_is_locked(m))
		rt__fatal_here("sync: unlock of unlocked mutex");
	rt__waiter_init(&a.w);
	rt__node_init(&a.node, &a.w, o == NULL);
	rt__bit_lock(&c->rt_state, QLOCK);
	rt__queue_push_back(queue(c), &a.node);
	int err = rt__wait(&a.w, unlock_both, &a, o, RT_WAIT_COND);
	if (err != 0) {
		rt__bit_lock(&c->rt_state, QLOCK);
		if (a.node.queued)
			rt__queue_remove(queue(c), &a.node);
		unlock_queue(c);
	}
	rt_mutex_lock(m);
	return err == 0 || rt__failed(err);
}

void
rt_cond_signal(rt_cond *c)
{
	uint32_t gone;

	check_copy(c);
	if (!rt__load_acq(&c->rt_state)) /* who holds the mutex sees who waits */
		return;
	rt__bit_lock(&c->rt_state, QLOCK);
	struct rt__node *n = rt__queue_pop(queue(c), &gone);
	unlock_queue(c);
	if (n)
		rt__waiter_wake(n->waiter);
}

void
rt_cond_broadcast(rt_cond *c)
{
	uint32_t n;

	check_copy(c);
	if (!rt__load_acq(&c->rt_state))
		return;
	rt__bit_lock(&c->rt_state, QLOCK);
	struct rt__node *first = rt__queue_take(queue(c), &n);
	unlock_queue(c);
	rt__nodes_wake(first, NULL);
}

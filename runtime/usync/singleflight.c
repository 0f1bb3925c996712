/* SPDX-License-Identifier: MIT */
/*
 * Doing a thing once for all who want it now: golang.org/x/sync/singleflight.
 *
 * Who comes first for a key flies: its call lies in its frame, on the list of the group. Others for
 * the same key queue up there. When it is back, it takes its call off the list and hands each of
 * them the result, all under the lock of the group: what they wait for may go at once. The list is
 * searched from end to end; it is as long as there are different keys in the air.
 *
 * If the function does not return, but panics or ends its goroutine, one of those that waited flies
 * next. Go gives them all the same panic; here each has its own.
 */
#include "usync/usync_priv.h"

#define QLOCK 1u

struct flight {
	struct flight *next;
	const char *key;
	rt_singleflight *group;
	struct rt__node *waiters;
	void *result;
	bool landed, forgotten;
	bool shared;
};

struct flight_wait {
	struct rt__node node;
	struct rt__waiter w;
	rt_singleflight *group;
	struct flight *flight;
	void *result;
};

static void
unlock(rt_singleflight *g)
{
	rt__store_rel(&g->rt_state, 0u); /* pairs with rt__bit_lock */
}

static bool
unlock_group(struct rt__g *gp, void *arg)
{
	(void)gp;
	unlock(((struct flight_wait *)arg)->group);
	return true;
}

const struct rt__wait_kind rt__wait_kind_flight = {
	RT_WAIT_KIND(unlock_group, RT_ON_FLIGHT),
	.object = offsetof(struct flight_wait, flight),
};
RT_WAIT_WITHOUT_OWNER;

/* Where the call for the key is linked; or the end of the list. */
static struct flight **
find(rt_singleflight *g, const char *key)
{
	struct flight **at = (struct flight **)&g->rt_flights;

	while (*at && rt__strcmp((*at)->key, key) != 0)
		at = &(*at)->next;
	return at;
}

static void
take_off(struct flight *f)
{
	struct flight **at = (struct flight **)&f->group->rt_flights;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
}

/* The function has returned, or never will. */
static void
land(struct flight *f)
{
	rt_singleflight *g = f->group;
	uint32_t n;

	rt__bit_lock(&g->rt_state, QLOCK);
	if (!f->forgotten)
		take_off(f);
	struct rt__node *first = rt__queue_take(&f->waiters, &n);
	for (struct rt__node *p = first; p; p = p->next) {
		p->granted = f->landed;
		((struct flight_wait *)p)->result = f->result;
	}
	unlock(g);
	rt__nodes_wake(first, NULL);
}

/* With the group's lock, which it lets go of. */
static void
fly(struct flight *f, struct flight **at, void *(*fn)(void *), void *arg)
{
	f->next = NULL;
	*at = f;
	unlock(f->group);
	rt_defer(land, f); /* NOLINT(bugprone-sizeof-expression): it may be any type */
	f->result = fn(arg);
	f->landed = true;
}

/* Waits for f, with the group's lock, which it lets go of: 0 or an errno. */
static int
wait_for(struct flight *f, struct flight_wait *a, const rt_wait_options *o)
{
	rt_singleflight *g = f->group;

	f->shared = true;
	a->group = g;
	rt__waiter_init(&a->w);
	rt__node_init(&a->node, &a->w, o == NULL);
	a->node.granted = false;
	rt__queue_push_back(&f->waiters, &a->node);
	int err = rt__wait(&a->w, unlock_group, a, o, RT_WAIT_WAITGROUP);
	if (err != 0) {
		rt__bit_lock(&g->rt_state, QLOCK);
		if (a->node.queued) /* then f is still in the air */
			rt__queue_remove(&f->waiters, &a->node);
		unlock(g);
	}
	return err;
}

bool
rt__singleflight_do(rt_singleflight *g, const char *key, void *(*fn)(void *), void *arg,
		    rt_flight *ret, const rt_wait_options *o)
{
	for (;;) {
		struct flight_wait a;

		rt__bit_lock(&g->rt_state, QLOCK);
		struct flight **at = find(g, key);
		if (!*at) {
			struct flight f = {.key = key, .group = g};

			fly(&f, at, fn, arg);
			*ret = (rt_flight){f.result, f.shared};
			return true;
		}
		int err = wait_for(*at, &a, o);
		if (err != 0)
			return rt__failed(err);
		if (a.node.granted) {
			*ret = (rt_flight){a.result, true};
			return true;
		}
	}
}

void
rt_singleflight_forget(rt_singleflight *g, const char *key)
{
	rt__bit_lock(&g->rt_state, QLOCK);
	struct flight *f = *find(g, key);
	if (f) {
		take_off(f);
		f->forgotten = true;
	}
	unlock(g);
}

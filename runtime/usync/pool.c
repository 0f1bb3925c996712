/* SPDX-License-Identifier: MIT */
/*
 * Pools: a cache of items for each P, after Go's sync.Pool. One place of it is private: its P alone
 * fills it, by a store, and anybody may empty it, by an exchange. The rest is an array with a lock,
 * which its P uses as a stack and others take from when theirs is empty. Runtime text is not
 * preempted, so who reads the number of its P is still on it when it stores.
 *
 * Go drops what it finds unused at two collections. Here a cache remembers the lowest number that
 * its array has had: so many were of no use since. When it is a second old, the P that uses it
 * gives half of those back; rt_free_os_memory gives back all that is cached, of all pools.
 *
 * The caches are memory of the runtime. A pool gets them with its first item, and rt_pool_drain
 * keeps them for the next pool. They are made for the number of Ps at that time; Ps beyond share,
 * without the private place, and so do foreign threads.
 *
 * Rejected: a list through the items, which would need no array: they are handed out as they were
 * put in.
 */
#include "mem/mem.h"
#include "usync/usync_priv.h"

#define QLOCK 1u
#define KEEP 57       /* items in the array of a cache: 512 bytes in all */
#define LOOK_EVERY 64 /* puts, until the clock is looked at */
#define AGE_NS 1000000000

struct cache {
	_Alignas(RT_CACHE_LINE) void *private; /* (a) */
	uint32_t lock;
	uint16_t n, low; /* items in the array; the least since `since` */
	uint32_t puts;
	uint32_t spare;
	int64_t since;
	void *item[KEEP];
};
_Static_assert(sizeof(struct cache) == 8ul * RT_CACHE_LINE, "a cache is eight lines");

struct caches {
	struct caches *next; /* free ones */
	int32_t n;
	struct cache *of; /* n of them */
};

/* Pools that have caches, and caches that have no pool. */
static struct {
	rt_mutex lock;
	rt_pool *pools;
	struct caches *unused;
} all;

static void
lock(struct cache *c)
{
	rt__bit_lock(&c->lock, QLOCK);
}

static void
unlock(struct cache *c)
{
	rt__store_rel(&c->lock, 0u); /* pairs with rt__bit_lock */
}

/* Takes up to max items out of the array, the ones that were put in last. */
static int
take(struct cache *c, void **items, int max)
{
	int n = 0;

	lock(c);
	while (n < max && c->n > 0)
		items[n++] = c->item[--c->n];
	if (c->n < c->low)
		c->low = c->n;
	unlock(c);
	return n;
}

/* The caller's cache, and whether its private place is the caller's to fill. */
static struct cache *
mine(const struct caches *cs, bool *owner)
{
	const struct rt__p *pp = rt__getm()->p;
	uint32_t id = pp ? (uint32_t)pp->id : 0;

	*owner = pp && id < (uint32_t)cs->n;
	return &cs->of[id % (uint32_t)cs->n];
}

static void *
take_private(struct cache *c)
{
	/* acq: what was done to the item; pairs with rt_pool_put. */
	return rt__load_rlx(&c->private) ? rt__xchg_acq(&c->private, (void *)NULL) : NULL;
}

static void *
steal(const struct caches *cs)
{
	void *item;

	for (int32_t i = 0; i < cs->n; i++)
		if (take(&cs->of[i], &item, 1) == 1 || (item = take_private(&cs->of[i])) != NULL)
			return item;
	return NULL;
}

void *
rt_pool_get(rt_pool *p)
{
	const struct caches *cs = rt__load_acq(&p->rt_caches); /* pairs with get_caches */
	void *item;
	bool owner;

	if (rt__likely(cs != NULL)) {
		struct cache *c = mine(cs, &owner);

		item = take_private(c);
		if (rt__likely(item != NULL))
			return item;
		if (take(c, &item, 1) == 1)
			return item;
		item = steal(cs);
		if (item)
			return item;
	}
	return p->rt_new ? p->rt_new() : NULL;
}

/* ---- put ---- */

static struct caches *
find_unused(int32_t n)
{
	for (struct caches **at = &all.unused; *at; at = &(*at)->next) {
		struct caches *cs = *at;

		if (cs->n == n) {
			*at = cs->next;
			return cs;
		}
	}
	return NULL;
}

/* For the first put of a pool. */
static RT_NOINLINE struct caches *
get_caches(rt_pool *p)
{
	rt_mutex_lock(&all.lock);
	struct caches *cs = p->rt_caches;
	if (!cs) {
		int32_t n = rt_gomaxprocs(0);

		cs = find_unused(n);
		if (!cs) {
			cs = rt__persistent_alloc(sizeof *cs, sizeof(void *));
			cs->n = n;
			cs->of = rt__persistent_alloc((size_t)n * sizeof *cs->of, RT_CACHE_LINE);
		}
		p->rt_next = all.pools;
		all.pools = p;
		rt__store_rel(&p->rt_caches, (void *)cs); /* pairs with the loads of get and put */
	}
	rt_mutex_unlock(&all.lock);
	return cs;
}

static void
free_items(void (*fn)(void *), void *const *items, int n)
{
	for (int i = 0; fn && i < n; i++)
		fn(items[i]);
}

/* Half of what was of no use for a second or more goes. */
static RT_NOINLINE void
age(const rt_pool *p, struct cache *c)
{
	int64_t now = rt__nanotime();
	void *old[KEEP];

	lock(c);
	bool due = now - c->since >= AGE_NS;
	int n = due ? (c->low + 1) / 2 : 0;
	for (int i = 0; i < n; i++)
		old[i] = c->item[i]; /* the ones at the bottom have been there longest */
	c->n -= n;
	for (int i = 0; i < c->n; i++)
		c->item[i] = c->item[i + n];
	if (due) {
		c->low = c->n;
		c->since = now;
	}
	unlock(c);
	free_items(p->rt_free, old, n);
}

void
rt_pool_put(rt_pool *p, void *item)
{
	struct caches *cs = rt__load_acq(&p->rt_caches); /* pairs with get_caches */
	bool owner, full;

	if (!item)
		return;
	if (rt__unlikely(!cs))
		cs = get_caches(p);
	struct cache *c = mine(cs, &owner);
	if (owner && !rt__load_rlx(&c->private)) {
		rt__store_rel(&c->private, item); /* pairs with take_private */
		return;
	}
	lock(c);
	full = c->n == KEEP;
	if (!full)
		c->item[c->n++] = item;
	bool look = ++c->puts % LOOK_EVERY == 0;
	unlock(c);
	if (full)
		free_items(p->rt_free, &item, 1);
	if (look)
		age(p, c);
}

/* ---- giving it all back ---- */

/* Some of what is cached, wherever it is. */
static int
take_any(const struct caches *cs, void **items)
{
	for (int32_t i = 0; i < cs->n; i++) {
		int n = take(&cs->of[i], items, KEEP);

		if (n == 0 && (items[0] = take_private(&cs->of[i])) != NULL)
			n = 1;
		if (n > 0)
			return n;
	}
	return 0;
}

void
rt_pool_drain(rt_pool *p)
{
	struct caches *cs = p->rt_caches;
	void *items[KEEP];
	int n;

	if (!cs)
		return;
	while ((n = take_any(cs, items)) > 0)
		free_items(p->rt_free, items, n);
	rt_mutex_lock(&all.lock);
	rt_pool **at = &all.pools;
	while (*at != p)
		at = &(*at)->rt_next;
	*at = p->rt_next;
	p->rt_caches = NULL;
	cs->next = all.unused;
	all.unused = cs;
	rt_mutex_unlock(&all.lock);
}

/* What one pool has cached, a part at a time: its own functions are called without the lock. */
void
rt__pools_free(void)
{
	void *items[KEEP];
	int n;

	do {
		void (*fn)(void *) = NULL;

		n = 0;
		rt_mutex_lock(&all.lock);
		for (rt_pool *p = all.pools; p && n == 0; p = p->rt_next) {
			fn = p->rt_free;
			if (fn)
				n = take_any(p->rt_caches, items);
		}
		rt_mutex_unlock(&all.lock);
		free_items(fn, items, n);
	} while (n > 0);
}

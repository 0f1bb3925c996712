/* SPDX-License-Identifier: MIT */
/*
 * RTDEBUG=malloc=hard: malloc and free that look for misuse. A small block lies in a place of the
 * heap's size classes, with red zones on both sides, at random among up to 32 places; a larger one
 * on pages of its own (guarded.c). Zones are looked at when a block is freed or reallocated, and at
 * exit; realloc always moves; what is freed goes to quarantine.
 *
 * Nobody has a cache in this mode: the fast paths find empty bins, and places that are no blocks,
 * and end here; so the mode costs nothing when it is off. When it is on, a malloc and its free take
 * 7 to 9 us, most of it for two call stacks, and a small block about 100
 * bytes more.
 *
 * One lock for all, inside the heap: handlers of the program wait until it is left (here.c), and
 * allocate as they do without this mode.
 */

#include "mem/hard.h"
#include "mem/mem.h"

#define POOL 32u
#define POOL_BYTES (128u << 10)
#define SMALL_ALIGN 1024u
#define SHOWN 10u /* damaged blocks at exit */

/* Places to choose from. */
struct pool {
	uint32_t n;
	struct rt__block places[POOL];
};

static struct {
	struct rt__lock lock;
	uint64_t seed;
	struct pool *pools; /* of each small class */
} hard;

void
rt__hard_init(void)
{
	rt__lock_rank(&hard.lock, RT_RANK_HARD);
	if (!rt__debug.malloc)
		return;
	__builtin_memcpy(&hard.seed, rt__os.random + 8, sizeof hard.seed);
	hard.seed |= 1;
	hard.pools = rt__persistent_alloc(RT_CLASS_SMALL_END * sizeof *hard.pools, RT_CACHE_LINE);
	rt__redzone_init();
}

/* ---- with hard.lock ---- */

uint32_t
rt__hard_draw(uint32_t n)
{
	hard.seed ^= hard.seed << 13;
	hard.seed ^= hard.seed >> 7;
	hard.seed ^= hard.seed << 17;
	return (uint32_t)(hard.seed >> 32) % n;
}

static bool
take_place(unsigned class, struct rt__block *ret)
{
	struct pool *pool = &hard.pools[class];
	uint32_t most = POOL_BYTES / rt__class_size[class];

	most = most < POOL ? most : POOL;
	if (pool->n <= most / 2)
		pool->n += rt__central_take(&rt__cache_none, class, pool->places + pool->n,
					    most - pool->n);
	if (pool->n == 0)
		return false;
	struct rt__block *chosen = &pool->places[rt__hard_draw(pool->n)];
	*ret = *chosen;
	*chosen = pool->places[--pool->n];
	return true;
}

static struct rt__record *
alloc_small(size_t size, size_t align)
{
	size_t front = align > RT_ZONE_FRONT ? align : RT_ZONE_FRONT;
	unsigned class = rt__aligned_class(front + size + RT_ZONE_BEHIND, front);
	struct rt__block b;

	if (!take_place(class, &b))
		return NULL;
	struct rt__record *r = rt__record_make(b, class);
	if (!r) {
		rt__central_free(class, &b, 1);
		return NULL;
	}
	r->p = (uintptr_t)b.p + front;
	r->size = size;
	r->guarded = false;
	rt__redzone_surround(r);
	rt__store_rlx(b.state, (uint8_t)RT_BLOCK_USED);
	return r;
}

static struct rt__record *
alloc(size_t size, size_t align, bool *zero)
{
	*zero = false;
	if (size <= RT_SMALL_MAX / 2 && align <= SMALL_ALIGN)
		return alloc_small(size, align);
	return rt__guarded_alloc(size, align, true, zero);
}

/* ---- coming and going ---- */

/* False: in a handler that has interrupted the heap all the same; see here.c. */
static bool
enter(void)
{
	if (!rt__heap_try_enter())
		return false;
	rt__lock(&hard.lock);
	return true;
}

static void
leave(void)
{
	rt__unlock(&hard.lock);
	rt__heap_leave();
}

static struct rt__record *
in_use(const void *p)
{
	struct rt__record *r = rt__record_find((uintptr_t)p);

	return r && r->p == (uintptr_t)p && r->life == RT_LIFE_USED ? r : NULL;
}

void *
rt__hard_alloc(size_t size, size_t align, bool *zero)
{
	struct rt__origin here = rt__origin_here();
	struct rt__record *r, *bad = NULL;
	struct rt__damage damage;

	rt__heap_must_enter();
	rt__lock(&hard.lock);
	r = alloc(size, align, zero);
	if (!r && rt__quarantine_settle(true, &bad, &damage)) /* without memory */
		r = alloc(size, align, zero);
	if (r) {
		r->allocated = here;
		r->freed = (struct rt__origin){0, 0};
		r->life = RT_LIFE_USED;
	}
	leave();
	if (bad)
		rt__blame("malloc", bad, &damage);
	return r ? (void *)r->p : NULL;
}

/* The countdown ends with this one; or it has not begun yet. */
void *
rt__sample_alloc(struct rt__cache *c, size_t size, size_t align, bool *zero)
{
	bool fits = size <= RT_SAMPLE_MAX && align <= SMALL_ALIGN;
	struct rt__record *r = NULL;

	if (c == &rt__cache_none || !enter())
		return NULL;
	if (c->until_sample == 0)
		c->until_sample = rt__sample_next();
	if (--c->until_sample == 0 && fits)
		r = rt__sample_take(size, align, zero);
	if (r)
		r->life = RT_LIFE_USED;
	leave();
	if (!r)
		return NULL;
	r->allocated = rt__origin_here(); /* only now it is known to be needed */
	r->freed = (struct rt__origin){0, 0};
	return (void *)r->p;
}

bool
rt__hard_free(const char *what, void *p)
{
	struct rt__origin here = rt__origin_here();
	struct rt__damage damage;
	struct rt__record *bad = NULL;

	if (!enter())
		return true; /* in a handler: rather lose it */
	struct rt__record *r = in_use(p);
	if (r && !rt__redzone_check(r, &damage)) {
		bad = r;
	} else if (r) {
		r->freed = here;
		rt__quarantine_put(r);
		if (rt__debug.malloc > 0)
			rt__sample_freed();
		if (!rt__quarantine_settle(false, &bad, &damage))
			what = "malloc";
	}
	leave();
	if (bad)
		rt__blame(what, bad, &damage);
	return r != NULL;
}

bool
rt__hard_size(const void *p, size_t *ret)
{
	if (!enter())
		return false;
	const struct rt__record *r = in_use(p);
	if (r)
		*ret = r->size;
	leave();
	return r != NULL;
}

/* ---- at exit ---- */

struct search {
	uint32_t n;
	struct found {
		struct rt__record *r;
		struct rt__damage damage;
	} found[SHOWN];
};

static bool
look_at(struct rt__record *r, void *arg)
{
	struct search *s = arg;
	struct found *f = &s->found[s->n];
	bool look = r->life == RT_LIFE_USED || (r->life == RT_LIFE_HELD && !r->guarded);

	if (look && !rt__redzone_check(r, &f->damage)) {
		f->r = r;
		s->n++;
	}
	return s->n < SHOWN;
}

void
rt__mem_exit(void)
{
	static struct search s;

	if (!rt__debug.malloc || !enter())
		return;
	rt__record_each(look_at, &s);
	leave();
	for (uint32_t i = s.n; i-- > 1;)
		rt__blame_print("exit", s.found[i].r, &s.found[i].damage);
	if (s.n > 0)
		rt__blame("exit", s.found[0].r, &s.found[0].damage);
}

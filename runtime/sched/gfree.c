/* SPDX-License-Identifier: MIT */
/*
 * Dead Gs, for reuse. One goes to the free list of its P; when that is full, half go to the global
 * list of their class. Both are LIFO: the stack that was used last is the one still in the cache.
 * For those that are not, who takes one fetches the next ahead.
 *
 * Memory goes back to the kernel by disuse: a list notes the fewest Gs that it held in a period.
 * Those were not needed throughout, and they are the ones at its cold end; their pages go, all of
 * them (stack/arena.c), and coming back costs a new G about 3 us. rt__gfree_tick does it, a little
 * at a time. A P that runs keeps its up to 64; those of idle Ps go to the global list first.
 *
 * A G goes only when no M has its thread pointer still set: code on g0 does not use it, but a
 * signal handler there would.
 *
 * Rejected: giving the deep part of a stack back when its goroutine ends. The depth is not known
 * without a system call, and a program whose goroutines are deep by habit would fault the pages in
 * again each time, at 2 us a page; LIFO reuse keeps few such stacks. Larger classes do it, since
 * few goroutines have one, and what they keep has no other limit.
 */
#include <rt/rt.h>

#include "sched/sched_priv.h"

#include "mem/mem.h"
#include "stack/stack.h"

#define LOCAL_KEEP (RT_FREE_GS / 2)
#define PERIOD_NS 1000000000    /* not needed for so long: not needed */
#define PACE_NS 10000000        /* between calls, while there is more to give back */
#define PACE_BATCHES 16         /* of RT_RANGES_MAX, in one call: about a millisecond */
#define LARGE_KEEP (64ul << 10) /* what a dead G of a larger class keeps of its stack */

struct list {
	struct rt__gdeque gs; /* the warmest last */
	int32_t low;          /* fewest in this period */
	int32_t surplus;      /* not needed in the last one, not yet given back */
};

static struct {
	/* One line for what spawning touches. */
	_Alignas(RT_CACHE_LINE) struct rt__lock lock;
	int32_t n;       /* in all lists; (a) reads */
	int32_t surplus; /* of all lists; (a) reads */
	struct list lists[RT_STACK_CLASSES];
	int64_t period_end; /* (a) */
	int64_t pace_end;   /* (a) */
} gfree;

void
rt__gfree_init(void)
{
	rt__lock_rank(&gfree.lock, RT_RANK_GFREE);
}

/* ---- lists, with gfree.lock held ---- */

static void
push(int class, struct rt__g *const *gs, int32_t n)
{
	rt__gd_push_back(&gfree.lists[class].gs, gs, n);
	rt__store_rlx(&gfree.n, gfree.n + n);
}

static void
set_surplus(struct list *l, int32_t n)
{
	rt__store_rlx(&gfree.surplus, gfree.surplus - l->surplus + n);
	rt__store_rlx(&l->surplus, n);
}

/* Up to max Gs from the warm end: how many. */
static int32_t
pop_warm(int class, struct rt__g **gs, int32_t max)
{
	struct list *l = &gfree.lists[class];
	int32_t n = 0;

	while (n < max && l->gs.n > 0)
		gs[n++] = rt__gd_pop_back(&l->gs);
	rt__store_rlx(&gfree.n, gfree.n - n);
	if (l->low > l->gs.n)
		l->low = l->gs.n;
	if (l->surplus > l->gs.n)
		set_surplus(l, l->gs.n);
	return n;
}

/* The same from the cold end. */
static int32_t
pop_cold(int class, struct rt__g **gs, int32_t max)
{
	struct list *l = &gfree.lists[class];
	int32_t n = 0;

	while (n < max && l->gs.n > 0)
		gs[n++] = rt__gd_pop_front(&l->gs);
	rt__store_rlx(&gfree.n, gfree.n - n);
	l->low = l->low > n ? l->low - n : 0; /* they are of those not needed so far */
	set_surplus(l, l->surplus > n ? l->surplus - n : 0);
	return n;
}

/* ---- reuse ---- */

struct rt__g *
rt__gfget_class(int class)
{
	struct rt__g *gp = NULL;

	if (rt__load_rlx(&gfree.lists[class].gs.n) == 0)
		return NULL;
	rt__lock(&gfree.lock);
	pop_warm(class, &gp, 1);
	rt__unlock(&gfree.lock);
	return gp;
}

/* Moves up to LOCAL_KEEP Gs from the global free list to pp's. */
static void
refill(struct rt__p *pp)
{
	rt__lock(&gfree.lock);
	int32_t n = pop_warm(0, pp->free_gs, LOCAL_KEEP);
	rt__unlock(&gfree.lock);
	rt__store_rlx(&pp->nfree, n);
}

/* A dead G for reuse, or NULL. pp may be NULL, on a foreign thread. */
struct rt__g *
rt__gfget(struct rt__p *pp)
{
	if (!pp)
		return rt__gfget_class(0);
	if (pp->nfree == 0 && rt__load_rlx(&gfree.lists[0].gs.n) > 0)
		refill(pp);
	int32_t n = pp->nfree;
	if (n == 0)
		return NULL;
	rt__store_rlx(&pp->nfree, n - 1);
	if (n > RT_PREFETCH)
		rt__g_prefetch(pp->free_gs[n - 1 - RT_PREFETCH]);
	return pp->free_gs[n - 1];
}

/* Moves Gs from pp to the global list until `keep` are left, those used last. */
static void
spill(struct rt__p *pp, int32_t keep)
{
	int32_t n = pp->nfree - keep;

	rt__lock(&gfree.lock);
	push(0, pp->free_gs, n);
	rt__unlock(&gfree.lock);
	for (int32_t i = 0; i < keep; i++)
		pp->free_gs[i] = pp->free_gs[n + i];
	rt__store_rlx(&pp->nfree, keep);
}

static RT_NOINLINE void
put_class(struct rt__g *gp)
{
	struct rt__stack s = gp->stack;

	if (s.hi - s.lo > rt__stack_size(0) && s.hi - s.lo > LARGE_KEEP) {
		struct rt__range deep = {(void *)s.lo, s.hi - s.lo - LARGE_KEEP};

		rt__os_release_each(&deep, 1);
	}
	rt__lock(&gfree.lock);
	push(gp->stack_class, &gp, 1);
	rt__unlock(&gfree.lock);
}

void
rt__gfput(struct rt__p *pp, struct rt__g *gp)
{
	if (rt__unlikely(gp->stack_class != 0)) {
		put_class(gp);
		return;
	}
	if (pp->nfree == RT_FREE_GS)
		spill(pp, LOCAL_KEEP);
	pp->free_gs[pp->nfree] = gp;
	rt__store_rlx(&pp->nfree, pp->nfree + 1);
}

void
rt__gfpurge(struct rt__p *pp)
{
	spill(pp, 0);
}

/* ---- giving memory back ---- */

/* Whether some M has the thread pointer of this dead G set. With sched.lock, for all_ms. No M can
 * set it from now on: the G is on no list. */
static bool
tp_in_use(const struct rt__g *gp)
{
	for (struct rt__m *mp = rt__sched.all_ms; mp; mp = mp->all_link)
		if (rt__load_rlx(&mp->tp_now) == gp->tp)
			return true;
	return false;
}

/* Moves the Gs that must not go yet to the end of gs: how many may. */
static int
sort_out(struct rt__g **gs, int n)
{
	rt__lock(&rt__sched.lock);
	for (int i = 0; i < n;) {
		struct rt__g *gp = gs[i];

		if (!tp_in_use(gp)) {
			i++;
			continue;
		}
		gs[i] = gs[--n];
		gs[n] = gp;
	}
	rt__unlock(&rt__sched.lock);
	return n;
}

/* Gives the memory of up to RT_RANGES_MAX Gs back, from the cold end of a list: whether some was
 * taken off it that did not have to return there. */
static bool
release_batch(int class, int32_t max)
{
	struct rt__g *gs[RT_RANGES_MAX];

	rt__lock(&gfree.lock);
	int n = pop_cold(class, gs, max < RT_RANGES_MAX ? max : RT_RANGES_MAX);
	rt__unlock(&gfree.lock);
	int go = sort_out(gs, n);
	if (go > 0 && !rt__allg_remove(gs, go))
		go = 0;
	if (go > 0)
		rt__stack_free(gs, go);
	rt__lock(&gfree.lock);
	push(class, gs + go, n - go);
	rt__unlock(&gfree.lock);
	return go > 0;
}

static void
purge(struct rt__p *pp)
{
	if (pp->nfree > 0)
		rt__gfpurge(pp);
	rt__cache_flush(pp->cache);
}

/* Of what they keep, for malloc too. */
static void
purge_idle_ps(void)
{
	rt__lock(&rt__sched.lock);
	for (struct rt__p *pp = rt__sched.idle_ps; pp; pp = pp->link)
		purge(pp);
	rt__unlock(&rt__sched.lock);
}

static void
start_period(int64_t now)
{
	purge_idle_ps();
	rt__lock(&gfree.lock);
	for (int c = 0; c < RT_STACK_CLASSES; c++) {
		struct list *l = &gfree.lists[c];

		set_surplus(l, l->low);
		l->low = l->gs.n;
	}
	rt__unlock(&gfree.lock);
	rt__store_rlx(&gfree.period_end, now + PERIOD_NS);
}

/* A millisecond's worth of what is not needed. */
static void
release_some(void)
{
	int budget = PACE_BATCHES;

	for (int c = 0; c < RT_STACK_CLASSES; c++)
		for (; budget > 0 && rt__load_rlx(&gfree.lists[c].surplus) > 0; budget--)
			if (!release_batch(c, rt__load_rlx(&gfree.lists[c].surplus)))
				break;
}

int64_t
rt__gfree_tick(int64_t now)
{
	if (now >= rt__load_rlx(&gfree.period_end))
		start_period(now);
	if (rt__load_rlx(&gfree.surplus) > 0 && now >= rt__load_rlx(&gfree.pace_end)) {
		release_some();
		rt__store_rlx(&gfree.pace_end, now + PACE_NS);
	}
	if (rt__load_rlx(&gfree.surplus) > 0)
		return PACE_NS;
	return rt__load_rlx(&gfree.n) > 0 ? rt__load_rlx(&gfree.period_end) - now : 0;
}

void
rt_free_os_memory(void)
{
	if (rt__hooks.pools_free)
		rt__hooks.pools_free();
	rt__for_each_p(purge, "rt_free_os_memory");
	rt__scavenge_all();
	for (int c = 0; c < RT_STACK_CLASSES; c++)
		while (release_batch(c, INT32_MAX))
			;
}

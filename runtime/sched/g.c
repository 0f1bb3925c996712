/* SPDX-License-Identifier: MIT */
/*
 * Making and reusing Gs. A G lies at the top of its stack and is never freed:
 *
 *	hi	end of the slot
 *		0-15 cache lines of colour
 *		struct rt__g
 *		TLS block with struct pthread, thread-specific data (libc/tls.c)
 *	rt__g_frames_top	frames, downwards
 *	lo	guard below
 *
 * The colour is there because each G lies at the top of a page: without it, the first lines of all
 * goroutines would fall into one set of the first-level cache, which holds eight.
 *
 * A dead G goes to the free list of its P; when that is full, half go to the global list. Both
 * are LIFO: the stack that was used last is the one still in the cache. For those that are not,
 * who takes one fetches the next ahead.
 */
#include "sched/sched_priv.h"

#include "stack/stack.h"

#define COLOURS 16
#define LOCAL_KEEP (RT_FREE_GS / 2)

static struct {
	struct rt__lock lock;
	struct rt__g *head, *tail; /* in the order of creation, through all_link */
	int32_t n, lost;           /* lost: dead, and never to be used again */
} allg;

static struct {
	struct rt__lock lock;
	struct rt__gdeque list;
} gfree;

uintptr_t rt__g_frames_below;

void
rt__ginit(void)
{
	rt__lock_rank(&allg.lock, RT_RANK_ALLG);
	rt__lock_rank(&gfree.lock, RT_RANK_GFREE);
}

static void
allg_add(struct rt__g *gp)
{
	rt__lock(&allg.lock);
	gp->number = (uint32_t)++allg.n;
	if (allg.tail)
		rt__store_rel(&allg.tail->all_link,
			      gp); /* to rt__for_each_g, which takes no lock */
	else
		rt__store_rel(&allg.head, gp);
	allg.tail = gp;
	rt__unlock(&allg.lock);
}

int32_t
rt__allg_count(void)
{
	return rt__load_rlx(&allg.n) - rt__load_rlx(&allg.lost);
}

/* All goroutines but gp are gone: their threads were not copied. Their stacks are left alone, since
 * what they were in the middle of may be pointed to. */
void
rt__allg_lose_others(struct rt__g *gp)
{
	for (struct rt__g *p = allg.head; p; p = p->all_link)
		if (p != gp)
			rt__store_rlx(&p->status, (uint32_t)RT_G_DEAD);
	allg.lost = allg.n - gfree.list.n - (gp != NULL);
}

void
rt__for_each_g(void (*fn)(struct rt__g *gp, void *arg), void *arg)
{
	for (struct rt__g *gp = rt__load_acq(&allg.head); gp; gp = rt__load_acq(&gp->all_link))
		fn(gp, arg);
}

struct rt__g *
rt__newg(struct rt__stack stack)
{
	static uint32_t colour;
	uintptr_t at = stack.hi - (uintptr_t)(rt__add_rlx(&colour, 1u) % COLOURS) * RT_CACHE_LINE;
	struct rt__g *gp = (struct rt__g *)((at - sizeof *gp) & ~(uintptr_t)(RT_CACHE_LINE - 1));

	gp->stack = stack;
	allg_add(gp);
	if (rt__load_rlx(&rt__g_frames_below) == 0)
		rt__store_rlx(&rt__g_frames_below,
			      RT_ALIGN_UP(rt__hooks.tls_size(), RT_CACHE_LINE));
	gp->tp = rt__hooks.tls_make(rt__g_frames_top(gp), gp->number, stack);
	rt__store_rlx(&gp->status, (uint32_t)RT_G_DEAD);
	return gp;
}

/* Moves up to LOCAL_KEEP Gs from the global free list to pp's. */
static void
refill(struct rt__p *pp)
{
	int32_t n = 0;

	rt__lock(&gfree.lock);
	while (n < LOCAL_KEEP && gfree.list.n > 0)
		pp->free_gs[n++] = rt__gd_pop_back(&gfree.list);
	rt__unlock(&gfree.lock);
	rt__store_rlx(&pp->nfree, n);
}

/* A dead G for reuse, or NULL. pp may be NULL, on a foreign thread. */
struct rt__g *
rt__gfget(struct rt__p *pp)
{
	if (!pp) {
		rt__lock(&gfree.lock);
		struct rt__g *gp = rt__gd_pop_back(&gfree.list);
		rt__unlock(&gfree.lock);
		return gp;
	}
	if (pp->nfree == 0 && rt__load_rlx(&gfree.list.n) > 0)
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
	rt__gd_push_back(&gfree.list, pp->free_gs, n);
	rt__unlock(&gfree.lock);
	for (int32_t i = 0; i < keep; i++)
		pp->free_gs[i] = pp->free_gs[n + i];
	rt__store_rlx(&pp->nfree, keep);
}

void
rt__gfput(struct rt__p *pp, struct rt__g *gp)
{
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

int32_t
rt__gfree_global_count(void)
{
	return rt__load_rlx(&gfree.list.n);
}

/* SPDX-License-Identifier: MIT */
/*
 * Making and reusing Gs. A G lies at the top of its stack and is never freed:
 *
 *	hi	end of the slot
 *		0-15 cache lines of colour
 *		struct rt__g
 *		TLS block with struct pthread, thread-specific data (libc/tls.c)
 *	stack_top	frames, downwards
 *	lo	guard below
 *
 * The colour is there because slots are a power of two apart: without it, the hot lines of all
 * goroutines would fall into the same few sets of the cache.
 *
 * A dead G goes to the free list of its P; when that has 64, half go to the global list. Both are
 * LIFO: the stack that was used last is the one still in the cache.
 */
#include "sched/sched_priv.h"

#include "stack/stack.h"

#define COLOURS 16
#define LOCAL_MAX 64
#define LOCAL_KEEP 32

static struct {
	struct rt__lock lock;
	struct rt__g *head, *tail; /* in the order of creation, through all_link */
	int32_t n;
} allg;

static struct {
	struct rt__lock lock;
	struct rt__gqueue list;
} gfree;

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
	return rt__load_rlx(&allg.n);
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
	uintptr_t tls = ((uintptr_t)gp - rt__hooks.tls_size()) & ~(uintptr_t)63;
	gp->tp = rt__hooks.tls_make((void *)tls, gp->number, stack);
	gp->stack_top = (void *)tls;
	gp->fpctl = rt__get_fpctl();
	rt__store_rlx(&gp->status, (uint32_t)RT_G_DEAD);
	return gp;
}

/* Moves up to LOCAL_KEEP Gs from the global free list to pp's. */
static void
refill(struct rt__p *pp)
{
	rt__lock(&gfree.lock);
	while (pp->free_gs.n < LOCAL_KEEP) {
		struct rt__g *gp = rt__gq_pop(&gfree.list);

		if (!gp)
			break;
		rt__gq_push(&pp->free_gs, gp);
	}
	rt__unlock(&gfree.lock);
}

/* A dead G for reuse, or NULL. pp may be NULL, on a foreign thread. */
struct rt__g *
rt__gfget(struct rt__p *pp)
{
	struct rt__g *gp;

	if (!pp) {
		rt__lock(&gfree.lock);
		gp = rt__gq_pop(&gfree.list);
		rt__unlock(&gfree.lock);
	} else {
		if (!pp->free_gs.head && rt__load_rlx(&gfree.list.n) > 0)
			refill(pp);
		gp = rt__gq_pop(&pp->free_gs);
	}
	return gp;
}

static void
spill(struct rt__p *pp, int32_t keep)
{
	rt__lock(&gfree.lock);
	while (pp->free_gs.n > keep)
		rt__gq_push(&gfree.list, rt__gq_pop(&pp->free_gs));
	rt__unlock(&gfree.lock);
}

void
rt__gfput(struct rt__p *pp, struct rt__g *gp)
{
	rt__gq_push(&pp->free_gs, gp);
	if (pp->free_gs.n >= LOCAL_MAX)
		spill(pp, LOCAL_KEEP);
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

/* SPDX-License-Identifier: MIT */
/*
 * Making Gs, and the list of all. A G lies at the top of its stack:
 *
 *	hi	end of the slot
 *		0-15 cache lines of colour
 *		struct rt__g
 *		TLS block with struct pthread, thread-specific data (libc/tls.c)
 *	rt__g_frames_top	frames, downwards
 *	lo	guard below
 *
 * The colour is there because each G lies at the top of a page: without it, the first lines of all
 * goroutines would fall into one set of the first-level cache, which holds eight. It belongs to the
 * slot, so that a G whose memory was given back comes back in the same place.
 *
 * The list of all Gs is walked without a lock, by reports of a dying program among others. A G
 * leaves it before its memory goes, while nobody walks: who walks counts himself in, then reads the
 * list; who removes takes the Gs off the list, then reads the count. Both are in one order, so
 * either the walker does not find the Gs or the other one finds the walker, and puts them back
 * where they were. The links of a G that is taken off still lead on, for walkers that stand on it.
 */
#include "sched/sched_priv.h"

#include "stack/stack.h"

#define COLOURS 16

struct rt__allg rt__allg;

uintptr_t rt__g_frames_below;

void
rt__ginit(void)
{
	rt__lock_rank(&rt__allg.lock, RT_RANK_ALLG);
	rt__gfree_init();
	rt__stackuse_init();
}

/* With rt__allg.lock. */
static void
append(struct rt__g *gp)
{
	gp->all_prev = rt__allg.tail;
	rt__store_rlx(&gp->all_link, (struct rt__g *)NULL);
	if (rt__allg.tail)
		rt__store_rel(&rt__allg.tail->all_link, gp); /* to rt__for_each_g */
	else
		rt__store_rel(&rt__allg.head, gp);
	rt__allg.tail = gp;
	rt__allg.n++;
}

/* With rt__allg.lock. */
static void
take_off(struct rt__g *gp)
{
	struct rt__g *next = gp->all_link;

	if (gp->all_prev)
		rt__store_rel(&gp->all_prev->all_link, next);
	else
		rt__store_rel(&rt__allg.head, next);
	if (next)
		next->all_prev = gp->all_prev;
	else
		rt__allg.tail = gp->all_prev;
	rt__allg.n--;
}

/* With rt__allg.lock: undoes take_off, if all that was taken off later is back. */
static void
put_back(struct rt__g *gp)
{
	struct rt__g *next = gp->all_link;

	if (gp->all_prev)
		rt__store_rel(&gp->all_prev->all_link, gp);
	else
		rt__store_rel(&rt__allg.head, gp);
	if (next)
		next->all_prev = gp;
	else
		rt__allg.tail = gp;
	rt__allg.n++;
}

bool
rt__allg_remove(struct rt__g *const *gs, int n)
{
	rt__lock(&rt__allg.lock);
	for (int i = 0; i < n; i++)
		take_off(gs[i]);
	rt__fence_seq(); /* Dekker with rt__for_each_g: the list before the count */
	bool alone = rt__load_acq(&rt__allg.walkers) == 0; /* pairs with the end of a walk */
	for (int i = n; !alone && i > 0; i--)
		put_back(gs[i - 1]);
	rt__unlock(&rt__allg.lock);
	return alone;
}

/* All goroutines but gp are gone: their threads were not copied. Their stacks are left alone, since
 * what they were in the middle of may be pointed to. */
void
rt__allg_lose_others(const struct rt__g *gp)
{
	for (struct rt__g *p = rt__allg.head; p; p = p->all_link)
		if (p != gp)
			rt__store_rlx(&p->status, (uint32_t)RT_G_DEAD);
	rt__allg.walkers = 0;
}

void
rt__for_each_g(void (*fn)(struct rt__g *gp, void *arg), void *arg)
{
	rt__add_rlx(&rt__allg.walkers, 1);
	rt__fence_seq(); /* Dekker with rt__allg_remove: the count before the list */
	for (struct rt__g *gp = rt__load_acq(&rt__allg.head); gp; gp = rt__load_acq(&gp->all_link))
		fn(gp, arg);
	rt__add_acqrel(&rt__allg.walkers, -1);
}

struct rt__g *
rt__newg(const struct rt__slot *slot)
{
	uintptr_t at = slot->stack.hi - (uintptr_t)(slot->number % COLOURS) * RT_CACHE_LINE;
	struct rt__g *gp = (struct rt__g *)((at - sizeof *gp) & ~(uintptr_t)(RT_CACHE_LINE - 1));

	gp->stack = slot->stack;
	gp->stack_class = slot->class;
	gp->arena = slot->arena;
	gp->number = slot->number;
	if (rt__load_rlx(&rt__g_frames_below) == 0)
		rt__store_rlx(&rt__g_frames_below,
			      RT_ALIGN_UP(rt__hooks.tls_size(), RT_CACHE_LINE));
	gp->tp = rt__hooks.tls_make(rt__g_frames_top(gp), gp->number, slot->stack);
	rt__store_rlx(&gp->status, (uint32_t)RT_G_DEAD);
	rt__lock(&rt__allg.lock);
	append(gp);
	rt__unlock(&rt__allg.lock);
	return gp;
}

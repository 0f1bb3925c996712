/* SPDX-License-Identifier: MIT */
/*
 * Who waits for whom, when the program has come to a deadlock. A goroutine that waits for a mutex
 * has one edge, to the goroutine that has locked it, so each chain ends or comes to a cycle. Those
 * are named; what else waits, waits for them, or for something that has no owner.
 *
 * A mutex remembers half of the thread pointer of who has locked it last: enough to find that one
 * among the living. What a goroutine waits for is in its frame, where rt__park has left it. It has
 * it still, since nobody runs.
 *
 * Runs on g0, in a report: it allocates nothing. The marks of the search lie in the Gs, in a field
 * of system calls, which who waits is not in. Each step looks at all goroutines, so where there are
 * very many, it is left out.
 */
#include "usync/usync_priv.h"

#define MOST_GS 10000
#define MOST_CYCLES 8

static struct {
	uint32_t wanted;
	struct rt__g *found;
	int gs, cycles;
	bool ambiguous;
} search;

static void
count(struct rt__g *gp, void *unused)
{
	(void)unused;
	if (rt__load_rlx(&gp->status) == RT_G_WAITING)
		gp->syscall_pc = 0;
	search.gs++;
}

static void
compare(struct rt__g *gp, void *unused)
{
	(void)unused;
	if (rt__load_rlx(&gp->status) == RT_G_DEAD || (uint32_t)(uintptr_t)gp->tp != search.wanted)
		return;
	search.ambiguous = search.found != NULL;
	search.found = gp;
}

static const rt_mutex *
waited(const struct rt__g *gp)
{
	if (rt__load_rlx(&gp->status) != RT_G_WAITING)
		return NULL;
	if (gp->wait_reason == RT_WAIT_MUTEX)
		return rt__mutex_waited(gp->link_arg);
	if (gp->wait_reason == RT_WAIT_RWMUTEX_READ)
		return rt__rwmutex_waited(gp->link_arg);
	return NULL;
}

/* Whom gp waits for; NULL if that is not known. */
static struct rt__g *
owner(const struct rt__g *gp)
{
	const rt_mutex *m = waited(gp);

	if (!m || !rt__mutex_is_locked(m))
		return NULL;
	search.wanted = rt__load_rlx(&m->rt_owner);
	search.found = NULL;
	search.ambiguous = false;
	rt__for_each_g(compare, NULL);
	return search.ambiguous ? NULL : search.found;
}

static void
print_cycle(const struct rt__g *first)
{
	const struct rt__g *gp = first;

	do {
		const struct rt__g *next = owner(gp);
		const char *what = gp->wait_reason == RT_WAIT_MUTEX ? "mutex" : "RWMutex";

		if (next == gp)
			rt__eprintf("goroutine %lu waits for the %s at %p, which it has locked "
				    "itself\n",
				    gp->id, what, (const void *)waited(gp));
		else
			rt__eprintf("goroutine %lu waits for the %s at %p, which goroutine %lu has "
				    "locked\n",
				    gp->id, what, (const void *)waited(gp), next->id);
		gp = next;
	} while (gp != first);
}

/* Follows the chain from gp as far as nobody has been. */
static void
follow(struct rt__g *from, void *unused)
{
	struct rt__g *gp = from;

	(void)unused;
	if (!waited(from) || search.cycles == MOST_CYCLES)
		return;
	while (gp && waited(gp) && gp->syscall_pc == 0) {
		gp->syscall_pc = (uintptr_t)from->id;
		gp = owner(gp);
	}
	if (!gp || !waited(gp) || gp->syscall_pc != (uintptr_t)from->id)
		return; /* it ends, or came to one that was followed before */
	if (search.cycles++ == 0)
		rt__eprintf("\n");
	print_cycle(gp);
}

void
rt__explain_deadlock(void)
{
	search.gs = search.cycles = 0;
	rt__for_each_g(count, NULL);
	if (search.gs <= MOST_GS)
		rt__for_each_g(follow, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Who waits for whom, in reports of deadlocks and of SIGQUIT: then it may be a part of the program
 * that hangs, while others run. A goroutine that waits for a mutex has one edge, to the goroutine
 * that has locked it, so each chain ends or comes to a cycle. Those are named; what else waits,
 * waits for them, or for something that has no owner.
 *
 * Where all wait and there is no such cycle, one is looked for that has channels, wait groups and
 * the like in it as well: knows.c, which says why not while others run.
 *
 * Runs in a report: it allocates nothing. The marks of the search lie in the Gs, in a field of
 * system calls, which who waits is not in. Each step looks at all goroutines, so where there are
 * very many, it is left out. Others are stopped as well as reports can: what runs on all the same
 * may break a cycle while it is followed, so the second time around has an end, too.
 */
#include "sched/sched_priv.h"

#pragma weak rt__explain_by_what_is_known

#define MOST_GS 10000
#define MOST_CYCLES 8

static struct {
	int gs, cycles;
} search;

static void
count(struct rt__g *gp, void *unused)
{
	(void)unused;
	if (rt__g_status(gp) == RT_G_WAITING)
		gp->syscall_pc = 0;
	search.gs++;
}

/* Whom gp waits for; NULL if that is not known. */
static const struct rt__g *
owner(const struct rt__g *gp, struct rt__wait_for *w)
{
	return rt__wait_of(gp, w) ? rt__holder(w) : NULL;
}

static void
print_cycle(const struct rt__g *first)
{
	const struct rt__g *gp = first;
	struct rt__wait_for w;

	for (int i = 0; i < MOST_GS; i++) {
		const struct rt__g *next = owner(gp, &w);
		const char *what = w.what == RT_ON_MUTEX ? "mutex" : "RWMutex";

		if (!next)
			return;
		rt__eprintf("goroutine %lu waits for the %s at %p, which ", gp->id, what,
			    (const void *)w.object);
		if (next == gp)
			rt__eprintf("it has locked itself\n");
		else
			rt__eprintf("goroutine %lu has locked\n", next->id);
		if (next == first)
			return;
		gp = next;
	}
}

/* Follows the chain from gp as far as nobody has been. */
static void
follow(struct rt__g *from, void *unused)
{
	struct rt__g *gp = from, *next;
	struct rt__wait_for w;

	(void)unused;
	if (search.cycles == MOST_CYCLES)
		return;
	while ((next = (struct rt__g *)owner(gp, &w)) != NULL && gp->syscall_pc == 0) {
		gp->syscall_pc = (uintptr_t)from->id;
		gp = next;
	}
	if (!next || gp->syscall_pc != (uintptr_t)from->id)
		return; /* it ends, or came to one that was followed before */
	if (search.cycles++ == 0)
		rt__eprintf("\n");
	print_cycle(gp);
}

void
rt__explain_deadlock(bool everyone)
{
	search.gs = search.cycles = 0;
	rt__for_each_g(count, NULL);
	if (search.gs <= MOST_GS)
		rt__for_each_g(follow, NULL);
	if (everyone && search.cycles == 0 && rt__explain_by_what_is_known)
		rt__explain_by_what_is_known();
}

/* SPDX-License-Identifier: MIT */
/* Inside sched/ only: what all ways to start a goroutine have in common. Inline, since it is all
 * that rt_go does; each way has a file of its own, since few programs use them all. */
#ifndef RT_SCHED_LAUNCH_H
#define RT_SCHED_LAUNCH_H

#include "sched/sched_priv.h"

#define RT_GOID_BATCH 16

static inline uint64_t
rt__next_goid(struct rt__p *pp)
{
	if (!pp)
		return rt__add_rlx(&rt__sched.goid_next, 1u);
	if (pp->goid == pp->goid_end) {
		pp->goid_end = rt__add_rlx(&rt__sched.goid_next, (uint64_t)RT_GOID_BATCH);
		pp->goid = pp->goid_end - RT_GOID_BATCH;
	}
	return ++pp->goid;
}

/* Before it can run: see rt_num_goroutine. */
static inline void
rt__count_started(struct rt__p *pp)
{
	if (rt__likely(pp != NULL))
		rt__store_rlx(&pp->started, pp->started + 1);
	else
		rt__add_rlx(&rt__sched.started, 1u);
}

/* Makes gp runnable for the first time. */
static inline void
rt__first_runnable(struct rt__g *gp, const struct rt__go_regs *regs, struct rt__p *pp)
{
	struct rt__g *parent = rt__getg();

	gp->id = rt__next_goid(pp);
	gp->parent_id = parent ? parent->id : 0;
	gp->start_pc = regs->fn;
	gp->creator_pc = rt__true_return(regs->pc);
	gp->wait_reason = RT_WAIT_NONE;
	gp->panic_on_fault = false;
	gp->own_mask = parent && parent->own_mask;
	if (rt__unlikely(gp->own_mask))
		gp->sigmask = parent->sigmask;
	rt__g_set_status(gp, RT_G_DEAD, RT_G_RUNNABLE);
	rt__count_started(pp);
	if (pp)
		rt__runq_put_p(pp, gp, true);
	else
		rt__globrunq_put(gp);
}

/* ---- newproc.c ---- */

void rt__second_goroutine(void);
RT_NORETURN void rt__go_of_nil(void);
struct rt__g *rt__new_g(void);

/* ... and sees to it that somebody runs it. */
static inline void
rt__launch_with(struct rt__g *gp, const struct rt__go_regs *regs, struct rt__p *pp)
{
	if (rt__unlikely(!regs->fn))
		rt__go_of_nil();
	rt__first_runnable(gp, regs, pp);
	if (rt__likely(rt__load_rlx(&rt__sched.stage) == RT_STAGE_FULL))
		rt__wakep();
	else
		rt__second_goroutine();
}

static inline void
rt__launch(struct rt__g *gp, const struct rt__go_regs *regs, struct rt__p *pp)
{
	rt__save_fpctl(&gp->fpctl); /* C11 7.6: a thread starts with its creator's */
	rt__launch_with(gp, regs, pp);
	if (rt__unlikely(pp && rt__load_rlx(&pp->preempt)))
		rt__preempt_poll();
}

/*
 * The P for a new goroutine, which the caller must not leave until that is on its queue.
 *
 * Who starts goroutines faster than they can run lets them run first, once the queue is full, and
 * waits globally. The new ones then find their stacks still in the cache, and those that end leave
 * theirs to the next: a loop that starts a million short ones needs some 300 stacks, not 10 ms'
 * worth of them. Go sends half of the queue to the global one instead, and so do we where the
 * caller may not park, or would change threads for it. (Work first instead of help first, when
 * there is enough to steal: Guo et al., IPDPS 2009.)
 */
static inline struct rt__p *
rt__p_with_room(void)
{
	struct rt__m *mp = rt__getm();

	if (rt__unlikely(mp->p && rt__runq_full(&mp->p->runq)) && rt__may_park(mp) && !mp->locked_g)
		return rt__give_way();
	return mp->p;
}

static inline struct rt__g *
rt__get_g(struct rt__p *pp)
{
	struct rt__g *gp = rt__gfget(pp);

	return rt__likely(gp != NULL) ? gp : rt__new_g();
}

#endif

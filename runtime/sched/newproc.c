/* SPDX-License-Identifier: MIT */
/* Starting and ending goroutines. Runs on the stack of the caller of rt_go, goroutine or not. */
#include <errno.h>

#include <rt/rt.h>

#include "sched/defer.h"
#include "sched/sched_priv.h"

#include "stack/stack.h"

#define GOID_BATCH 16

static uint64_t
next_goid(struct rt__p *pp)
{
	if (!pp)
		return rt__add_rlx(&rt__sched.goid_next, 1u);
	if (pp->goid == pp->goid_end) {
		pp->goid_end = rt__add_rlx(&rt__sched.goid_next, (uint64_t)GOID_BATCH);
		pp->goid = pp->goid_end - GOID_BATCH;
	}
	return ++pp->goid;
}

/* Before it can run: see rt_num_goroutine. */
static inline void
count_started(struct rt__p *pp)
{
	if (rt__likely(pp != NULL))
		rt__store_rlx(&pp->started, pp->started + 1);
	else
		rt__add_rlx(&rt__sched.started, 1u);
}

/* Until there is a second goroutine, a program is like any other: no thread but its own. */
static RT_NOINLINE void
second_goroutine(void)
{
	if (rt__load_rlx(&rt__sched.stage) == RT_STAGE_BOOT)
		return; /* the main goroutine itself */
	rt__sysmon_ensure();
	rt__wakep();
	if (rt__seeded())
		rt__seeded_yield();
}

/* While it is still known who wants it. */
static RT_NOINLINE RT_NORETURN void
go_of_nil(void)
{
	rt__panic("go of nil func value");
}

/* Makes gp runnable for the first time. */
static inline void
launch_with(struct rt__g *gp, const struct rt__go_regs *regs, struct rt__p *pp)
{
	struct rt__g *parent = rt__getg();

	if (rt__unlikely(!regs->fn))
		go_of_nil();
	gp->id = next_goid(pp);
	gp->parent_id = parent ? parent->id : 0;
	gp->start_pc = regs->fn;
	gp->creator_pc = regs->pc;
	gp->wait_reason = RT_WAIT_NONE;
	gp->panic_on_fault = false;
	gp->own_mask = parent && parent->own_mask;
	if (rt__unlikely(gp->own_mask))
		gp->sigmask = parent->sigmask;
	rt__g_set_status(gp, RT_G_DEAD, RT_G_RUNNABLE);
	count_started(pp);
	if (pp)
		rt__runq_put_p(pp, gp, true);
	else
		rt__globrunq_put(gp);
	if (rt__likely(rt__load_rlx(&rt__sched.stage) == RT_STAGE_FULL))
		rt__wakep();
	else
		second_goroutine();
}

static inline void
launch(struct rt__g *gp, const struct rt__go_regs *regs, struct rt__p *pp)
{
	rt__save_fpctl(&gp->fpctl); /* C11 7.6: a thread starts with its creator's */
	launch_with(gp, regs, pp);
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
p_with_room(void)
{
	struct rt__m *mp = rt__getm();

	if (rt__unlikely(mp->p && rt__runq_full(&mp->p->runq)) && rt__may_park(mp) && !mp->locked_g)
		return rt__give_way();
	return mp->p;
}

static RT_NOINLINE struct rt__g *
new_g(void)
{
	struct rt__slot slot;
	enum rt__stack_error e = rt__stack_alloc(0, &slot);

	if (e)
		rt__stack_fatal(0, e);
	return rt__newg(&slot);
}

static inline struct rt__g *
get_g(struct rt__p *pp)
{
	struct rt__g *gp = rt__gfget(pp);

	return rt__likely(gp != NULL) ? gp : new_g();
}

void
rt__newproc(const struct rt__go_regs *regs)
{
	struct rt__p *pp = p_with_room();
	struct rt__g *gp = get_g(pp);

	gp->sp = rt__frame_prepare_any(rt__g_frames_top(gp), regs, &gp->pc);
	launch(gp, regs, pp);
}

void
rt__newproc_words(const struct rt__go_regs *regs)
{
	struct rt__p *pp = p_with_room();
	struct rt__g *gp = get_g(pp);

	gp->sp = rt__frame_prepare_words(rt__g_frames_top(gp), regs, &gp->pc);
	launch(gp, regs, pp);
}

/* For rt_wg_go: regs->fn is not the function but what the macro says about the call. */
static struct rt__g *
counted(struct rt__go_regs *regs, struct rt__p *pp)
{
	struct rt__wg_call *call = (struct rt__wg_call *)regs->fn;
	struct rt__g *gp = get_g(pp);

	regs->fn = (uintptr_t)call->rt_fn;
	rt_wg_add(call->rt_wg, 1);
	gp->wg = call->rt_wg;
	return gp;
}

void
rt__newproc_wg(struct rt__go_regs *regs)
{
	struct rt__p *pp = p_with_room();
	struct rt__g *gp = counted(regs, pp);

	gp->sp = rt__frame_prepare_any(rt__g_frames_top(gp), regs, &gp->pc);
	launch(gp, regs, pp);
}

void
rt__newproc_wg_words(struct rt__go_regs *regs)
{
	struct rt__p *pp = p_with_room();
	struct rt__g *gp = counted(regs, pp);

	gp->sp = rt__frame_prepare_words(rt__g_frames_top(gp), regs, &gp->pc);
	launch(gp, regs, pp);
}

void
rt__newproc_call(const struct rt__go_regs *regs,
		 void (*main)(const struct rt__deferred *call, void *arg), void *arg, void *wg)
{
	struct rt__p *pp = p_with_room();
	struct rt__g *gp = get_g(pp);
	struct rt__deferred *call = (struct rt__deferred *)rt__g_frames_top(gp) - 1;
	struct rt__go_regs in_main = {.fn = (uintptr_t)main,
				      .ints = {(uintptr_t)call, (uintptr_t)arg}};

	rt__deferred_of(call, regs);
	gp->sp = rt__frame_prepare_words(call, &in_main, &gp->pc);
	gp->wg = wg;
	launch(gp, regs, pp);
}

void
rt__newproc_later(const struct rt__go_later *call)
{
	struct rt__go_regs regs = {
		.fn = (uintptr_t)call->fn, .ints = {(uintptr_t)call->arg}, .pc = call->pc};
	struct rt__p *pp = rt__getm()->p;
	struct rt__g *gp = get_g(pp);

	gp->sp = rt__frame_prepare_words(rt__g_frames_top(gp), &regs, &gp->pc);
	gp->fpctl = call->fpctl;
	launch_with(gp, &regs, pp);
}

/* For rt_go_attr: regs->fn is not the function but what the macro says about the call. */
void
rt__newproc_attr(struct rt__go_regs *regs)
{
	struct rt__go_call *call = (struct rt__go_call *)regs->fn;
	int class = rt__stack_class(call->rt_attr ? call->rt_attr->stack : 0);
	struct rt__p *pp = p_with_room();
	struct rt__slot slot;

	call->rt_result = class < 0 ? EINVAL : 0;
	if (class < 0)
		return;
	struct rt__g *gp = class == 0 ? rt__gfget(pp) : rt__gfget_class(class);
	if (!gp) {
		if (rt__stack_alloc(class, &slot) != RT_STACK_OK) {
			call->rt_result = ENOMEM;
			return;
		}
		gp = rt__newg(&slot);
	}
	regs->fn = (uintptr_t)call->rt_fn;
	gp->sp = rt__frame_prepare_any(rt__g_frames_top(gp), regs, &gp->pc);
	launch(gp, regs, pp);
}

void
rt__newproc_main(void (*fn)(void), struct rt__stack stack)
{
	struct rt__go_regs regs = {.fn = (uintptr_t)fn};
	struct rt__g *gp = rt__newg(&(struct rt__slot){.stack = stack, .number = 1});

	gp->sp = rt__frame_prepare_words(rt__g_frames_top(gp), &regs, &gp->pc);
	launch(gp, &regs, rt__getm()->p);
}

void
rt__main_started(void)
{
	rt__store_rlx(&rt__sched.stage, (uint32_t)RT_STAGE_SINGLE);
	if (rt__debug.schedtrace > 0) {
		rt__schedtrace_tick(rt__nanotime()); /* a short program has one line, too */
		rt__sysmon_ensure();
	}
}

/* On g0: the goroutine is off its stack, which may be reused from now on. */
static void
goexit0(struct rt__g *gp)
{
	struct rt__m *mp = rt__getm();

	if (rt__unlikely(rt__debug.stackuse))
		rt__stackuse_end(gp);
	rt__g_set_status(gp, RT_G_RUNNING, RT_G_DEAD);
	rt__store_rel(&mp->p->ended, mp->p->ended + 1); /* to rt_num_goroutine */
	rt__dropg(mp);
	if (gp->locked_m) {
		/* The thread's state (namespaces, signal mask, ...) is not fit for others. */
		gp->locked_m = NULL;
		mp->locked_g = NULL;
		rt__gfput(mp->p, gp);
		rt__mexit();
	}
	rt__gfput(mp->p, gp);
	rt__schedule();
}

/* Somebody waits for this: its place may be gone as soon as it is told. */
static RT_NOINLINE void
tell_wg(struct rt__g *gp)
{
	void *wg = gp->wg;

	gp->wg = NULL;
	rt__hooks.wg_done(wg);
}

/* Where a goroutine's function returns to (switch.S). */
void
rt__goend(void)
{
	struct rt__g *gp = rt__getg();

	rt__hooks.tls_finish(gp->tp);
	if (gp->wg)
		tell_wg(gp);
	rt__mleave(goexit0);
}

void
rt_goexit(void)
{
	struct rt__g *gp = rt__getg();

	if (!gp)
		rt__panic("rt_goexit on a thread that is not a goroutine");
	rt__unwind_all();
	rt__goend();
}

/* SPDX-License-Identifier: MIT */
/*
 * System calls that may block. The M keeps its thread in the kernel; its P is up for grabs:
 *
 *	entersyscall	publishes the P as RT_P_SYSCALL and goes into the kernel
 *	retake		sysmon, or who stops the world, wants it: CAS to RT_P_IDLE or RT_P_GCSTOP
 *	exitsyscall	wants it back: CAS to RT_P_RUNNING
 *
 * Whoever changes the status away from RT_P_SYSCALL by compare-and-swap owns the P, and nobody else
 * touches it: the word alone decides, whose P it once was does not matter. An M that comes back
 * and finds its old P in another one's call may take it; that one then finds out the same way. The
 * entering store releases what the owner wrote to the P, the CAS acquires it. The model is
 * tests/model/retake.pml.
 *
 * A call that takes microseconds costs one store and one CAS and wakes nobody. sysmon takes the P
 * of longer ones, when there is work for it, after 20 us or more; calls that are known to block
 * (sleeping, waiting for a child) hand it on themselves, and so does who has lost it in his last.
 * If sysmon is taking its time because nothing happened lately, who leaves work behind wakes it.
 *
 * An M that comes back to find no P queues its goroutine globally, asks for the P of one that has
 * run long (preempt.c), so that a program full of busy goroutines still answers quickly, waits a
 * little, and sleeps, but for asking again. If a preemption made room, it is given the P and goes
 * on; if some M runs out of work and takes the goroutine from the queue, that one runs it, and this
 * M is idle from then on.
 *
 * Runs on the goroutine's stack, with its thread pointer. Signal handlers of the program may run
 * between enter and exit; their calls are plain, wherever they run. longjmp out of a handler comes
 * by rt__left_handler, and ends the call that it has left.
 */
#include "sched/sched_priv.h"

#include "mem/mem.h"

/* Takes pp out of a system call for somebody else: true if the caller has it now. */
bool
rt__retake_syscall(struct rt__p *pp, enum rt__p_status to)
{
	/* acqrel: takes what its owner wrote, and hands it on to who gets the P next. */
	return rt__cas_acqrel(&pp->status, (uint32_t)RT_P_SYSCALL, (uint32_t)to);
}

/* Gives the P to who stops the world, at once: it would look for it again only in a while. */
static RT_NOINLINE void
give_to_stopper(struct rt__p *pp)
{
	rt__lock(&rt__sched.lock);
	if (rt__load_rlx(&rt__sched.gcwaiting) && rt__retake_syscall(pp, RT_P_GCSTOP))
		rt__stop_one_less();
	rt__unlock(&rt__sched.lock);
}

static RT_NOINLINE void
hand_over(struct rt__m *mp)
{
	struct rt__p *pp = mp->p;

	rt__store_rlx(&pp->syscall_tick, pp->syscall_tick + 1);
	rt__handoffp(rt__releasep());
}

void
rt__entersyscall(uintptr_t pc, uintptr_t sp, uintptr_t bp, bool blocks)
{
	struct rt__m *mp = rt__getm();
	struct rt__g *gp = mp->curg;
	struct rt__p *pp = mp->p;

	rt__assert(pp && rt__load_rlx(&pp->m) == mp && mp->locks_held == 0);
	gp->syscall_pc = pc;
	gp->syscall_sp = sp;
	gp->syscall_bp = bp;
	gp->wait_since = rt__load_rlx(&rt__sched.clock);
	rt__g_set_status(gp, RT_G_RUNNING, RT_G_SYSCALL);
	mp->old_p = pp;
	/* Who was asked to stop may be in the way of a timer, which is not work yet. */
	if (rt__unlikely(rt__work_waits_owner(pp) || rt__load_rlx(&pp->preempt))) {
		gp->syscall_pc = rt__true_return(pc);
		rt__return_put_back(mp);
		if (blocks || gp->sleepy) {
			hand_over(mp);
			return;
		}
		rt__sysmon_tell_of_call();
	}
	mp->p = NULL;
	mp->cache = &rt__cache_none;
	pp->m = NULL;
	rt__store_rel(&pp->status, (uint32_t)RT_P_SYSCALL); /* pairs with the acquire of any CAS */
	/* Not ordered with the store: if it is missed, the stopper sees the status on its next
	 * round. */
	if (rt__unlikely(rt__load_rlx(&rt__sched.gcwaiting)))
		give_to_stopper(pp);
}

/* On g0: there was no P. */
static void
exitsyscall_m(struct rt__g *gp)
{
	struct rt__m *mp = rt__getm();

	rt__g_set_status(gp, RT_G_SYSCALL, RT_G_RUNNABLE);
	rt__dropg(mp);
	rt__lock(&rt__sched.lock);
	struct rt__p *pp = rt__pidle_get_or_any(mp->old_p);
	if (pp) {
		rt__unlock(&rt__sched.lock);
		rt__acquirep(pp);
		rt__execute(gp, false);
	}
	if (!gp->locked_m)
		rt__m_wait_with(gp);
	rt__gd_push_back(&rt__sched.runq, &gp, 1);
	rt__unlock(&rt__sched.lock);
	if (!rt__preempt_for_global())
		rt__sysmon_want_urgent();
	rt__stop_locked_m();
	rt__execute(gp, false);
}

static RT_NOINLINE void
exitsyscall_slow(struct rt__m *mp, struct rt__g *gp)
{
	struct rt__p *pp = NULL;

	gp->sleepy = true;
	if (rt__load_rlx(&rt__sched.npidle) != 0) {
		rt__lock(&rt__sched.lock);
		pp = rt__pidle_get_or_any(mp->old_p);
		rt__unlock(&rt__sched.lock);
	}
	if (!pp) {
		rt__mcall(exitsyscall_m);
		return;
	}
	rt__acquirep(pp);
	rt__g_set_status(gp, RT_G_SYSCALL, RT_G_RUNNING);
	if (rt__unlikely(rt__load_rlx(&pp->preempt))) /* it was asked before it was idle */
		rt__preempt_self();
}

void
rt__exitsyscall(void)
{
	struct rt__m *mp = rt__getm();
	struct rt__g *gp = mp->curg;
	struct rt__p *pp = mp->old_p;

	/* acq: pairs with the release of whoever gave the P up last. */
	if (rt__unlikely(
		    !rt__cas_acq(&pp->status, (uint32_t)RT_P_SYSCALL, (uint32_t)RT_P_RUNNING))) {
		exitsyscall_slow(mp, gp);
		return;
	}
	rt__assert(!mp->p && !pp->m && gp->m == mp);
	gp->sleepy = false;
	mp->p = pp;
	mp->cache = pp->fast_cache;
	pp->m = mp;
	rt__store_rlx(&pp->syscall_tick, pp->syscall_tick + 1);
	rt__g_set_status(gp, RT_G_SYSCALL, RT_G_RUNNING);
	/* Its slice may have ended meanwhile: a goroutine that lives in the kernel, in calls too
	 * short to lose its P, is not to be caught in user text. */
	if (rt__unlikely(rt__load_rlx(&pp->preempt)))
		rt__preempt_self();
}

/* ---- handlers of the program ---- */

struct rt__handler_frame
rt__enter_handler(uintptr_t interrupted_sp)
{
	struct rt__m *mp = rt__getm();
	struct rt__g *gp = mp->curg;
	struct rt__handler_frame f = {mp->handler_sp, NULL, NULL};

	mp->handler_sp = rt__sp();
	mp->cache = &rt__cache_none; /* it may have interrupted malloc */
	/* Between two goroutines, the thread pointer is still that of the last one, which may run
	 * elsewhere: its errno is not to be written here. */
	if (!gp || interrupted_sp - gp->stack.lo >= gp->stack.hi - gp->stack.lo) {
		f.tp = rt__read_tp(); /* perhaps between the two writes of a switch */
		f.tp_now = mp->tp_now;
		rt__set_tp(mp->tp);
		mp->tp_now = mp->tp;
	}
	return f;
}

void
rt__leave_handler(const struct rt__handler_frame *f)
{
	struct rt__m *mp = rt__getm();

	mp->handler_sp = f->outer;
	if (f->tp) {
		rt__set_tp(f->tp);
		mp->tp_now = f->tp_now;
	}
}

/* longjmp, possibly out of a handler; on the frame that it goes to. */
void
rt__left_handler(void)
{
	struct rt__m *mp = rt__getm();
	uintptr_t lo = mp->curg ? mp->curg->stack.lo : 0;

	if (!rt__on_goroutine(mp) ||
	    (mp->handler_sp >= lo && rt__sp() < mp->handler_sp &&
	     mp->handler_sp < mp->curg->stack.hi))
		return; /* still in the handler, or on a stack of the program's own */
	mp->handler_sp = 0;
	if (!mp->p && rt__g_status(mp->curg) == RT_G_SYSCALL)
		rt__exitsyscall(); /* which it had interrupted */
}

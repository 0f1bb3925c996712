/* SPDX-License-Identifier: MIT */
/*
 * Ms as threads: how one is made, made fit for signal handlers, and ended. When it sleeps, and who
 * wakes it, is in idle.c.
 *
 * What libc does with threads as a whole runs on g0, with the thread pointer of the thread itself
 * (rt__on_thread). A signal mask goes with the goroutine; a stack for handlers with the thread.
 */
#include <rt/rt.h>

#include "sched/sched_priv.h"

#include "mem/mem.h"

void
rt__use_own_tp(struct rt__m *mp)
{
	if (mp->tp_now != mp->tp) {
		rt__set_tp(mp->tp);
		mp->tp_now = mp->tp;
	}
}

void
rt__on_thread(void (*fn)(void *), void *arg)
{
	struct rt__m *mp = rt__getm();
	struct rt__g *gp = mp->curg;
	uintptr_t sp = rt__sp();

	if (!gp || sp < gp->stack.lo || sp >= gp->stack.hi) {
		/* On g0, whose thread pointer rt__gogo sets anew, or on a foreign thread. */
		if (mp != &rt__m_foreign)
			rt__use_own_tp(mp);
		fn(arg);
		return;
	}
	rt__use_own_tp(mp);
	rt__on_stack(fn, arg, mp->g0_sp);
	rt__set_tp(gp->tp);
	mp->tp_now = gp->tp;
}

/* ---- threads ---- */

#define THREAD_STACK (136ul << 10) /* with its guard: musl's default */

/* The first one costs a start no system call: it is untouched until a signal comes, and has its
 * guard from when a handler of the program may run on it. The runtime's own stay within it. */
#define PAGE 4096ul /* with larger ones, it has no guard */
static _Alignas(PAGE) RT_COLD_BSS struct {
	char guard[RT_GUARD_PAGES * PAGE];
	char stack[64ul << 10];
} first_signal;

void
rt__guard_signal_stack(void)
{
	static bool done;

	if (!rt__load_rlx(&done))
		rt__os_guard(first_signal.guard, sizeof first_signal.guard);
	rt__store_rlx(&done, true);
}

static void *
signal_stack_alloc(size_t size)
{
	if (rt__getm() == &rt__m0 && size <= sizeof first_signal.stack)
		return first_signal.stack;
	void *p = rt__os_signal_stack_new(size);
	if (!p)
		rt__out_of_memory("a stack for signal handlers", size);
	return p;
}

/*
 * A goroutine's signal mask goes with it: new goroutines have their creator's, as POSIX has it for
 * threads. Nearly all have what the process was started with, so one bit says whether a switch
 * has to look. Idle Ms have main's, so that a signal that main has blocked, for sigwait, is left
 * to wait, and others find a thread even while every goroutine is parked.
 */
uint64_t rt__main_mask;

void
rt__m_use_mask(struct rt__m *mp, uint64_t mask)
{
	if (mp->sigmask != mask)
		rt__os_set_sigmask(mask);
	mp->sigmask = mask;
	mp->own_mask = mask != rt__os.sigmask;
}

void
rt__note_sigmask(uint64_t old, uint64_t mask)
{
	struct rt__m *mp = rt__getm();
	struct rt__g *gp = mp->curg;

	/* Without a P it is a handler that has interrupted a system call, or a child of
	 * posix_spawn, which runs in our memory (libc/clone.c). */
	if (!gp || !rt__may_park(mp) || ((old ^ mp->sigmask) & ~RT_SIGSET_LIBC) != 0)
		return;
	mp->sigmask = gp->sigmask = mask;
	mp->own_mask = gp->own_mask = mask != rt__os.sigmask;
	if (gp->id == 1)
		rt__store_rlx(&rt__main_mask, mask);
}

/* Makes the calling thread fit for handlers: a stack for them, its mask noted. */
static void
minit(struct rt__m *mp)
{
	size_t size = rt__os_signal_stack_size();

	if (!mp->signal_stack)
		mp->signal_stack = signal_stack_alloc(size);
	if (rt__os_sigaltstack(mp->signal_stack, size) < 0)
		rt__throw("sigaltstack failed");
	mp->sigmask = rt__os.sigmask;
}

static RT_NORETURN void
too_many_ms(void)
{
	rt__eprintf("runtime: program exceeds %d-thread limit\n", rt__sched.maxmcount);
	rt__throw("thread exhaustion");
}

void
rt__mcommoninit(struct rt__m *mp)
{
	uint64_t seed;

	mp->cache = &rt__cache_none;
	mp->unlocking = NULL;
	mp->unlocks_plainly = rt__os.membarrier;
	rt__lock(&rt__sched.lock);
	mp->self = mp;
	mp->id = rt__sched.mnext_id++;
	rt__sched.mcount++;
	mp->all_link = rt__sched.all_ms;
	rt__sched.all_ms = mp;
	bool too_many = rt__sched.mcount > rt__sched.maxmcount;
	rt__unlock(&rt__sched.lock);
	if (too_many)
		too_many_ms();
	__builtin_memcpy(&seed, rt__os.random, sizeof seed);
	mp->rand = (seed ^ ((uint64_t)mp->id + 1) * 0x9e3779b97f4a7c15) | 1;
}

int
rt_set_max_threads(int n)
{
	rt__lock(&rt__sched.lock);
	int old = rt__sched.maxmcount;
	rt__sched.maxmcount = n;
	bool too_many = rt__sched.mcount > n;
	rt__unlock(&rt__sched.lock);
	if (too_many)
		too_many_ms();
	return old;
}

void
rt__m0_init(int32_t tid)
{
	rt__lock_rank(&rt__sched.lock, RT_RANK_SCHED);
	rt__plain_unlock_init();
	rt__foreign_init();
	rt__ginit();
	rt__m0.self = &rt__m0;
	rt__setm_raw(&rt__m0);
	rt__m0.tp = rt__m0.tp_now = rt__get_tp();
	rt__m0.tid = tid;
	minit(&rt__m0);
	rt__main_mask = rt__os.sigmask;
}

void
rt__mstart(void)
{
	struct rt__m *mp = rt__getm();

	/* Scheduler frames start here and overwrite each other; this frame is never returned to. */
	mp->g0_sp = rt__sp() & ~(uintptr_t)15;
	rt__schedule();
}

static void *
thread_main(void *arg)
{
	struct rt__m *mp = arg;

	rt__setm_raw(mp);
	mp->tp = mp->tp_now = rt__get_tp();
	mp->tid = rt__os_gettid();
	if (mp->start_fn) {
		/* No stack for handlers of the program: of signals, only setuid's come here. */
		rt__os_set_sigmask(~(1ul << (RT_SIGSYNCCALL - 1)));
		mp->start_fn();
	}
	minit(mp);
	rt__os_set_sigmask(rt__os.sigmask); /* not the creator's, who may have changed its own */
	rt__acquirep(mp->next_p);
	mp->next_p = NULL;
	rt__mstart();
}

struct thread_start {
	struct rt__m *mp;
	int error;
};

static void
start_thread(void *arg)
{
	struct thread_start *s = arg;

	s->error = rt__hooks.thread_start(thread_main, s->mp, s->mp->start_fn == rt__sysmon);
}

static struct rt__m *
alloc_m(void)
{
	rt__lock(&rt__sched.lock);
	struct rt__m *mp = rt__sched.free_ms;
	if (mp)
		rt__sched.free_ms = mp->idle_link;
	rt__unlock(&rt__sched.lock);
	if (!mp)
		return rt__persistent_alloc(sizeof *mp, RT_CACHE_LINE);
	*mp = (struct rt__m){.signal_stack = mp->signal_stack};
	return mp;
}

static void
start_m(struct rt__m *mp)
{
	struct thread_start s = {mp, 0};

	rt__on_thread(start_thread, &s);
	if (s.error) {
		/* libc says EAGAIN for whatever there is too little of. */
		if (!rt__os_reserve(THREAD_STACK))
			rt__out_of_memory("a thread's stack", THREAD_STACK);
		rt__eprintf("runtime: failed to create new OS thread (have %d already; errno=%d)\n"
			    "runtime: may need to increase max user processes (ulimit -u)\n",
			    rt__sched.mcount - 1, s.error);
		rt__throw("newosproc");
	}
}

/*
 * A new thread inherits what its creator's is like: name, priority, namespaces. A goroutine that
 * has tied itself to its thread may have done so to change those; on its thread, sysmon is asked to
 * make the new one. (Go has a thread of its own for that.)
 */
static bool
is_tainted(const struct rt__m *mp)
{
	return mp->locked_ext > 0;
}

static void
ask_sysmon_for(struct rt__m *mp)
{
	rt__lock(&rt__sched.lock);
	mp->idle_link = rt__sched.unborn_ms;
	rt__sched.unborn_ms = mp;
	rt__unlock(&rt__sched.lock);
	rt__sysmon_kick();
}

/* On sysmon's thread: makes those that were asked for. */
void
rt__start_unborn_ms(void)
{
	if (!rt__load_rlx(&rt__sched.unborn_ms))
		return;
	rt__lock(&rt__sched.lock);
	struct rt__m *mp = rt__sched.unborn_ms;
	rt__store_rlx(&rt__sched.unborn_ms, (struct rt__m *)NULL);
	rt__unlock(&rt__sched.lock);
	rt__os_short_slices(false); /* they are clones of this one */
	while (mp) {
		struct rt__m *next = mp->idle_link;

		mp->idle_link = NULL;
		start_m(mp);
		mp = next;
	}
	rt__os_short_slices(true);
}

void
rt__newm(void (*fn)(void), struct rt__p *pp, bool spinning)
{
	struct rt__m *mp = alloc_m();

	mp->start_fn = fn;
	mp->next_p = pp;
	mp->spinning = spinning;
	rt__mcommoninit(mp);
	if (!fn && is_tainted(rt__getm()))
		ask_sysmon_for(mp);
	else
		start_m(mp);
}

/* Ends this thread: its locked goroutine has ended, or nobody needs it. The process's first thread
 * cannot end without becoming a zombie that confuses ps and gdb: it sleeps for ever instead. No
 * handler runs from here on: its stack goes to the next user of mp. */
void
rt__mexit(void)
{
	struct rt__m *mp = rt__getm();

	rt__os_block_signals();

	if (mp->p)
		rt__handoffp(rt__releasep());
	rt__lock(&rt__sched.lock);
	rt__sched.mcount--;
	for (struct rt__m **p = &rt__sched.all_ms; *p; p = &(*p)->all_link) {
		if (*p == mp) {
			*p = mp->all_link;
			break;
		}
	}
	rt__checkdead();
	if (mp != &rt__m0) {
		mp->idle_link = rt__sched.free_ms;
		rt__sched.free_ms = mp;
	}
	rt__use_own_tp(mp);
	rt__setm_raw(&rt__m_foreign); /* mp may be in use by another thread from now on */
	rt__unlock(&rt__sched.lock);
	if (mp != &rt__m0)
		rt__hooks.thread_exit();
	for (;;) {
		uint32_t never = 0;

		rt__futex_wait(&never, 0, -1);
	}
}

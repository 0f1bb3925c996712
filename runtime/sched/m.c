/* SPDX-License-Identifier: MIT */
/*
 * Ms: starting, stopping, waking threads. An M without work sleeps on its note, its P given up;
 * who has a P and work for it takes an idle M, or makes a thread.
 *
 * The hand-over between those who make work visible (W: ready, newproc) and those who run out of
 * it (I: find_runnable). W: queue the goroutine; fence; if nobody spins and a P is idle, wake an
 * M as spinning; if none is idle, set needspinning and look at npidle again. I: put the P on the
 * idle list; stop spinning; fence; if it spun or needspinning is set, look at all queues again,
 * and if there is work but no idle P, set needspinning before unlocking.
 *
 * Why no goroutine waits while a P is idle. If W sees a spinner, that one's last look comes after
 * W's store (both fences): it finds the goroutine, or somebody has it already. If W sees no spinner
 * but an idle P, it wakes an M. If W sees no idle P, every P is busy, and the first that is given
 * up afterwards, by last_look or by handoffp, is given up by somebody who sees needspinning. Who
 * counts itself as a spinner and then gets no P drops the count under sched.lock, with needspinning
 * set: others have relied on it meanwhile.
 *
 * The model is tests/model/spinning.pml. It found four holes in the first version of this.
 *
 * An idle M's thread pointer is its own, so that a signal handler that runs there meanwhile does
 * not write to the errno of a goroutine that runs elsewhere.
 */
#include "sched/sched_priv.h"

#include "mem/mem.h"

void
rt__become_spinning(struct rt__m *mp)
{
	if (mp->spinning)
		return;
	mp->spinning = true;
	/* needspinning first: the count's read-modify-write orders it before the search, so that
	 * who still sees it set has queued its goroutine before that search. */
	rt__store_rlx(&rt__sched.needspinning, 0u);
	rt__add_seq(&rt__sched.nmspinning, 1);
}

static void
use_own_tp(struct rt__m *mp)
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
			use_own_tp(mp);
		fn(arg);
		return;
	}
	use_own_tp(mp);
	rt__on_stack(fn, arg, mp->g0_sp);
	rt__set_tp(gp->tp);
	mp->tp_now = gp->tp;
}

/* ---- threads ---- */

/* The first one costs a start no system call; untouched until a signal comes. */
#define FIRST_SIGNAL_STACK (64ul << 10)
static _Alignas(16) RT_COLD_BSS char first_signal_stack[FIRST_SIGNAL_STACK];

static void *
signal_stack_alloc(size_t size)
{
	if (rt__getm() == &rt__m0 && size <= sizeof first_signal_stack)
		return first_signal_stack;
	char *p = rt__os_reserve(rt__os.page_size + size);
	if (!p || rt__os_guard(p, rt__os.page_size) < 0)
		rt__out_of_memory("a stack for signal handlers", size);
	return p + rt__os.page_size;
}

/*
 * A goroutine's signal mask goes with it: new goroutines have their creator's, as POSIX has it for
 * threads. Nearly all have what the process was started with, so one bit says whether a switch
 * has to look. Idle Ms have main's, so that a signal that main has blocked, for sigwait, is left
 * to wait, and others find a thread even while every goroutine is parked.
 */
static uint64_t main_mask;

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
		rt__store_rlx(&main_mask, mask);
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

void
rt__mcommoninit(struct rt__m *mp)
{
	uint64_t seed;

	rt__lock(&rt__sched.lock);
	mp->self = mp;
	mp->id = rt__sched.mnext_id++;
	rt__sched.mcount++;
	mp->all_link = rt__sched.all_ms;
	rt__sched.all_ms = mp;
	bool too_many = rt__sched.mcount > rt__sched.maxmcount;
	rt__unlock(&rt__sched.lock);
	if (too_many) {
		rt__eprintf("runtime: program exceeds %d-thread limit\n", rt__sched.maxmcount);
		rt__throw("thread exhaustion");
	}
	__builtin_memcpy(&seed, rt__os.random, sizeof seed);
	mp->rand = (seed ^ ((uint64_t)mp->id + 1) * 0x9e3779b97f4a7c15) | 1;
}

void
rt__set_maxmcount(int32_t n)
{
	rt__sched.maxmcount = n;
}

void
rt__m0_init(int32_t tid)
{
	rt__lock_rank(&rt__sched.lock, RT_RANK_SCHED);
	rt__ginit();
	rt__m0.self = &rt__m0;
	rt__setm_raw(&rt__m0);
	rt__m0.tp = rt__m0.tp_now = rt__get_tp();
	rt__m0.tid = tid;
	minit(&rt__m0);
	main_mask = rt__os.sigmask;
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
		/* A small stack: no handler of the program runs here, only setuid's. */
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

	s->error = rt__hooks.thread_start(thread_main, s->mp, s->mp->start_fn != NULL);
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
	while (mp) {
		struct rt__m *next = mp->idle_link;

		mp->idle_link = NULL;
		start_m(mp);
		mp = next;
	}
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

#define SPARE_M_NS 5000000000

/* ---- idle Ms; sched.lock is held for the list itself ---- */

static void
mput(struct rt__m *mp)
{
	mp->idle_link = rt__sched.idle_ms;
	rt__sched.idle_ms = mp;
	rt__sched.nmidle++;
	rt__checkdead();
}

static struct rt__m *
mget(void)
{
	struct rt__m *mp = rt__sched.idle_ms;

	if (mp) {
		rt__sched.idle_ms = mp->idle_link;
		rt__sched.nmidle--;
	}
	return mp;
}

/* Takes mp off the idle list; false: somebody has, and is about to wake it. With sched.lock. */
static bool
mtake(struct rt__m *mp)
{
	for (struct rt__m **at = &rt__sched.idle_ms; *at; at = &(*at)->idle_link) {
		if (*at == mp) {
			*at = mp->idle_link;
			rt__sched.nmidle--;
			return true;
		}
	}
	return false;
}

/*
 * Idle Ms beyond one for each P were needed once, for system calls that blocked. Who has slept for
 * long ends its thread; Go keeps them for good. The idle list is LIFO, so it is always the same
 * ones that sleep on. m0 stays: see rt__mexit.
 */
static void
reap_self(struct rt__m *mp)
{
	rt__lock(&rt__sched.lock);
	bool ours = mtake(mp);
	rt__unlock(&rt__sched.lock);
	if (ours)
		rt__mexit();
}

static bool
is_spare(const struct rt__m *mp)
{
	return mp != &rt__m0 && rt__sched.nmidle > rt__load_acq(&rt__sched.ps)->n;
}

/* Sleeps until somebody hands it a P. */
static void
mpark(struct rt__m *mp, bool spare)
{
	use_own_tp(mp);
	rt__m_use_mask(mp, rt__load_rlx(&main_mask));
	if (spare && !rt__note_timedsleep(&mp->park, SPARE_M_NS))
		reap_self(mp);
	rt__note_sleep(&mp->park);
	rt__note_clear(&mp->park);
	rt__acquirep(mp->next_p);
	mp->next_p = NULL;
}

/* Wakes mp, which sleeps in mpark, or is about to, with pp. */
static void
munpark(struct rt__m *mp, struct rt__p *pp)
{
	mp->next_p = pp;
	rt__note_wakeup(&mp->park);
}

void
rt__stopm(void)
{
	struct rt__m *mp = rt__getm();

	if (mp->p || mp->spinning)
		rt__throw("stopm: holding a P or spinning");
	rt__lock(&rt__sched.lock);
	mput(mp);
	bool spare = is_spare(mp);
	rt__unlock(&rt__sched.lock);
	mpark(mp, spare);
}

/* An M that sleeps until the first goroutine of the global queue gets a P. With sched.lock. */
static struct rt__m *
mget_waiting(void)
{
	struct rt__g *gp = rt__gd_front(&rt__sched.runq);

	if (!gp || (!gp->wait_m && !gp->locked_m))
		return NULL;
	rt__gd_pop_front(&rt__sched.runq);
	struct rt__m *mp = gp->wait_m;
	gp->wait_m = NULL;
	if (mp)
		return mp;
	rt__sched.nmidle_locked--;
	return gp->locked_m;
}

/*
 * Runs pp, or an idle P if it is NULL, on an M that sleeps or a new one. If spinning, the caller
 * has counted it in nmspinning already. Callers that are no M, and ones without a P, may use it.
 * Before a thread is made, Ms are looked at that have come back from a system call: making one
 * may have to wait for libc's fork, which may be what such an M is in.
 */
void
rt__startm(struct rt__p *pp, bool spinning)
{
	rt__lock(&rt__sched.lock);
	if (!pp)
		pp = rt__pidle_get();
	struct rt__m *mp = pp ? mget() : NULL;
	if (pp && !mp && !spinning)
		mp = mget_waiting();
	rt__unlock(&rt__sched.lock);
	if (!pp)
		return;
	if (!mp) {
		rt__newm(NULL, pp, spinning);
		return;
	}
	mp->spinning = spinning;
	munpark(mp, pp);
}

/* Whether to wake somebody for work that was just made visible. */
static bool
want_wake(void)
{
	if (rt__getm()->p && rt__load_acq(&rt__sched.ps)->n == 1)
		return false; /* the only P is the caller's: nobody is idle */
	/* Pairs with last_look. What rt__runq_put has made visible are plain stores: to the next
	 * slot, if it was empty; to the ring, behind the exchange that displaced the old one. */
	rt__fence_seq();
	if (rt__load_rlx(&rt__sched.nmspinning) != 0)
		return false;
	if (rt__load_rlx(&rt__sched.npidle) != 0)
		return true;
	if (rt__load_rlx(&rt__sched.needspinning))
		return false;
	rt__store_rlx(&rt__sched.needspinning, 1u);
	rt__sysmon_kick_if_slow(); /* some P may be in a long system call */
	rt__fence_seq(); /* StoreLoad; pairs with last_look's, between npidle and needspinning */
	return rt__load_rlx(&rt__sched.npidle) != 0;
}

void
rt__wakep(void)
{
	if (rt__likely(!want_wake()) || !rt__cas_acqrel(&rt__sched.nmspinning, 0, 1))
		return;
	rt__lock(&rt__sched.lock);
	struct rt__p *pp = rt__pidle_get_for_work();
	/* No longer a spinner, under the lock: others relied on this one, and an M that gives its P
	 * up from now on sees needspinning and looks for them. */
	if (!pp)
		rt__add_seq(&rt__sched.nmspinning, -1);
	rt__unlock(&rt__sched.lock);
	if (pp)
		rt__startm(pp, true);
}

/* Passes on a P that its M cannot use now. */
void
rt__handoffp(struct rt__p *pp)
{
	bool stopping;

	if (rt__work_waits(pp)) {
		rt__startm(pp, false);
		return;
	}
	/* No thief and no idle P: others' work would wait for this one, so it goes stealing. */
	if (rt__load_rlx(&rt__sched.nmspinning) + rt__load_rlx(&rt__sched.npidle) == 0 &&
	    rt__cas_acqrel(&rt__sched.nmspinning, 0, 1)) {
		rt__store_rlx(&rt__sched.needspinning, 0u);
		rt__startm(pp, true);
		return;
	}
	rt__lock(&rt__sched.lock);
	stopping = rt__load_rlx(&rt__sched.gcwaiting) != 0;
	if (stopping) {
		rt__store_rlx(&pp->status, (uint32_t)RT_P_GCSTOP);
		rt__stop_one_less();
	} else if (rt__sched.runq.n == 0) {
		rt__pidle_put(pp);
		pp = NULL;
	}
	rt__unlock(&rt__sched.lock);
	if (!stopping && pp) {
		rt__startm(pp, false);
	} else if (!pp) {
		/* As in last_look: work may have turned up while this P was not idle yet. */
		rt__fence_seq();
		if (rt__load_rlx(&rt__sched.needspinning))
			rt__wakep();
	}
}

/* Gives the P to whoever stops the world, and sleeps. */
void
rt__gcstopm(void)
{
	struct rt__m *mp = rt__getm();

	if (mp->spinning) {
		mp->spinning = false;
		if (rt__add_seq(&rt__sched.nmspinning, -1) < 0)
			rt__throw("gcstopm: negative nmspinning");
	}
	struct rt__p *pp = rt__releasep();
	rt__lock(&rt__sched.lock);
	if (!rt__load_rlx(&rt__sched.gcwaiting)) { /* it is over already */
		rt__unlock(&rt__sched.lock);
		rt__acquirep(pp);
		return;
	}
	rt__store_rlx(&pp->preempt, false);
	rt__store_rlx(&pp->urgent, false);
	rt__store_rlx(&pp->status, (uint32_t)RT_P_GCSTOP);
	rt__stop_one_less();
	rt__unlock(&rt__sched.lock);
	rt__stopm();
}

/* ---- Ms that have come back from a system call and found no P ---- */

/* Queues gp globally and sleeps until either may run: gp, which this M came back with, or anything.
 * Called with sched.lock, which it unlocks. */
void
rt__m_wait_with(struct rt__g *gp)
{
	struct rt__m *mp = rt__getm();

	gp->wait_m = mp;
	mp->wait_g = gp;
	rt__gd_push_back(&rt__sched.runq, &gp, 1);
	rt__unlock(&rt__sched.lock);
	rt__preempt_for_global();
	mpark(mp, false);
	gp = mp->wait_g;
	mp->wait_g = NULL;
	if (gp)
		rt__execute(gp, false);
	rt__schedule();
}

/* Somebody else runs gp: its M waits for just anything. With sched.lock. */
void
rt__m_stop_waiting(struct rt__g *gp)
{
	struct rt__m *mp = gp->wait_m;

	gp->wait_m = NULL;
	mp->wait_g = NULL;
	mput(mp);
}

/* Gives our P to the M that waits with gp, and sleeps. */
void
rt__start_waiting_m(struct rt__g *gp)
{
	struct rt__m *mp = gp->wait_m;

	gp->wait_m = NULL;
	munpark(mp, rt__releasep());
	rt__stopm();
}

/* ---- locked Ms ---- */

/* The M's own goroutine is not running: passes the P on and sleeps until it is handed over again,
 * with a P, by whoever found that goroutine runnable. */
void
rt__stop_locked_m(void)
{
	struct rt__m *mp = rt__getm();

	if (mp->p)
		rt__handoffp(rt__releasep());
	rt__lock(&rt__sched.lock);
	rt__sched.nmidle_locked++;
	rt__checkdead();
	rt__unlock(&rt__sched.lock);
	mpark(mp, false);
}

/* gp may run on its own M only: wakes that with our P, and sleeps. */
void
rt__start_locked_m(struct rt__g *gp)
{
	struct rt__m *owner = gp->locked_m;

	rt__lock(&rt__sched.lock);
	rt__sched.nmidle_locked--;
	rt__unlock(&rt__sched.lock);
	munpark(owner, rt__releasep());
	rt__stopm();
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
	use_own_tp(mp);
	rt__setm_raw(&rt__m_foreign); /* mp may be in use by another thread from now on */
	rt__unlock(&rt__sched.lock);
	if (mp != &rt__m0)
		rt__hooks.thread_exit();
	for (;;) {
		uint32_t never = 0;

		rt__futex_wait(&never, 0, -1);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * The monitor thread: an M without a P. It sleeps until the next of the things falls due that it
 * knows of, at most 10 ms; while all Ps are idle, until somebody takes one. Who needs it earlier
 * kicks it. A wake-up costs the process some 35 us of processor time on a virtual machine, so each
 * one has to be for something.
 *
 * The exception are system calls that are made while goroutines wait for the P. They are too many
 * to tell sysmon of each. So the first one does, and for the next 50 rounds, it looks every 20 us.
 *
 * What it does:
 * - A P that has been in one time slice for 10 ms, with others waiting, is preempted. Goroutines
 *   that ready each other in turn share a slice through the P's next slot, and would keep it for
 *   themselves for good. One that cannot be stopped where it is is tried again, less and less
 *   often.
 * - A P whose M is in a system call is taken from it: after one round if there is work, after 10 ms
 *   otherwise.
 * - Preemptions for those who are late (preempt.c) that could not be made at once.
 * - Somebody is found for timers that are late, since nobody looks at them (timers.c).
 * - Signals that end main's sleep (interrupt.c).
 * - Threads that a tainted one may not make itself (m.c).
 * - RTDEBUG=schedtrace.
 * - Memory of goroutines that have ended, and of the heap, that is not missed is given back, also
 *   while all sleep.
 * - The clock by which goroutines know since when they wait, for tracebacks. Go asks for the time
 *   in each collection; here, who parks or enters a system call copies a word from a line that the
 *   scheduler reads anyway to one that it writes anyway. It is at most a round old; when all were
 *   idle and sysmon slept, whoever takes the first P sets it (acquirep, which asks for the time in
 *   any case). Before there is a sysmon it is 0, and nobody claims to know.
 */
#include "sched/sched_priv.h"

#include "mem/mem.h"

#define RESEND_MIN_NS 50000
#define FAST_NS 20000
#define FAST_ROUNDS 50
#define SLEEP_MAX_NS 10000000
#define SLICE_NS 10000000
#define SYSCALL_MAX_NS 10000000
#define AFTER_TIMERS_NS 1000000

/* ---- kicks ---- */

void
rt__sysmon_kick(void)
{
	/* rel: what it is to find. Pairs with the acquire in doze. */
	if (rt__xchg_rel(&rt__sched.sysmon_kick, 1u) == 0)
		rt__futex_wake(&rt__sched.sysmon_kick, 1);
}

void
rt__sysmon_want_urgent(void)
{
	rt__store_rel(&rt__sched.urgent, 1u); /* pairs with the acquire in urgent_round */
	rt__fence_seq();                      /* StoreLoad; pairs with that in rt__timers_plan */
	rt__sysmon_look_by(rt__preempt_when());
}

void
rt__sysmon_calls(void)
{
	rt__store_rlx(&rt__sched.sysmon_slow, 0u);
	rt__sysmon_kick();
}

/* A kick that only makes it plan anew. */
void
rt__sysmon_look_by(int64_t when)
{
	if (when < rt__load_rlx(&rt__sched.sysmon_when) &&
	    rt__cas_rel(&rt__sched.sysmon_kick, 0u, 2u))
		rt__futex_wake(&rt__sched.sysmon_kick, 1);
}

/* Sleeps for ns, or until kicked: then true. */
static bool
doze(int64_t ns)
{
	rt__futex_wait(&rt__sched.sysmon_kick, 0, ns);
	return rt__xchg_acq(&rt__sched.sysmon_kick, 0u) == 1;
}

/* The same, until a time that others may find too late: rt__sysmon_look_by. */
static void
doze_until(int64_t now, int64_t when, bool precise)
{
	rt__store_rlx(&rt__sched.sysmon_when, when);
	if (precise)
		rt__os_precise_sleep(true);
	doze(when > now + FAST_NS ? when - now : FAST_NS);
	if (precise)
		rt__os_precise_sleep(false);
	rt__store_rlx(&rt__sched.sysmon_when, (int64_t)0);
}

/* ---- a round ---- */

void
rt__clock_set(int64_t now)
{
	uint32_t seconds = (uint32_t)(now / 1000000000);

	/* It is read a million times a second: not written for nothing. */
	if (rt__load_rlx(&rt__sched.clock) != seconds)
		rt__store_rlx(&rt__sched.clock, seconds);
}

/* Asks a goroutine to stop; one that could not be stopped, again, after twice the time as before.
 */
static void
ask(struct rt__p *pp, int64_t now)
{
	if (now < pp->resend_when)
		return;
	rt__preempt_one(pp);
	pp->resend_when = now + pp->resend_delay;
	if (pp->resend_delay < SLICE_NS)
		pp->resend_delay *= 2;
}

static void
watch_running(struct rt__p *pp, int64_t now)
{
	uint32_t tick = rt__load_rlx(&pp->sched_tick);

	if (rt__load_rlx(&pp->sysmon_tick) != tick) {
		rt__store_rlx(&pp->sysmon_when, now);
		rt__store_rlx(&pp->sysmon_tick, tick);
		pp->resend_when = now;
		pp->resend_delay = RESEND_MIN_NS;
		return;
	}
	bool over = now - rt__load_rlx(&pp->sysmon_when) >= SLICE_NS && rt__work_waits(pp);
	if (over || rt__load_rlx(&pp->preempt))
		ask(pp, now);
}

/* Without work, and with others to find what comes up, there is no hurry. */
static int64_t
syscall_may_last(struct rt__p *pp)
{
	return !rt__work_waits(pp) &&
			rt__load_rlx(&rt__sched.nmspinning) + rt__load_rlx(&rt__sched.npidle) > 0
		? SYSCALL_MAX_NS
		: 0;
}

/* Whether it has taken a P that work waits for: the next call may well be as long. */
static bool
watch_syscall(struct rt__p *pp, int64_t now)
{
	uint32_t tick = rt__load_rlx(&pp->syscall_tick);

	if (pp->sysmon_systick != tick) {
		pp->sysmon_systick = tick;
		pp->sysmon_syswhen = now;
		return false;
	}
	if (now - pp->sysmon_syswhen < syscall_may_last(pp))
		return false;
	bool hot = rt__work_waits(pp) || rt__load_rlx(&rt__sched.needspinning);
	if (!rt__retake_syscall(pp, RT_P_IDLE))
		return false;
	rt__store_rlx(&pp->syscall_tick, tick + 1);
	rt__handoffp(pp);
	return hot;
}

static bool
watch_ps(int64_t now)
{
	struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	bool hot = false;

	for (int32_t i = 0; i < ps->n; i++) {
		struct rt__p *pp = ps->p[i];
		uint32_t status = rt__load_rlx(&pp->status);

		if (status == RT_P_RUNNING)
			watch_running(pp, now);
		else if (status == RT_P_SYSCALL)
			hot |= watch_syscall(pp, now);
	}
	return hot;
}

static void
urgent_round(int64_t now)
{
	if (rt__load_acq(&rt__sched.urgent) &&
	    (rt__load_rlx(&rt__sched.runq.n) == 0 || rt__preempt_longest(now)))
		rt__store_rlx(&rt__sched.urgent, 0u);
}

/* ---- when to look again ---- */

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When pp is to be looked at. When a slice is over and nobody waits, that will not change so soon.
 */
static int64_t
due_at(struct rt__p *pp, int64_t now)
{
	uint32_t status = rt__load_rlx(&pp->status);
	int64_t over = rt__load_rlx(&pp->sysmon_when) + SLICE_NS;

	if (status == RT_P_SYSCALL)
		return pp->sysmon_syswhen + syscall_may_last(pp);
	if (status != RT_P_RUNNING)
		return RT_NEVER;
	if (rt__load_rlx(&pp->preempt))
		return pp->resend_when;
	return over > now ? over : RT_NEVER;
}

static int64_t
next_due(int64_t now)
{
	struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	int64_t due = now + SLEEP_MAX_NS;

	for (int32_t i = 0; i < ps->n; i++)
		due = earlier(due, due_at(ps->p[i], now));
	if (rt__load_rlx(&rt__sched.urgent))
		due = earlier(due, rt__preempt_when());
	return due;
}

/* Sleeps until something is due, or somebody kicks it. */
static void
sleep_while_busy(int64_t now, int64_t trace, bool fast)
{
	int64_t when = fast ? now + FAST_NS : now + SLEEP_MAX_NS;

	/* First the longest, then what is earlier: who starts a timer, or could preempt nobody yet,
	 * sees either, or we see it. */
	rt__store_rlx(&rt__sched.sysmon_slow, !fast);
	rt__store_rlx(&rt__sched.sysmon_when, when);
	int64_t plan = rt__timers_plan(); /* with a fence */
	if (trace)
		when = earlier(when, now + trace);
	when = earlier(when, next_due(now));
	doze_until(now, earlier(when, plan), plan <= when);
}

/* ---- the loop ---- */

static bool
nothing_to_watch(void)
{
	return rt__load_rlx(&rt__sched.npidle) == rt__load_acq(&rt__sched.ps)->n ||
		rt__load_rlx(&rt__sched.gcwaiting);
}

/* The earlier one of two times to sleep; 0 is for ever. */
static int64_t
sooner(int64_t a, int64_t b)
{
	return a && (!b || a < b) ? a : b;
}

/* Until when it may sleep while all Ps are idle; 0 for ever. */
static int64_t
next_look(int64_t now)
{
	int64_t ns = sooner(rt__gfree_tick(now), rt__schedtrace_tick(now)), first;

	ns = sooner(ns, rt__scavenge_tick(now));
	if (rt__timers_first(&first) && first < RT_NEVER - AFTER_TIMERS_NS)
		ns = sooner(ns, (first > now ? first - now : 0) + AFTER_TIMERS_NS);
	return ns ? now + ns : 0;
}

/* Says until when it sleeps, if all Ps are idle. Who takes one has the lock as well. */
static bool
may_sleep(int64_t when)
{
	rt__lock(&rt__sched.lock);
	bool sleep = nothing_to_watch();
	rt__store_rlx(&rt__sched.sysmonwait, (uint32_t)sleep);
	rt__store_rlx(&rt__sched.sysmon_when, sleep ? when : 0);
	rt__unlock(&rt__sched.lock);
	return sleep;
}

/*
 * Sleeps while all Ps are idle. With timers to come, it looks by itself soon after the first:
 * mostly all is asleep again by then, so that a wake-up by a timer need not wake sysmon, too.
 */
static void
sleep_until_needed(void)
{
	int64_t now = rt__nanotime(), when = next_look(now);
	bool kicked = false;

	while (!kicked && may_sleep(when)) {
		kicked = doze(when ? when - now : -1);
		now = rt__nanotime();
		when = next_look(now);
	}
}

/* With sched.lock. */
void
rt__sysmon_watch_again(void)
{
	int64_t when = rt__load_rlx(&rt__sched.sysmon_when);

	if (when && when <= rt__nanotime() + AFTER_TIMERS_NS)
		return; /* it will soon look, anyway */
	rt__store_rlx(&rt__sched.sysmonwait, 0u);
	rt__sysmon_kick();
}

/* What ran before anybody monitored it starts its slice now. */
static void
start_clocks(int64_t now)
{
	struct rt__ps *ps = rt__load_acq(&rt__sched.ps);

	for (int32_t i = 0; i < ps->n; i++)
		rt__store_rlx(&ps->p[i]->sysmon_when, now);
}

void
rt__sysmon(void)
{
	int64_t trace = 0, now = rt__nanotime();
	int fast = 0; /* so many rounds more */

	rt__preempt_init();
	rt__os_short_slices(true);
	start_clocks(now);
	for (;;) {
		sleep_while_busy(now, trace, fast > 0);
		if (nothing_to_watch())
			sleep_until_needed();
		rt__start_unborn_ms();
		rt__interrupt_round();
		now = rt__nanotime();
		rt__clock_set(now);
		trace = rt__schedtrace_tick(now);
		rt__gfree_tick(now);
		rt__scavenge_tick(now);
		rt__timers_watch(now);
		bool hot = watch_ps(now);
		urgent_round(now);
		if (hot || (fast == 0 && !rt__load_rlx(&rt__sched.sysmon_slow)))
			fast = FAST_ROUNDS;
		else if (fast > 0)
			fast--;
	}
}

/* A thread of the runtime's own, which runs no goroutines and counts for no deadlock. */
void
rt__new_monitor(void (*fn)(void))
{
	rt__lock(&rt__sched.lock);
	rt__sched.nmsys++;
	rt__unlock(&rt__sched.lock);
	rt__newm(fn, NULL, false);
}

void
rt__sysmon_ensure(void)
{
	uint32_t to = rt__seeded() ? RT_STAGE_SEEDED : RT_STAGE_FULL;

	if (!rt__cas_acqrel(&rt__sched.stage, (uint32_t)RT_STAGE_SINGLE, to))
		return;
	rt__clock_set(rt__nanotime()); /* its thread comes a little late */
	rt__new_monitor(rt__sysmon);
	rt__preempt_stress_start();
}

bool
rt__has_others(void)
{
	return rt__load_rlx(&rt__sched.stage) >= RT_STAGE_FULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * The monitor thread: an M without a P. It sleeps 20 us at first, after 50 rounds without news
 * twice as long each time, up to 10 ms; while all Ps are idle, until somebody takes one. Who needs
 * it earlier kicks it.
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

#define SLEEP_MIN_NS 20000
#define SLEEP_MAX_NS 10000000
#define SLICE_NS 10000000
#define SYSCALL_MAX_NS 10000000
#define RESEND_MIN_NS 50000
#define IDLE_ROUNDS 50
#define AFTER_TIMERS_NS 1000000

/* ---- kicks ---- */

void
rt__sysmon_kick(void)
{
	rt__store_rlx(&rt__sched.sysmon_slow, 0u);
	/* rel: what it is to find. Pairs with the acquire in doze. */
	if (rt__xchg_rel(&rt__sched.sysmon_kick, 1u) == 0)
		rt__futex_wake(&rt__sched.sysmon_kick, 1);
}

void
rt__sysmon_want_urgent(void)
{
	rt__store_rel(&rt__sched.urgent, 1u); /* pairs with the acquire in urgent_round */
	rt__sysmon_kick_if_slow();
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

/* The same; less if a timer may be late before. */
static bool
doze_before_timers(int64_t now, int64_t ns)
{
	/* First the longest, then what is earlier: who starts a timer sees either, or we see the
	 * timer (rt__timers_plan). */
	rt__store_rlx(&rt__sched.sysmon_when, now + ns);
	int64_t plan = rt__timers_plan();
	bool planned = plan < now + ns;
	if (planned) {
		ns = plan - now > SLEEP_MIN_NS ? plan - now : SLEEP_MIN_NS;
		rt__store_rlx(&rt__sched.sysmon_when, now + ns);
		rt__os_precise_sleep(true);
	}
	bool kicked = doze(ns);
	if (planned)
		rt__os_precise_sleep(false);
	rt__store_rlx(&rt__sched.sysmon_when, (int64_t)0);
	return kicked;
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

/* Asks a goroutine to stop; one that has not yet, again, after twice the time as before. Whether it
 * was the first time: who cannot be stopped is no reason to look often. */
static bool
ask(struct rt__p *pp, int64_t now)
{
	bool first = pp->resend_delay == RESEND_MIN_NS;

	if (now < pp->resend_when)
		return false;
	rt__preempt_one(pp);
	pp->resend_when = now + pp->resend_delay;
	if (pp->resend_delay < SLICE_NS)
		pp->resend_delay *= 2;
	return first;
}

static bool
watch_running(struct rt__p *pp, int64_t now)
{
	uint32_t tick = rt__load_rlx(&pp->sched_tick);

	if (rt__load_rlx(&pp->sysmon_tick) != tick) {
		rt__store_rlx(&pp->sysmon_when, now);
		rt__store_rlx(&pp->sysmon_tick, tick);
		pp->resend_when = now;
		pp->resend_delay = RESEND_MIN_NS;
		return false;
	}
	bool over = now - rt__load_rlx(&pp->sysmon_when) >= SLICE_NS && rt__work_waits(pp);
	return (over || rt__load_rlx(&pp->preempt)) && ask(pp, now);
}

static bool
watch_syscall(struct rt__p *pp, int64_t now)
{
	uint32_t tick = rt__load_rlx(&pp->syscall_tick);

	if (pp->sysmon_systick != tick) {
		pp->sysmon_systick = tick;
		pp->sysmon_syswhen = now;
		return false;
	}
	/* Without work, and with others to find what comes up, there is no hurry. */
	if (!rt__work_waits(pp) && now - pp->sysmon_syswhen < SYSCALL_MAX_NS &&
	    rt__load_rlx(&rt__sched.nmspinning) + rt__load_rlx(&rt__sched.npidle) > 0)
		return false;
	if (!rt__retake_syscall(pp, RT_P_IDLE))
		return false;
	rt__store_rlx(&pp->syscall_tick, tick + 1);
	rt__handoffp(pp);
	return true;
}

/* Whether there was something to do. */
static bool
watch_ps(int64_t now)
{
	struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	bool busy = false;

	for (int32_t i = 0; i < ps->n; i++) {
		struct rt__p *pp = ps->p[i];
		uint32_t status = rt__load_rlx(&pp->status);

		if (status == RT_P_RUNNING)
			busy |= watch_running(pp, now);
		else if (status == RT_P_SYSCALL)
			busy |= watch_syscall(pp, now);
	}
	return busy;
}

static bool
urgent_round(int64_t now)
{
	if (!rt__load_acq(&rt__sched.urgent))
		return false;
	if (rt__load_rlx(&rt__sched.runq.n) == 0 || rt__preempt_longest(now)) {
		rt__store_rlx(&rt__sched.urgent, 0u);
		return false;
	}
	return true;
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
 * Sleeps while all Ps are idle: true if it was kicked. With timers to come, it looks by itself soon
 * after the first: mostly all is asleep again by then, so that a wake-up by a timer need not wake
 * sysmon, too.
 */
static bool
sleep_until_needed(void)
{
	int64_t now = rt__nanotime(), when = next_look(now);
	bool kicked = false;

	while (!kicked && may_sleep(when)) {
		kicked = doze(when ? when - now : -1);
		now = rt__nanotime();
		when = next_look(now);
	}
	return kicked;
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

static int64_t
next_delay(int64_t delay, int idle)
{
	if (idle == 0)
		return SLEEP_MIN_NS;
	if (idle > IDLE_ROUNDS && delay < SLEEP_MAX_NS)
		return delay * 2 < SLEEP_MAX_NS ? delay * 2 : SLEEP_MAX_NS;
	return delay;
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
	int64_t delay = SLEEP_MIN_NS, trace = 0, now = rt__nanotime();
	int idle = 0;

	rt__preempt_init();
	start_clocks(now);
	for (;;) {
		delay = next_delay(delay, idle);
		rt__store_rlx(&rt__sched.sysmon_slow, delay > SLEEP_MIN_NS);
		if (doze_before_timers(now, sooner(delay, trace)))
			idle = 0;
		if (nothing_to_watch()) {
			idle = sleep_until_needed() ? 0 : IDLE_ROUNDS;
			delay = idle ? AFTER_TIMERS_NS / 2 : delay; /* nobody is in a hurry */
		}
		rt__start_unborn_ms();
		rt__interrupt_round();
		now = rt__nanotime();
		rt__clock_set(now);
		trace = rt__schedtrace_tick(now);
		rt__gfree_tick(now);
		rt__scavenge_tick(now);
		rt__timers_watch(now);
		bool busy = watch_ps(now);
		busy |= urgent_round(now);
		idle = busy ? 0 : idle + 1;
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

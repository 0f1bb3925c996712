/* SPDX-License-Identifier: MIT */
/*
 * How a program ends that cannot go on: one thread at a time reports, and the process ends when
 * each that has begun a report has finished it. All of it works on any stack, in a signal handler,
 * with any lock of the runtime held, and on a foreign thread: no lock of others is taken, and what
 * is read is memory that stays.
 *
 *	rt__crash_begin()	waits for its turn, stops the goroutines; false inside a report
 *	...			"panic: TEXT" or whatever it is, by the caller
 *	rt__crash_print()	the goroutines that $RTTRACEBACK asks for
 *	rt__crash_end()		exit status 2, or SIGABRT
 *
 * The turn is a thread id and not a lock, so that who fails inside a report is told from others,
 * and who has died with it, as a child of vfork does, is passed over.
 *
 * A report inside a report is cut short, as in Go: "panic during panic" and the one stack; then
 * "stack trace unavailable" and status 4; then status 5.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include <rt/rt.h>

#include "sched/sched_priv.h"

#define FREEZE_ROUNDS 5
#define FREEZE_NS 1000000
#define ALIVE_NS 100000000 /* how often to look whether who has the turn still lives */

static struct {
	int32_t turn;    /* (a) thread that reports; keeps it if it is the last to */
	int32_t begun;   /* (a) reports begun and not ended */
	int32_t level;   /* (a) enum rt__traceback */
	int32_t minimum; /* of level: what the environment has asked for */
	int depth;       /* reports inside the report; of the thread that has the turn */
} crash = {.level = RT_TRACEBACK_SINGLE, .minimum = RT_TRACEBACK_SINGLE};

/* ---- how much to show ---- */

void
rt__traceback_init(enum rt__traceback level)
{
	crash.minimum = level;
	rt__store_rlx(&crash.level, (int32_t)level);
}

enum rt__traceback
rt__traceback_level(void)
{
	return (enum rt__traceback)rt__load_rlx(&crash.level);
}

bool
rt_set_traceback(const char *level)
{
	enum rt__traceback wanted;

	if (!rt__traceback_parse(level, &wanted))
		return false;
	if (!rt__args.secure)
		rt__store_rlx(&crash.level,
			      (int32_t)wanted > crash.minimum ? (int32_t)wanted : crash.minimum);
	return true;
}

/* ---- one at a time ---- */

static bool
is_alive(int32_t tid)
{
	return rt__syscall3(SYS_tgkill, rt__os_getpid(), tid, 0) != -ESRCH;
}

/* Who reports, if it is another thread of this process; 0 if nobody does. */
static int32_t
other_reporter(void)
{
	int32_t tid = rt__load_acq(&crash.turn); /* pairs with the release in leave */

	return tid != 0 && tid != rt__os_gettid() && is_alive(tid) ? tid : 0;
}

bool
rt__crashing(void)
{
	return other_reporter() != 0;
}

void
rt__crash_wait(void)
{
	for (int32_t tid; (tid = other_reporter()) != 0;)
		rt__futex_wait((uint32_t *)&crash.turn, (uint32_t)tid, ALIVE_NS);
}

static void
take_turn(void)
{
	int32_t me = rt__os_gettid();

	rt__add_seq(&crash.begun, 1);
	for (;;) {
		int32_t tid = rt__load_rlx(&crash.turn);

		if (tid != 0 && is_alive(tid)) {
			rt__futex_wait((uint32_t *)&crash.turn, (uint32_t)tid, ALIVE_NS);
		} else if (rt__cas_acq(&crash.turn, tid, me)) {
			if (tid != 0)
				rt__add_seq(&crash.begun, -1); /* it has died with its report */
			crash.depth = 0;
			return;
		}
	}
}

/* Any thread but the last to report waits for that one to end the process. */
static void
leave(void)
{
	rt__eprint_collect(false);
	if (crash.depth > 0 || rt__add_seq(&crash.begun, -1) <= 0)
		return;
	rt__store_rel(&crash.turn, 0);
	rt__futex_wake((uint32_t *)&crash.turn, INT32_MAX);
	for (;;)
		rt__os_sleep(INT64_MAX);
}

/* ---- stopping the goroutines ---- */

static bool
others_run(const struct rt__ps *ps)
{
	for (int32_t i = 0; i < ps->n; i++)
		if (ps->p[i] != rt__getm()->p &&
		    rt__load_rlx(&ps->p[i]->status) == (uint32_t)RT_P_RUNNING)
			return true;
	return false;
}

/*
 * Go's freezetheworld: a stop of the world that nobody ends and that takes no lock. It may not
 * reach everybody, since others may write the same words; a goroutine that runs on is shown
 * without its stack.
 *
 * In a child of vfork, the goroutines are the parent's.
 */
static void
freeze_the_world(void)
{
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	struct rt__m *mp = rt__getm();

	if (rt__load_rlx(&rt__sched.stage) < (uint32_t)RT_STAGE_FULL ||
	    (mp != &rt__m_foreign && !is_alive(mp->tid)))
		return;
	for (int round = 0; round < FREEZE_ROUNDS; round++) {
		rt__store_rlx(&rt__sched.stopwait, INT32_MAX);
		rt__store_seq(&rt__sched.gcwaiting, 1u); /* find_runnable sees it sooner or later */
		for (int32_t i = 0; i < ps->n; i++)
			if (!rt__retake_syscall(ps->p[i], RT_P_GCSTOP))
				rt__preempt_one(ps->p[i]);
		if (!others_run(ps))
			return;
		rt__os_sleep(FREEZE_NS);
	}
}

/* ---- reports ---- */

/* Signals that report themselves stay: a fault inside a report is one. */
#define BIT(sig) (1ul << ((sig)-1))
#define SYNCHRONOUS                                                                                \
	(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS))

bool
rt__crash_begin(void)
{
	if (rt__load_rlx(&crash.turn) == rt__os_gettid()) {
		rt__eprint_collect(false);
		if (++crash.depth == 1) {
			rt__eprintf("panic during panic\n");
			return false;
		}
		if (crash.depth == 2)
			rt__eprintf("stack trace unavailable\n");
		rt__os_exit(crash.depth == 2 ? 4 : 5);
	}
	/* No handler of the program's runs any more, and a pipe without a reader does not kill. */
	rt__os_set_sigmask(~SYNCHRONOUS);
	take_turn();
	rt__clock_set(rt__nanotime()); /* for who reads the core file */
	rt__schedtrace_crash();
	freeze_the_world();
	return true;
}

void
rt__crash_print(enum rt__crash kind, const struct rt__where *at)
{
	enum rt__traceback setting = rt__traceback_level();
	struct rt__traceback_options o = {
		.details = kind >= RT_CRASH_THROW || setting >= RT_TRACEBACK_SYSTEM,
		.all = kind >= RT_CRASH_FATAL || setting >= RT_TRACEBACK_ALL,
		.idle = kind == RT_CRASH_SIGNAL,
	};

	if (setting == RT_TRACEBACK_NONE)
		return;
	const char *stopping = rt__load_acq(&rt__sched.stop_reason); /* pairs with world_take */
	if (stopping && crash.depth == 0)
		rt__eprintf("[the world is being stopped for %s]\n", stopping);
	/* In the scheduler, no goroutine is nearer than another. */
	o.all = crash.depth == 0 && (o.all || (!rt__getg() && rt__getm() != &rt__m_foreign));
	rt__traceback_first(at, &o);
	if (!o.all)
		return;
	if (rt__getm() != &rt__m_foreign)
		rt__eprint_collect(true);
	rt__traceback_others(at ? at->gp : NULL, &o);
	rt__eprint_collect(false);
}

void
rt__crash_end(void)
{
	leave();
	if (rt__traceback_level() == RT_TRACEBACK_CRASH)
		rt__os_die_of_signal(SIGABRT);
	rt__os_exit(2);
}

void
rt__crash_end_by(int sig)
{
	leave();
	rt__os_die_of_signal(sig);
}

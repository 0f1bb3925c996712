/* SPDX-License-Identifier: MIT */
/*
 * sched: floor 8. The scheduler: run queues, schedule, park and ready, Ms and Ps, stop the world.
 * This header is all that higher floors see of it; sched_priv.h is for the files beside it.
 */
#ifndef RT_SCHED_H
#define RT_SCHED_H

#include "proc/proc.h"
#include "sched/layout.h"
#include "sync/sync.h"

/* ---- boot ---- */

/* Makes the calling thread M 0; tid is its kernel thread id. */
void rt__m0_init(int32_t tid);
/* Numbers m, seeds its random state and links it into the list of all Ms. */
void rt__mcommoninit(struct rt__m *mp);
/* Changes the number of Ps; the world is stopped. Returns Ps with local work. */
struct rt__p *rt__procresize(int32_t n);
/* Queues a new goroutine; see rt_go. */
void rt__newproc(const struct rt__go_regs *regs);
/* The same for calls that pass only integers and pointers in registers (rt__go_words). */
void rt__newproc_words(const struct rt__go_regs *regs);
/* The same two for rt_wg_go. */
void rt__newproc_wg(struct rt__go_regs *regs);
void rt__newproc_wg_words(struct rt__go_regs *regs);
/* The same for rt_go_attr (rt__go_attr). */
void rt__newproc_attr(struct rt__go_regs *regs);
/* Starts a goroutine from g0: fn(arg), with the floating-point control and the call of who wanted
 * it. */
struct rt__go_later {
	void (*fn)(void *arg);
	void *arg;
	uint64_t fpctl;
	uintptr_t pc;
};
void rt__newproc_later(const struct rt__go_later *call);
/* Ends the calling goroutine, whose function has returned. */
RT_NORETURN void rt__goend(void);
/* Queues the main goroutine, on its own large stack. */
void rt__newproc_main(void (*fn)(void), struct rt__stack stack);
/* Runs the scheduler on this thread; does not return. */
RT_NORETURN void rt__mstart(void);
/* From now on newproc may start Ms; the first goroutine besides main also starts sysmon, which
 * RTDEBUG=schedtrace does at once. */
void rt__main_started(void);

/* ---- park and ready ---- */

/*
 * Parks the calling goroutine. Once it is off its stack and its status is waiting, unlock(gp, arg)
 * runs on g0: it releases what protects the wait queue, and only then can somebody ready gp.
 * If it returns false, gp runs on at once. NULL for nothing to release.
 */
typedef bool rt__unlock_fn(struct rt__g *gp, void *arg);

/* What rt__park_m, on g0, needs from rt__park; lives in the frame of the parking goroutine, which
 * is intact until unlock has run. */
struct rt__park_args {
	rt__unlock_fn *unlock;
	void *arg;
};
void rt__park_m(struct rt__g *gp);
RT_NORETURN void rt__park_in_handler(void);

/* Inline: behind a switch the CPU's stack of return addresses is of no use, so each return on the
 * way back to the program is mispredicted. This way there is one. */
static inline __attribute__((always_inline)) void
rt__park(rt__unlock_fn *unlock, void *arg, enum rt__wait_reason reason)
{
	struct rt__park_args args = {unlock, arg};
	struct rt__m *mp = rt__getm();
	struct rt__g *gp = mp->curg;

	if (rt__unlikely(!mp->p || mp->handler_sp))
		rt__park_in_handler();
	gp->wait_reason = reason;
	gp->link_arg = &args;
	rt__mcall(rt__park_m);
}

/* Makes a parked goroutine runnable, next on this P. Any thread may call it. */
void rt__ready(struct rt__g *gp);

/* ---- waits that more than one may end: see waiter.c ---- */

/* Of a goroutine, or of a foreign thread. Lies in the frame of who waits. */
struct rt__waiter {
	struct rt__g *gp; /* NULL: a foreign thread, which sleeps on the note */
	struct rt__note note;
	uint32_t claimed; /* (a) */
	int32_t outcome;  /* of who has claimed it: 0, or an errno */
	void *winner;     /* of who has claimed it: what has happened */
};

static inline void
rt__waiter_init(struct rt__waiter *w)
{
	w->gp = rt__getg();
	rt__note_clear(&w->note);
	w->claimed = 0;
	w->outcome = 0;
	w->winner = NULL;
}

/* True for one caller, which then sets the outcome and calls rt__waiter_wake. */
static inline bool
rt__waiter_claim(struct rt__waiter *w)
{
	/* Relaxed: what is published is so by the locks and by the wake-up. */
	return rt__load_rlx(&w->claimed) == 0 && rt__cas_rlx(&w->claimed, 0u, 1u);
}

/* For a foreign thread: foreign.c. */
void rt__waiter_sleep(struct rt__waiter *w, rt__unlock_fn *unlock, void *arg,
		      enum rt__wait_reason reason);

/* Parks the caller until it is woken; unlock as for rt__park (gp is NULL on a foreign thread). */
static inline __attribute__((always_inline)) void
rt__waiter_park(struct rt__waiter *w, rt__unlock_fn *unlock, void *arg, enum rt__wait_reason reason)
{
	if (rt__likely(w->gp != NULL))
		rt__park(unlock, arg, reason);
	else
		rt__waiter_sleep(w, unlock, arg, reason);
}

/* Ends the wait: who has claimed it does, and does not touch w after that. */
static inline void
rt__waiter_wake(struct rt__waiter *w)
{
	if (rt__likely(w->gp != NULL))
		rt__ready(w->gp);
	else
		rt__note_wakeup(&w->note);
}

/* Whether to wait actively for a little while: others run, and nobody waits for this P. */
bool rt__may_spin(void);

/*
 * Whether nobody can run at the same time as the caller: there is one P, and no thread of the
 * program's own. Then what a goroutine does in text of the runtime, until it parks and its unlock
 * function has run, is atomic, since nobody gets the P meanwhile, and locks of objects that only
 * goroutines use cost nothing. It becomes true with the world stopped, and false so, or before a
 * foreign thread is made, by who has the only P. Not for what signal handlers use.
 */
extern uint32_t rt__alone;
/* A foreign thread is about to exist; by a goroutine, or by another one. */
void rt__not_alone(void);

/* A random number below n: from the seed under RTDEBUG=schedseed. */
uint32_t rt__random_below(uint32_t n);

/*
 * For reports and debuggers: what a goroutine waits for. Whoever parks with an unlock function has
 * such a record for it:
 *
 *	const struct rt__wait_kind rt__wait_kind_sem = {
 *		RT_WAIT_KIND(unlock_queue, RT_ON_SEMAPHORE),
 *		.object = offsetof(struct sem_wait, s),
 *		.value = {RT_FIELD(rt_sem, rt_state), RT_FIELD(rt_sem, rt_size)},
 *	};
 *
 * boot/waits.c has the list of them all.
 */
#define RT_WAIT_KIND(unlock_, what_) .unlock = (uintptr_t)(unlock_), .what = (what_)
#define RT_FIELD(type, field)                                                                      \
	{                                                                                          \
		offsetof(type, field), sizeof(__typeof__(((type *)0)->field))                      \
	}
#define RT_WAIT_KINDS 16
/* Beside the record of what has no owner: a program that has it in it has sched/knows.c, too. */
#define RT_WAIT_WITHOUT_OWNER __asm__(".globl rt__explain_by_what_is_known")
extern const struct rt__wait_kind *const rt__wait_kinds[RT_WAIT_KINDS];

struct rt__wait_for {
	enum rt__wait_what what; /* RT_ON_NOTHING: that is not known, or there is nothing */
	uintptr_t object;
	uint64_t value[RT_WAIT_VALUES], own;
	uint64_t deadline; /* options that end the wait as well; 0: none */
	uintptr_t ctx;
};
/* False if gp does not wait any more. Reads its frames and what they lead to, as far as that is
 * there: for reports, which stop the others. */
bool rt__wait_of(const struct rt__g *gp, struct rt__wait_for *ret);
/* Who has locked the mutex, or NULL: nobody, no goroutine, or that cannot be told. */
const struct rt__g *rt__holder(const struct rt__wait_for *w);
/* "waits for ...", a line or more; nothing if that is not known. */
void rt__print_wait(const struct rt__g *gp);
/* Names goroutines that wait for each other: see cycle.c. everyone: nobody runs, nor will. */
void rt__explain_deadlock(bool everyone);

/* ---- timers: see timer_heap.c and timers.c ---- */

/*
 * Calls fn(t, now) once it is time, on g0, with a P: fn does not block,
 * and may ready and start goroutines and start timers, its own too. Lies anywhere. Calls for one
 * timer do not overlap, except that fn may run meanwhile.
 */
struct rt__timer {
	int64_t when; /* CLOCK_MONOTONIC, nanoseconds */
	void (*fn)(struct rt__timer *t, int64_t now);
	struct rt__timers *at; /* (a) the heap it was last put on */
	struct rt__m *runner;  /* (a) who has called fn last */
	uint32_t slot;         /* (a) */
};
void rt__timer_init(struct rt__timer *t, void (*fn)(struct rt__timer *t, int64_t now));
/* Starts one that is not pending; the clock says about `now`. Also on g0, from an unlock function,
 * and on any thread. */
void rt__timer_start(struct rt__timer *t, int64_t when, int64_t now);
/* Readies gp then, which has just parked: for an unlock function. Nobody takes that back. */
void rt__ready_at(struct rt__g *gp, int64_t when, int64_t now);
/* True: it was pending, and fn is not called. When it returns, fn does not run and will not, unless
 * fn itself is the caller. Not if fn may wait for what the caller holds. */
bool rt__timer_stop(struct rt__timer *t);
/* The same without waiting, for a timer that is started, by fn too, and stopped with a lock that fn
 * takes first: false if fn is about to take it for the last start. True for one that is nowhere. */
bool rt__timer_try_stop(struct rt__timer *t);

/* ---- signals that end main's sleep: see interrupt.c ---- */

/* On g0: the main goroutine waits with w, for a timer, which is started here, or for somebody who
 * ends its sleep with EINTR. And when it is awake again, before its frame goes. */
void rt__main_sleeps(struct rt__waiter *w, struct rt__timer *t, int64_t when, int64_t now);
void rt__main_awake(void);
/* A handler of the program's has run for the process. Async-signal-safe. */
void rt__interrupt_main(int sig);

/* ---- system calls that may block: see syscall.c ---- */

/*
 * Around a system call that may block, on the goroutine's stack, which must have a P: between the
 * two, the P may go to somebody else. pc, sp and bp are the caller's frame, for tracebacks: its
 * return address, its sp after the return, its rbp. blocks: the call is known to block.
 */
void rt__entersyscall(uintptr_t pc, uintptr_t sp, uintptr_t bp, bool blocks);
void rt__exitsyscall(void);

/*
 * Around a handler of the program's. In one, a goroutine keeps its thread and its P: the signal
 * mask is the thread's, and what was interrupted may be the scheduler itself. interrupted_sp: where
 * the stack was. Returns what leave needs. longjmp calls left_handler instead, where it has
 * arrived.
 */
struct rt__handler_frame {
	uintptr_t outer;
	void *tp, *tp_now; /* the register, and what the M took it for; tp NULL: not changed */
};
struct rt__handler_frame rt__enter_handler(uintptr_t interrupted_sp);
void rt__leave_handler(const struct rt__handler_frame *f);
void rt__left_handler(void) __attribute__((visibility("hidden")));

/* ---- plain_unlock.c: mutexes that are unlocked by a plain store ---- */

void rt__plain_unlock_init(void);
/*
 * The word of a mutex is `was`, of which rt__mutex_unlock may make 0 by a plain store. Puts
 * `forbidden` beside it, so that it does not, while it is still there when this returns: the caller
 * looks. `pending` is there meanwhile, and others wait until it is gone, or leave it where it is.
 * Takes a microsecond, and locks.
 */
void rt__plain_unlock_forbid(uint32_t *word, uint32_t was, uint32_t pending, uint32_t forbidden);
/* Whether to let it be unlocked plainly again: once in n times. */
bool rt__plain_unlock_again(uint32_t n);
/* Before a handler of the program's is called, with the context that it has interrupted. */
void rt__plain_unlock_rewind(void *context);

/* Whether the caller may give its P up: on a goroutine's stack, not in a handler. */
static inline bool
rt__may_park(const struct rt__m *mp)
{
	return mp->p && mp->handler_sp == 0 && rt__on_goroutine(mp);
}

/* ---- signal masks ---- */

/* The calling goroutine has changed its thread's mask from `old` to `mask`: it takes it along from
 * now on. No effect inside a signal handler, whose end restores the mask. */
void rt__note_sigmask(uint64_t old, uint64_t mask);

/* Starts sysmon if it does not run yet: while the program is one goroutine, nobody but that looks
 * at the clock. */
void rt__sysmon_ensure(void);
/* Whether there may be other goroutines. */
bool rt__has_others(void);

/* ---- fork: see fork.c ---- */

/* Before and after: in the parent, and in the child, on the thread that forked. */
void rt__fork_prepare(void);
void rt__fork_parent(void);
void rt__fork_child(void);

/* ---- defer.c ---- */

/* A call that was kept: makes it, and returns what it does, if that is an int. */
struct rt__deferred;
int rt__defer_call(const struct rt__deferred *d);
/*
 * Starts a goroutine that calls main(call, arg), where call is that of regs and lies on its stack.
 * It appears as one that was started with regs->fn. wg is told of its end.
 */
void rt__newproc_call(const struct rt__go_regs *regs,
		      void (*main)(const struct rt__deferred *call, void *arg), void *arg,
		      void *wg);

/* The main goroutine does nothing any more but wait for the futex that this returns to be 1: when
 * nothing else is left that could run. */
uint32_t *rt__main_leaves(void);

/* Runs all that the caller has deferred, and cleanup handlers: it ends. */
void rt__unwind_all(void);

/* ---- the rest ---- */

/* Runs fn(arg) on the M's own stack and thread pointer, for libc calls that walk the list of
 * threads. fn must not park, yield or use the caller's thread-locals. */
void rt__on_thread(void (*fn)(void *), void *arg);

/* Internal halves of rt_lock_os_thread: the runtime's own nesting. */
void rt__lock_os_thread(void);
void rt__unlock_os_thread(void);

/* A foreign thread is about to be made (or was not, after all); has ended; which may be a deadlock.
 */
void rt__foreign_began(void);
void rt__foreign_ended(void);

/* RTDEBUG=stackuse=1: prints how deep goroutines have gone. When the program exits. */
void rt__stackuse_print(void);

/* Calls fn for each goroutine ever made, dead ones too. */
void rt__for_each_g(void (*fn)(struct rt__g *gp, void *arg), void *arg);

/* rt__mem_check with the world stopped: heap_check.c. */
void rt__mem_check_stopped(void);

/* ---- panic.c, crash.c, traceback.c: how it ends ---- */

/* "panic: TEXT", where it happened, exit status 2. */
RT_NORETURN void rt__panic(const char *fmt, ...) RT_PRINTF(1, 2);
/* In a report of something else: the panics whose deferred calls were running. */
bool rt__print_panics_under_way(void);
/* The text of a fault's panic. */
const char *rt__fault_text(int sig, int code);
/* A fault of the program's that the running goroutine has on uc becomes a panic when the handler
 * returns: false if it cannot. addr: where it looked. */
bool rt__inject_fault(struct rt__ucontext *uc, int sig, int code, uintptr_t addr);
/* "fatal error: MSG" and all goroutines, exit status 2: the program's fault, unlike rt__throw. */
RT_NORETURN void rt__fatal(const char *msg);
/* The same for a deadlock: who waits for whom comes first, if it is known. */
RT_NORETURN void rt__fatal_deadlock(const char *msg);
/* The same for what the caller has done, on its own stack: its goroutine is the first. */
RT_NORETURN void rt__fatal_here(const char *msg);
/* "SIGABRT: abort", where it happened, and death by that signal. */
RT_NORETURN void rt__crash_abort(void);
/* From now on, there is an M to report on: throws show goroutines, too. */
void rt__crash_init(void);

/* What the environment asks for; rt_set_traceback can only ask for more. */
void rt__traceback_init(enum rt__traceback level);
enum rt__traceback rt__traceback_level(void);

/* A place in the code, and whose it is: NULL for what is no goroutine's. */
struct rt__where {
	const struct rt__g *gp;
	bool is_call;           /* the pc is a return address */
	struct rt__stack stack; /* where frames may be read */
	struct rt__context context;
};
/* A handler of the program may run on the first M's signal stack from now on. */
void rt__guard_signal_stack(void);
/* The bounds of the stack that sp is on, as far as they are known. */
struct rt__stack rt__stack_of_sp(uintptr_t sp);

/* The parts of a report, for those who print something of their own between; see crash.c. */
enum rt__crash {
	RT_CRASH_PANIC,  /* the goroutine that failed */
	RT_CRASH_FATAL,  /* all */
	RT_CRASH_THROW,  /* all, and what is the runtime's */
	RT_CRASH_SIGNAL, /* the same, for a signal that nobody expected */
};
bool rt__crash_begin(void);
void rt__crash_print(enum rt__crash kind, const struct rt__where *at);
RT_NORETURN void rt__crash_end(void);
RT_NORETURN void rt__crash_end_by(int sig);

/* Whether another thread is about to end the program; sleeps while it is. */
bool rt__crashing(void);
void rt__crash_wait(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Preemption. A goroutine loses its P when its slice of 10 ms is over and others wait; earlier,
 * when somebody is late: a goroutine that came back from a system call, or was readied from
 * outside, and found every P busy. P.preempt asks for it. The scheduler looks at it whenever a
 * goroutine comes by; one that does not is sent SIGURG.
 *
 * The handler, on a stack of its own, decides whether the goroutine can be stopped just there, and
 * if so puts a call in (arch/.../async.h), there or where it will come by. Three kinds:
 *
 * 1. In user text: the call parks the goroutine as runnable. Allowed if all of this holds:
 *    - It runs on its own stack, outside of system calls, with room for the call. Code of ours on
 *      g0, on a signal stack or on a stack that the program made itself is left alone.
 *    - No signal handler of the program is under it: the thread would keep the handler's mask.
 *      While one runs its signal is blocked, so the mask must be the one that the thread has.
 *    - No frame of libc is above it (further up the call chain). Such a frame may hold one of
 *      libc's locks, and who waits for these waits in the kernel, P and all: with one P, for
 *      ever, since the holder needs it to go on. Every live frame of libc has its return address
 *      on the stack, in a slot aligned to 8; so if no word from sp to the goroutine's first frame
 *      is an address in libc's text behind a call, there is none. (What is in libc and returned
 *      to without a call is the restorer of handlers, of which there is none above; a goroutine
 *      that starts in libc returns to rt__gostart.) That is the fast way, and wrong only to the
 *      safe side: a word left behind by an earlier call may look like one. Then the frames are
 *      unwound, and only an unwinding that is exact to the outermost frame, and meets no libc,
 *      counts. What it costs is bounded by the time that the goroutine has had: with a stack of
 *      megabytes, the answer is "not now" at first. The few functions of libc that call back and
 *      hold no lock, as qsort does, rt0.ld has put first in libc's text: the words begin behind
 *      them, and a comparator can be stopped, as can who waits in pthread_spin_lock. libc has no
 *      unwind tables, so there the fast way has to do.
 *    Frames of the runtime above user code hold nothing: it calls the program's functions from
 *    the outside only (a goroutine's start, main, initializers, exit, what is deferred).
 *
 * 2. At a system call instruction outside of the runtime: libc's own, such as the futex of a lock,
 *    or the program's. The kernel has interrupted the call, or it was not yet in it. The call put
 *    in is the system call, between entersyscall and exitsyscall, so that the P is free. This is
 *    what makes waiting for libc's locks safe at last: whoever holds one gets a P to let go of it.
 *    Not one that does not come back there, once: the return from a signal handler, which has its
 *    frame at the stack pointer, is one, and a handler that blocks no signals returns by it with
 *    the mask that the thread has.
 *
 * 3. Anywhere else, in the runtime, in libc, or in the kernel's code for the clock, as it comes
 * back to the program: the return address is replaced by rt__async_return, which makes the call of
 *    kind 1 and goes on where it should have. Whatever locks the call has taken, it has let go of
 *    by then; for what is above, the conditions of kind 1 hold. Without this, a loop of calls of
 *    malloc, memcpy or rt_send would never be stopped: an interrupt comes when the slowest
 *    instruction is done, and that is one of theirs.
 *    Which word of the stack it is says the unwinder: exactly, for the runtime; for libc by
 *    following its instructions, as well as it can. It may be wrong, since the new address does
 *    what the old one did, for whoever jumps there, but for the call in between, which keeps every
 *    register. A word that nobody returns by does no harm, and one of a frame further up is as
 *    good. (Functions that keep their own return address to jump there later would be harmed, and
 *    are left alone: own_return in rt0.ld.)
 *    The address is put back before anybody else may see the stack, or run on it: in rt__mcall, and
 *    as a system call begins. Until then our own unwinding has rt__true_return. A frame may have
 *    been left by a jump meanwhile: what is not rt__async_return any more is not put back.
 *
 * Otherwise nothing happens: P.preempt stays, and sysmon tries again, less and less often. A signal
 * that comes too late, when the goroutine has given its P up for a system call, is not to end that
 * with EINTR (rt__wait_on). Who starts goroutines in a loop looks at P.preempt itself.
 *
 * A goroutine that was stopped early comes next after the one it was stopped for, in what is left
 * of its slice: it has lost some microseconds, not its turn. One P is stopped early at most once
 * in a millisecond, so that those who are late cannot starve the others.
 *
 * Rejected: a place elsewhere for the frame of who has no room on its stack: it parks with that,
 * and what parks calls functions, which need the stack; to take its P and let it go on without:
 * malloc and the rest of the runtime use the P of who calls them, at any instruction.
 *
 * Rejected, too: to stop libc where it is, though nobody would wait for ever for its locks: who has
 * that of a FILE would keep it for a turn of all others, and each of those that want it its P for
 * 10 ms; compiled-in checks (not ours to compile); a table of the locks that each function of libc
 * holds as it calls back; timer_create for each thread, which costs a timer interrupt per slice
 * when nobody waits.
 */
#include <signal.h>

#include "sched/sched_priv.h"

#include "symtab/symtab.h"

#define EARLY_STOPS 10 /* ... so that many are a slice, and others of the P want their turn */
/* How much may be looked at, at first and for each nanosecond of the slice: some percent of it. */
#define SCAN_MIN (64l << 10) /* bytes */
#define NS_PER_BYTE 8
#define UNWIND_MIN 256 /* frames */
#define RETURNS_MAX 64 /* words that only look like return addresses */
#define NS_PER_FRAME 8192

#define VDSO_WORDS 64
#define RETURN_FRAMES 32 /* through which a way back to the program is looked for */

static bool enabled;

/* ---- asking ---- */

static void
signal_m(struct rt__m *mp)
{
	/* One at a time. The M may end or go on with something else meanwhile: the handler looks
	 * at what it finds, and a signal to nobody is an error to ignore. */
	if (mp && enabled && rt__cas_acqrel(&mp->urg_pending, 0u, 1u) &&
	    rt__os_tgkill(mp->tid, RT_SIGURG) < 0)
		rt__store_rlx(&mp->urg_pending, 0u);
}

void
rt__preempt_one(struct rt__p *pp)
{
	rt__store_rlx(&pp->preempt, true);
	signal_m(rt__load_rlx(&pp->m));
}

/* How long pp's slice has lasted at least; -1 if it runs nothing or may not be stopped yet. */
static int64_t
known_slice(const struct rt__p *pp, int64_t now)
{
	if (rt__load_rlx(&pp->status) != RT_P_RUNNING || now - pp->urgent_when < RT_URGENT_EVERY_NS)
		return -1;
	if (rt__load_rlx(&pp->sysmon_tick) != rt__load_rlx(&pp->sched_tick))
		return 0;
	return now - rt__load_rlx(&pp->sysmon_when);
}

bool
rt__preempt_longest(int64_t now)
{
	struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	struct rt__p *longest = NULL;
	int64_t most = -1;

	rt__lock(&rt__sched.lock);
	for (int32_t i = 0; i < ps->n; i++) {
		int64_t slice = known_slice(ps->p[i], now);

		if (slice > most) {
			most = slice;
			longest = ps->p[i];
		}
	}
	if (longest) {
		rt__store_rlx(&longest->urgent_when, now);
		rt__store_rlx(&longest->urgent, true);
	}
	rt__unlock(&rt__sched.lock);
	if (longest)
		rt__preempt_one(longest);
	return longest != NULL;
}

int64_t
rt__preempt_when(void)
{
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	int64_t first = RT_NEVER;

	for (int32_t i = 0; i < ps->n; i++) {
		int64_t when = rt__load_rlx(&ps->p[i]->urgent_when) + RT_URGENT_EVERY_NS;

		if (rt__load_rlx(&ps->p[i]->status) == RT_P_RUNNING && when < first)
			first = when;
	}
	return first;
}

bool
rt__preempt_for_timers(struct rt__p *pp, int64_t now)
{
	if (rt__load_rlx(&pp->status) != RT_P_RUNNING)
		return false;
	rt__lock(&rt__sched.lock);
	rt__store_rlx(&pp->urgent_when, now);
	rt__store_rlx(&pp->urgent, true);
	rt__unlock(&rt__sched.lock);
	rt__preempt_one(pp);
	return true;
}

/* A goroutine was put on the global queue while every P was busy. */
bool
rt__preempt_for_global(void)
{
	return rt__load_rlx(&rt__sched.stage) >= RT_STAGE_FULL &&
		rt__preempt_longest(rt__nanotime());
}

/* ---- deciding ---- */

static bool
has_mask(const struct rt__m *mp, const struct rt__ucontext *uc)
{
	return ((uc->sigmask ^ mp->sigmask) & ~RT_SIGSET_LIBC) == 0;
}

#define HIDDEN __attribute__((visibility("hidden")))
extern const char rt__text_rt0[] HIDDEN, rt__text_own_return_end[] HIDDEN;
extern const char rt__text_libc[] HIDDEN, rt__text_libc_pure_end[] HIDDEN;
extern const char rt__text_libc_end[] HIDDEN;

static bool
between(uintptr_t pc, const char *lo, const char *end)
{
	return pc - (uintptr_t)lo < (uintptr_t)end - (uintptr_t)lo;
}

/* A word in libc's text is looked at more closely: system calls leave the pc in rcx, whence it
 * comes into frames. Not for ever: decoding costs. */
static bool
libc_word_above(uintptr_t sp, uintptr_t top)
{
	const struct rt__code libc = {.lo = (uintptr_t)rt__text_libc_pure_end,
				      .hi = (uintptr_t)rt__text_libc_end};
	uintptr_t target;
	int left = RETURNS_MAX;

	for (const uintptr_t *w = (const uintptr_t *)sp; w < (const uintptr_t *)top; w++)
		if (rt__unlikely(*w - libc.lo < libc.hi - libc.lo) &&
		    (left-- == 0 || rt__is_return_address(&libc, *w, &target)))
			return true;
	return false;
}

static bool
unwinds_without_libc(struct rt__context c, bool is_call, struct rt__stack stack, int64_t max_frames)
{
	for (int64_t i = 0; i < max_frames; i++) {
		enum rt__step step = rt__unwind(&c, &is_call, stack);

		if (step == RT_STEP_OUTERMOST)
			return true;
		if (step != RT_STEP_EXACT || rt__text_of(c.reg[RT_REG_PC]) == RT_TEXT_LIBC)
			return false;
	}
	return false;
}

/* Above code of the program, which c is the context of. */
static bool
no_libc_frame(const struct rt__m *mp, const struct rt__context *c, bool is_call)
{
	struct rt__g *gp = mp->curg;
	uintptr_t top = (uintptr_t)rt__g_frames_top(gp), sp = c->reg[RT_REG_SP];
	int64_t ran = rt__nanotime() - rt__load_rlx(&mp->p->sysmon_when);

	if ((int64_t)(top - sp) > SCAN_MIN + ran / NS_PER_BYTE)
		return false;
	return !libc_word_above(sp, top) ||
		unwinds_without_libc(*c, is_call, gp->stack, UNWIND_MIN + ran / NS_PER_FRAME);
}

/* Whether the interrupted code is a goroutine's, and a call can be put in. */
static bool
can_inject(const struct rt__m *mp, const struct rt__ucontext *uc)
{
	const struct rt__g *gp = mp->curg;
	uintptr_t sp = rt__interrupted_sp(uc);

	return gp && mp->p && mp->handler_sp == 0 && rt__g_status(gp) == RT_G_RUNNING &&
		sp < gp->stack.hi && sp >= gp->stack.lo + rt__async_room() && sp % 8 == 0 &&
		has_mask(mp, uc);
}

/* ---- on the way back ---- */

/* The kernel's code for the clock, whose frames are small, and which libc calls: a word that only
 * looks like its return address leads to one that nobody returns by. */
static void
skip_vdso(struct rt__context *c, struct rt__stack stack)
{
	const struct rt__code libc = {.lo = (uintptr_t)rt__text_libc,
				      .hi = (uintptr_t)rt__text_libc_end};
	uintptr_t sp = c->reg[RT_REG_SP], target;

	for (int i = 0; i < VDSO_WORDS && stack.hi - sp > sizeof(uintptr_t); i++) {
		uintptr_t word = *(const uintptr_t *)sp;

		sp += sizeof word;
		if (rt__is_return_address(&libc, word, &target)) {
			c->reg[RT_REG_PC] = word;
			c->reg[RT_REG_SP] = sp;
			return;
		}
	}
}

/* From where the runtime or libc was interrupted to the code of the program that has called it:
 * where the return address lies; NULL if that is not known. */
static uintptr_t *
find_return(struct rt__m *mp, struct rt__context *c)
{
	uintptr_t sp = c->reg[RT_REG_SP], *slot;
	struct rt__stack stack = mp->curg->stack;
	bool is_call = rt__text_of(c->reg[RT_REG_PC]) == RT_TEXT_NONE;
	int frames = 0;

	if (between(c->reg[RT_REG_PC], rt__text_rt0, rt__text_own_return_end))
		return NULL; /* it may be about to put one back */
	rt__return_put_back(mp);
	if (is_call)
		skip_vdso(c, stack);
	do {
		enum rt__step step = rt__unwind(c, &is_call, stack);

		if ((step != RT_STEP_EXACT && step != RT_STEP_GUESS) || !is_call ||
		    ++frames > RETURN_FRAMES)
			return NULL;
	} while (rt__text_of(c->reg[RT_REG_PC]) != RT_TEXT_USER);
	slot = (uintptr_t *)c->reg[RT_REG_SP] - 1;
	return (uintptr_t)slot >= sp && (uintptr_t)slot < stack.hi && *slot == c->reg[RT_REG_PC]
		? slot
		: NULL;
}

/* Where it is, or as it returns. */
static void
stop(struct rt__m *mp, struct rt__ucontext *uc, bool in_place)
{
	uintptr_t *slot = NULL;
	struct rt__context c;

	rt__context_of_signal(&c, uc);
	if (!in_place && (slot = find_return(mp, &c)) == NULL)
		return;
	if (!no_libc_frame(mp, &c, !in_place))
		return;
	if (in_place) {
		rt__async_inject(uc, RT_ASYNC_PREEMPT, c.reg[RT_REG_PC]);
	} else {
		mp->return_pc = *slot;
		mp->return_slot = slot;
		*slot = (uintptr_t)rt__async_return;
	}
}

/* Whether the signal is ours, and not the program's; there is one of ours at a time. */
static bool
is_ours(struct rt__m *mp, const siginfo_t *info)
{
	return mp != &rt__m_foreign && info->si_code == SI_TKILL &&
		rt__xchg_acqrel(&mp->urg_pending, 0u) != 0;
}

static void
sigurg(int sig, void *info, void *context)
{
	struct rt__m *mp = rt__getm();
	struct rt__ucontext *uc = context;
	uintptr_t pc = rt__interrupted_pc(uc);
	enum rt__text text = rt__text_of(pc);

	if (!is_ours(mp, info)) {
		if (!rt__hooks.signal_chain(sig, info, context))
			rt__wait_on(uc); /* by default, the program ignores it */
		return;
	}
	rt__wait_on(uc);
	if (!can_inject(mp, uc) || !rt__load_rlx(&mp->p->preempt))
		return;
	if ((text == RT_TEXT_LIBC || text == RT_TEXT_USER) && rt__at_syscall(uc))
		rt__async_inject(uc, RT_ASYNC_SYSCALL, pc + RT_SYSCALL_SIZE);
	else
		stop(mp, uc,
		     text == RT_TEXT_USER || between(pc, rt__text_libc, rt__text_libc_pure_end));
}

/* ---- what was put in ---- */

static void
syscall_for(struct rt__async_frame *f)
{
	rt__entersyscall(f->pc, rt__async_sp(f), f->rbp, true);
	rt__async_syscall(f);
	rt__exitsyscall();
}

/*
 * On g0. Stopped early: behind the one it was stopped for. At the end of its slice: behind all on
 * this P. For a stop of the world: it is the first to go on, where its data is in the cache.
 */
static void
preempt_m(struct rt__g *gp)
{
	struct rt__m *mp = rt__getm();
	struct rt__p *pp = mp->p;

	if (rt__load_rlx(&pp->urgent) && ++pp->early_stops >= EARLY_STOPS)
		rt__store_rlx(&pp->urgent, false);
	bool first = rt__load_rlx(&pp->urgent) || rt__load_rlx(&rt__sched.gcwaiting);

	rt__g_set_status(gp, RT_G_RUNNING, RT_G_RUNNABLE);
	rt__dropg(mp);
	rt__runq_put_p(pp, gp, first);
	rt__schedule();
}

void
rt__preempt_self(void)
{
	rt__mcall(preempt_m);
}

void
rt__preempt_poll(void)
{
	if (rt__may_park(rt__getm()))
		rt__preempt_self();
}

/* It may have called the scheduler meanwhile, and been given another slice. */
static void
returned(void)
{
	if (rt__load_rlx(&rt__getm()->p->preempt))
		rt__preempt_poll();
}

void
rt__async_body(struct rt__async_frame *f)
{
	if (f->what == RT_ASYNC_SYSCALL)
		syscall_for(f);
	else if (f->what == RT_ASYNC_PREEMPT)
		rt__preempt_self();
	else if (f->what == RT_ASYNC_RETURN)
		returned();
	else
		rt__fault_panic(f);
}

/* ---- faults that become panics ---- */

#define PANIC_ROOM 8192 /* for rt__fault_panic and what it calls, but for deferred calls */

bool
rt__inject_fault(struct rt__ucontext *uc, int sig, int code, uintptr_t addr)
{
	struct rt__m *mp = rt__getm();
	struct rt__g *gp = mp->curg;
	uintptr_t sp = rt__interrupted_sp(uc);

	if (mp == &rt__m_foreign || !gp || !gp->panic_on_fault || mp->handler_sp != 0 ||
	    rt__g_status(gp) != RT_G_RUNNING || sp >= gp->stack.hi || sp % 8 != 0 ||
	    sp < gp->stack.lo + rt__async_room() + PANIC_ROOM || rt__crashing())
		return false;
	/* Larger than the others: no signal has such a number. */
	rt__async_inject(uc, addr << 12 | (uintptr_t)(uint8_t)code << 4 | (uintptr_t)sig,
			 rt__interrupted_pc(uc));
	return true;
}

/* ---- starting ---- */

/* On sysmon's thread, before it first asks anybody. */
void
rt__preempt_init(void)
{
	if (rt__debug.asyncpreemptoff)
		return;
	rt__async_init(rt__debug.no_xsave ? RT_FXSAVE : rt__debug.no_xsavec ? RT_XSAVE : RT_XSAVEC);
	rt__hooks.signal_take(RT_SIGURG, sigurg);
	enabled = true;
}

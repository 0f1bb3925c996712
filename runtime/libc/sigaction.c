/* SPDX-License-Identifier: MIT */
/*
 * sigaction, as a program sees it: the runtime's own handlers do not exist. For the signals that
 * it reports (signal/), the default action of this program is the report: it is what SIG_DFL sets,
 * and reads as SIG_DFL; whatever else the program sets is set. For a signal that the runtime uses
 * (SIGURG, for preemption), the program's action is kept here, and the runtime's handler passes
 * those on that are not its own.
 *
 * Ours are set through musl's __libc_sigaction, so that posix_spawn knows that they are handlers:
 * its child shares our memory and must not run them.
 *
 * A handler of the program is called through ours, which tells the scheduler (sched/syscall.c).
 *
 * signal is here too, since musl's calls its sigaction by another name.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <ucontext.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "mem/mem.h"
#include "os/os.h"
#include "sched/sched.h"
#include "signal/signal.h"
#include "sync/sync.h"

MUSL_HIDDEN int __libc_sigaction(int sig, const struct sigaction *sa, struct sigaction *old);
static void run_handler(const struct sigaction *sa, int sig, siginfo_t *info, void *uc);
static int install(int sig, const struct sigaction *sa, struct sigaction *old);
MUSL_HIDDEN int __sigaction(int sig, const struct sigaction *sa, struct sigaction *old);

/* Of the signal that the runtime uses itself. */
static struct {
	struct rt__lock lock; /* held with all signals blocked, since handlers take it, too */
	int sig;              /* 0: none yet */
	struct sigaction program;
} taken;

/* ---- signals with a report ---- */

/* Other signals wait; those that a report may raise itself do not: that is a report in a report.
 * SA_RESTART, since the program's calls must not learn of handlers that it does not know. */
static struct sigaction
reporting(void)
{
	struct sigaction sa = {.sa_sigaction = rt__report_signal,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER};

	__builtin_memset(&sa.sa_mask, -1, sizeof sa.sa_mask);
	for (const uint8_t *sig = rt__reported_signals; *sig; sig++)
		sigdelset(&sa.sa_mask, *sig);
	return sa;
}

void
rt__signals_init(void)
{
	struct sigaction ours = reporting(), old;

	rt__lock_rank(&taken.lock, RT_RANK_ACTION);
	for (const uint8_t *sig = rt__reported_signals; *sig; sig++) {
		__libc_sigaction(*sig, &ours, &old);
		if (old.sa_handler == SIG_IGN) /* our parent's wish, as for nohup */
			__libc_sigaction(*sig, &old, NULL);
	}
}

static bool
is_reported(int sig)
{
	for (const uint8_t *s = rt__reported_signals; *s; s++)
		if (*s == sig)
			return true;
	return false;
}

/* ---- the signal that the runtime uses itself ---- */

void
rt__signal_take(int sig, void (*handler)(int sig, void *info, void *uc))
{
	struct sigaction ours = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	uint64_t mask = rt__os_block_signals();

	ours.sa_sigaction = (void (*)(int, siginfo_t *, void *))(void *)handler;
	__builtin_memset(&ours.sa_mask, -1, sizeof ours.sa_mask);
	rt__lock(&taken.lock);
	__libc_sigaction(sig, &ours, &taken.program);
	taken.sig = sig;
	rt__unlock(&taken.lock);
	rt__os_set_sigmask(mask);
}

/* Sets the program's action for the signal and returns what it was; -1 as sigaction does. */
static int
exchange_taken(int sig, const struct sigaction *sa, struct sigaction *old)
{
	uint64_t mask = rt__os_block_signals();
	int r = 0;

	rt__lock(&taken.lock);
	if (sig == taken.sig) {
		*old = taken.program;
		if (sa)
			taken.program = *sa;
	} else {
		r = __sigaction(sig, sa, old);
	}
	rt__unlock(&taken.lock);
	rt__os_set_sigmask(mask);
	return r;
}

/*
 * With the mask that the program's handler would have, but on the signal stack, whether it asked
 * for that or not. On the goroutine's it could park, and the thread would run others, with our
 * frames still on the signal stack, where the next signal's go.
 */
bool
rt__signal_chain(int sig, void *info, void *context)
{
	static struct sigaction none; /* SIG_DFL; not const, as memory that no file is of */
	const ucontext_t *uc = context;
	struct sigaction sa;
	uint64_t mask, add;

	if (exchange_taken(sig, NULL, &sa) < 0 || sa.sa_handler == SIG_DFL ||
	    sa.sa_handler == SIG_IGN)
		return false;
	if (sa.sa_flags & SA_RESETHAND)
		exchange_taken(sig, &none, &sa);
	__builtin_memcpy(&mask, &uc->uc_sigmask, sizeof mask);
	__builtin_memcpy(&add, &sa.sa_mask, sizeof add);
	if (!(sa.sa_flags & SA_NODEFER))
		add |= 1ul << (sig - 1);
	uint64_t ours = rt__os_block_signals();
	rt__os_set_sigmask(mask | add);
	run_handler(&sa, sig, info, context);
	rt__os_set_sigmask(ours);
	return true;
}

/* ---- handlers of the program ---- */

/* What the program has set, by signal, if that is a handler; the kernel has call_handler then. */
static RT_COLD_BSS struct sigaction handlers[_NSIG];

static void
run_handler(const struct sigaction *sa, int sig, siginfo_t *info, void *uc)
{
	rt__plain_unlock_rewind(uc);
	if (sa->sa_flags & SA_SIGINFO)
		sa->sa_sigaction(sig, info, uc);
	else
		sa->sa_handler(sig);
}

/* By what the thread has just done, which it cannot go on from. */
static bool
is_fault(int sig, const siginfo_t *info)
{
	return info->si_code > 0 &&
		(sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL ||
		 sig == SIGTRAP || sig == SIGSYS);
}

static bool
is_for_process(int sig, const siginfo_t *info)
{
	return info->si_code != SI_TKILL && !is_fault(sig, info);
}

/* What it has interrupted holds locks that malloc, or fork, would wait for: it comes later. */
static bool
put_off(const struct sigaction *sa, int sig, siginfo_t *info, ucontext_t *uc)
{
	if (is_fault(sig, info) || !rt__heap_put_off(sig))
		return false;
	if (!rt__os_signal_again(sig, info))
		return false; /* too many are pending */
	sigaddset(&uc->uc_sigmask, sig);
	if (sa->sa_flags & SA_RESETHAND)
		install(sig, sa, NULL); /* again */
	return true;
}

static void
call_handler(int sig, siginfo_t *info, void *context)
{
	struct sigaction sa = handlers[sig];

	if (put_off(&sa, sig, info, context))
		return;
	if (rt__getm() == &rt__m_foreign) {
		rt__cache_hide();
		run_handler(&sa, sig, info, context);
		rt__cache_unhide();
		return;
	}
	struct rt__handler_frame f = rt__enter_handler(rt__interrupted_sp(context));
	run_handler(&sa, sig, info, context);
	rt__leave_handler(&f);
	if (is_for_process(sig, info))
		rt__interrupt_main(sig);
}

/* call_handler in place of a handler of the program's. */
static int
install(int sig, const struct sigaction *sa, struct sigaction *old)
{
	struct sigaction ours = *sa;

	ours.sa_flags |= SA_SIGINFO;
	ours.sa_sigaction = call_handler;
	return __sigaction(sig, &ours, old);
}

static bool
is_handler(const struct sigaction *sa)
{
	return sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN &&
		sa->sa_sigaction != rt__report_signal;
}

/* Sets the kernel's action for the program's, and says what the program's was. */
static int
exchange(int sig, const struct sigaction *sa, struct sigaction *old)
{
	struct sigaction was = {0};
	int r;

	if (sig > 0 && sig < _NSIG)
		was = handlers[sig];
	if (sa && sig > 0 && sig < _NSIG && is_handler(sa)) {
		handlers[sig] = *sa; /* before the kernel may call it */
		r = install(sig, sa, old);
	} else {
		r = __sigaction(sig, sa, old);
	}
	if (r == 0 && old->sa_sigaction == call_handler)
		*old = was;
	return r;
}

/* ---- what programs call ---- */

int
sigaction(int sig, const struct sigaction *restrict sa, struct sigaction *restrict old)
{
	struct sigaction is, was;
	int r;

	if (sa) {
		is = sa->sa_handler == SIG_DFL && is_reported(sig) ? reporting() : *sa;
		if (is_handler(sa))
			rt__guard_signal_stack();
	}
	if (sig == RT_SIGURG)
		r = exchange_taken(sig, sa ? &is : NULL, &was);
	else
		r = exchange(sig, sa ? &is : NULL, &was);
	if (r < 0)
		return r;
	if (was.sa_sigaction == rt__report_signal)
		was = (struct sigaction){.sa_handler = SIG_DFL};
	if (old)
		*old = was;
	return 0;
}

void (*signal(int sig, void (*handler)(int)))(int)
{
	struct sigaction old, sa = {.sa_handler = handler, .sa_flags = SA_RESTART};

	return sigaction(sig, &sa, &old) < 0 ? SIG_ERR : old.sa_handler;
}

void (*bsd_signal(int, void (*)(int)))(int) __attribute__((alias("signal")));
void (*__sysv_signal(int, void (*)(int)))(int) __attribute__((alias("signal")));

/* SPDX-License-Identifier: MIT */
/*
 * sigaltstack of a goroutine. To the kernel, a stack for handlers is a thread's, and a goroutine's
 * thread changes; and the runtime's own handlers need one, everywhere and at any time: one that is
 * too small for them, or none, would be overrun by the next preemption. So each thread of the
 * runtime keeps its own, which handlers of the program run on as well if they ask for it
 * (SA_ONSTACK). What the program sets is checked, kept with the goroutine, and told when it asks,
 * but not used.
 *
 * On a thread that the program has made itself, it is the kernel's: nothing of the runtime's but a
 * report runs there.
 *
 * Rejected: to change over to the program's stack for its handler. The kernel would begin the next
 * one at the top of ours, where the first one's frames are, or has to be told by two more calls
 * for each signal, and by who leaves a handler by longjmp.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "libc/libc.h"

#define AUTODISARM (1u << 31)

/* Of this goroutine; a new one has none, as POSIX has it for threads. */
static _Thread_local stack_t own;
static _Thread_local bool has_own;
static const stack_t no_stack = {.ss_flags = SS_DISABLE};

/* As libc has it: the kernel takes SS_ONSTACK for no flag. */
static int
check(const stack_t *ss)
{
	unsigned flags = (unsigned)ss->ss_flags & ~AUTODISARM;

	if (flags != 0 && flags != SS_DISABLE)
		return EINVAL;
	return flags == 0 && ss->ss_size < MINSIGSTKSZ ? ENOMEM : 0;
}

/* Of a goroutine, given what its thread has. */
static void
exchange(const stack_t *ss, stack_t *now)
{
	int on_it = now->ss_flags & SS_ONSTACK;

	if (has_own) {
		*now = own;
		now->ss_flags |= on_it;
	}
	if (ss) {
		own = ss->ss_flags & SS_DISABLE ? no_stack : *ss;
		has_own = true;
	}
}

int
sigaltstack(const stack_t *restrict ss, stack_t *restrict old)
{
	bool foreign = rt__getm() == &rt__m_foreign;
	int error = ss ? check(ss) : 0;
	stack_t now;

	if (!error && syscall(SYS_sigaltstack, foreign ? ss : NULL, &now) < 0)
		return -1;
	if (!error && !foreign && ss && (now.ss_flags & SS_ONSTACK))
		error = EPERM; /* asked for in a handler, on it */
	if (error) {
		errno = error;
		return -1;
	}
	if (!foreign)
		exchange(ss, &now);
	if (old)
		*old = now;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The calls of musl that hand the calling thread's own tid from struct pthread to the kernel. A
 * goroutine's tid is no kernel tid (tls.c), so these ask the kernel. Without them, raise and abort
 * would fail with ESRCH, and gettid would return a number that the kernel does not know. Those for
 * other threads: tid.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "os/os.h"
#include "sched/sched.h"

/* Blocks all signals and returns the old mask: between asking for the tid and using it, the
 * goroutine stays on its thread, but a handler could move it. */
static int
signal_this_thread(int sig)
{
	uint64_t old = rt__os_block_signals();
	long r = rt__syscall3(SYS_tkill, rt__os_gettid(), sig, 0);
	rt__os_set_sigmask(old);
	return (int)r;
}

int
raise(int sig)
{
	int r = signal_this_thread(sig);

	if (r < 0) {
		errno = -r;
		return -1;
	}
	return 0;
}

pid_t
gettid(void)
{
	return rt__os_gettid();
}

/*
 * By default, where it happened is printed before SIGABRT kills; not by its handler, which would
 * lie between in the core file. Nor if it is ignored: the program has said that it is no news.
 */
void
abort(void)
{
	struct sigaction sa;

	if (sigaction(SIGABRT, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
		rt__crash_abort();
	raise(SIGABRT);
	/* Blocked, ignored, or handled and returned: now it is not. */
	rt__os_die_of_signal(SIGABRT);
}

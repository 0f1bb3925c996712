/* SPDX-License-Identifier: MIT */
/*
 * What a report of a crash needs from the kernel: a look at memory that may not be there, and death
 * by a signal.
 */
#include <signal.h>

#include "os/os.h"
#include "os/sysnum.h"

#define NO_SUCH_HOW (-1)

/* rt_sigprocmask reads the new mask before it looks at what to do with it: EFAULT or EINVAL. */
bool
rt__os_readable(uintptr_t p)
{
	return rt__syscall6(SYS_rt_sigprocmask, NO_SUCH_HOW, (long)(p & ~7ul), 0, 8, 0, 0) !=
		-RT_EFAULT;
}

size_t
rt__os_readable_bytes(uintptr_t p, size_t max)
{
	uintptr_t end = p;

	while (end - p < max && rt__os_readable(end))
		end = (end | (rt__os.page_size - 1)) + 1;
	return end - p < max ? end - p : max;
}

void
rt__os_die_of_signal(int sig)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} dfl = {SIG_DFL, 0, NULL, 0};
	uint64_t mask = 1ul << (sig - 1);

	rt__syscall6(SYS_rt_sigaction, sig, (long)&dfl, 0, 8, 0, 0);
	rt__syscall3(SYS_tkill, rt__os_gettid(), sig, 0);
	rt__syscall6(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&mask, 0, 8, 0, 0);
	rt__os_exit(128 + sig); /* an init process: signals without a handler do not reach it */
}

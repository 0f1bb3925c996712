/* SPDX-License-Identifier: MIT */
/* Signal masks, signals to threads, and signals' names. */
#include <signal.h>

#include "os/os.h"
#include "os/sysnum.h"

static const char *const names[] = {
	[SIGQUIT] = "SIGQUIT: quit",
	[SIGILL] = "SIGILL: illegal instruction",
	[SIGTRAP] = "SIGTRAP: trace trap",
	[SIGABRT] = "SIGABRT: abort",
	[SIGBUS] = "SIGBUS: bus error",
	[SIGFPE] = "SIGFPE: floating-point exception",
	[SIGSEGV] = "SIGSEGV: segmentation violation",
	[SIGSYS] = "SIGSYS: bad system call",
};

const char *
rt__signal_name(int sig)
{
	return names[sig];
}

int
rt__os_tgkill(int tid, int sig)
{
	return (int)rt__syscall3(SYS_tgkill, rt__os_getpid(), tid, sig);
}

void
rt__os_set_sigmask(uint64_t mask)
{
	rt__syscall6(SYS_rt_sigprocmask, RT_SIG_SETMASK, (long)&mask, 0, 8, 0, 0);
}

uint64_t
rt__os_block_signals(void)
{
	uint64_t all = ~0ul, old = 0;

	rt__syscall6(SYS_rt_sigprocmask, RT_SIG_SETMASK, (long)&all, (long)&old, 8, 0, 0);
	return old;
}

void
rt__os_remove_sigmask(uint64_t less)
{
	rt__syscall6(SYS_rt_sigprocmask, RT_SIG_UNBLOCK, (long)&less, 0, 8, 0, 0);
}

bool
rt__os_signal_again(int sig, void *info)
{
	return rt__syscall6(SYS_rt_tgsigqueueinfo, rt__os_getpid(), rt__os_gettid(), sig,
			    (long)info, 0, 0) == 0;
}

uint64_t
rt__os_get_sigmask(void)
{
	uint64_t old = 0;

	rt__syscall6(SYS_rt_sigprocmask, RT_SIG_BLOCK, 0, (long)&old, 8, 0, 0);
	return old;
}

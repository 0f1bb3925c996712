/* SPDX-License-Identifier: MIT */
/* Signals, raw: handlers of the runtime do not go through libc, whose table is the program's. */
#include "os/os.h"
#include "os/sysnum.h"

void rt__sigreturn(void) __attribute__((visibility("hidden"))); /* switch.S */

int
rt__os_sigaction(int sig, rt__sighandler *fn, unsigned long flags, struct rt__ksigaction *old)
{
	struct rt__ksigaction sa = {
		.handler = (uintptr_t)fn,
		.flags = flags | RT_SA_SIGINFO | RT_SA_RESTORER,
		.restorer = (uintptr_t)rt__sigreturn,
		.mask = ~0ul,
	};

	return (int)rt__syscall6(SYS_rt_sigaction, sig, (long)&sa, (long)old, 8, 0, 0);
}

int
rt__os_sigaltstack(void *stack, size_t size)
{
	struct {
		void *sp;
		int flags;
		size_t size;
	} ss = {stack, stack ? 0 : RT_SS_DISABLE, size};

	return (int)rt__syscall3(SYS_sigaltstack, (long)&ss, 0, 0);
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

uint64_t
rt__os_get_sigmask(void)
{
	uint64_t old = 0;

	rt__syscall6(SYS_rt_sigprocmask, RT_SIG_BLOCK, 0, (long)&old, 8, 0, 0);
	return old;
}

/* SPDX-License-Identifier: MIT */
/*
 * pthread_sigmask, which sigprocmask and libc's own system() call too. The kernel's mask is the
 * thread's; a goroutine that moves to another thread takes its mask along (sched/m.c), so it must
 * be known. Setting one is a system call as before; a switch makes one only where masks differ.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "os/os.h"
#include "sched/sched.h"

/* Two that the kernel does not block, and the runtime's. */
#define BIT(sig) (1ul << ((sig)-1))
#define UNBLOCKABLE (BIT(SIGKILL) | BIT(SIGSTOP) | BIT(RT_SIGURG))

static uint64_t
changed(int how, uint64_t old, uint64_t set)
{
	switch (how) {
	case SIG_BLOCK:
		return old | set;
	case SIG_UNBLOCK:
		return old & ~set;
	default:
		return set;
	}
}

int
pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
	uint64_t bits = 0, was = 0;

	if (set && (unsigned)how > SIG_SETMASK)
		return EINVAL;
	if (set)
		__builtin_memcpy(&bits, set, sizeof bits);
	bits &= ~UNBLOCKABLE;
	long r = rt__syscall6(SYS_rt_sigprocmask, how, set ? (long)&bits : 0, (long)&was, 8, 0, 0);
	if (r < 0)
		return (int)-r;
	if (set)
		rt__note_sigmask(was, changed(how, was, bits));
	if (old) {
		was &= ~RT_SIGSET_LIBC;
		__builtin_memcpy(old, &was, sizeof was);
	}
	return 0;
}

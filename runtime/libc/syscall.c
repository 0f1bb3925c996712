/* SPDX-License-Identifier: MIT */
/*
 * __syscall_cp: what musl calls for every system call that POSIX makes a cancellation point, which
 * are those that block: read, write, accept, poll, nanosleep, waitpid, and the futex waits of
 * condition variables, semaphores and joins. Here a goroutine gives up its P for the time; one that
 * only sleeps needs no thread either (sleep.c).
 *
 * On other threads it is what it was, cancellation included. syscall(2), which is not cancelled,
 * comes this way too: programs wait on futexes with it.
 *
 * What musl does without this function, stdio's reads and writes and the futexes of its own locks,
 * is caught by preemption (sched/preempt.c) when it takes long and others wait.
 */
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "sched/sched.h"

/* There if the program uses pthread_cancel. */
MUSL_WEAK long __syscall_cp_c(long nr, long a, long b, long c, long d, long e, long f);
long __syscall_ret(unsigned long r);

/* Calls that are made to wait, with these arguments: their P is handed on before, not by sysmon
 * when it notices. */
static bool
waits(long nr, long b, long c, long d)
{
	switch (nr) {
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
	case SYS_wait4:
	case SYS_waitid:
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_rt_sigtimedwait:
		return true;
	case SYS_futex:
		return (b & 127) == 0 || (b & 127) == 9; /* FUTEX_WAIT, FUTEX_WAIT_BITSET */
	case SYS_poll:
		return c != 0;
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return d != 0;
	default:
		return false;
	}
}

static inline __attribute__((always_inline)) long
call(long nr, long a, long b, long c, long d, long e, long f)
{
	const uintptr_t *frame = __builtin_frame_address(0);

	rt__entersyscall((uintptr_t)__builtin_return_address(0), (uintptr_t)(frame + 2), frame[0],
			 waits(nr, b, c, d));
	long r = rt__syscall_waiting(nr, a, b, c, d, e, f);
	rt__exitsyscall();
	return r;
}

static inline bool
may_give_p(void)
{
	struct rt__m *mp = rt__getm();

	return mp->critical == 0 && rt__may_park(mp);
}

long
__syscall_cp(long nr, long a, long b, long c, long d, long e, long f)
{
	long r;

	if (rt__likely(may_give_p())) {
		if (rt__unlikely(nr == SYS_nanosleep || nr == SYS_clock_nanosleep) &&
		    rt__sleep_parked(nr, a, b, c, d, &r))
			return r;
		return call(nr, a, b, c, d, e, f);
	}
	if (rt__getm() == &rt__m_foreign && __syscall_cp_c)
		return __syscall_cp_c(nr, a, b, c, d, e, f);
	return rt__syscall6(nr, a, b, c, d, e, f);
}

long
syscall(long nr, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	long r = may_give_p() ? call(nr, a[0], a[1], a[2], a[3], a[4], a[5])
			      : rt__syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	return __syscall_ret((unsigned long)r);
}

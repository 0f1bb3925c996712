/* SPDX-License-Identifier: MIT */
/*
 * The calls of musl that hand the tid of another thread's struct pthread, or the caller's, to the
 * kernel: signals, affinity, scheduling parameters, clocks. A goroutine's is none that the kernel
 * knows (tls.c), or the first thread's, which main may have left. What they mean for a goroutine
 * is the thread that it has just now. That stays the same for one that is locked to it
 * (rt_lock_os_thread), and in a program without goroutines.
 *
 * A goroutine that waits has no thread. A signal for one is sent to the process: its handler runs,
 * and ends main's sleep, as one that comes from outside. Its end cannot race with this, as nothing
 * that has ended may be named here.
 *
 * Mutexes whose owners inherit priorities are the kernel's, which knows owners by their threads.
 * So they are refused, as by a kernel without them. (The owner's place would be taken by whatever
 * goroutine comes next there, and with it the priority.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <sys/syscall.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "os/os.h"
#include "sched/sched.h"

/* ---- threads by pthread_t ---- */

struct search {
	const void *tp;
	bool found;
	int32_t tid; /* 0: it has no thread now */
};

static void
compare(struct rt__g *gp, void *arg)
{
	struct search *s = arg;

	if (rt__load_rlx(&gp->tp) != s->tp)
		return;
	/* An M is never freed (sched/m.c): at worst, its thread runs another goroutine by now. */
	struct rt__m *mp = rt__load_rlx(&gp->m);
	s->found = true;
	s->tid = mp ? rt__load_rlx(&mp->tid) : 0;
}

static struct search
find(const struct musl_pthread *td)
{
	struct search s = {.tp = td};

	if (td->tid >= RT_GOROUTINE_TID || td->tid == rt__os_getpid()) /* main's */
		rt__for_each_g(compare, &s);
	return s;
}

/* The kernel's tid of the thread; 0: of the caller's own; -ESRCH: a goroutine without one. */
static int32_t
kernel_tid(pthread_t thread)
{
	const struct musl_pthread *td = (const struct musl_pthread *)thread;

	if (td == musl_self())
		return 0;
	struct search s = find(td);
	if (!s.found)
		return td->tid;
	return s.tid ? s.tid : -ESRCH;
}

/* ---- signals ---- */

static long
signal_goroutine(int32_t tid, int sig)
{
	/* Used by libc among threads that it has made itself, as for pthread_cancel. */
	if (sig > 0 && (RT_SIGSET_LIBC >> (sig - 1) & 1))
		return -ESRCH;
	if (tid)
		return rt__syscall3(SYS_tkill, tid, sig, 0);
	return rt__syscall3(SYS_kill, rt__os_getpid(), sig, 0);
}

int
pthread_kill(pthread_t thread, int sig)
{
	struct musl_pthread *td = (struct musl_pthread *)thread;
	uint64_t old = rt__os_block_signals(); /* between asking for a tid and using it */
	struct search s = find(td);
	long r;

	if (td == musl_self() && s.found) {
		r = rt__syscall3(SYS_tkill, rt__os_gettid(), sig, 0);
	} else if (s.found) {
		r = signal_goroutine(s.tid, sig);
	} else {
		__lock(td->killlock); /* it does not end meanwhile */
		r = td->tid ? rt__syscall3(SYS_tkill, td->tid, sig, 0) : 0;
		__unlock(td->killlock);
	}
	rt__os_set_sigmask(old);
	return (int)-r;
}

/* ---- affinity: one member of libc ---- */

static int
result(long r)
{
	if (r >= 0)
		return 0;
	errno = (int)-r;
	return -1;
}

static long
set_affinity(pid_t tid, size_t size, const cpu_set_t *set)
{
	return rt__syscall3(SYS_sched_setaffinity, tid, (long)size, (long)set);
}

static long
get_affinity(pid_t tid, size_t size, cpu_set_t *set)
{
	long r = rt__syscall3(SYS_sched_getaffinity, tid, (long)size, (long)set);

	if (r < 0)
		return r;
	if ((size_t)r < size)
		memset((char *)set + r, 0, size - (size_t)r);
	return 0;
}

int
sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *set)
{
	return result(set_affinity(tid, size, set));
}

int
sched_getaffinity(pid_t tid, size_t size, cpu_set_t *set)
{
	return result(get_affinity(tid, size, set));
}

int
pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *set)
{
	int32_t tid = kernel_tid(thread);

	return tid < 0 ? -tid : (int)-set_affinity(tid, size, set);
}

int
pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t *set)
{
	int32_t tid = kernel_tid(thread);

	return tid < 0 ? -tid : (int)-get_affinity(tid, size, set);
}

/* ---- scheduling, clocks ---- */

int
pthread_getschedparam(pthread_t thread, int *restrict policy, struct sched_param *restrict param)
{
	int32_t tid = kernel_tid(thread);

	if (tid < 0)
		return -tid;
	long r = rt__syscall3(SYS_sched_getparam, tid, (long)param, 0);
	if (r == 0)
		r = rt__syscall3(SYS_sched_getscheduler, tid, 0, 0);
	if (r < 0)
		return (int)-r;
	*policy = (int)r;
	return 0;
}

int
pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)
{
	int32_t tid = kernel_tid(thread);

	return tid < 0 ? -tid
		       : (int)-rt__syscall3(SYS_sched_setscheduler, tid, policy, (long)param);
}

int
pthread_setschedprio(pthread_t thread, int priority)
{
	int32_t tid = kernel_tid(thread);

	return tid < 0 ? -tid : (int)-rt__syscall3(SYS_sched_setparam, tid, (long)&priority, 0);
}

/* The kernel's name for "the CPU time of this thread": the tid's complement over two flags. */
int
pthread_getcpuclockid(pthread_t thread, clockid_t *clock)
{
	int32_t tid = kernel_tid(thread);

	if (tid < 0)
		return -tid;
	*clock = (clockid_t)(-(unsigned)(tid ? tid : rt__os_gettid()) - 1u) * 8 + 6;
	return 0;
}

int
pthread_mutexattr_setprotocol(pthread_mutexattr_t *attr, int protocol)
{
	(void)attr; /* has no other than this one */
	switch (protocol) {
	case PTHREAD_PRIO_NONE:
		return 0;
	case PTHREAD_PRIO_INHERIT:
	case PTHREAD_PRIO_PROTECT:
		return ENOTSUP;
	default:
		return EINVAL;
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * fork. As musl's: handlers of pthread_atfork run, and all locks of libc are held across, so that
 * the child finds none that is held by a thread which is not there. The differences:
 * - The locks that any goroutine may hold are taken before signals are blocked and the making of
 *   threads is inhibited, and not after: who holds one may need a P to go on, and a thread for it.
 * - The child's only thread is the M's, not the goroutine's struct pthread, and the scheduler's
 *   state is reset (sched/fork.c).
 *
 * vfork would let the child run in our memory while this thread waits, and take part in our
 * scheduling with its system calls: here it is fork, as POSIX allows. posix_spawn, system and popen
 * are libc's (clone.c).
 */
#include <errno.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "os/os.h"
#include "sched/sched.h"

extern MUSL_HIDDEN volatile int __abort_lock[1];
extern MUSL_HIDDEN volatile int __thread_list_lock;
MUSL_HIDDEN void __inhibit_ptc(void);
MUSL_HIDDEN void __release_ptc(void);
pid_t _Fork(void);

/* There if the program uses what they belong to. */
MUSL_WEAK void __aio_atfork(int);
MUSL_WEAK void __fork_handler(int);
MUSL_WEAK void __malloc_atfork(int);
MUSL_WEAK void __ldso_atfork(int);
MUSL_WEAK void __tl_lock(void);
MUSL_WEAK void __tl_unlock(void);
#define LOCKS(X)                                                                                   \
	X(at_quick_exit)                                                                           \
	X(atexit)                                                                                  \
	X(dlerror)                                                                                 \
	X(gettext) X(locale) X(random) X(sem_open) X(stdio_ofl) X(syslog) X(timezone) X(bump)
#define DECLARE(name) extern MUSL_WEAK volatile int *const __##name##_lockptr;
LOCKS(DECLARE)
extern MUSL_WEAK volatile int *const __vmlock_lockptr;
#define ADDRESS(name) &__##name##_lockptr,
static volatile int *const *const locks[] = {LOCKS(ADDRESS)};

static volatile int *
lock_at(size_t i)
{
	return locks[i] ? *locks[i] : NULL;
}

static void
call(void (*atfork)(int), int when)
{
	if (atfork)
		atfork(when);
}

/* What musl does to the struct pthread of the only thread: with that of the thread itself, and with
 * the goroutine's, if it is another one. */
static void
be_child(struct musl_pthread *td)
{
	if (td->tid < RT_GOROUTINE_TID)
		td->tid = rt__os_gettid();
	td->robust_list.off = 0;
	td->robust_list.pending = NULL;
}

static void
be_only_thread(struct musl_pthread *td)
{
	be_child(td);
	be_child(musl_self());
	td->next = td->prev = td;
	__thread_list_lock = 0;
	__libc.threads_minus_1 = 0;
	if (__libc.need_locks)
		__libc.need_locks = -1;
}

static void
in_child(void)
{
	struct rt__m *mp = rt__getm();

	be_only_thread(mp == &rt__m_foreign ? musl_self() : mp->tp);
	rt__fork_child();
}

static void
call_it(void *fn)
{
	((void (*)(void))fn)();
}

/* The part that is critical: signals blocked, no thread made meanwhile if threaded. */
static long
fork_now(bool threaded)
{
	unsigned long set[128 / sizeof(long)];

	__block_all_sigs(set);
	if (threaded) {
		__inhibit_ptc();
		/* The owner is known by its tid. It is never a goroutine's struct pthread, since
		 * main's has the same tid as that of the first thread. */
		if (__tl_lock)
			rt__on_thread(call_it, __tl_lock);
	}
	rt__fork_prepare();
	long pid = rt__syscall3(SYS_fork, 0, 0, 0);
	if (pid == 0)
		in_child();
	else
		rt__fork_parent();
	if (threaded) {
		if (__tl_unlock)
			rt__on_thread(call_it, __tl_unlock);
		__release_ptc();
	}
	__restore_sigs(set);
	return pid;
}

static pid_t
result(long pid)
{
	if (pid >= 0)
		return (pid_t)pid;
	errno = (int)-pid;
	return -1;
}

/* fork without handlers and most locks, for children that call async-signal-safe functions. */
pid_t
_Fork(void)
{
	call(__aio_atfork, -1);
	__lock(__abort_lock);
	long pid = fork_now(false);
	__unlock(__abort_lock);
	call(__aio_atfork, pid == 0);
	return result(pid);
}

static void
take_locks(void)
{
	call(__ldso_atfork, -1);
	for (size_t i = 0; i < RT_ARRAY_LEN(locks); i++)
		if (lock_at(i))
			__lock(lock_at(i));
	call(__malloc_atfork, -1);
}

static void
drop_locks(bool child)
{
	if (child && __vmlock_lockptr)
		__vmlock_lockptr[0] = __vmlock_lockptr[1] = 0;
	call(__malloc_atfork, child);
	for (size_t i = 0; i < RT_ARRAY_LEN(locks); i++) {
		if (lock_at(i) && child)
			*lock_at(i) = 0;
		else if (lock_at(i))
			__unlock(lock_at(i));
	}
	call(__ldso_atfork, child);
}

pid_t
fork(void)
{
	bool threaded = __libc.need_locks > 0;

	call(__fork_handler, -1);
	if (threaded)
		take_locks();
	call(__aio_atfork, -1);
	__lock(__abort_lock);
	long pid = fork_now(threaded);
	__unlock(__abort_lock);
	call(__aio_atfork, pid == 0);
	if (threaded)
		drop_locks(pid == 0);
	call(__fork_handler, pid == 0);
	return result(pid);
}

pid_t
vfork(void)
{
	return fork();
}

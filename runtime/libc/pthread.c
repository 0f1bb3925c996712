/* SPDX-License-Identifier: MIT */
/*
 * pthread_create and pthread_exit by the program. musl's links the new thread into the list of its
 * creator's struct pthread; a goroutine's is in no list (tls.c), so it runs on the thread's own.
 * What it starts is a foreign thread: it has no M, and finds rt__m_foreign in place of one
 * (clone.c).
 *
 * It has a stack for signal handlers, so that the overflow of its own is reported; where there is
 * no memory for that, it goes without.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>
#include <sys/syscall.h>

#include <rt/rt.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "mem/mem.h"
#include "os/os.h"
#include "sched/sched.h"

int __pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
RT_NORETURN void __pthread_exit(void *);

struct foreign {
	void *(*fn)(void *);
	int (*c11_fn)(void *);
	void *arg;
};

struct create_args {
	pthread_t *thread;
	const pthread_attr_t *attr;
	struct foreign *f;
	int error;
};

static void *
signal_stack(void)
{
	size_t size = rt__os_signal_stack_size();
	void *stack = rt__os_signal_stack_new(size);

	if (stack)
		rt__os_sigaltstack(stack, size);
	return stack;
}

static void
foreign_ended(void *stack)
{
	if (stack)
		rt__os_signal_stack_end(stack, rt__os_signal_stack_size());
	rt__cache_leave();
	rt__foreign_ended();
}

static void *
foreign_main(void *arg)
{
	struct foreign f = *(struct foreign *)arg;
	void *result;

	musl_self()->sysinfo = 0; /* libc copies its creator's: that has deferred what it has */
	free(arg);
	pthread_cleanup_push(foreign_ended, signal_stack());
	result = f.c11_fn ? (void *)(intptr_t)f.c11_fn(f.arg) : f.fn(f.arg);
	pthread_cleanup_pop(1);
	return result;
}

static void
create_on_thread(void *p)
{
	struct create_args *a = p;

	a->error = __pthread_create(a->thread, a->attr, foreign_main, a->f);
}

static int
create(pthread_t *thread, const pthread_attr_t *attr, struct foreign f)
{
	struct create_args a = {thread, attr, malloc(sizeof f), 0};

	if (!a.f)
		return EAGAIN;
	*a.f = f;
	rt__not_alone();
	rt__foreign_began(); /* before it runs: from then on, it may ready goroutines */
	rt__on_thread(create_on_thread, &a);
	if (a.error) {
		rt__foreign_ended();
		free(a.f);
	}
	return a.error;
}

int
pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr, void *(*fn)(void *),
	       void *restrict arg)
{
	return create(thread, attr, (struct foreign){fn, NULL, arg});
}

int
thrd_create(thrd_t *thread, thrd_start_t fn, void *arg)
{
	int e = create(thread, NULL, (struct foreign){NULL, fn, arg});

	return e == 0 ? thrd_success : e == EAGAIN ? thrd_nomem : thrd_error;
}

/* There if the program uses thread-specific data. */
MUSL_WEAK void __pthread_tsd_run_dtors(void);

/*
 * POSIX has the process go on without main, and end, with status 0, with its last thread: here, its
 * last goroutine or thread. Main's stack and thread-locals stay, as others may use them. (For
 * rt_goexit, which is Go's, that end is a deadlock.)
 */
static RT_NORETURN void
end_main(void)
{
	rt__unwind_all();
	if (__pthread_tsd_run_dtors)
		__pthread_tsd_run_dtors();
	uint32_t *last = rt__main_leaves();
	while (!rt__load_acq(last))
		__syscall_cp(SYS_futex, (long)last, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
	exit(0);
}

/* On another goroutine, its end; handlers and destructors run on the way (tls.c). */
void
pthread_exit(void *result)
{
	if (rt_goid() == 1)
		end_main();
	if (rt__getg())
		rt_goexit();
	rt__unwind_all();
	__pthread_exit(result);
}

void
thrd_exit(int result)
{
	pthread_exit((void *)(intptr_t)result);
}

/* SPDX-License-Identifier: MIT */
/*
 * The threads behind Ms, made with pthread_create, so that musl knows them: malloc and stdio lock
 * only once it has seen a second thread, and setuid signals every thread in its list.
 */
#include <pthread.h>

#include "libc/libc.h"

#include "libc/musl.h"

int __pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
RT_NORETURN void __pthread_exit(void *);

/* For a thread whose frames are known and small, and that runs no handler of the program: in .bss,
 * which saves three system calls at the start of each program. */
#define SMALL_STACK 16384
static _Alignas(64) RT_COLD_BSS char small_stack[SMALL_STACK];

/* Called with the thread's own pointer in place (rt__on_thread). The program's signals are
 * blocked in the new thread until it says otherwise: a handler would find neither an M there, nor,
 * on a small stack, room. */
int
rt__thread_start(void *(*fn)(void *), void *arg, bool small)
{
	unsigned long set[128 / sizeof(long)];
	pthread_attr_t attr;
	pthread_t thread;

	__block_app_sigs(set); /* not libc's own: setuid on another thread may want this one now */
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (small)
		pthread_attr_setstack(&attr, small_stack, sizeof small_stack);
	int error = __pthread_create(&thread, &attr, fn, arg);
	__restore_sigs(set);
	return error;
}

void
rt__thread_exit(void)
{
	__pthread_exit(NULL);
}

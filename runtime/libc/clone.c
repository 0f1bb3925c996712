/* SPDX-License-Identifier: MIT */
/*
 * __clone, through which musl makes threads, and the children of posix_spawn, system and popen. Of
 * these the caller waits (CLONE_VFORK) while the child runs in our memory until it becomes another
 * program: with the caller's M and thread pointer. The child must not be taken for the goroutine
 * that it was made by: its system calls would give away the P, and come back on any thread. So
 * the M has no P meanwhile, as far as it knows, and system calls without one are plain. The P is
 * not offered to others: the caller has all signals blocked and a lock of libc's held.
 *
 * A thread inherits the register that leads to its creator's M. Before it does anything else, and
 * musl unblocks the signals that it has blocked across the call, it becomes one without an M; one
 * that is to be an M gets its own later (sched/m.c). Otherwise a handler would take its thread for
 * the goroutine that was the creator, and change what is that one's.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdarg.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "mem/mem.h"
#include "sched/sched.h"

MUSL_HIDDEN int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);

struct thread {
	int (*fn)(void *);
	void *arg;
};

static int
thread_begin(void *arg)
{
	const struct thread *t = arg;

	rt__setm_raw(&rt__m_foreign);
	return t->fn(t->arg);
}

static long
clone_thread(struct thread t, void *stack, int flags, int *ptid, void *tls, int *ctid)
{
	struct thread *at = (struct thread *)(((uintptr_t)stack & ~15ul) - sizeof *at);

	*at = t;
	return rt__clone(thread_begin, at, flags, at, ptid, tls, ctid);
}

int
__clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	struct rt__m *mp = rt__getm();
	struct rt__p *pp = mp->p;
	va_list ap;

	va_start(ap, arg);
	int *ptid = va_arg(ap, int *);
	void *tls = va_arg(ap, void *);
	int *ctid = va_arg(ap, int *);
	va_end(ap);
	if (flags & CLONE_THREAD)
		return (int)clone_thread((struct thread){fn, arg}, stack, flags, ptid, tls, ctid);
	if (flags & CLONE_VFORK)
		mp->p = NULL, mp->cache = &rt__cache_none;
	long r = rt__clone(fn, stack, flags, arg, ptid, tls, ctid);
	if (flags & CLONE_VFORK)
		mp->p = pp;
	return (int)r;
}

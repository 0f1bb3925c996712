/* SPDX-License-Identifier: MIT */
/*
 * __clone, through which musl makes threads, and the children of posix_spawn, system and popen. Of
 * these the caller waits (CLONE_VFORK) while the child runs in our memory until it becomes another
 * program: with the caller's M and thread pointer. The child must not be taken for the goroutine
 * that it was made by: its system calls would give away the P, and come back on any thread. So
 * the M has no P meanwhile, as far as it knows, and system calls without one are plain. The P is
 * not offered to others: the caller has all signals blocked and a lock of libc's held.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdarg.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "mem/mem.h"
#include "sched/sched.h"

MUSL_HIDDEN int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);

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
	if (flags & CLONE_VFORK)
		mp->p = NULL, mp->cache = &rt__cache_none;
	long r = rt__clone(fn, stack, flags, arg, ptid, tls, ctid);
	if (flags & CLONE_VFORK)
		mp->p = pp;
	return (int)r;
}

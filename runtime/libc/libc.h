/* SPDX-License-Identifier: MIT */
/*
 * libc: floor 11, the seam to musl. Each override of a libc symbol is in a file named after the
 * area of musl that it replaces; each says what would break without it.
 */
#ifndef RT_LIBC_H
#define RT_LIBC_H

#include "proc/proc.h"

/* Compares musl's private data with what the kernel told us; ends the program if they differ. */
void rt__libc_check(const unsigned long *auxv, size_t page_size);

/* The kernel's thread id of the first thread, as libc has noted it. */
int32_t rt__libc_first_tid(void);

/* tls.c: a goroutine as musl sees it, a thread with a struct pthread of its own. See rt__hooks. */
size_t rt__tls_size(void);
void *rt__tls_make(void *mem, uint32_t number, struct rt__stack stack);
void rt__tls_unwind(void *tp, const void *until);
struct rt__stack rt__thread_stack(void *tp);
/* The tids in these, but for main's, are from here on: the kernel's are below. */
#define RT_GOROUTINE_TID 0x400000
void rt__tls_finish(void *tp);

/* sleep.c: parks the calling goroutine in place of a system call that sleeps, with its first four
 * arguments: *ret is the result. False: it is for the kernel. */
bool rt__sleep_parked(long nr, long a, long b, long c, long d, long *ret);

/* thread.c: see rt__hooks. */
int rt__thread_start(void *(*fn)(void *), void *arg, bool small);
void rt__thread_exit(void);

/* ctors.c: the bodies of the package c.ctors. Constructors get argc, argv and envp, which musl
 * does not give them but glibc does; destructors run from exit, after atexit handlers. */
void rt__run_ctors(void);
void rt__run_dtors(void);

/* sigaction.c: sets the handlers of signal/. */
void rt__signals_init(void);
/* See rt__hooks. */
void rt__signal_take(int sig, void (*handler)(int sig, void *info, void *uc));
bool rt__signal_chain(int sig, void *info, void *uc);

#endif

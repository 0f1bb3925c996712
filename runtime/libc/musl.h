/* SPDX-License-Identifier: MIT */
/*
 * What we know of the inside of musl 1.2.3 to 1.2.6: the layout of struct pthread and of __libc is
 * the same in all of them. rt__libc_check compares both with what the kernel told us, at each
 * start, so that a libc with another layout is a clear message and no corruption.
 *
 * All of these are hidden in libc.a, which does not keep a static link from using them.
 */
#ifndef RT_LIBC_MUSL_H
#define RT_LIBC_MUSL_H

#include <stddef.h>
#include <stdint.h>

#include "arch/arch.h"

#define MUSL_HIDDEN __attribute__((visibility("hidden")))
#define MUSL_WEAK __attribute__((weak, visibility("hidden")))

struct musl_cleanup {
	void (*fn)(void *);
	void *arg;
	struct musl_cleanup *next;
};

struct musl_pthread {
	struct musl_pthread *self;
	uintptr_t *dtv;
	struct musl_pthread *prev, *next;
	uintptr_t sysinfo;
	uintptr_t canary;
	int tid;
	int errno_val;
	int detach_state;
	int cancel;
	unsigned char canceldisable, cancelasync;
	unsigned char tsd_used : 1;
	unsigned char dlerror_flag : 1;
	unsigned char *map_base;
	size_t map_size;
	void *stack;
	size_t stack_size;
	size_t guard_size;
	void *result;
	struct musl_cleanup *cancelbuf;
	void **tsd;
	struct {
		volatile void *volatile head;
		long off;
		volatile void *volatile pending;
	} robust_list;
	int h_errno_val;
	int timer_id;
	void *locale;
	int killlock[1];
	char *dlerror_buf;
	void *stdio_locks;
};
_Static_assert(sizeof(struct musl_pthread) == 200, "struct pthread of musl 1.2, x86-64");
_Static_assert(offsetof(struct musl_pthread, canary) == 40, "%fs:0x28 is the compiler's");
_Static_assert(offsetof(struct musl_pthread, sysinfo) == RT_TP_UNWIND, "arch offsets");
_Static_assert(offsetof(struct musl_pthread, cancelbuf) == RT_TP_CLEANUPS, "arch offsets");
_Static_assert(offsetof(struct musl_pthread, tsd) == 128, "struct pthread of musl 1.2, x86-64");

#define FUTEX_WAIT_PRIVATE 128 /* musl has no kernel headers */

enum { MUSL_JOINABLE = 2, MUSL_DETACHED = 3 };

struct musl_tls_module {
	struct musl_tls_module *next;
	void *image;
	size_t len, size, align, offset;
};

struct musl_libc {
	char can_do_threads;
	char threaded;
	char secure;
	volatile signed char need_locks;
	int threads_minus_1;
	size_t *auxv;
	struct musl_tls_module *tls_head;
	size_t tls_size, tls_align, tls_cnt;
	size_t page_size;
	const void *global_locale[6];
};
_Static_assert(sizeof(struct musl_libc) == 104, "struct __libc of musl 1.2, 64-bit");

extern MUSL_HIDDEN struct musl_libc __libc;
extern MUSL_HIDDEN volatile size_t __pthread_tsd_size;

MUSL_HIDDEN void *__copy_tls(unsigned char *mem);

/* Ours now (lock.c, syscall.c), under libc's names. */
MUSL_HIDDEN void __block_all_sigs(void *set);
MUSL_HIDDEN void __block_app_sigs(void *set);
MUSL_HIDDEN void __restore_sigs(void *set);
MUSL_HIDDEN void __lock(volatile int *l);
MUSL_HIDDEN void __unlock(volatile int *l);
MUSL_HIDDEN long __syscall_cp(long nr, long a, long b, long c, long d, long e, long f);

static inline struct musl_pthread *
musl_self(void)
{
	return rt__get_tp(); /* on x86-64; other CPUs have it below the thread pointer */
}

#endif

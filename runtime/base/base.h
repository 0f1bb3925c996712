/* SPDX-License-Identifier: MIT */
/*
 * base: floor 0. What every other floor may use: attributes, atomics, printing without libc, the
 * ways to die, and the settings of RTDEBUG. Needs no thread pointer, no libc, no locks.
 */
#ifndef RT_BASE_H
#define RT_BASE_H

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

#define RT_NORETURN __attribute__((noreturn))
#define RT_NOINLINE __attribute__((noinline))
#define RT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define rt__likely(x) __builtin_expect(!!(x), 1)
#define rt__unlikely(x) __builtin_expect(!!(x), 0)

/* Behind a last call that may wait: it is not made a jump, and a traceback shows who called. */
#define rt__stay() __asm__ volatile("" : : : "memory")

#define RT_CACHE_LINE 64
/* Large zeroed data behind all other (rt0.ld), so that the small variables share their pages. */
#define RT_COLD_BSS __attribute__((section(".bss.rt0_cold")))
#define RT_ALIGN_UP(n, a) (((n) + (a)-1) & ~((uintptr_t)(a)-1))
#define RT_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The words of sync/'s locks and notes: here, since structs of lower floors contain them. */
struct rt__lock {
	uint32_t state; /* 0 free, 1 held, 2 held and perhaps waited for */
};

struct rt__note {
	uint32_t fired; /* 0 no, 1 yes, 2 no, and perhaps somebody sleeps */
};

/*
 * Formats like printf into buf and returns the length that the whole text has; the text is cut
 * to size - 1 bytes and always terminated. Knows %s %c %d %i %u %x %p %% with l, ll, z and, for
 * numbers, a width with zero padding; touches no errno and no locale, so the scheduler and signal
 * handlers may call it.
 */
size_t rt__format(char *buf, size_t size, const char *fmt, ...) RT_PRINTF(3, 4);
size_t rt__vformat(char *buf, size_t size, const char *fmt, va_list ap);

/* Prints to stderr with one write(2), at most 1 KiB of text. Defined in os/. */
void rt__eprintf(const char *fmt, ...) RT_PRINTF(1, 2);
void rt__eprint(const char *s, size_t n);

/* A broken invariant of the runtime: "fatal error: MSG" and exit status 2, as Go's throw. */
RT_NORETURN void rt__throw(const char *msg);

/* The environment is too small to start (no address space, no threads): MSG and exit status 1. */
RT_NORETURN void rt__die_at_boot(const char *fmt, ...) RT_PRINTF(1, 2);

/* No address space for `what`, of so many bytes: as rt__die_at_boot while the program starts, as
 * rt__throw afterwards. */
RT_NORETURN void rt__out_of_memory(const char *what, size_t size);

/* Hot paths check invariants in debug builds only. */
#ifdef RT_DEBUG
#define rt__assert(cond) ((cond) ? (void)0 : rt__throw("assertion failed: " #cond))
#else
#define rt__assert(cond) ((void)0)
#endif

/*
 * RTDEBUG=key=value,... as Go's GODEBUG: comma-separated, the last of a key wins. What is wrong
 * in it (unknown keys, values that are no number) is handed to `complain`, one call per item.
 */
struct rt__debug {
	int inittrace;       /* print a line for each package that was initialized */
	int no_fsgsbase;     /* switch thread pointers by system call, as before Linux 5.9 */
	int asyncpreemptoff; /* preempt only where goroutines call the runtime */
	int no_xsave;        /* save vector state as on CPUs without XSAVE: SSE only */
	int no_xsavec;       /* ... without XSAVEC */
	int minsigstksz;     /* signal frames of at least so many bytes, as on larger CPUs */
	int preemptstress;   /* preempt at random, so many microseconds apart on average */
	int no_membarrier;   /* unlock mutexes by compare-and-swap, as before Linux 4.14 */
	int no_guard;        /* stack guards by mprotect, as before Linux 6.13 */
	int stackuse;        /* measure how deep goroutines go, and print it at exit */
	int schedtrace;      /* print the scheduler's state every so many milliseconds */
	int scheddetail;     /* ... with a line for each P, M and G */
	int memprofilerate;  /* bytes between samples of the heap profile, if one is taken */
	int schedseed;       /* choose who runs next at random, from this seed */
	int malloc;          /* look for misuse: RT_MALLOC_HARD, or 1 of so many allocations */
};
#define RT_MALLOC_HARD (-1)
#define RT_MALLOC_SAMPLE 5000 /* unless it is said */
extern struct rt__debug rt__debug;

typedef void rt__complain_fn(const char *item, size_t len, const char *why);
void rt__debug_parse(struct rt__debug *d, const char *text, rt__complain_fn *complain);

/* RTTRACEBACK, what reports show: nothing; the goroutine that failed; all; with what is the
 * runtime's; and SIGABRT at the end. False if the text is none of them. */
enum rt__traceback {
	RT_TRACEBACK_NONE,
	RT_TRACEBACK_SINGLE,
	RT_TRACEBACK_ALL,
	RT_TRACEBACK_SYSTEM,
	RT_TRACEBACK_CRASH,
};
bool rt__traceback_parse(const char *text, enum rt__traceback *ret);

/* Parses a decimal number that fills len bytes; false when it is none or does not fit int32_t. */
bool rt__parse_int32(const char *s, size_t len, int32_t *ret);

size_t rt__strlen(const char *s);
int rt__strcmp(const char *a, const char *b);

#endif

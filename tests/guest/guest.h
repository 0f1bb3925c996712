/* SPDX-License-Identifier: MIT */
/*
 * What guest programs share. A guest is a small program on rt0 with several cases; its first
 * argument names the one to run, so that a test is one line in its driver (tests/e2e/) and one
 * function here.
 */
#ifndef GUEST_H
#define GUEST_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rt/rt.h>

#define GUEST_LEN(a) (sizeof(a) / sizeof *(a))
#define MIB (1ul << 20)

void rt__mem_check(void); /* mem/mem.h: of every block and table of the heap */

struct guest_case {
	const char *name;
	int (*fn)(int argc, char **argv); /* arguments after the name; the exit status */
};

/* Ends the program with status 3, which no runtime message has, if cond does not hold. */
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: goroutine %lu: not so: %s\n", __FILE__, __LINE__,  \
				(unsigned long)rt_goid(), #cond);                                  \
			_Exit(3);                                                                  \
		}                                                                                  \
	} while (0)

/* Loads and stores of variables that goroutines share. */
#define GET(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define SET(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_ACQ_REL)

/* Lets other goroutines run until cond holds. The driver's deadline ends it if it never does. */
#define YIELD_UNTIL(cond)                                                                          \
	do {                                                                                       \
		while (!(cond))                                                                    \
			rt_gosched();                                                              \
	} while (0)

#define MS 1000000 /* nanoseconds */

static inline int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* How a case ends that has found nothing wrong: what the driver's guest_ok wants. */
static inline int
ok(void)
{
	puts("ok");
	return 0;
}

/* One of a hundred moments between now and some 100 us from now; at times, in the past. */
static inline rt_time
soon(unsigned *seed)
{
	return rt_now() + rand_r(seed) % 100 * 1000 - 5000;
}

/* A foreign thread that runs fn(arg). */
static inline pthread_t
foreign_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, fn, arg) == 0);
	return t;
}

/* Whether n bytes are all c. */
static inline bool
holds(const unsigned char *p, size_t n, unsigned char c)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != c)
			return false;
	return true;
}

/* A case's only argument. */
static inline int
number(int argc, char **argv, int fallback)
{
	return argc > 0 ? atoi(argv[0]) : fallback;
}

static inline int
guest_main(const struct guest_case *cases, size_t n, int argc, char **argv)
{
	for (size_t i = 0; i < n; i++)
		if (argc > 1 && strcmp(argv[1], cases[i].name) == 0)
			return cases[i].fn(argc - 2, argv + 2);
	fprintf(stderr, "no such case: %s\n", argc > 1 ? argv[1] : "(none)");
	return 64;
}

#endif

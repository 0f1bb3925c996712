/* SPDX-License-Identifier: MIT */
/* Where malloc has its memory from: what it does at limits and when others are in the way, and what
 * it gives back. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest.h"

static void *volatile sink;

static int
no_memory(int argc, char **argv)
{
	struct rlimit limit = {number(argc, argv, 64) * MIB, RLIM_INFINITY};
	static void *p[100000];
	size_t size = argc > 1 ? (size_t)atol(argv[1]) : 50000;
	int n = 0;

	CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
	while (n < 100000 && (p[n] = malloc(size)) != NULL)
		*(char *)p[n++] = 1;
	CHECK(n > 10 && n < 100000 && errno == ENOMEM);
	for (int i = 0; i < n; i += 2)
		free(p[i]);
	for (int i = 0; i < n; i += 2)
		CHECK((p[i] = malloc(size)) != NULL);
	for (int i = 0; i < n; i++)
		free(p[i]);
	return ok();
}

/* How many bytes of small blocks there are until malloc says no; they are free again then. */
static size_t
fill_up(size_t size)
{
	size_t n = 0;
	void **last = NULL, **p;

	errno = 0;
	while ((p = malloc(size)) != NULL) {
		*p = last;
		last = p;
		n += size;
	}
	CHECK(errno == ENOMEM);
	for (; last; last = p) {
		p = *last;
		free(last);
	}
	return n;
}

/* Started with a limit of addresses, or under one that it sets itself: about as much can be had,
 * for malloc as for mmap. */
static int
address_limit(int argc, char **argv)
{
	size_t limit = number(argc, argv, 0) * MIB, got;
	struct rlimit r;

	if (limit > 0) {
		sink = malloc(3 * MIB);
		CHECK(sink);
		CHECK(getrlimit(RLIMIT_AS, &r) == 0);
		r.rlim_cur = limit;
		CHECK(setrlimit(RLIMIT_AS, &r) == 0);
	}
	CHECK(getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY);
	for (int i = 0; i < 2; i++) {
		got = fill_up(i ? 5000 : 100000);
		printf("%zu of %zu\n", got / MIB, (size_t)r.rlim_cur / MIB);
		CHECK(got < r.rlim_cur);
	}
	rt__mem_check();
	sink = malloc(100);
	CHECK(sink);
	return ok();
}

/* Somebody maps something where the heap would grow. */
static int
in_the_way(int argc, char **argv)
{
	enum { N = 60 };
	char *heap = malloc(100), *p[N];
	char *end = (char *)(((uintptr_t)heap & ~(2 * MIB - 1)) + 2 * MIB);

	(void)argc, (void)argv;
	for (int i = 0; i < 8; i++) { /* 2 MiB with 6 MiB between */
		char *at = end + (size_t)(4 * i + 1) * 2 * MIB;

		CHECK(mmap(at, 2 * MIB, PROT_READ,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at);
	}
	for (int i = 0; i < N; i++) {
		p[i] = malloc(3 * MIB);
		CHECK(p[i]);
		memset(p[i], i, 3 * MIB);
	}
	rt__mem_check();
	for (int i = 0; i < N; i++) {
		CHECK(holds((unsigned char *)p[i], 3 * MIB, (unsigned char)i));
		free(p[i]);
	}
	for (int i = 0; i < 8; i++)
		CHECK(munmap(end + (size_t)(4 * i + 1) * 2 * MIB, 2 * MIB) == 0);
	rt__mem_check();
	return ok();
}

/* The kernel does not take locked memory back: what is freed there is not all zeros. */
static int
locked(int argc, char **argv)
{
	unsigned char *p = malloc(300000), *huge = malloc(3 * MIB), *q;

	(void)argc, (void)argv;
	CHECK(mlock(p, 16384) == 0 && mlock(huge, 16384) == 0);
	for (int i = 0; i < 20000; i++) /* or the compiler leaves it out, before a free */
		((volatile unsigned char *)p)[i] = ((volatile unsigned char *)huge)[i] = 7;
	free(p);
	free(huge);
	rt_free_os_memory();
	q = calloc(1, 300000);
	CHECK(q == p && holds(q, 300000, 0));
	q = calloc(1, 3 * MIB);
	CHECK(q == huge && holds(q, 3 * MIB, 0));
	rt__mem_check();
	return ok();
}

/* Under RTMEMLIMIT=30MiB. */
static void
check_limit(void)
{
	rt_mem_stats st;

	rt_read_mem_stats(&st);
	CHECK(st.limit == 30 * MIB && st.idle + st.in_use <= 34 * MIB);
}

static int
soft_limit(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 6; i++) { /* 20 MiB, of another size each time, then free */
		size_t size = 10000u + 7000u * (unsigned)i, n = 20 * MIB / size;
		char **p = malloc(n * sizeof *p);

		for (size_t k = 0; k < n; k++)
			memset(p[k] = malloc(size), 1, size);
		for (size_t k = 0; k < n; k++)
			free(p[k]);
		free(p);
	}
	check_limit();
	return ok();
}

/* 24 MiB of small blocks, of which one in each span stays, and then 16 MiB of others: what the
 * first ones do not need goes before. */
static int
limit_in_spans(int argc, char **argv)
{
	size_t size = (size_t)number(argc, argv, 1000), n = 24 * MIB / 64, m = 16 * MIB / size;
	char **p = malloc(n * sizeof *p);

	for (size_t i = 0; i < n; i++)
		memset(p[i] = malloc(64), 1, 64);
	for (size_t i = 0; i < n; i++)
		if (i % 1024)
			free(p[i]);
	for (size_t i = 0; i < m; i++) {
		memset(p[i] = malloc(size), 1, size);
		if (i % (m / 16 + 1) == 0)
			check_limit();
	}
	return ok();
}

static void
nothing(void)
{
}

/* Memory that was freed goes back by itself. */
static int
goes_back(int argc, char **argv)
{
	rt_mem_stats st;
	char *p[64];

	(void)argc, (void)argv;
	rt_go(nothing); /* sysmon runs from now on */
	for (int i = 0; i < 64; i++)
		memset(p[i] = malloc(MIB), 1, MIB);
	for (int i = 0; i < 64; i++)
		free(p[i]);
	do {
		usleep(1000);
		rt_read_mem_stats(&st);
	} while (st.released < 50 * MIB);
	CHECK(st.idle < 16 * MIB);
	return ok();
}

static const struct guest_case cases[] = {
	{"no-memory", no_memory},           {"soft-limit", soft_limit},
	{"limit-in-spans", limit_in_spans}, {"address-limit", address_limit},
	{"in-the-way", in_the_way},         {"locked", locked},
	{"goes-back", goes_back},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

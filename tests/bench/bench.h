/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks share: a table of them, the measured region, and the line they print,
 *
 *	NAME ns_per_op total_ops cpu_ns=... rss_kb=... [more key=value]
 *
 * which is what the yardsticks for other runtimes print too, so that tools/bench reads both alike.
 * cpu_ns is the processor time of all threads for each op, rss_kb the peak of the whole process.
 *
 * A benchmark is a function and a row:
 *
 *	static void ring(long n, int k) { set up; bench_begin(); work; bench_end(n); }
 *	static const struct bench benches[] = { {"ring", 503, ring, "one hop; K goroutines"}, ...
 *{0} };
 *
 * Include it once in a program: it defines static functions.
 */
#ifndef BENCH_H
#define BENCH_H

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <rt/rt.h>

struct bench {
	const char *name;
	int k; /* K when the command line has none; the bench says of what */
	void (*run)(long n, int k);
	const char *op; /* what one op is, for the usage text */
};

static struct {
	const char *name;
	int64_t wall_ns, cpu_ns; /* at bench_begin */
} bench_now;

static inline int64_t
bench_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int64_t
bench_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The number of kB after `key` in /proc/self/status, or 0. Not getrusage's ru_maxrss: that one
 * also remembers the process before its exec, so it would be the shell's. */
static inline long
bench_status_kb(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	size_t len = strlen(key);
	char line[128];
	long kb = 0;

	if (!f)
		return 0;
	while (kb == 0 && fgets(line, sizeof line, f)) {
		if (strncmp(line, key, len) == 0 && line[len] == ':')
			kb = strtol(line + len + 1, NULL, 10);
	}
	fclose(f);
	return kb;
}

/* The measured region starts. */
static inline void
bench_begin(void)
{
	bench_now.cpu_ns = bench_cpu_ns();
	bench_now.wall_ns = bench_wall_ns();
}

/* Prints the line, for benches that measure in their own way; `more` is a printf format that
 * starts with a blank, or "". */
static inline __attribute__((format(printf, 4, 5))) void
bench_report(long ops, int64_t wall_ns, int64_t cpu_ns, const char *more, ...)
{
	va_list ap;

	printf("%s %.2f %ld cpu_ns=%.2f rss_kb=%ld", bench_now.name, (double)wall_ns / (double)ops,
	       ops, (double)cpu_ns / (double)ops, bench_status_kb("VmHWM"));
	va_start(ap, more);
	vprintf(more, ap);
	va_end(ap);
	putchar('\n');
}

/* It ends, after `ops` operations. */
static inline void
bench_end(long ops)
{
	int64_t wall = bench_wall_ns() - bench_now.wall_ns;
	int64_t cpu = bench_cpu_ns() - bench_now.cpu_ns;

	bench_report(ops, wall, cpu, "%s", "");
}

/* A benchmark that computed something wrong measured nothing. */
static inline void
bench_check(bool ok)
{
	if (!ok) {
		fprintf(stderr, "%s: wrong result\n", bench_now.name);
		exit(1);
	}
}

/* A whole number from 1 to max, or the usage text's 0. */
static inline long
bench_arg(const char *text, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text && !*end && n >= 1 && n <= max ? n : 0;
}

static inline int
bench_usage(const char *program, const struct bench *benches)
{
	fprintf(stderr, "usage: %s BENCH N [P] [K]     P is rt_gomaxprocs, 1 if left out\n\n",
		program);
	for (const struct bench *b = benches; b->name; b++)
		fprintf(stderr, "  %-10s K=%-6d op: %s\n", b->name, b->k, b->op);
	return 2;
}

/* main for a program that is a table of benchmarks; the last row is {0}. */
static inline int
bench_main(int argc, char **argv, const struct bench *benches)
{
	const struct bench *b = benches;

	while (b->name && (argc < 2 || strcmp(b->name, argv[1]) != 0))
		b++;
	long n = argc > 2 ? bench_arg(argv[2], LONG_MAX) : 0;
	long p = argc > 3 ? bench_arg(argv[3], RT_MAXPROCS) : 1;
	long k = argc > 4 ? bench_arg(argv[4], INT_MAX) : b->k;
	if (!b->name || argc > 5 || n == 0 || p == 0 || k == 0)
		return bench_usage(argv[0], benches);
	rt_gomaxprocs((int)p);
	bench_now.name = b->name;
	b->run(n, (int)k);
	return 0;
}

#endif

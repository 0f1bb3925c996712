/* SPDX-License-Identifier: MIT */
/* Clocks, the line of results, and the command line of a table of benchmarks: see bench.h. */
#include "bench.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
	const char *name;
	int64_t wall_ns, cpu_ns; /* at bench_begin */
} now;

static int64_t
clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t
bench_wall_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t
bench_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Not getrusage's ru_maxrss for the peak: that one also remembers the process before its exec, so
 * it would be the shell's. */
long
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

void
bench_begin(void)
{
	now.cpu_ns = bench_cpu_ns();
	now.wall_ns = bench_wall_ns();
}

void
bench_report(long ops, int64_t wall_ns, int64_t cpu_ns, const char *more, ...)
{
	va_list ap;

	printf("%s %.2f %ld cpu_ns=%.2f rss_kb=%ld", now.name, (double)wall_ns / (double)ops, ops,
	       (double)cpu_ns / (double)ops, bench_status_kb("VmHWM"));
	va_start(ap, more);
	vprintf(more, ap);
	va_end(ap);
	putchar('\n');
}

void
bench_end(long ops)
{
	int64_t wall = bench_wall_ns() - now.wall_ns;
	int64_t cpu = bench_cpu_ns() - now.cpu_ns;

	bench_report(ops, wall, cpu, "%s", "");
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

struct bench_quantiles
bench_quantiles(int64_t *v, long n)
{
	qsort(v, (size_t)n, sizeof *v, compare);
	return (struct bench_quantiles){v[n / 2], v[n * 99 / 100], v[n - 1]};
}

void
bench_check(bool ok)
{
	if (!ok) {
		fprintf(stderr, "%s: wrong result\n", now.name);
		exit(1);
	}
}

void *
bench_alloc(long n, size_t size)
{
	void *p = calloc((size_t)n, size);

	if (!p) {
		fprintf(stderr, "%s: out of memory\n", now.name);
		exit(1);
	}
	return p;
}

/* A whole number from min to max, or -1. */
static long
number(const char *text, long min, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text && !*end && n >= min && n <= max ? n : -1;
}

static int
usage(const char *program, const struct bench *benches)
{
	fprintf(stderr, "usage: %s BENCH N [P] [K]     P is rt_gomaxprocs, 1 if left out\n\n",
		program);
	for (const struct bench *b = benches; b->name; b++)
		fprintf(stderr, "  %-10s K=%-6d op: %s\n", b->name, b->k, b->op);
	return 2;
}

int
bench_main(int argc, char **argv, const struct bench *benches)
{
	const struct bench *b = benches;

	while (b->name && (argc < 2 || strcmp(b->name, argv[1]) != 0))
		b++;
	long n = argc > 2 ? number(argv[2], 1, LONG_MAX) : -1;
	long p = argc > 3 ? number(argv[3], 1, RT_MAXPROCS) : 1;
	long k = argc > 4 ? number(argv[4], 0, INT_MAX) : b->k;
	if (!b->name || argc > 5 || n < 0 || p < 0 || k < 0)
		return usage(argv[0], benches);
	rt_gomaxprocs((int)p);
	now.name = b->name;
	b->run(n, (int)k);
	return 0;
}

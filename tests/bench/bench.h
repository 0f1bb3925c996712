/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks share: a table of them, the measured region, and the line they print,
 *
 *	NAME ns_per_op total_ops cpu_ns=... rss_kb=... [more key=value]
 *
 * which is what the yardsticks for other runtimes print too, so that tools/bench reads both alike.
 * cpu_ns is the processor time of all threads for each op, rss_kb the peak of the whole process.
 *
 * A benchmark is a function and a row of the table in yard.c:
 *
 *	void yield(long n, int k) { set up; bench_begin(); work; bench_end(n); }
 *	{"yield", 2, yield, "one rt_gosched; K goroutines, N each"},
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <rt/rt.h>

/* How long a benchmark that may not come to its end, since others never let it run, is waited
 * for; then SIGALRM ends the process. */
#define BENCH_WATCHDOG_S 20

struct bench {
	const char *name;
	int k; /* K when the command line has none; the bench says of what */
	void (*run)(long n, int k);
	const char *op; /* what one op is, for the usage text */
};

int64_t bench_wall_ns(void);
int64_t bench_cpu_ns(void); /* of all threads */

/* The number of kB after `key` in /proc/self/status, or 0. */
long bench_status_kb(const char *key);

/* The measured region starts; it ends, after `ops` operations, and the line is printed. */
void bench_begin(void);
void bench_end(long ops);

/* Prints the line, for benches that measure in their own way; `more` is a printf format that
 * starts with a blank, or "". */
__attribute__((format(printf, 4, 5))) void bench_report(long ops, int64_t wall_ns, int64_t cpu_ns,
							const char *more, ...);

/* Sorts v; its p50, p99 and maximum, as the yardsticks take them. */
struct bench_quantiles {
	int64_t p50, p99, max;
};
struct bench_quantiles bench_quantiles(int64_t *v, long n);

/* A benchmark that computed something wrong measured nothing. */
void bench_check(bool ok);
/* calloc that does not fail. */
void *bench_alloc(long n, size_t size);

/* main for a program that is a table of benchmarks; the last row is {0}. */
int bench_main(int argc, char **argv, const struct bench *benches);

#endif

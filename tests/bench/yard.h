/* SPDX-License-Identifier: MIT */
/* The benchmarks of yard, in the files that hold them. */
#ifndef YARD_H
#define YARD_H

#include "bench.h"

/* ---- goroutines.c ---- */
void yield(long n, int k);
void spawn(long n, int k);
void skynet(long n, int k);
void fib(long n, int k);
void parked(long n, int k);

/* ---- channels.c ---- */
void pingpong(long n, int k);
void bufchan(long n, int k);
void bufchan2x2(long n, int k);
void select_n(long n, int k);
void selready(long n, int k);
void ring(long n, int k);
void sieve(long n, int k);

/* ---- sync.c ---- */
void mutex(long n, int k);

/* ---- blocking.c ---- */
void preempt(long n, int k);
void preemptio(long n, int k);
void sysread(long n, int k);
void pipeblk(long n, int k);

/* ---- timers.c ---- */
void timers(long n, int k);
void timeouts(long n, int k);

/* ---- memory.c ---- */
void malloc_rand(long n, int k);
void malloc_small(long n, int k);
void malloc_large(long n, int k);
void malloc_lifo(long n, int k);
void malloc_larson(long n, int k);
void malloc_xfree(long n, int k);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * rt/wait.h: what calls that wait have in common: time, and how long to wait at most.
 *
 * Each call that may park its goroutine takes options after its own arguments, in any order:
 *
 *	if (!rt_recv(jobs, &job, .deadline = rt_after(2 * RT_SECOND), .ctx = ctx))
 *		perror("no job");
 *
 * It returns true if it did what it is for. If not, errno says why: ETIMEDOUT, ECANCELED (the
 * context has ended), or what the call itself documents. Without options, nothing is evaluated and
 * nothing is paid.
 */
#ifndef RT_WAIT_H
#define RT_WAIT_H

#include <stdint.h>

#include <rt/init.h>

/* Nanoseconds, as Go's time.Duration. */
typedef int64_t rt_duration;
#define RT_NANOSECOND ((rt_duration)1)
#define RT_MICROSECOND (1000 * RT_NANOSECOND)
#define RT_MILLISECOND (1000 * RT_MICROSECOND)
#define RT_SECOND (1000 * RT_MILLISECOND)
#define RT_MINUTE (60 * RT_SECOND)
#define RT_HOUR (60 * RT_MINUTE)

/* A point of CLOCK_MONOTONIC, in nanoseconds. 0 is no time: as a deadline, none. */
typedef int64_t rt_time;

typedef struct rt_ctx rt_ctx;

typedef struct rt_wait_options {
	rt_time deadline; /* 0: none; one that is past is due at once, after a try */
	rt_ctx *ctx;      /* NULL: none */
} rt_wait_options;

/* The options that follow, or NULL. ", ##" here and elsewhere, where __VA_OPT__ would do: it tells
 * clang's -pedantic that there may be none. */
#define RT__OPTIONS(type, ...) RT__PASTE(RT__OPTIONS_, __VA_OPT__(SOME))(type, ##__VA_ARGS__)
#define RT__OPTIONS_(type) ((const type *)0)
#define RT__OPTIONS_SOME(type, ...) (&(const type){__VA_ARGS__})

#endif

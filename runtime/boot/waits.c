/* SPDX-License-Identifier: MIT */
/*
 * All that a goroutine can wait for in the runtime: see rt__wait_kinds in sched/sched.h. Each of
 * the records lies beside the function that it is about. The references are weak: a program has in
 * it what it uses, and not all of this for the sake of reports.
 */
#include "sched/sched.h"

#define WAITS(X)                                                                                   \
	X(options)                                                                                 \
	X(sleep)                                                                                   \
	X(sleep_main)                                                                              \
	X(chan)                                                                                    \
	X(select)                                                                                  \
	X(select_more)                                                                             \
	X(wg)                                                                                      \
	X(mutex)                                                                                   \
	X(read)                                                                                    \
	X(write)                                                                                   \
	X(cond)                                                                                    \
	X(sem)                                                                                     \
	X(timer)                                                                                   \
	X(timer_wait)                                                                              \
	X(ctx)                                                                                     \
	X(flight)

#define DECLARE(name) extern const struct rt__wait_kind rt__wait_kind_##name __attribute__((weak));
#define ADDRESS(name) &rt__wait_kind_##name,

WAITS(DECLARE)

const struct rt__wait_kind *const rt__wait_kinds[RT_WAIT_KINDS] = {WAITS(ADDRESS)};

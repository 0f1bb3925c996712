/* SPDX-License-Identifier: MIT */
/*
 * support.c: what boot/env.c and init/init.c need from files that do not work on the host, because
 * assembly, the linker script or musl is behind them. No test reaches any of it.
 */
#include <rt/init.h>

#include "mem/mem.h"
#include "proc/proc.h"
#include "sched/sched.h"

extern enum rt__traceback support_traceback;

/* linker/rt0.ld gives a program the bounds of its table. */
extern const struct rt_init_record rt__init_table[], rt__init_table_end[];
const struct rt_init_record rt__init_table[1], rt__init_table_end[1];

/* mem/malloc.c would replace the host's malloc. */
struct rt__malloc_count rt__malloc_count;

void
rt__mem_set_limit(size_t bytes)
{
	(void)bytes;
}

/* sched/crash.c; test_settings.c looks at it. */
enum rt__traceback support_traceback = RT_TRACEBACK_SINGLE;

void
rt__traceback_init(enum rt__traceback level)
{
	support_traceback = level;
}

void
rt__profile_at_exit_init(const char *path, int rate)
{
	(void)path, (void)rate;
}

/* SPDX-License-Identifier: MIT */
/*
 * waits.h: what goroutines wait for, and who has it; in the words of the runtime's own reports
 * (runtime/sched/waits.c).
 */
#ifndef RTINSPECT_WAITS_H
#define RTINSPECT_WAITS_H

#include "runtime.h"

/* Reads it for all goroutines. The program is stopped meanwhile. */
void ri_waits_read(struct ri_runtime *runtime, struct ri_program *program);
void ri_waits_free(struct ri_runtime *runtime);

/* "the channel at 0x7f5e10001040 (0 of 4 values of 8 bytes)"; of a select, "one of 3 cases". NULL
 * if it does not wait, or that is not known. The caller frees it. */
char *ri_wait_text(const struct ri_runtime *runtime, const struct ri_goroutine *g);
/* The cases of a select, as far as they were read: NULL for one that nothing can come of. */
char *ri_wait_case_text(const struct ri_runtime *runtime, const struct ri_goroutine *g, size_t i);
/* "channel", "mutex" and so on; NULL if it is not known. */
const char *ri_wait_what(const struct ri_goroutine *g);
/* Who has locked what it waits for; NULL if nobody has, or that is not known. */
const struct ri_goroutine *ri_wait_holder(const struct ri_runtime *runtime,
					  const struct ri_goroutine *g);

/* Goroutines that wait for each other for ever: calls fn with each member of a cycle in turn, each
 * of which waits for the next; first: a new cycle begins. */
void ri_wait_cycles(const struct ri_runtime *runtime,
		    void (*fn)(const struct ri_goroutine *member, bool first, void *arg),
		    void *arg);

#endif

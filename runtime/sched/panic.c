/* SPDX-License-Identifier: MIT */
/* A panic: misuse by the program, or its own wish. Nothing recovers from one yet. */
#include <rt/rt.h>

#include "sched/sched_priv.h"

#define MESSAGE_MAX 512

static RT_NORETURN void
die(const char *msg)
{
	const struct rt__g *gp = rt__getg();

	rt__eprintf("panic: %s\n", msg);
	if (gp) {
		rt__eprintf("\ngoroutine %lu [running]:\n", gp->id);
		rt__hooks.explain_init(gp);
	}
	rt__os_exit(2);
}

void
rt__panic(const char *fmt, ...)
{
	char msg[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	rt__vformat(msg, sizeof msg, fmt, ap);
	va_end(ap);
	die(msg);
}

void
rt_panic(const char *fmt, ...)
{
	char msg[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	rt__vformat(msg, sizeof msg, fmt, ap);
	va_end(ap);
	die(msg);
}

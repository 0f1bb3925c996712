/* SPDX-License-Identifier: MIT */
/* A panic: misuse by the program, or its own wish. Nothing recovers from one yet. */
#include <rt/rt.h>

#include "sched/sched_priv.h"

void
rt__panic(const char *fmt, ...)
{
	char msg[512];
	va_list ap;
	const struct rt__g *gp = rt__getg();

	va_start(ap, fmt);
	rt__vformat(msg, sizeof msg, fmt, ap);
	va_end(ap);
	rt__eprintf("panic: %s\n", msg);
	if (gp) {
		rt__eprintf("\ngoroutine %lu [running]:\n", gp->id);
		rt__hooks.explain_init(gp);
	}
	rt__os_exit(2);
}

/* The same under the public name. */
void rt_panic(const char *fmt, ...) __attribute__((alias("rt__panic")));

/* SPDX-License-Identifier: MIT */
/*
 * The ways to die that need nothing: one write(2) and exit_group(2), from any stack and with any
 * lock held. A panic, which prints the goroutine too, is in sched/panic.c.
 */
#include "os/os.h"
#include "os/sysnum.h"

static void
write_all(const char *s, size_t n)
{
	while (n > 0) {
		long w = rt__syscall3(SYS_write, 2, (long)s, (long)n);

		if (w == -RT_EINTR)
			continue;
		if (w <= 0)
			return;
		s += w;
		n -= (size_t)w;
	}
}

static void
veprintf(const char *fmt, va_list ap)
{
	char buf[1024];
	size_t n = rt__vformat(buf, sizeof buf, fmt, ap);

	if (n >= sizeof buf) {
		n = sizeof buf - 1;
		buf[n - 1] = '\n'; /* what is cut is a line still */
	}
	write_all(buf, n);
}

void
rt__eprintf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	veprintf(fmt, ap);
	va_end(ap);
}

void
rt__throw(const char *msg)
{
	rt__eprintf("fatal error: %s\n", msg);
	rt__os_exit(2);
}

void
rt__out_of_memory(const char *what, size_t size)
{
	if (!rt__os.started)
		rt__die_at_boot("no address space for %s (%zu bytes); raise the limit (ulimit -v)",
				what, size);
	rt__eprintf("runtime: cannot reserve %s (%zu bytes)\n"
		    "runtime: may need to raise the address space limit (ulimit -v, ulimit -d), "
		    "vm.max_map_count or, with vm.overcommit_memory=2, the commit limit\n",
		    what, size);
	rt__throw("out of memory");
}

void
rt__die_at_boot(const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	rt__vformat(msg, sizeof msg, fmt, ap);
	va_end(ap);
	rt__eprintf("rt0: cannot start: %s\n", msg);
	rt__os_exit(1);
}

/* SPDX-License-Identifier: MIT */
/*
 * Printing to stderr, and the ways to die that need nothing: one write(2) and exit_group(2), from
 * any stack and with any lock held. Once the program has started, a throw goes on in sched/crash.c,
 * which prints goroutines too.
 *
 * Text is written at once, but for that of a report of many goroutines, which one thread at a time
 * collects (rt__eprint_collect): a hundred thousand of them are a million small writes otherwise.
 */
#include "os/os.h"
#include "os/sysnum.h"

#define STALL_MS 1000 /* how long to wait for a reader of a pipe that is full and not blocking */

void (*rt__on_throw)(const char *msg);

/* Whose text is collected: known by its M, since a thread-local may be somebody else's here. */
static struct {
	void *owner; /* (a) */
	size_t len;
	char text[8192];
} collected RT_COLD_BSS;

/* Waits once in vain, and never again: the text of a large report is many writes. */
static bool
wait_for_room(void)
{
	static bool stalled;
	struct {
		int fd;
		short events, revents;
	} err = {2, RT_POLLOUT, 0};

	if (!rt__load_rlx(&stalled) && rt__syscall3(SYS_poll, (long)&err, 1, STALL_MS) > 0)
		return true;
	rt__store_rlx(&stalled, true);
	return false;
}

static void
write_all(const char *s, size_t n)
{
	while (n > 0) {
		long w = rt__syscall3(SYS_write, 2, (long)s, (long)n);

		if (w == -RT_EINTR || (w == -RT_EAGAIN && wait_for_room()))
			continue;
		if (w <= 0)
			return;
		s += w;
		n -= (size_t)w;
	}
}

static void
flush(void)
{
	size_t n = collected.len;

	collected.len = 0;
	write_all(collected.text, n);
}

void
rt__eprint_collect(bool on)
{
	if (rt__load_rlx(&collected.owner) == rt__getm_raw())
		flush();
	rt__store_rlx(&collected.owner, on ? rt__getm_raw() : NULL);
}

void
rt__eprint(const char *s, size_t n)
{
	void *owner = rt__load_rlx(&collected.owner);

	if (!owner || owner != rt__getm_raw()) { /* %gs is read only if someone has one */
		write_all(s, n);
		return;
	}
	if (n > sizeof collected.text - collected.len)
		flush();
	if (n > sizeof collected.text) {
		write_all(s, n);
		return;
	}
	__builtin_memcpy(collected.text + collected.len, s, n);
	collected.len += n;
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
	rt__eprint(buf, n);
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
	if (rt__on_throw)
		rt__on_throw(msg);
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

/* SPDX-License-Identifier: MIT */
/* Limits of the system, reached on purpose: what cannot be done is said, and nothing dies in
 * silence. Stacks of goroutines are test_stack's, a program that cannot start test_env's. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest.h"

#define HUGE_FRAMES "RTDEBUG=minsigstksz=1000000000" /* two GB for each thread */

struct limits {
	rlim_t as_mib, stack_kib, files; /* 0: as it is; of files, one less */
	bool close_stdin;
};

static int
set(int resource, rlim_t value)
{
	return setrlimit(resource, &(struct rlimit){value, value});
}

static int
set_limits(const void *arg)
{
	const struct limits *l = arg;

	if (l->close_stdin)
		close(0);
	return (l->as_mib && set(RLIMIT_AS, l->as_mib << 20)) ||
		(l->stack_kib && set(RLIMIT_STACK, l->stack_kib << 10)) ||
		(l->files && set(RLIMIT_NOFILE, l->files - 1));
}

static void
fails(const char *name, const char *kib, const char *debug, const char *what, const char *end)
{
	static const char *const procs[] = {"GOMAXPROCS=1", "GOMAXPROCS=8"};

	for (int i = 0; i < 2; i++) {
		struct guest g = guest_run("limits", .args = {name, kib}, .env = {procs[i], debug});

		guest_expect_exit(&g, 2);
		guest_expect_err(&g, what);
		guest_expect_err(&g, end);
		guest_free(&g);
	}
}

/* ---- signal stacks ---- */

/* A CPU with larger registers, as the kernel announces it (AT_MINSIGSTKSZ). */
Test(limits, large_signal_frames)
{
	guest_ok("limits", .args = {"signal-frame", "100000"},
		 .env = {"RTDEBUG=minsigstksz=100000"});
	struct guest g = guest_run("crash", .args = {"overflow", "go"},
				   .env = {"RTDEBUG=minsigstksz=100000"});
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "fatal error: stack overflow\n\ngoroutine 2 [running]:\n");
	guest_free(&g);
}

Test(limits, no_signal_stack_at_start)
{
	static const struct limits l = {.as_mib = 1000};
	struct guest g = guest_run("hello", .env = {HUGE_FRAMES}, .before = set_limits, .arg = &l);

	guest_expect_exit(&g, 1);
	guest_expect_err_matches(&g,
				 "^rt0: cannot start: no address space for a stack for signal "
				 "handlers \\([0-9]{10} bytes\\); raise the limit \\(ulimit "
				 "-v\\)\n$");
	guest_free(&g);
}

Test(limits, no_signal_stack_later)
{
	fails("threads", "8192", HUGE_FRAMES,
	      "runtime: cannot reserve a stack for signal handlers ",
	      "fatal error: out of memory\n");
}

Test(limits, foreign_thread_without_signal_stack)
{
	guest_ok("limits", .args = {"foreign", "8192"}, .env = {HUGE_FRAMES});
}

/* ---- threads, memory ---- */

/* musl says EAGAIN for this, and for too many threads. */
Test(limits, no_memory_for_a_thread)
{
	fails("threads", "100", NULL, "runtime: cannot reserve a thread's stack ",
	      "fatal error: out of memory\n");
}

Test(limits, heap)
{
	guest_ok("limits", .args = {"heap"});
	guest_ok("limits", .args = {"heap"}, .env = {"GOMAXPROCS=8", "RTDEBUG=no_guard=1"});
}

/* ---- the initial stack, which main does not run on ---- */

Test(limits, stack, .timeout = 120)
{
	static const struct limits limits[] = {
		{.as_mib = 400, .stack_kib = 64},
		{.as_mib = 400, .stack_kib = RLIM_INFINITY >> 10},
	};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct guest g =
			guest_run("crash", .args = {"overflow-large"}, .before = set_limits,
				  .arg = &limits[i], .timeout_s = 60);

		guest_expect_exit(&g, 2);
		guest_expect_err(&g, "fatal error: stack overflow\n\ngoroutine 1 [running]:\n");
		guest_free(&g);
	}
}

/* ---- files ---- */

/* The names of functions are in a file that cannot be opened. */
Test(limits, no_files)
{
	static const struct limits none = {.files = 3 + 1};
	struct guest g =
		guest_run("crash", .args = {"panic", "go"}, .before = set_limits, .arg = &none);

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "^panic: number 5\n\tand more\n\ngoroutine 2 \\[running\\]:\n"
				 "0x[0-9a-f]+\\(\\.\\.\\.\\)\n");
	guest_free(&g);
	guest_ok("stress", .args = {"tree", "8"}, .env = {"GOMAXPROCS=8"}, .before = set_limits,
		 .arg = &none);
}

Test(limits, closed_stdin_and_few_files)
{
	static const struct limits limits[] = {
		{.close_stdin = true},
		{.close_stdin = true, .files = 2 + 1},
		{.close_stdin = true, .files = 0 + 1},
	};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		guest_ok("limits", .args = {"descriptors"}, .before = set_limits,
			 .arg = &limits[i]);
}

/* SPDX-License-Identifier: MIT */
/* Signals of programs that have handlers of their own, and of those they start. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>

#include "guest.h"
#include "report.h"

Test(signals, actions)
{
	guest_ok("signals", .args = {"actions"});
}

Test(signals, handlers_that_jump)
{
	guest_ok("signals", .args = {"jumps"});
	guest_ok("signals", .args = {"jumps"}, .env = {"GOMAXPROCS=1"});
}

Test(signals, default_is_the_report)
{
	struct guest g = guest_run("signals", .args = {"restored"});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "panic: runtime error: invalid memory address");
	guest_free(&g);
}

Test(signals, sent_by_somebody)
{
	static const struct {
		const char *number;
		int signal;
	} rows[] = {{"11", SIGSEGV}, {"7", SIGBUS},  {"8", SIGFPE},
		    {"4", SIGILL},   {"5", SIGTRAP}, {"31", SIGSYS}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct guest g = guest_run("signals", .args = {"sent", rows[i].number});

		guest_expect_signal(&g, rows[i].signal);
		guest_expect_err_is(&g, "");
		guest_free(&g);
	}
}

/* A supervisor's SIGABRT asks for a dump; the program still dies of it. */
Test(signals, abort_from_outside)
{
	struct guest g = guest_run("signals", .args = {"sent", "6"});

	guest_expect_signal(&g, SIGABRT);
	guest_expect_err_matches(&g,
				 "^SIGABRT: abort\nPC=0x[0-9a-f]+ m=0 sigcode=-6\n\n"
				 "goroutine 1 gp=0x[0-9a-f]+ m=0 mp=0x[0-9a-f]+ \\[running\\]:\n");
	guest_expect_err(&g, "\n\nrax    0x");
	guest_free(&g);
}

Test(signals, ignored)
{
	guest_ok("signals", .args = {"ignored"});
}

static int
ignore_quit(const void *unused)
{
	(void)unused;
	return signal(SIGQUIT, SIG_IGN) == SIG_ERR;
}

Test(signals, inherited)
{
	guest_ok("signals", .args = {"inherited"}, .before = ignore_quit);
}

Test(signals, children)
{
	guest_ok("signals", .args = {"children"});
}

/* ---- the stack that handlers run on ---- */

#define FULL                                                                                       \
	"^runtime: signal stack exceeds [0-9]+-byte limit\nruntime: sp=" HEX " stack=\\[" HEX      \
	", " HEX "\\]\nfatal error: stack overflow\n\n"

static void
expect_overflow(const char *where, const char *in_libc, const char *report)
{
	struct guest g = guest_run("signals", .args = {"overflow", where, in_libc});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, report);
	guest_free(&g);
}

/* It does not write over what is below: on the first thread, the runtime's data. */
Test(signals, stack_overflow_in_handlers)
{
	expect_overflow("main", NULL,
			FULL "goroutine 1 \\[running\\]:\n" FRAME("recurse") FRAME("recurse"));
	expect_overflow("goroutine", NULL,
			FULL "goroutine 2 \\[running, locked to thread\\]:\n" FRAME("recurse"));
	expect_overflow("main", "printf", FULL "goroutine 1 \\[running\\]:\n");
	expect_overflow("goroutine", "printf", FULL "goroutine 2 \\[running");
	expect_overflow("thread", NULL,
			"^fatal error: stack overflow\n.*\n\nthread [0-9]+ \\[running\\]:\n" FRAME(
				"recurse"));
}

/* What the program sets is in the way of nobody. */
Test(signals, altstack)
{
	guest_ok("signals", .args = {"altstack"}, .env = {"GOMAXPROCS=1"});
	guest_ok("signals", .args = {"altstack"}, .env = {"GOMAXPROCS=4"});
	guest_ok("signals", .args = {"altstack-of-thread"});
}

Test(signals, reports_with_another_altstack)
{
	static const struct {
		const char *end, *report;
	} rows[] = {{"quit", "^SIGQUIT: quit\n"},
		    {"null", "^panic: runtime error: invalid memory address"},
		    {"overflow", "^runtime: goroutine stack exceeds 262144-byte limit\n"}};

	for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
		struct guest g = guest_run(
			"signals",
			.args = {"altstack-end", i % 2 ? "none" : "small", rows[i / 2].end});

		guest_expect_exit(&g, 2);
		guest_expect_err_matches(&g, rows[i / 2].report);
		guest_free(&g);
	}
}

Test(signals, urgent)
{
	guest_ok("signals", .args = {"urgent"});
}

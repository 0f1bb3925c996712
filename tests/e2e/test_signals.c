/* SPDX-License-Identifier: MIT */
/* Signals of programs that have handlers of their own, and of those they start. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>

#include "guest.h"

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

Test(signals, urgent)
{
	guest_ok("signals", .args = {"urgent"});
}

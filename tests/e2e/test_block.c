/* SPDX-License-Identifier: MIT */
/* Unmodified C that blocks its thread: the other goroutines go on, with one P, too. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "guest.h"

static void
everywhere(const char *name, const char *arg, const char *arg2)
{
	guest_ok_on_procs("block", .args = {name, arg, arg2}, .timeout_s = 60);
}

Test(block, reads, .timeout = 120)
{
	everywhere("reads", "8", NULL);
}

static void
short_calls(const char *env)
{
	static const char *const us[] = {"10", "100", "1000"};

	for (int i = 0; i < 3; i++)
		guest_ok("block", .args = {"short-calls", us[i]}, .env = {env}, .timeout_s = 60);
}

Test(block, short_calls_starve_nobody, .timeout = 240)
{
	short_calls("GOMAXPROCS=2");
}

/* Here calls and hogs take turns on one processor. */
Test(block, short_calls_on_one_p, .timeout = 240)
{
	short_calls("GOMAXPROCS=1");
}

/* Others wait 100 ms at most for a fgets that blocks; five times that on a busy machine. */
Test(block, stdio, .timeout = 120)
{
	for (int i = 0; i < GUEST_PROCS; i++) {
		struct guest g =
			guest_run("block", .args = {"lines", "20"}, .env = {guest_procs[i]});
		long most;

		guest_expect_exit(&g, 0);
		cr_assert(sscanf(g.out, "%ld\nok\n", &most) == 1);
		cr_log_info("%s: no turn for %ld us at most\n", guest_procs[i], most);
		cr_assert_lt(most, 500000);
		guest_free(&g);
	}
}

Test(block, calls, .timeout = 240)
{
	static const char *const names[] = {"system", "popen", "waitpid",
					    "poll",   "recv",  "getaddrinfo"};

	for (int i = 0; i < 6; i++) {
		everywhere("call", names[i], NULL);
		everywhere("call", names[i], "hog");
	}
}

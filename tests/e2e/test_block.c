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

/* A fgets that keeps others waiting does so for each line. A machine that stands still for a tenth
 * of a second does so now and then. */
Test(block, stdio, .timeout = 120)
{
	for (int i = 0; i < GUEST_PROCS; i++) {
		struct guest g =
			guest_run("block", .args = {"lines", "20"}, .env = {guest_procs[i]});
		long late, most;

		guest_expect_exit(&g, 0);
		cr_assert(sscanf(g.out, "%ld %ld\nok\n", &late, &most) == 2);
		cr_assert_lt(late, 4, "%s: no turn for 100 ms, %ld times; once for %ld us",
			     guest_procs[i], late, most);
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

/* SPDX-License-Identifier: MIT */
/* Contexts and scopes, from outside. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "guest.h"
#include "report.h"

static const char *const guests[] = {"ctx", "ctx-O0", "ctx-clang"};

static void
everywhere(const char *name)
{
	for (size_t i = 0; i < sizeof guests / sizeof *guests; i++)
		if (guest_exists(guests[i]))
			guest_ok(guests[i], .args = {name});
	guest_ok_on_procs("ctx", .args = {name});
}

Test(ctx, basics, .timeout = 60)
{
	everywhere("basics");
	everywhere("in-child");
}

Test(ctx, deadlines, .timeout = 60)
{
	everywhere("deadlines");
}

Test(ctx, waits, .timeout = 60)
{
	everywhere("waits");
}

Test(ctx, functions, .timeout = 60)
{
	everywhere("functions");
}

Test(scope, results, .timeout = 60)
{
	everywhere("results");
}

Test(scope, limits, .timeout = 60)
{
	everywhere("limits");
}

Test(scope, panics, .timeout = 60)
{
	everywhere("panics");
}

Test(scope, left, .timeout = 60)
{
	everywhere("left");
}

Test(scope, threads, .timeout = 60)
{
	everywhere("thread");
}

static void
repeatedly(const char *name, const char *n)
{
	everywhere(name);
	guest_ok_on_procs("ctx", .args = {name, n}, .env = {"RTDEBUG=preemptstress=200"},
			  .timeout_s = 60);
	guest_ok("ctx", .args = {name, n}, .env = {"RTDEBUG=schedseed=3"});
}

Test(ctx, trees, .timeout = 300)
{
	repeatedly("trees", "50");
}

Test(scope, stress, .timeout = 300)
{
	repeatedly("stress", "100");
}

/* ---- what the end says ---- */

/* The goroutine that waits reports it, and the one that it happened in is shown. */
Test(scope, panic_of_child, .timeout = 60)
{
	struct guest g = guest_run("ctx-O0", .args = {"panic-of-child"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(
		&g, "^panic: child \\[recovered, repanicked\\]\n\ngoroutine 1 \\[running\\]:\n");
	guest_expect_err_matches(&g, FRAME("rt_scope_wait") FRAME("panic_of_child"));
	guest_expect_err_matches(
		&g, "\ngoroutine [2-9][0-9]* \\[panicked\\]:\n" FRAME("fail_in_child"));
	guest_free(&g);
}

Test(ctx, ends, .timeout = 60)
{
	struct guest g = guest_run("ctx", .args = {"deadlock"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "^fatal error: all goroutines are asleep - deadlock!\n\n"
				 "goroutine 1 \\[context wait\\]:\n");
	guest_free(&g);
	g = guest_run("ctx", .args = {"end-background"});
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "panic: context: the background context never ends\n");
	guest_free(&g);
}

/* SPDX-License-Identifier: MIT */
/* The public API: goroutines, their arguments and ends, wait groups, locked threads, deadlocks. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "guest.h"

static void
everywhere(const char *name)
{
	guest_ok_on_procs("api", .args = {name});
}

Test(api, arguments)
{
	everywhere("arguments");
	guest_ok("api-O0", .args = {"arguments"});
	guest_ok("api-clang", .args = {"arguments"});
	guest_ok("api-clang-O0", .args = {"arguments"});
}

/* Arguments that are aligned on the stack take more room there than their sizes add up to. */
Test(api, padded_arguments)
{
	guest_ok("api", .args = {"padded-arguments"});
}

Test(api, numbers)
{
	everywhere("numbers");
}

Test(api, goexit)
{
	everywhere("goexit");
}

Test(api, goexit_of_main)
{
	for (int i = 0; i < GUEST_PROCS; i++) {
		struct guest g = guest_run("api", .args = {"goexit-main"}, .env = {guest_procs[i]});

		guest_expect_exit(&g, 2);
		guest_expect_out(&g, "the other one is done\n");
		guest_expect_err(
			&g,
			"fatal error: no goroutines (main called runtime.Goexit) - deadlock!\n");
		guest_free(&g);
		g = guest_run("api", .args = {"goexit-main-then-exit"}, .env = {guest_procs[i]});
		guest_expect_exit(&g, 6);
		guest_free(&g);
	}
}

Test(api, main_ends_the_process)
{
	for (int i = 0; i < GUEST_PROCS; i++) {
		struct guest g = guest_run("api", .args = {"main-ends"}, .env = {guest_procs[i]});

		guest_expect_exit(&g, 7);
		guest_free(&g);
	}
}

Test(api, deadlock)
{
	for (int i = 0; i < GUEST_PROCS; i++) {
		struct guest g = guest_run("api", .args = {"deadlock"}, .env = {guest_procs[i]});

		guest_expect_exit(&g, 2);
		guest_expect_err(&g,
				 "fatal error: all goroutines are asleep - deadlock!\n\n"
				 "goroutine 1 [sync.WaitGroup.Wait]:\n");
		cr_assert_eq(guest_count(g.err, "\ngoroutine "), 1, "%s", g.err);
		guest_free(&g);
		g = guest_run("api", .args = {"deadlock", "3", "locked"}, .env = {guest_procs[i]});
		guest_expect_exit(&g, 2);
		guest_expect_err(&g,
				 "fatal error: all goroutines are asleep - deadlock!\n\n"
				 "goroutine 1 [sync.WaitGroup.Wait, locked to thread]:\n");
		cr_assert_eq(guest_count(g.err, "[sync.WaitGroup.Wait]:"), 3, "%s", g.err);
		cr_assert_eq(guest_count(g.err, " in goroutine 1\n"), 3, "%s", g.err);
		guest_free(&g);
	}
}

Test(api, panic)
{
	struct guest g = guest_run("api", .args = {"panic"});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "panic: number 1 is wrong\n\ngoroutine 1 [running]:\n");
	guest_free(&g);
	g = guest_run("api", .args = {"panic", "elsewhere"});
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "panic: number 2 is wrong\n\ngoroutine 2 [running]:\n");
	guest_free(&g);
}

Test(api, negative_counter)
{
	struct guest g = guest_run("api", .args = {"negative"});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "panic: sync: negative WaitGroup counter\n");
	guest_free(&g);
}

Test(api, go_of_null)
{
	struct guest g = guest_run("api", .args = {"go-null"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "^panic: go of nil func value\n\ngoroutine 1 \\[running\\]:\n");
	guest_expect_err(&g, "go_of_null(...)\n");
	guest_free(&g);
}

Test(api, thread_exhaustion)
{
	static const char *const cases[] = {"too-many-threads", "max-threads-too-low"};
	static const char *const limits[] = {"10", "0"};

	for (int i = 0; i < 2; i++) {
		struct guest g = guest_run("api", .args = {cases[i]});
		char text[100];

		snprintf(text, sizeof text,
			 "runtime: program exceeds %s-thread limit\nfatal error: thread "
			 "exhaustion\n",
			 limits[i]);
		guest_expect_exit(&g, 2);
		guest_expect_err(&g, text);
		guest_free(&g);
	}
}

Test(api, gomaxprocs, .timeout = 120)
{
	everywhere("resize");
	everywhere("resize-twice");
}

Test(api, locked_threads, .timeout = 120)
{
	everywhere("lock-thread");
	everywhere("locked-ping-pong");
}

Test(api, locked_thread_ends, .timeout = 120)
{
	everywhere("locked-end");
}

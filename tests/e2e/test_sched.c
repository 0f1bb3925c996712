/* SPDX-License-Identifier: MIT */
/* What Go's proc_test asks of a scheduler: turns, parallelism, stop the world, locked threads. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

static void
everywhere(const char *name, const char *arg)
{
	guest_ok_on_procs("sched", .args = {name, arg}, .timeout_s = 60);
}

Test(sched, num_goroutine, .timeout = 120)
{
	everywhere("count", NULL);
	everywhere("count-beside", NULL);
}

Test(sched, num_goroutine_is_what_a_dump_shows)
{
	struct guest g = guest_run("sched", .args = {"count-and-dump", "17"});

	guest_expect_exit(&g, 2);
	guest_expect_out(&g, "18\n");
	guest_expect_err(&g, "fatal error: all goroutines are asleep - deadlock!\n");
	cr_assert_eq(guest_count(g.err, "\ngoroutine "), atoi(g.out), "%s", g.err);
	guest_free(&g);
}

Test(sched, yield_is_fair, .timeout = 120)
{
	guest_ok("sched", .args = {"fair", "2"}, .env = {"GOMAXPROCS=1"});
	guest_ok("sched", .args = {"fair", "100"}, .env = {"GOMAXPROCS=1"});
	guest_ok("sched", .args = {"fair", "600"}, .env = {"GOMAXPROCS=1"});
}

Test(sched, pairs_do_not_keep_the_slice, .timeout = 120)
{
	everywhere("beside-ping-pong", NULL);
}

Test(sched, global_queue_is_served, .timeout = 120)
{
	everywhere("from-outside", NULL);
}

Test(sched, starting_gives_way, .timeout = 120)
{
	guest_ok("sched", .args = {"few-alive"}, .env = {"GOMAXPROCS=1"});
	guest_ok("sched", .args = {"few-alive", "locked"}, .env = {"GOMAXPROCS=1"});
}

Test(sched, starters_are_fair, .timeout = 120)
{
	everywhere("starters-are-fair", "2");
	everywhere("starters-are-fair", "20");
}

Test(sched, yield_progress, .timeout = 120)
{
	everywhere("progress", NULL);
}

Test(sched, yield_progress_locked, .timeout = 120)
{
	everywhere("progress", "locked");
}

Test(sched, hog_and_light_pair, .timeout = 120)
{
	guest_ok("sched", .args = {"hog-and-light", "500"}, .env = {"GOMAXPROCS=1"});
}

Test(sched, stop_the_world_beside_spawning, .timeout = 120)
{
	guest_ok("sched", .args = {"stop-the-world", "1000"}, .timeout_s = 100);
}

Test(sched, parallelism, .timeout = 120)
{
	everywhere("parallel", NULL);
}

Test(sched, big_gomaxprocs)
{
	guest_ok("sched", .args = {"boot", "1024"}, .env = {"GOMAXPROCS=1024"});
}

Test(sched, lock_os_thread_nesting, .timeout = 120)
{
	everywhere("nesting", NULL);
}

/* What a locked goroutine has done to its thread ends with it. */
Test(sched, locked_end_takes_the_thread_along, .timeout = 120)
{
	everywhere("end-locked", NULL);
}

Test(sched, no_thread_is_a_clone_of_a_locked_one, .timeout = 120)
{
	everywhere("no-propagation", NULL);
}

/* ---- a function on every P ---- */

Test(each_p, runs_on_every_one, .timeout = 120)
{
	static const char *const cases[] = {"busy", "syscall", "many"};

	for (int i = 0; i < 3; i++)
		for (int round = 0; round < 10; round++)
			guest_ok("each_p", .args = {cases[i]}, .env = {"GOMAXPROCS=4"});
	guest_ok("each_p", .args = {"syscall"}, .env = {"GOMAXPROCS=1"});
	guest_ok("each_p", .args = {"many"}, .env = {"GOMAXPROCS=1"});
	guest_ok("each_p", .args = {"many"}, .env = {"GOMAXPROCS=4", "RTDEBUG=schedseed=7"});
}

/* Goroutines that do not run are no riddle then: the report says what they wait for. */
Test(stop_the_world, is_told_by_reports)
{
	struct guest g = guest_run("each_p", .args = {"dies"},
				   .env = {"GOMAXPROCS=2", "RTDEBUG=scheddetail=1"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, "^SCHED .* stopping=GOMAXPROCS$");
	guest_expect_err_matches(&g,
				 "^\\[signal SIGSEGV.*\\]\n"
				 "\\[the world is being stopped for GOMAXPROCS\\]\n\n");
	guest_free(&g);
	g = guest_run("each_p", .args = {"dies", "free"}, .env = {"GOMAXPROCS=2"});
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "\n[the world is being stopped for rt_free_os_memory]\n");
	guest_free(&g);
}

/* SPDX-License-Identifier: MIT */
/* Sleeping and timers: never early, never twice, never after they were stopped. How late, only
 * roughly: the machine may be busy. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

static void
everywhere(const char *name, const char *arg)
{
	guest_ok_on_procs("time", .args = {name, arg}, .timeout_s = 60);
}

Test(time, clock)
{
	guest_ok("time", .args = {"clock"});
}

Test(time, sleeps, .timeout = 240)
{
	everywhere("sleeps", "1000");
}

Test(time, sleeping_main_needs_no_other_thread)
{
	everywhere("sleep-alone", NULL);
}

Test(time, a_sleeper_is_no_deadlock_but_then_it_is)
{
	struct guest g = guest_run("time", .args = {"sleep-then-deadlock"});

	guest_expect_exit(&g, 2);
	guest_expect_out(&g, "awake\n");
	guest_expect_err(&g, "fatal error: all goroutines are asleep - deadlock!");
	guest_free(&g);
}

Test(time, after_func, .timeout = 240)
{
	everywhere("after-func", NULL);
	everywhere("after-func", "4");
}

Test(time, stop_func, .timeout = 240)
{
	everywhere("stop-func", NULL);
}

Test(time, one_shot, .timeout = 240)
{
	everywhere("one-shot", NULL);
}

Test(time, ticks, .timeout = 240)
{
	everywhere("ticks", NULL);
}

Test(time, many_wait, .timeout = 240)
{
	everywhere("many-wait", NULL);
}

Test(time, options, .timeout = 240)
{
	everywhere("options", NULL);
}

Test(time, a_million, .timeout = 300)
{
	guest_ok("time", .args = {"million", "1000000"}, .env = {"GOMAXPROCS=2"}, .timeout_s = 240);
}

Test(time, procs_change, .timeout = 240)
{
	everywhere("procs-change", "2000");
}

Test(time, from_threads, .timeout = 240)
{
	everywhere("from-threads", NULL);
	everywhere("from-threads", "4");
}

Test(time, forks, .timeout = 240)
{
	everywhere("forks", NULL);
}

Test(time, a_signal_ends_mains_sleep, .timeout = 240)
{
	everywhere("signal-ends-sleep", NULL);
	everywhere("signal-ends-sleep", "3");
}

Test(time, libc_sleeps, .timeout = 240)
{
	everywhere("libc-sleeps", "500");
}

static int
times(void)
{
	const char *text = getenv("RT0_STRESS");

	return text ? atoi(text) : 4;
}

Test(time, storm, .timeout = 900)
{
	for (int i = 0; i < times(); i++) {
		everywhere("storm", "5000");
		everywhere("frames", "500");
		everywhere("many-wait", NULL);
	}
}

Test(time, in_drawn_orders, .timeout = 600)
{
	static const char *const names[] = {"sleeps", "many-wait", "storm", "frames", "one-shot"};
	char seed[64];

	for (int i = 0; i < 5; i++)
		for (int n = 1; n <= 5; n++) {
			snprintf(seed, sizeof seed, "RTDEBUG=schedseed=%d", n);
			guest_ok("time", .args = {names[i]}, .env = {seed}, .timeout_s = 60);
		}
}

/* Beside goroutines that never let go, half of the wake-ups are far from a time slice late. */
Test(time, lateness, .timeout = 240)
{
	for (int i = 0; i < GUEST_PROCS; i++) {
		struct guest g =
			guest_run("time", .args = {"lateness", "4"}, .env = {guest_procs[i]});
		long half, most, all;

		guest_expect_exit(&g, 0);
		cr_assert(sscanf(g.out, "%ld %ld %ld\nok\n", &half, &most, &all) == 3);
		cr_log_info("%s: %ld us, at most %ld in 99 of 100, %ld in all\n", guest_procs[i],
			    half, most, all);
		cr_assert_lt(half, 100000);
		guest_free(&g);
	}
}

/* Random operations against a model. */
Test(timer, model, .timeout = 240)
{
	static const char *const procs[] = {"GOMAXPROCS=1", "GOMAXPROCS=4"};
	char seed[16];

	for (int i = 1; i <= 30; i++) {
		snprintf(seed, sizeof seed, "%d", i);
		guest_ok("model", .args = {"timers", seed}, .env = {procs[i % 2]});
	}
}

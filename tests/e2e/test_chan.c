/* SPDX-License-Identifier: MIT */
/* Channels and select: what each does, how misuse ends, and stress in many orders. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

static const char *const builds[] = {"chan", "chan-O0", "chan-O3", "chan-clang", "chan-clang-O0"};

static void
everywhere(const char *name)
{
	for (size_t b = 0; b < sizeof builds / sizeof *builds; b++)
		guest_ok_on_procs(builds[b], .args = {name});
}

#define EVERYWHERE(test, name)                                                                     \
	Test(chan, test)                                                                           \
	{                                                                                          \
		everywhere(name);                                                                  \
	}

EVERYWHERE(fifo, "fifo")
EVERYWHERE(sizes, "sizes")
EVERYWHERE(closed, "closed")
EVERYWHERE(nil, "nil")
EVERYWHERE(close_wakes, "close-wakes")
EVERYWHERE(rendezvous, "rendezvous")
EVERYWHERE(unbuffered, "unbuffered")
EVERYWHERE(fair_queues, "fair-queues")
EVERYWHERE(uniform, "uniform")
EVERYWHERE(many_cases, "many-cases")
EVERYWHERE(most_cases, "most-cases")
EVERYWHERE(duplicate, "duplicate")
EVERYWHERE(self_select, "self")
EVERYWHERE(at_one_moment, "at-one-moment")
EVERYWHERE(control_flow, "control-flow")
EVERYWHERE(evaluation, "evaluation")
EVERYWHERE(threads, "threads")
EVERYWHERE(free_at_once, "free-at-once")

Test(chan, kinds_of_elements)
{
	static const char *const of_kinds[] = {"chan_kinds", "chan_kinds-O0", "chan_kinds-O3",
					       "chan_kinds-clang", "chan_kinds-clang-O0"};

	for (size_t b = 0; b < sizeof of_kinds / sizeof *of_kinds; b++)
		if (guest_exists(of_kinds[b])) {
			guest_ok(of_kinds[b], .args = {"kinds"});
			guest_ok_on_procs(of_kinds[b], .args = {"extremes"});
		}
}

/* ---- waits that other things end ---- */

static void
waits(const char *name)
{
	guest_ok_on_procs("chan_wait", .args = {name});
	guest_ok_on_procs("chan_wait-clang", .args = {name});
}

Test(chan, deadlines)
{
	waits("deadlines");
	waits("in-time");
}

Test(chan, timers_and_groups)
{
	waits("timers-and-groups");
}

Test(chan, races_with_deadlines)
{
	waits("races");
	waits("all-at-once");
}

/* ---- how misuse ends ---- */

static void
ends(const char *name, const char *arg, const char *text)
{
	for (int p = 0; p < GUEST_PROCS; p++) {
		struct guest g = guest_run("chan", .args = {name, arg}, .env = {guest_procs[p]});

		guest_expect_exit(&g, 2);
		guest_expect_err(&g, text);
		guest_free(&g);
	}
}

Test(chan, panics)
{
	ends("misuse", "close-nil", "panic: close of nil channel\n\ngoroutine 1 [running]:\n");
	ends("misuse", "close-closed",
	     "panic: close of closed channel\n\ngoroutine 1 [running]:\n");
	ends("misuse", "send-closed", "panic: send on closed channel\n\ngoroutine 1 [running]:\n");
	ends("misuse", "try-send-closed", "panic: send on closed channel\n");
	ends("misuse", "select-send-closed", "panic: send on closed channel\n");
	ends("close-under-sender", NULL, "panic: send on closed channel\n");
	ends("close-under-sender", "select", "panic: send on closed channel\n");
	ends("misuse", "range", "panic: makechan: size out of range\n");
	ends("misuse", "overflow", "panic: makechan: size out of range\n");
	ends("misuse", "too-large", "panic: makechan: size out of range\n");
	ends("misuse", "free", "panic: rt_chan_free: goroutines wait on the channel\n");
}

/* Who waits for ever is shown with Go's words for it. */
Test(chan, deadlocks)
{
	static const char *const cases[][2] = {
		{"recv-nil", "goroutine 1 [chan receive (nil chan)]:\n"},
		{"send-nil", "goroutine 1 [chan send (nil chan)]:\n"},
		{"recv", "goroutine 1 [chan receive]:\n"},
		{"send", "goroutine 1 [chan send]:\n"},
		{"select", "goroutine 1 [select]:\n"},
		{"select-nothing", "goroutine 1 [select (no cases)]:\n"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct guest g = guest_run("chan", .args = {"misuse", cases[i][0]});

		guest_expect_exit(&g, 2);
		guest_expect_err(&g, "fatal error: all goroutines are asleep - deadlock!\n");
		guest_expect_err(&g, cases[i][1]);
		guest_expect_err(&g, "misuse(");
		guest_free(&g);
	}
}

/* ---- stress ---- */

static void
stress(const char *name)
{
	const char *times = getenv("RT0_STRESS");

	for (int i = 0; i < (times ? atoi(times) : 1); i++) {
		guest_ok_on_procs("chan_stress", .args = {name}, .timeout_s = 60);
		guest_ok_on_procs("chan_stress-clang", .args = {name}, .timeout_s = 60);
	}
}

Test(chan, many_to_many)
{
	stress("many");
}

Test(chan, select_stress)
{
	stress("selects");
}

Test(chan, storm_of_closes)
{
	stress("storm");
}

Test(chan, procs_and_threads)
{
	stress("procs");
}

/* Random programs against a model. */
Test(chan, model)
{
	stress("model");
}

/* In orders that nobody thought of. */
Test(chan, seeds)
{
	static const char *const small[][2] = {
		{"many", "5"}, {"selects", "20"}, {"storm", "3"}, {"model", "20"}};

	for (int seed = 1; seed <= 20; seed++) {
		char env[40];

		snprintf(env, sizeof env, "RTDEBUG=schedseed=%d", seed);
		for (size_t i = 0; i < sizeof small / sizeof *small; i++)
			guest_ok("chan_stress", .args = {small[i][0], small[i][1]}, .env = {env});
	}
}

/* Random operations against a model, in an order that is drawn, too. */
Test(chan, concurrent_model, .timeout = 240)
{
	const char *times = getenv("RT0_STRESS");
	int seeds = 50 * (times ? atoi(times) : 1);
	char seed[16], debug[40];

	for (int i = 1; i <= seeds; i++) {
		snprintf(seed, sizeof seed, "%d", i);
		snprintf(debug, sizeof debug, "RTDEBUG=schedseed=%d", i);
		guest_ok(i % 2 ? "model" : "model-clang", .args = {"channels", seed},
			 .env = {debug});
	}
}

/* SPDX-License-Identifier: MIT */
/* Many goroutines on many threads, again and again, also on a single CPU and beside others: what
 * fails once in twenty runs fails here. A hang shows all threads' backtraces. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

#define TIMES 20

static int
times(void)
{
	const char *text = getenv("RT0_STRESS");

	return text ? atoi(text) : TIMES;
}

/* Odd runs share one CPU, so that threads are preempted everywhere. */
static int
crowd(const void *odd)
{
	return *(const bool *)odd ? guest_pin_to_one_cpu(NULL) : 0;
}

static void
again(const char *name, const char *arg, const char *arg2)
{
	static const char *const procs[] = {"GOMAXPROCS=8", "GOMAXPROCS=2", "GOMAXPROCS=64",
					    "GOMAXPROCS=1"};

	for (int i = 0; i < times(); i++) {
		bool odd = i & 1;

		guest_ok("stress", .args = {name, arg, arg2}, .env = {procs[i / 2 % 4]},
			 .before = crowd, .arg = &odd, .timeout_s = 60);
	}
}

Test(stress, locals, .timeout = 600)
{
	for (int i = 0; i < times(); i++) {
		bool odd = i & 1;

		guest_ok("stress", .args = {"locals", "10000", "20"}, .env = {"GOMAXPROCS=8"},
			 .before = crowd, .arg = &odd, .timeout_s = 60);
	}
}

Test(stress, tree, .timeout = 600)
{
	again("tree", "11", NULL);
}

Test(stress, ping_pong, .timeout = 600)
{
	again("ping-pong", "20", "1000");
}

Test(stress, bursts, .timeout = 600)
{
	again("bursts", "2000", NULL);
}

Test(stress, gates, .timeout = 600)
{
	again("gates", "50", NULL);
}

Test(stress, flood, .timeout = 600)
{
	again("flood", "10000", NULL);
}

Test(stress, memory, .timeout = 600)
{
	again("memory", NULL, NULL);
}

/* The heap compares all that it knows, again and again, while more Ps than CPUs use it. */
Test(stress, heap, .timeout = 600)
{
	static const char *const procs[] = {"GOMAXPROCS=48", "GOMAXPROCS=2", "GOMAXPROCS=8",
					    "GOMAXPROCS=48"};

	for (int i = 0; i < times(); i++) {
		bool odd = i & 1;

		guest_ok("heap_crowd", .args = {"crowd", "6", "2000"}, .env = {procs[i / 2 % 4]},
			 .before = crowd, .arg = &odd, .timeout_s = 60);
	}
}

Test(stress, resize, .timeout = 600)
{
	for (int i = 0; i < times(); i++) {
		bool odd = i & 1;

		guest_ok("api", .args = {i % 4 < 2 ? "resize" : "resize-twice", "30"},
			 .env = {"GOMAXPROCS=8"}, .before = crowd, .arg = &odd, .timeout_s = 60);
	}
}

Test(stress, locked_threads, .timeout = 600)
{
	static const char *const names[] = {"lock-thread", "locked-end", "locked-ping-pong"};

	for (int i = 0; i < times(); i++) {
		bool odd = i & 1;

		guest_ok("api", .args = {names[i % 3]}, .env = {"GOMAXPROCS=8"}, .before = crowd,
			 .arg = &odd, .timeout_s = 60);
	}
}

/* Start and end of a process, at full speed: races of boot and exit with the first threads. */
Test(stress, start_and_exit, .timeout = 600)
{
	for (int i = 0; i < times() * 20; i++) {
		bool odd = i & 1;
		struct guest g = guest_run("init_goroutines", .env = {"GOMAXPROCS=8"},
					   .before = crowd, .arg = &odd);

		guest_expect_exit(&g, 0);
		guest_free(&g);
	}
}

/* SPDX-License-Identifier: MIT */
/* RTDEBUG=schedseed: an order for each seed, the same one each time, and all of them in the end. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define MOST_SEEDS 300

static struct guest
run(const char *name, const char *arg, const char *arg2, int seed, const char *more)
{
	char debug[80];

	snprintf(debug, sizeof debug, "RTDEBUG=schedseed=%d%s", seed, more);
	return guest_run("seed", .args = {name, arg, arg2}, .env = {debug});
}

/* What it printed; to be freed. */
static char *
log_of(const char *name, const char *arg, const char *arg2, int seed)
{
	struct guest g = run(name, arg, arg2, seed, "");
	guest_expect_exit(&g, 0);
	guest_expect_err_is(&g, "");
	char *text = strdup(g.out);

	guest_free(&g);
	return text;
}

static int
different(char **texts, int n)
{
	int found = 0;

	for (int i = 0; i < n; i++) {
		int k = 0;

		while (k < i && strcmp(texts[k], texts[i]) != 0)
			k++;
		found += k == i;
	}
	return found;
}

/* Runs seeds 1 to n: how many logs there are. */
static int
logs(const char *name, const char *arg, const char *arg2, int n)
{
	char *texts[MOST_SEEDS];

	cr_assert_leq(n, MOST_SEEDS);
	for (int i = 0; i < n; i++)
		texts[i] = log_of(name, arg, arg2, i + 1);
	int found = different(texts, n);
	for (int i = 0; i < n; i++)
		free(texts[i]);
	return found;
}

static void
replays(const char *name, const char *arg, const char *arg2, int times)
{
	char *first = log_of(name, arg, arg2, 7);

	for (int i = 0; i < times; i++) {
		char *text = log_of(name, arg, arg2, 7);

		cr_assert_str_eq(text, first);
		free(text);
	}
	free(first);
}

Test(schedseed, replays, .timeout = 120)
{
	replays("order", "8", "10", 20);
	replays("wakeups", NULL, NULL, 5);
	replays("many", NULL, NULL, 5);
}

Test(schedseed, each_seed_has_its_order, .timeout = 120)
{
	cr_assert_eq(logs("order", "8", "10", 50), 50);
	cr_assert_geq(logs("wakeups", NULL, NULL, 30), 29);
	cr_assert_eq(logs("many", NULL, NULL, 5), 5);
}

/* 3 goroutines with 2 steps each: 6! / 2!^3 orders, each with the others in between. */
Test(schedseed, every_order_has_a_seed, .timeout = 240)
{
	cr_assert_eq(logs("order", "3", "1", 100), 6);
	cr_assert_eq(logs("order", "2", "3", 300), 20);
	cr_assert_eq(logs("spawn", NULL, NULL, 20), 2);
}

Test(schedseed, finds_a_bug_and_replays_it, .timeout = 120)
{
	int seed = 1;
	bool found = false;

	guest_ok("seed", .args = {"oversell"}, .env = {"GOMAXPROCS=1"});
	for (; seed <= 100 && !found; seed += !found) {
		struct guest g = run("oversell", NULL, NULL, seed, "");

		found = strstr(g.err, "not so: sold <= seats") != NULL;
		guest_free(&g);
	}
	cr_assert(found);
	cr_log_info("seed %d\n", seed);
	for (int i = 0; i < 10; i++) {
		struct guest g = run("oversell", NULL, NULL, seed, "");

		guest_expect_exit(&g, 3);
		guest_expect_err(&g, "not so: sold <= seats");
		guest_free(&g);
	}
}

/* The whole stress program under seeds, with one P and with two: the latter is no replay. */
Test(schedseed, shakes, .timeout = 240)
{
	static const char *const cases[][3] = {
		{"tree", "8"},     {"ping-pong", "5", "100"}, {"bursts", "200"}, {"gates", "10"},
		{"flood", "2000"}, {"locals", "500", "10"},   {"memory"}};

	for (int seed = 1; seed <= 20; seed++) {
		const char *const *c = cases[seed % 7];
		char debug[80];

		snprintf(debug, sizeof debug, "RTDEBUG=schedseed=%d%s", seed,
			 seed % 2 ? "" : ",asyncpreemptoff=0");
		guest_ok("stress", .args = {c[0], c[1], c[2]}, .env = {"GOMAXPROCS=2", debug},
			 .timeout_s = 60);
		guest_ok("stress", .args = {c[0], c[1], c[2]}, .env = {debug}, .timeout_s = 60);
	}
}

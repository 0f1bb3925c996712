/* SPDX-License-Identifier: MIT */
/* What the report of a deadlock says of who waits for whom: test_sync has cycles of mutexes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "guest.h"
#include "report.h"

#define DEADLOCK "fatal error: all goroutines are asleep - deadlock!\n\n"

#define MUTEX "for the mutex at " HEX ", which goroutine [0-9]+ has locked"
#define CHANNEL "the channel at " HEX ", which goroutine [0-9]+ knows of"
#define SEMAPHORE "for the semaphore at " HEX ", which goroutine [0-9]+ knows of"
#define GROUP "for the wait group at " HEX ", which counts goroutine [0-9]+"

/* Runs a case in each build, on one processor and several, in orders that are drawn, and with
 * goroutines stopped anywhere. */
static void
in_all_ways(const char *name, const char *arg, const char *regex,
	    void (*check)(const struct guest *g))
{
	static const char *const builds[] = {"cycles", "cycles-O0", "cycles-clang",
					     "cycles-clang-O0"};
	static const char *const debug[] = {NULL, "RTDEBUG=schedseed=1", "RTDEBUG=schedseed=2",
					    "RTDEBUG=preemptstress=50"};

	for (size_t b = 0; b < sizeof builds / sizeof *builds; b++) {
		if (!guest_exists(builds[b]))
			continue;
		for (size_t d = 0; d < sizeof debug / sizeof *debug; d++) {
			struct guest g =
				guest_run(builds[b], .args = {name, arg},
					  .env = {guest_procs[(b + d) % GUEST_PROCS], debug[d]});

			guest_expect_exit(&g, 2);
			guest_expect_err_matches(&g, regex);
			if (check)
				check(&g);
			guest_free(&g);
		}
	}
}

/* Whom each line names comes in the next one; the first one comes last. */
static void
is_a_cycle(const struct guest *g)
{
	int first = 0, expected = 0, who;

	for (const char *line = g->err + strlen(DEADLOCK); *line != '\n'; line++) {
		cr_assert_eq(sscanf(line, "goroutine %d waits", &who), 1, "%s", g->err);
		cr_assert(expected == 0 || who == expected, "%s", g->err);
		first = first ? first : who;
		const char *next = strstr(strstr(line, ", which "), "goroutine ");
		line = strchr(line, '\n');
		cr_assert(next && next < line && sscanf(next, "goroutine %d", &expected) == 1, "%s",
			  g->err);
	}
	cr_assert_eq(expected, first, "%s", g->err);
}

/* Up to three steps, in this order; which of them comes first is up to the order of things. */
static void
cycle(const char *name, const char *arg, const char *a, const char *b, const char *c)
{
	const char *step[3] = {a, b, c};
	int n = c ? 3 : 2;
	char regex[2048];
	size_t len = (size_t)sprintf(regex, "^" DEADLOCK "(");

	for (int first = 0; first < n; first++) {
		for (int i = 0; i < n; i++)
			len += (size_t)snprintf(regex + len, sizeof regex - len,
						"goroutine [0-9]+ waits%s\n",
						step[(first + i) % n]);
		len += (size_t)snprintf(regex + len, sizeof regex - len,
					first < n - 1 ? "|" : ")\n");
	}
	in_all_ways(name, arg, regex, is_a_cycle);
}

Test(deadlock, with_a_mutex, .timeout = 120)
{
	cycle("mutex-and-channel", NULL, " to receive from " CHANNEL, " " MUTEX, NULL);
	cycle("mutex-and-select", NULL, ", among others, to send to " CHANNEL, " " MUTEX, NULL);
	cycle("mutex-and-semaphore", NULL, " " SEMAPHORE, " " MUTEX, NULL);
	cycle("mutex-and-group", NULL, " " GROUP, " " MUTEX, NULL);
}

Test(deadlock, of_three, .timeout = 60)
{
	cycle("three", NULL, " to receive from " CHANNEL, " " MUTEX, " " GROUP);
}

Test(deadlock, without_one, .timeout = 60)
{
	cycle("two-channels", NULL, " to receive from " CHANNEL, " to receive from " CHANNEL, NULL);
	cycle("not-closed", "1", " " GROUP, " to receive from " CHANNEL, NULL);
	cycle("not-closed", "20", " " GROUP, " to receive from " CHANNEL, NULL);
	in_all_ways("own-group", NULL,
		    "^" DEADLOCK "goroutine [0-9]+ waits for the wait group at " HEX
		    ", which counts it itself\n\n",
		    NULL);
}

/* What one has of the channel is the address of a block that has it. */
Test(deadlock, by_way_of_the_heap, .timeout = 60)
{
	cycle("in-the-heap", NULL, " to receive from " CHANNEL, " " MUTEX, NULL);
}

/* Blocks begin behind the start of their places, and the start of one is the end of another: no
 * register that rt_go had may be taken for an address that the new goroutine has. */
Test(deadlock, hard_malloc, .timeout = 60)
{
	static const struct {
		const char *name;
		int known;
	} cases[] = {{"two-channels", 2}, {"in-the-heap", 1}, {"a-chain", 0}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int n = 0; n < 50; n++) {
			struct guest g = guest_run("cycles", .args = {cases[i].name},
						   .env = {"RTDEBUG=malloc=hard"});

			guest_expect_exit(&g, 2);
			cr_assert_eq(guest_count(g.err, "knows of\n"), cases[i].known, "%s", g.err);
			guest_free(&g);
		}
}

Test(deadlock, no_cycle, .timeout = 120)
{
	static const char *const names[] = {"alone", "same-side", "a-chain", "too-many"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		in_all_ways(names[i], NULL, "^" DEADLOCK "goroutine [0-9]+ \\[chan receive\\]:\n",
			    NULL);
}

/* Others run, and may do what is waited for. */
Test(deadlock, not_while_one_runs, .timeout = 60)
{
	struct guest g = guest_run("cycles", .args = {"while-one-runs"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "^SIGQUIT: quit\nPC=" HEX " m=[0-9]+ sigcode=-6\n\ngoroutine 1 ");
	cr_assert_eq(guest_count(g.err, " [chan receive]:\n"), 2, "%s", g.err);
	cr_assert_eq(guest_count(g.err, "knows of"), 0, "%s", g.err);
	guest_free(&g);
}

/* SPDX-License-Identifier: MIT */
/* RTDEBUG=schedtrace: Go's lines, to the letter; also while nothing runs, and before a report. */
#include <criterion/criterion.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define MOST_EXPRESSIONS 5

#define COUNTS                                                                                     \
	"SCHED [0-9]+ms: gomaxprocs=2 idleprocs=[0-2] threads=[0-9]+ spinningthreads=[0-2] "       \
	"needspinning=[01] idlethreads=[0-9]+ runqueue=[0-9]+"
#define LINE "^" COUNTS " \\[ [0-9]+ [0-9]+ \\] schedticks=\\[ [0-9]+ [0-9]+ \\]$"
#define ID "([0-9]+|nil)"
#define TRUTH "(true|false)"
#define DETAIL                                                                                     \
	"^" COUNTS " gcwaiting=" TRUTH " nmidlelocked=[0-9]+ stopwait=[0-9]+ sysmonwait=" TRUTH "$"
#define P_LINE                                                                                     \
	"^  P[01]: status=[0-4] schedtick=[0-9]+ syscalltick=[0-9]+ m=" ID                         \
	" runqsize=[0-9]+ gfreecnt=[0-9]+ timerslen=[0-9]+$"
#define M_LINE                                                                                     \
	"^  M[0-9]+: p=" ID " curg=" ID " mallocing=0 throwing=0 preemptoff= locks=[0-9]+ "        \
	"dying=[01] spinning=" TRUTH " blocked=" TRUTH " lockedg=" ID "$"
#define G_LINE "^  G[0-9]+: status=[0-6]\\([A-Za-z.]*\\) m=" ID " lockedm=" ID "$"

/* Each line of stderr is like one of the n expressions; how many are like the first. The end of the
 * program may have cut the last one. */
static int
expect_lines(const struct guest *g, const char *const *expressions, int n)
{
	char *text = strdup(g->err), *end = strrchr(text, '\n');
	regex_t re[MOST_EXPRESSIONS];
	int first = 0;

	cr_assert(end);
	*end = 0;
	for (int i = 0; i < n; i++)
		cr_assert(regcomp(&re[i], expressions[i], REG_EXTENDED | REG_NOSUB) == 0);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		int i = 0;

		while (i < n && regexec(&re[i], line, 0, NULL, 0) != 0)
			i++;
		cr_assert(i < n, "unexpected: %s", line);
		first += i == 0;
	}
	for (int i = 0; i < n; i++)
		regfree(&re[i]);
	free(text);
	return first;
}

Test(schedtrace, lines)
{
	static const char *const line[] = {LINE};
	struct guest g = guest_run("trace", .args = {"busy", "500"},
				   .env = {"GOMAXPROCS=2", "RTDEBUG=schedtrace=20"});

	guest_expect_exit(&g, 0);
	guest_expect_out(&g, "ok\n");
	int n = expect_lines(&g, line, 1);
	cr_assert(n >= 3, "%d lines", n);
	cr_assert(strncmp(g.err, "SCHED 0ms: ", 11) == 0, "%s", g.err);
	guest_free(&g);
}

Test(schedtrace, detail)
{
	static const char *const lines[] = {DETAIL, P_LINE, M_LINE, G_LINE};
	struct guest g = guest_run("trace", .args = {"busy", "500"},
				   .env = {"GOMAXPROCS=2", "RTDEBUG=schedtrace=50,scheddetail=1"});

	guest_expect_exit(&g, 0);
	int n = expect_lines(&g, lines, 4);
	cr_assert(n >= 2, "%d times", n);
	cr_assert_eq(guest_count(g.err, "\n  P0: "), n);
	cr_assert_eq(guest_count(g.err, "\n  P1: "), n);
	cr_assert_eq(guest_count(g.err, "\n  M0: "), n);
	cr_assert_eq(guest_count(g.err, "\n  G1: "), n);
	/* Main and the reader are in the kernel, two wait, three share two Ps. */
	guest_expect_err_matches(&g, "^  G1: status=4\\(sleep\\) m=nil lockedm=nil$");
	guest_expect_err_matches(&g, "^  G7: status=3\\(\\) m=[0-9]+ lockedm=nil$");
	guest_expect_err_matches(&g, "^  G[0-9]+: status=4\\(sync.WaitGroup.Wait\\) m=nil ");
	guest_expect_err_matches(&g, "^  G[0-9]+: status=[12]\\(\\) m=");
	guest_free(&g);
}

/* While goroutines and threads come and go as fast as they can. */
Test(schedtrace, in_the_thick_of_it, .timeout = 120)
{
	static const char *const lines[] = {DETAIL, P_LINE, M_LINE, G_LINE};
	static const char *const cases[][2] = {{"tree", "9"}, {"bursts", "1000"}, {"gates", "20"}};

	for (int i = 0; i < 3; i++) {
		struct guest g =
			guest_run("stress", .args = {cases[i][0], cases[i][1]},
				  .env = {"GOMAXPROCS=2", "RTDEBUG=schedtrace=1,scheddetail=1"},
				  .timeout_s = 60);

		guest_expect_exit(&g, 0);
		guest_expect_out(&g, "ok\n");
		cr_assert_geq(expect_lines(&g, lines, 4), 1);
		guest_free(&g);
	}
}

/* sysmon is there from the start, and sleeps no longer than it may. */
static void
idle_at(const char *env, const char *debug)
{
	struct guest g = guest_run("trace", .args = {"idle", "600"}, .env = {env, debug});
	int n = 0;

	guest_expect_exit(&g, 0);
	/* None sooner than asked for; later is the machine's fault. */
	for (const char *p = g.err; (p = strstr(p, "SCHED ")); p++, n++)
		cr_assert_geq(atol(p + 6), 50 * n, "%s", g.err);
	cr_assert_geq(n, 4, "%s", g.err);
	guest_free(&g);
}

Test(schedtrace, keeps_the_pace_of_an_idle_program)
{
	idle_at("GOMAXPROCS=2", "RTDEBUG=schedtrace=50");
	idle_at("GOMAXPROCS=1", "RTDEBUG=schedtrace=50");
}

/* One line, however many Ps there are: the time, queues, ticks. */
Test(schedtrace, many_ps)
{
	struct guest g = guest_run("trace", .args = {"idle", "50"},
				   .env = {"GOMAXPROCS=4096", "RTDEBUG=schedtrace=10000"});

	guest_expect_exit(&g, 0);
	cr_assert_eq(guest_count(g.err, "\n"), 1);
	cr_assert_eq(guest_count(g.err, " 0"), 1 + 2 * 4096, "%.300s", g.err);
	cr_assert_str_eq(g.err + g.err_len - 3, " ]\n");
	guest_free(&g);
}

Test(schedtrace, before_a_report)
{
	static const char *const lines[] = {DETAIL, P_LINE, M_LINE, G_LINE, "."};
	struct guest g = guest_run("trace", .args = {"panics"},
				   .env = {"GOMAXPROCS=2", "RTDEBUG=schedtrace=100000"});

	guest_expect_exit(&g, 2);
	cr_assert_eq(expect_lines(&g, lines, 5), 1);
	guest_expect_err_matches(&g, "^  M0: p=0 curg=1 .* dying=1 ");
	cr_assert(strstr(g.err, "\n  G1: ") < strstr(g.err, "\npanic: sync: negative"));
	guest_free(&g);
}

Test(schedtrace, off)
{
	guest_ok("trace", .args = {"idle", "1"}, .env = {"RTDEBUG=schedtrace=0,scheddetail=1"});
	guest_ok("trace", .args = {"idle", "1"}, .env = {"RTDEBUG=schedtrace=-1"});
}

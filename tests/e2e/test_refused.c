/* SPDX-License-Identifier: MIT */
/*
 * Programs on a kernel that refuses to do something about memory: each call in turn, and each third
 * or all from there on (refuse.c). What can be done without is not missed; what cannot is said, in
 * words, and ends the program. It never faults, hangs, or loses what is in its memory. The heap by
 * itself is test_heap_failures'.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define UNTOUCHED 42 /* of refuse: there are not so many calls */
#define MOST_CALLS 1000

struct call {
	const char *name;
	int error;
	bool needed; /* there may be no doing without */
};

static const struct call calls[] = {
	{"mmap", ENOMEM, true},      {"mprotect", ENOMEM, true},
	{"madvise", ENOMEM, true},   {"madvise", EINVAL, false}, /* as where memory is locked */
	{"munmap", ENOMEM, false},   {"mremap", ENOMEM, false},
	{"mremap", EINVAL, false},   {"process_madvise", EPERM, false},
	{"mincore", ENOMEM, false},  {"membarrier", EPERM, false},
	{"prlimit64", EPERM, false}, {"sigaltstack", ENOMEM, true},
};

static bool
says_why(const char *err)
{
	return strstr(err, "rt0: cannot start: ") ||
		(strstr(err, "fatal error: out of memory\n") && strstr(err, "runtime: cannot ")) ||
		strstr(err, "runtime: failed to create new OS thread ") ||
		strstr(err, "fatal error: sigaltstack failed\n");
}

/* Whether there was such a call. */
static bool
refuse(const struct call *c, int first, int every, const char *const *env)
{
	char error[16], n[16], step[16];

	snprintf(error, sizeof error, "%d", c->error);
	snprintf(n, sizeof n, "%d", first);
	snprintf(step, sizeof step, "%d", every);
	struct guest g = guest_run(getenv("RT0_REFUSE"),
				   .args = {c->name, error, n, step, guest_path("refused")},
				   .env = {"GOMAXPROCS=2", env[0], env[1]});
	bool there = g.status != UNTOUCHED << 8;
	if (there && (g.status == 0 || !c->needed || !says_why(g.err)))
		guest_expect_exit(&g, 0);
	if (!there || g.status == 0)
		guest_expect_out(&g, "ok\n");
	guest_free(&g);
	return there;
}

/* Every `step`-th call, and some of them with others after it. How many calls there are. */
static int
refuse_each(int step, const char *const *env)
{
	static const int every[] = {0, 1, 3};
	int n = 0;

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		for (size_t j = 0; j < sizeof every / sizeof *every; j++) {
			int first = 1;

			while (first < MOST_CALLS && refuse(&calls[i], first, every[j], env))
				first += every[j] ? 4 * step : step;
			cr_assert_lt(first, MOST_CALLS);
			n += first - 1;
		}
	return n;
}

Test(refused, ordinary, .timeout = 300)
{
	cr_expect_gt(refuse_each(1, (const char *const[]){NULL, NULL}), 300);
}

/* Before Linux 6.13. */
Test(refused, guards_of_mprotect, .timeout = 300)
{
	cr_expect_gt(refuse_each(4, (const char *const[]){"RTDEBUG=no_guard=1", NULL}), 300);
}

Test(refused, hard, .timeout = 300)
{
	cr_expect_gt(refuse_each(4, (const char *const[]){"RTDEBUG=malloc=hard", NULL}), 300);
}

Test(refused, profile, .timeout = 300)
{
	static const char *const env[] = {"RTDEBUG=memprofilerate=1000,stackuse=1",
					  "RTMEMPROFILE=/dev/null"};

	cr_expect_gt(refuse_each(4, env), 300);
}

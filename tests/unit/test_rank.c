/* SPDX-License-Identifier: MIT */
/*
 * test_rank.c: the order of the runtime's locks, as builds with assertions check it. The calling
 * thread gets an M in the way that the runtime finds one: at %gs:0.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/os.h"
#include "sync/sync.h"

static struct rt__lock sched, allg, tables, users;
static int stderr_of_runtime;
static const char *wanted_throw, *wanted_text;

/* In place of the end of the program: whether it would have ended as it should. */
static void
check_throw(const char *msg)
{
	char text[256] = "";

	cr_assert(wanted_throw, "%s", msg);
	cr_assert_str_eq(msg, wanted_throw);
	if (*wanted_text)
		cr_assert_gt(read(stderr_of_runtime, text, sizeof text - 1), 0);
	cr_assert_str_eq(text, wanted_text);
	exit(0);
}

static void
be_m(struct rt__m *mp)
{
	mp->self = mp;
	rt__setm_raw(mp);
}

static void
setup(void)
{
	int p[2];

	cr_assert_eq(pipe(p), 0);
	cr_assert_eq(dup2(p[1], 2), 2);
	stderr_of_runtime = p[0];
	rt__on_throw = check_throw;
	be_m(&rt__m0);
	rt__lock_rank(&sched, RT_RANK_SCHED);
	rt__lock_rank(&allg, RT_RANK_ALLG);
	rt__lock_rank(&tables, RT_RANK_TABLES);
}

/* From here on, the test passes only by this throw, with that text before it. */
static void
expect(const char *throw, const char *text)
{
	wanted_throw = throw;
	wanted_text = text;
}

static void
lock_both(struct rt__lock *a, struct rt__lock *b)
{
	rt__lock(a);
	rt__lock(b);
}

Test(rank, right_order, .init = setup)
{
	lock_both(&sched, &allg);
	rt__lock(&tables);
	cr_expect_eq(rt__m0.locks_held,
		     1u << RT_RANK_SCHED | 1u << RT_RANK_ALLG | 1u << RT_RANK_TABLES);
	/* They are given back in any order. */
	rt__unlock(&sched);
	rt__unlock(&tables);
	cr_expect_eq(rt__m0.locks_held, 1u << RT_RANK_ALLG);
	rt__lock(&tables);
	rt__unlock(&tables);
	rt__unlock(&allg);
	cr_expect_eq(rt__m0.locks_held, 0u);
}

Test(rank, wrong_order, .init = setup)
{
	expect("lock ordering problem", "runtime: taking lock sched with lock allg held\n");
	lock_both(&allg, &sched);
	cr_assert_fail("not noticed");
}

/* The highest that is held is named, whichever came last. */
Test(rank, wrong_order_behind_others, .init = setup)
{
	lock_both(&sched, &tables);
	rt__unlock(&sched);
	expect("lock ordering problem", "runtime: taking lock allg with lock tables held\n");
	rt__lock(&allg);
	cr_assert_fail("not noticed");
}

/* Reported, and not waited for, which would be for ever. */
Test(rank, twice, .init = setup, .timeout = 10)
{
	rt__lock(&allg);
	expect("lock ordering problem", "runtime: taking lock allg with lock allg held\n");
	rt__lock(&allg);
	cr_assert_fail("not noticed");
}

Test(rank, unlock_of_what_is_free, .init = setup)
{
	expect("unlock of a lock that is not held", "");
	rt__unlock(&allg);
	cr_assert_fail("not noticed");
}

/* A lock inside of a user's object has no rank: it goes with all. */
Test(rank, locks_without_rank, .init = setup)
{
	lock_both(&tables, &users);
	cr_expect_eq(rt__m0.locks_held, 1u << RT_RANK_TABLES);
	rt__unlock(&users);
	rt__unlock(&tables);
	lock_both(&users, &sched);
	rt__unlock(&users);
	rt__unlock(&sched);
	cr_expect_eq(rt__m0.locks_held, 0u);
}

/* What they hold is noted nowhere: all of them share one M that is none. */
Test(rank, foreign_threads, .init = setup)
{
	be_m(&rt__m_foreign);
	lock_both(&allg, &sched);
	rt__unlock(&sched);
	rt__unlock(&allg);
	cr_expect_eq(rt__m_foreign.locks_held, 0u);
}

Test(rank, around_fork, .init = setup)
{
	rt__lock_all();
	cr_expect_eq(sched.state & allg.state & tables.state, 1u);
	cr_expect_eq(rt__m0.locks_held,
		     1u << RT_RANK_SCHED | 1u << RT_RANK_ALLG | 1u << RT_RANK_TABLES);
	rt__unlock_all();
	cr_expect_eq(sched.state | allg.state | tables.state, 0u);
	cr_expect_eq(rt__m0.locks_held, 0u);
}

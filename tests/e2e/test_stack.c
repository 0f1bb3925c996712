/* SPDX-License-Identifier: MIT */
/* Stacks: sizes, guards, cost, memory that comes back; and every limit, reached on purpose. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/resource.h>

#include "guest.h"

#define NO_GUARD "RTDEBUG=no_guard=1"

TestSuite(stack, .timeout = 300);

Test(stack, sizes)
{
	guest_ok("stack", .args = {"sizes"});
	guest_ok("stack", .args = {"sizes"}, .env = {NO_GUARD});
	guest_ok("stack", .args = {"arguments"});
	guest_ok("stack-clang", .args = {"arguments"});
}

/* One page, and its share of the page tables. With smaller stacks, of those less. */
Test(stack, cost)
{
	guest_ok("stack", .args = {"cost", guest_goroutines("100000"), "4800"}, .timeout_s = 120);
	guest_ok("stack", .args = {"cost", "20000", "4800"}, .env = {NO_GUARD}, .timeout_s = 120);
	guest_ok("stack", .args = {"cost", guest_goroutines("50000"), "4400"},
		 .env = {"RTSTACK=16K"}, .timeout_s = 120);
}

Test(stack, guards)
{
	guest_ok("stack", .args = {"guards", "3000"}, .timeout_s = 120);
	guest_ok("stack", .args = {"guards", "1000"}, .env = {NO_GUARD}, .timeout_s = 120);
	guest_ok("stack", .args = {"guards", "1000"}, .env = {"RTSTACK=16K"}, .timeout_s = 120);
}

/* No frame of libc passes over the guard, wherever it begins: there is room for it, or an overflow.
 */
Test(stack, frames_of_libc_meet_the_guard, .timeout = 120)
{
	static const char *const envs[] = {"RTDEBUG=", NO_GUARD};
	int ends[2] = {0};

	for (int left = 512; left < 10240; left += 64) {
		char number[16];

		snprintf(number, sizeof number, "%d", left);
		struct guest g = guest_run("stack", .args = {"step-over", number},
					   .env = {envs[left / 64 % 2]});
		bool over = strstr(g.err, "fatal error: stack overflow\n") != NULL;

		guest_expect_exit(&g, over ? 2 : 0);
		ends[over]++;
		guest_free(&g);
	}
	cr_assert(ends[0] > 0 && ends[1] > 0);
}

Test(stack, memory_comes_back)
{
	guest_ok("stack", .args = {"given-back", "1000", "200", "4096"}, .timeout_s = 120);
	guest_ok("stack", .args = {"given-back", guest_goroutines("50000"), "0", "16384"},
		 .timeout_s = 120);
	guest_ok("stack", .args = {"given-back", "1000", "200", "4096"}, .env = {NO_GUARD},
		 .timeout_s = 120);
}

Test(stack, disuse)
{
	guest_ok("stack", .args = {"disused"}, .env = {"GOMAXPROCS=1"}, .timeout_s = 120);
	guest_ok("stack", .args = {"disused"}, .env = {"GOMAXPROCS=2"}, .timeout_s = 120);
}

Test(stack, memory_goes_by_itself)
{
	guest_ok("stack", .args = {"by-itself", "0"});
	guest_ok("stack", .args = {"by-itself", "1"});
	guest_ok("stack", .args = {"by-itself", "1"}, .env = {"GOMAXPROCS=4"});
}

Test(stack, churn)
{
	guest_ok("stack", .args = {"churn", "200"}, .env = {"GOMAXPROCS=4"}, .timeout_s = 120);
	guest_ok("stack", .args = {"churn", "200"}, .env = {"GOMAXPROCS=4", NO_GUARD},
		 .timeout_s = 120);
	guest_ok("stack", .args = {"signals", "1000"}, .env = {"GOMAXPROCS=8"}, .timeout_s = 120);
}

/* ---- limits ---- */

struct limit {
	int resource;
	rlim_t mib;
};

static int
set_limit(const void *arg)
{
	const struct limit *l = arg;

	return setrlimit(l->resource, &(struct rlimit){l->mib << 20, l->mib << 20});
}

static const struct limit limits[] = {
	{RLIMIT_AS, 1500},
	/* What is private and can be written: what a strict vm.overcommit_memory counts, too. */
	{RLIMIT_DATA, 1500},
};

Test(stack, out_of_address_space)
{
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct guest g = guest_run("stack", .args = {"many"}, .before = set_limit,
					   .arg = &limits[i], .timeout_s = 120);

		guest_expect_exit(&g, 2);
		guest_expect_err(&g,
				 "runtime: cannot reserve a goroutine's stack (274432 bytes)\n");
		guest_expect_err(&g, "ulimit -v");
		guest_expect_err(&g, "fatal error: out of memory\n");
		guest_free(&g);
	}
}

/* To who has asked for a size, it is a result. */
Test(stack, no_room_for_a_large_stack)
{
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		guest_ok("stack", .args = {"exhaust", "64"}, .before = set_limit,
			 .arg = &limits[i]);
		guest_ok("stack", .args = {"exhaust", "512"}, .before = set_limit,
			 .arg = &limits[i]);
	}
}

/* Before Linux 6.13, each guard takes a mapping. */
Test(stack, too_many_mappings)
{
	struct guest g = guest_run("stack", .args = {"many"}, .env = {NO_GUARD}, .timeout_s = 120);

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "runtime: cannot guard a goroutine's stack: too many mappings\n");
	guest_expect_err(&g, "vm.max_map_count");
	guest_expect_err(&g, "fatal error: out of memory\n");
	guest_free(&g);
	guest_ok("stack", .args = {"many", "30000"}, .env = {NO_GUARD}, .timeout_s = 120);
}

/* ---- how deep ---- */

Test(stack, usage)
{
	struct guest g = guest_run("stack", .args = {"usage"}, .env = {"RTDEBUG=stackuse=1"});

	guest_expect_exit(&g, 0);
	guest_expect_out(&g, "ok\n");
	guest_expect_err_matches(&g,
				 "^stackuse: 8[0-9]{5} of 1048576 bytes, 1 goroutines: deeper$");
	guest_expect_err_matches(
		&g, "^stackuse: 1[0-9]{5} of 262144 bytes, 40 goroutines: only_zeros$");
	guest_expect_err_matches(&g,
				 "^stackuse: [0-9]{4} of 262144 bytes, 40 goroutines: shallow$");
	guest_free(&g);
	guest_ok("stack", .args = {"usage", "1"});
}

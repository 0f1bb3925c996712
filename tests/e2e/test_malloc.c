/* SPDX-License-Identifier: MIT */
/* malloc and its family, as programs see them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/resource.h>

#include "guest.h"

Test(malloc, corner_cases, .timeout = 120)
{
	static const char *const cases[] = {"basics",  "zeroed",   "resized",
					    "aligned", "too-much", "without-pointers"};

	for (int i = 0; i < 6; i++) {
		guest_ok("malloc", .args = {cases[i]});
		guest_ok("malloc", .args = {cases[i]}, .env = {"RTDEBUG=no_guard=1"});
	}
}

static void
misuse(const char *what, const char *detail, const char *verdict)
{
	struct guest g = guest_run("malloc", .args = {"misuse", what});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, detail);
	guest_expect_err(&g, verdict);
	guest_expect_err_matches(&g, "\nmisuse\\(\\.\\.\\.\\)\n");
	guest_free(&g);
}

Test(malloc, misuse_is_told)
{
	misuse("twice", "^runtime: free\\(0x[0-9a-f]+\\): start of a block of 112 bytes at 0x",
	       "fatal error: free: double free");
	misuse("twice-large", "^runtime: free\\(0x[0-9a-f]+\\): ", "fatal error: free: ");
	misuse("inside", "inside of a block of 112 bytes .*\nruntime: 16 bytes into it",
	       "fatal error: free: not the start of a block");
	misuse("inside-large", "inside of a block of 5246976 bytes",
	       "fatal error: free: not the start of a block");
	misuse("static", "outside of the heap", "fatal error: free: invalid pointer");
	misuse("stack", "outside of the heap", "fatal error: free: invalid pointer");
	misuse("wild", "outside of the heap", "fatal error: free: invalid pointer");
	misuse("sized", "free_sized\\(0x[0-9a-f]+, 10000\\): the block has 112 bytes",
	       "fatal error: free_sized: wrong size");
	misuse("realloc", "^runtime: realloc\\(0x", "fatal error: realloc: double free");
}

Test(malloc, an_overrun_faults)
{
	struct guest g = guest_run("malloc", .args = {"misuse", "overrun"});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "unexpected fault address");
	guest_free(&g);
}

Test(malloc, many_threads, .timeout = 300)
{
	guest_ok_on_procs("malloc", .args = {"stress"}, .timeout_s = 90);
}

/* With the world stopped now and then, for the heap's check of itself; also where fast paths end
 * elsewhere. */
Test(malloc, a_crowd, .timeout = 300)
{
	static const char *const modes[] = {NULL, "RTDEBUG=malloc=sample:50",
					    "RTDEBUG=memprofilerate=20000", "RTDEBUG=no_guard=1"};

	for (int i = 0; i < 4; i++)
		guest_ok("heap_crowd", .args = {"crowd", "12", "3000"},
			 .env = {"GOMAXPROCS=48", modes[i]}, .timeout_s = 60);
	guest_ok("heap_crowd", .args = {"crowd", "4", "1000"},
		 .env = {"GOMAXPROCS=48", "RTDEBUG=malloc=hard"}, .timeout_s = 60);
}

/* As a collector will ask. */
Test(malloc, any_address_leads_to_its_block, .timeout = 200)
{
	guest_ok("find", .args = {"foreign"});
	guest_ok("find", .args = {"inside"});
	guest_ok("find", .args = {"inside"}, .env = {"RTDEBUG=no_guard=1"});
	guest_ok_on_procs("find", .args = {"racing"}, .timeout_s = 60);
}

Test(malloc, beside_children, .timeout = 300)
{
	guest_ok_on_procs("heap_crowd", .args = {"children"}, .timeout_s = 60);
}

Test(malloc, forks, .timeout = 300)
{
	guest_ok_on_procs("malloc", .args = {"forks"}, .timeout_s = 90);
}

Test(malloc, children_of_children, .timeout = 120)
{
	guest_ok("malloc", .args = {"generations", "20"}, .env = {guest_procs[2]}, .timeout_s = 50);
	guest_ok("malloc", .args = {"generations-of-threads", "20"}, .env = {guest_procs[2]},
		 .timeout_s = 50);
}

Test(malloc, handlers, .timeout = 60)
{
	guest_ok("malloc", .args = {"handler"}, .timeout_s = 50);
}

/* They neither end the program nor wait for what they have interrupted. */
Test(malloc, handlers_anywhere, .timeout = 200)
{
	static const char *const modes[] = {NULL, "RTDEBUG=malloc=hard", "RTDEBUG=malloc=sample:20",
					    "RTDEBUG=memprofilerate=1,no_guard=1"};

	for (int i = 0; i < 4; i++) {
		guest_ok("malloc", .args = {"handler-anywhere", "1000", "300"}, .env = {modes[i]});
		guest_ok("malloc", .args = {"handler-anywhere", "1000", "300", "thread"},
			 .env = {modes[i]});
	}
	guest_ok("malloc", .args = {"handler-anywhere", "100", "3000", "fork"});
	guest_ok("malloc", .args = {"handler-anywhere", "100", "3000", "fork", "thread"});
	guest_ok("malloc", .args = {"handler-once"});
}

Test(malloc, no_memory, .timeout = 60)
{
	guest_ok("malloc_limits", .args = {"no-memory", "64", "50000"});
	guest_ok("malloc_limits", .args = {"no-memory", "64", "2000"});
	guest_ok("malloc_limits", .args = {"no-memory", "300", "3000000"});
}

static int
limit_addresses(const void *mib)
{
	rlim_t n = (rlim_t) * (const int *)mib << 20;

	return setrlimit(RLIMIT_AS, &(struct rlimit){n, n});
}

Test(malloc, few_addresses)
{
	for (int mib = 4096; mib >= 512; mib /= 2)
		guest_ok("malloc", .args = {"basics"}, .before = limit_addresses, .arg = &mib);
}

/* What they print: "381 of 488". */
static void
check_share(const struct guest *g, int percent)
{
	int got, of;

	cr_assert_eq(sscanf(g->out, "%d of %d\n", &got, &of), 2, "%s", g->out);
	cr_expect(got >= of * percent / 100, "%d of %d MiB", got, of);
}

Test(malloc, addresses_are_there_up_to_the_limit, .timeout = 60)
{
	int mib = 488; /* ulimit -v 500000 */
	struct guest g = guest_run("malloc_limits", .args = {"address-limit"},
				   .before = limit_addresses, .arg = &mib);

	guest_expect_exit(&g, 0);
	check_share(&g, 55); /* main's stack has a quarter */
	guest_free(&g);
	g = guest_run("malloc_limits", .args = {"address-limit", "1500"});
	guest_expect_exit(&g, 0);
	check_share(&g, 20); /* main's stack has a gigabyte */
	guest_free(&g);
}

Test(malloc, mappings_in_the_way)
{
	guest_ok("malloc_limits", .args = {"in-the-way"});
}

Test(malloc, locked_memory)
{
	guest_ok("malloc_limits", .args = {"locked"});
}

Test(malloc, memory_limit)
{
	static const char *const sizes[] = {"1000", "100000", "4000000"};

	guest_ok("malloc_limits", .args = {"soft-limit"}, .env = {"RTMEMLIMIT=30MiB"});
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		guest_ok("malloc_limits", .args = {"limit-in-spans", sizes[i]},
			 .env = {"RTMEMLIMIT=30MiB"});
}

Test(malloc, memory_goes_back, .timeout = 60)
{
	guest_ok("malloc_limits", .args = {"goes-back"}, .timeout_s = 50);
}

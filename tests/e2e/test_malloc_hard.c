/* SPDX-License-Identifier: MIT */
/* RTDEBUG=malloc=hard and malloc=sample: each bug is found, and told in these words. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define HARD "RTDEBUG=malloc=hard"
#define ADDRESS "0x[0-9a-f]+"
#define AT(function) " at\n" function "\\(\\.\\.\\.\\)\n\t[^\n]*/malloc_hard\\.c:[0-9]+ [^\n]*\n"
#define MADE "(memset[^\n]*\n[^\n]*\n)?runtime: allocated by goroutine 1" AT("make")
#define DROPPED "(.|\n)*runtime: freed by goroutine 1" AT("drop")

/* The whole report up to the goroutines, as a regular expression. */
static void
tells(const char *const *args, const char *setting, const char *first, const char *rest)
{
	struct guest_options o = {.env = {setting}};
	char regex[2000];

	for (int i = 0; args[i]; i++)
		o.args[i] = args[i];
	snprintf(regex, sizeof regex, "^%s\n%s", first, rest);
	struct guest g = guest_run_with("malloc_hard", &o);
	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, regex);
	guest_free(&g);
}
#define SAMPLE_TELLS(setting, first, rest, ...)                                                    \
	tells((const char *[]){__VA_ARGS__, NULL}, "RTDEBUG=malloc=" setting, first, rest)
#define TELLS(first, rest, ...) tells((const char *[]){__VA_ARGS__, NULL}, HARD, first, rest)

#define FATAL(text) "(.|\n)*fatal error: " text "\n\ngoroutine 1 "
#define BLOCK(size, place) "runtime: block of " size " bytes \\(" place "\\) at " ADDRESS "\n" MADE
#define FREED(size, place) "block of " size " bytes \\(" place "\\) at " ADDRESS ", which is free"

Test(malloc_hard, overruns)
{
	TELLS("runtime: free\\(" ADDRESS "\\): overrun by 1 byte: 00",
	      BLOCK("100", "class 128") FATAL("free: overrun"), "overrun", "100");
	TELLS("runtime: free\\(" ADDRESS "\\): overrun by 3 bytes: 41 41 41",
	      BLOCK("20", "class 48") FATAL("free: overrun"), "overrun", "20", "3");
	TELLS("runtime: free\\(" ADDRESS "\\): overrun by 8 bytes or more: 41 41 41 41 41 41 41 41",
	      BLOCK("24", "class 48") FATAL("free: overrun"), "overrun", "24", "8");
	TELLS("runtime: free\\(" ADDRESS "\\): overrun by 2 bytes: 41 41",
	      BLOCK("50001", "on pages of its own") FATAL("free: overrun"), "overrun", "50001",
	      "2");
	TELLS("runtime: realloc\\(" ADDRESS "\\): overrun by 1 byte: 00",
	      BLOCK("100", "class 128") FATAL("realloc: overrun"), "grown");
	TELLS("runtime: free\\(" ADDRESS "\\): overrun by 8 bytes or more: 42 42 42 42 42 42 42 42",
	      BLOCK("24", "class 48") FATAL("free: overrun"), "neighbours");
}

Test(malloc_hard, underruns)
{
	TELLS("runtime: free\\(" ADDRESS "\\): underrun by 1 byte: 00",
	      BLOCK("100", "class 128") FATAL("free: underrun"), "underrun", "100");
	TELLS("runtime: free\\(" ADDRESS "\\): underrun by 16 bytes or more:( 00){16}",
	      BLOCK("1000", "class 1024") FATAL("free: underrun"), "underrun", "1000", "16");
	TELLS("runtime: free\\(" ADDRESS "\\): underrun by 2 bytes: 00 00",
	      BLOCK("50001", "on pages of its own") FATAL("free: underrun"), "underrun", "50001",
	      "2");
}

Test(malloc_hard, double_frees)
{
	TELLS("runtime: free\\(" ADDRESS "\\): start of a " FREED("100", "class 128"),
	      MADE DROPPED FATAL("free: double free"), "twice");
	TELLS("runtime: free\\(" ADDRESS "\\): start of a " FREED("50001", "on pages of its own"),
	      MADE DROPPED FATAL("free: double free"), "twice", "50001");
	TELLS("runtime: free\\(" ADDRESS "\\): start of a " FREED("3000000", "on pages of its own"),
	      MADE DROPPED FATAL("free: double free"), "twice", "3000000");
	TELLS("runtime: free\\(" ADDRESS "\\): start of a " FREED("100", "class 128"),
	      MADE "(.|\n)*runtime: freed by goroutine [0-9]+" AT("free_it")
		      FATAL("free: double free"),
	      "twice-by-others");
	TELLS("runtime: free\\(" ADDRESS "\\): start of a " FREED("100", "class 128"),
	      MADE "(.|\n)*runtime: freed by thread [0-9]+" AT("free_on_thread")
		      FATAL("free: double free"),
	      "twice-by-a-thread");
	TELLS("runtime: realloc\\(" ADDRESS "\\): start of a " FREED("100", "class 128"),
	      MADE DROPPED FATAL("realloc: double free"), "resize-freed");
}

Test(malloc_hard, other_pointers)
{
	TELLS("runtime: free\\(" ADDRESS
	      "\\): 16 bytes into a block of 100 bytes \\(class 128\\) at " ADDRESS,
	      MADE FATAL("free: not the start of a block"), "inside");
	TELLS("runtime: free\\(" ADDRESS "\\): 16 bytes into a block of 50001 bytes \\(on pages of "
	      "its own\\) at " ADDRESS,
	      MADE FATAL("free: not the start of a block"), "inside", "50001");
	TELLS("runtime: free_sized\\(" ADDRESS ", 101\\): start of a block of 100 bytes \\(class "
	      "128\\) at " ADDRESS,
	      MADE FATAL("free_sized: wrong size"), "wrong-size");
}

Test(malloc_hard, use_after_free)
{
	TELLS("runtime: malloc\\(" ADDRESS "\\): write after free at offset 8: 43",
	      "runtime: " FREED("100",
				"class 128") "\n" MADE DROPPED FATAL("malloc: write after free"),
	      "write-after", "100", "leaves");
	TELLS("runtime: exit\\(" ADDRESS "\\): write after free at offset 8: 43",
	      "runtime: " FREED("100",
				"class 128") "\n" MADE DROPPED FATAL("exit: write after free"),
	      "write-after", "100");
	TELLS("unexpected fault address " ADDRESS,
	      "runtime: " ADDRESS ": 8 bytes into a " FREED(
		      "50001", "on pages of its own") "\n" MADE DROPPED
						      "(.|\n)*fatal error: fault\n",
	      "read-after", "50001");
	TELLS("unexpected fault address " ADDRESS,
	      "runtime: " ADDRESS ": 8 bytes into a " FREED(
		      "50001", "on pages of its own") "\n" MADE DROPPED
						      "(.|\n)*fatal error: fault\n",
	      "write-after", "50001");
	TELLS("unexpected fault at a non-canonical address", "fatal error: fault\n",
	      "follow-after");
}

/* Of an access beyond its pages, the block is named. */
Test(malloc_hard, faults_near_a_block)
{
	TELLS("unexpected fault address " ADDRESS,
	      "runtime: " ADDRESS ": [0-9]+ bytes behind a block of 50001 bytes \\(on pages of its "
	      "own\\) at " ADDRESS "\n" MADE "(.|\n)*fatal error: fault\n",
	      "overrun", "50001", "9000");
	TELLS("unexpected fault address " ADDRESS,
	      "runtime: " ADDRESS
	      ": [0-9]+ bytes before a block of 3000000 bytes \\(on pages of its "
	      "own\\) at " ADDRESS "\n" MADE "(.|\n)*fatal error: fault\n",
	      "underrun", "3000000", "5000");
}

Test(malloc_hard, at_exit)
{
	TELLS("runtime: exit\\(" ADDRESS "\\): overrun by 1 byte: 00",
	      BLOCK("100", "class 128") FATAL("exit: overrun"), "exits");
	struct guest g = guest_run("malloc_hard", .args = {"exits", "50"}, .env = {HARD});

	guest_expect_exit(&g, 2);
	guest_expect_out(&g, "done\n");
	cr_assert_eq(guest_count(g.err, "overrun by 1 byte"), 10);
	guest_free(&g);
}

Test(malloc_hard, places)
{
	guest_ok("malloc_hard", .args = {"shuffled"}, .env = {HARD});
	guest_ok("malloc_hard", .args = {"kept", "100"}, .env = {HARD});
	guest_ok("malloc_hard", .args = {"kept", "10000"}, .env = {HARD});
	guest_ok("malloc_hard", .args = {"kept", "100000"}, .env = {HARD});
	guest_ok("malloc_hard", .args = {"kept", "5000000"}, .env = {HARD});
}

Test(malloc_hard, memory_is_bounded, .timeout = 60)
{
	guest_ok("malloc_hard", .args = {"bounded"}, .env = {HARD}, .timeout_s = 50);
	guest_ok("malloc_hard", .args = {"bounded"}, .env = {"RTDEBUG=malloc=sample:10"});
	guest_ok("malloc_hard", .args = {"bounded"}, .env = {"RTDEBUG=malloc=hard,no_guard=1"},
		 .timeout_s = 50);
}

/* ---- malloc=sample ---- */

#define OWN "on pages of its own"

/* Every block is sampled, and lies at either end of its pages. */
Test(malloc_hard, each_one_sampled)
{
	for (int i = 0; i < 8; i++) {
		SAMPLE_TELLS("sample:1",
			     "runtime: free\\(" ADDRESS "\\): start of a " FREED("100", OWN),
			     MADE DROPPED FATAL("free: double free"), "twice");
		SAMPLE_TELLS("sample:1",
			     "runtime: realloc\\(" ADDRESS "\\): start of a " FREED("100", OWN),
			     MADE DROPPED FATAL("realloc: double free"), "resize-freed");
		SAMPLE_TELLS("sample:1", "runtime: free\\(" ADDRESS "\\): overrun by 1 byte: 00",
			     BLOCK("100", OWN) FATAL("free: overrun"), "overrun", "100");
		SAMPLE_TELLS("sample:1", "runtime: exit\\(" ADDRESS "\\): overrun by 1 byte: 00",
			     BLOCK("100", OWN) FATAL("exit: overrun"), "exits");
		SAMPLE_TELLS("sample:1", "unexpected fault address " ADDRESS,
			     "runtime: " ADDRESS
			     ": 8 bytes into a " FREED("100", OWN) "\n" MADE DROPPED
								   "(.|\n)*fatal error: fault\n",
			     "read-after");
		SAMPLE_TELLS("sample:1", "unexpected fault address " ADDRESS,
			     "runtime: " ADDRESS ": [0-9]+ bytes behind a block of 100 bytes "
			     "\\(" OWN "\\) at " ADDRESS "\n" MADE "(.|\n)*fatal error: fault\n",
			     "overrun", "100", "5000");
		SAMPLE_TELLS("sample:1", "unexpected fault address " ADDRESS,
			     "runtime: " ADDRESS ": [0-9]+ bytes before a block of 100 bytes "
			     "\\(" OWN "\\) at " ADDRESS "\n" MADE "(.|\n)*fatal error: fault\n",
			     "underrun", "100", "4097");
	}
}

Test(malloc_hard, sooner_or_later, .timeout = 120)
{
	SAMPLE_TELLS("sample:200", "unexpected fault address " ADDRESS,
		     "runtime: " ADDRESS ": 8 bytes into a " FREED("64", OWN) "\n" MADE DROPPED
									      "(.|\n)*fault\n",
		     "often");
	SAMPLE_TELLS("sample", "unexpected fault address " ADDRESS,
		     "runtime: " ADDRESS ": 8 bytes into a " FREED("64", OWN) "\n" MADE DROPPED
									      "(.|\n)*fault\n",
		     "often", "write");
	/* 64 bytes at the end of a page: the next one faults; at the start: seen by free. */
	SAMPLE_TELLS("sample:500",
		     "(unexpected fault address " ADDRESS "|runtime: free\\(" ADDRESS
		     "\\): overrun by 1 byte: 00)",
		     "runtime: (" ADDRESS ": 0 bytes behind a )?block of 64 bytes \\(" OWN
		     "\\) at ",
		     "often-overrun");
}

Test(malloc_hard, one_of_n_is_sampled)
{
	static const struct row {
		const char *setting;
		int n;
	} rows[] = {{"RTDEBUG=malloc=sample:10", 10000},
		    {"RTDEBUG=malloc=sample:100", 1000},
		    {"RTDEBUG=malloc=sample:1", 100000},
		    {"RTDEBUG=malloc=sample:2000000000", 0},
		    {HARD, 100000},
		    {"RTDEBUG=", 0}};

	for (const struct row *r = rows; r < rows + sizeof rows / sizeof *rows; r++) {
		struct guest g = guest_run("malloc_hard", .args = {"sampled"}, .env = {r->setting});
		int n = atoi(g.out);

		guest_expect_exit(&g, 0);
		cr_assert(n >= r->n - r->n / 5 && n <= r->n + r->n / 5, "%s: %d", r->setting, n);
		guest_free(&g);
	}
}

/* ---- programs without bugs: all that malloc has to do, done so ---- */

static void
the_same_works(const char *setting)
{
	static const char *const cases[] = {"basics", "zeroed", "resized", "aligned", "too-much"};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		guest_ok("malloc", .args = {cases[i]}, .env = {setting}, .timeout_s = 60);
	guest_ok("malloc_limits", .args = {"goes-back"}, .env = {setting});
}

static void
the_rest_works(const char *setting)
{
	guest_ok("malloc", .args = {"handler", "2000"}, .env = {setting});
	guest_ok("malloc_limits", .args = {"no-memory", "64", "50000"}, .env = {setting});
	guest_ok("malloc_limits", .args = {"no-memory", "64", "2000"}, .env = {setting});
	guest_ok("malloc_limits", .args = {"no-memory", "300", "3000000"}, .env = {setting});
	guest_ok("malloc_limits", .args = {"soft-limit"}, .env = {"RTMEMLIMIT=30MiB", setting});
}

Test(malloc_hard, the_same_works, .timeout = 300)
{
	the_same_works(HARD);
	the_rest_works(HARD);
	the_same_works("RTDEBUG=malloc=hard,no_guard=1");
	the_same_works("RTDEBUG=malloc=sample:20");
	the_rest_works("RTDEBUG=malloc=sample:20");
	the_same_works("RTDEBUG=malloc=sample:20,no_guard=1");
}

static void
many_threads(const char *setting)
{
	static const char *const procs[] = {"GOMAXPROCS=1", "GOMAXPROCS=2", "GOMAXPROCS=4"};

	for (int i = 0; i < 3; i++) {
		guest_ok("malloc", .args = {"stress"}, .env = {procs[i], setting}, .timeout_s = 90);
		guest_ok("malloc", .args = {"forks"}, .env = {procs[i], setting}, .timeout_s = 90);
	}
}

Test(malloc_hard, many_threads, .timeout = 400)
{
	many_threads(HARD);
	many_threads("RTDEBUG=malloc=hard,preemptstress=100");
	many_threads("RTDEBUG=malloc=sample:20");
	many_threads("RTDEBUG=malloc=sample:20,preemptstress=100");
}

/* SPDX-License-Identifier: MIT */
/* The init table: order, trace, and what is said of tables and initializers that are wrong. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "guest.h"

/* One string for each line: spelling checkers read what follows a backslash. */
#define ORDER                                                                                      \
	"d, file 1, first\n"                                                                       \
	"d, file 1, second\n"                                                                      \
	"d, file 2\n"                                                                              \
	"b\n"                                                                                      \
	"e\n"                                                                                      \
	"c\n"                                                                                      \
	"a\n"                                                                                      \
	"z\n"                                                                                      \
	"main\n"                                                                                   \
	"fini z\n"                                                                                 \
	"fini f\n"                                                                                 \
	"fini a\n"                                                                                 \
	"fini d, file 2\n"                                                                         \
	"fini d, file 1\n"

Test(init, order)
{
	struct guest g = guest_run("init_order");

	guest_expect_exit(&g, 0);
	guest_expect_out(&g, ORDER);
	guest_expect_err_is(&g, "");
	guest_free(&g);
}

/* Go's line, and nothing but such lines, in the order of the run. */
Test(init, trace)
{
	static const char *const names[] = {"runtime", "c.ctors", "d", "b", "e", "c", "a", "z"};
	struct guest g = guest_run("init_order", .env = {"RTDEBUG=inittrace=1"});
	size_t n = 0;
	char pattern[200];

	guest_expect_exit(&g, 0);
	guest_expect_out(&g, ORDER);
	cr_assert_eq(guest_count(g.err, "\n"), 8, "%s", g.err);
	for (const char *p = g.err; n < 8 && p && *p; n++) {
		snprintf(pattern, sizeof pattern, "init %s @", names[n]);
		cr_assert(strncmp(p, pattern, strlen(pattern)) == 0, "line %zu:\n%s", n, g.err);
		snprintf(pattern, sizeof pattern,
			 "^init %s @[0-9.]+ ms, [0-9.]+ ms clock, [0-9]+ bytes, [0-9]+ allocs$",
			 names[n]);
		guest_expect_err_matches(&g, pattern);
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	guest_expect_err_matches(&g, "^init a @.* 1000 bytes, 1 allocs$");
	guest_expect_err_matches(&g, "^init c @.* 0 bytes, 0 allocs$");
	guest_free(&g);
}

Test(init, goroutines)
{
	guest_ok_on_procs("init_goroutines");
}

/* The package that failed, then its importers up to one that nobody imports. */
static void
expect_importers(const struct guest *g)
{
	const char *a = strstr(g->err, "initializing package store\n\t");
	const char *b = strstr(g->err, "imported by package app\n\t");
	const char *c = strstr(g->err, "imported by package top\n\t");

	cr_assert(a && b && c && a < b && b < c, "%s", g->err);
	cr_assert_eq(guest_count(a, "init_panic.c:"), 3, "%s", g->err);
	cr_assert(!strstr(g->err, "unrelated"), "%s", g->err);
}

Test(init, panic)
{
	struct guest g = guest_run("init_panic", .env = {"INIT_FAULT=panic"});

	guest_expect_exit(&g, 2);
	guest_expect_out(&g, "");
	guest_expect_err(&g,
			 "panic: no such store\n\n"
			 "goroutine 1 [running, locked to thread]:\n");
	expect_importers(&g);
	guest_free(&g);
	g = guest_run("init_panic", .env = {"INIT_FAULT=negative"});
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "panic: sync: negative WaitGroup counter\n");
	expect_importers(&g);
	guest_free(&g);
}

/* Another goroutine's panic is not the initializer's. */
Test(init, panic_elsewhere)
{
	struct guest g = guest_run("init_panic", .env = {"INIT_FAULT=elsewhere"});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "panic: on another goroutine\n\ngoroutine 2 [running]:\n");
	cr_assert(!strstr(g.err, "initializing package"), "%s", g.err);
	guest_free(&g);
	g = guest_run("init_panic", .env = {"INIT_FAULT=panic-in-fini"});
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "panic: in fini\n\ngoroutine 1 [running]:\n");
	cr_assert(!strstr(g.err, "initializing package"), "%s", g.err);
	guest_free(&g);
}

Test(init, recursion)
{
	struct guest g = guest_run("init_panic", .env = {"INIT_FAULT=recursion"});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "runtime: initialization was entered again\n");
	guest_expect_err(&g, "fatal error: recursive call during initialization - linker skew\n");
	expect_importers(&g);
	guest_free(&g);
}

Test(init, deadlock)
{
	struct guest g = guest_run("init_panic", .env = {"INIT_FAULT=deadlock"});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g,
			 "fatal error: all goroutines are asleep - deadlock!\n\n"
			 "goroutine 1 [sync.WaitGroup.Wait, locked to thread]:\n");
	guest_free(&g);
	g = guest_run("init_panic", .env = {"INIT_FAULT=goexit"});
	guest_expect_exit(&g, 2);
	guest_expect_err(&g,
			 "fatal error: no goroutines (main called runtime.Goexit) - deadlock!\n");
	guest_free(&g);
}

#define UNUSABLE "fatal error: init table is not usable; `rtinspect --check`"

/* Nothing has run when a bad table is found: not even a constructor's output. */
static struct guest
bad_table(const char *name)
{
	struct guest g = guest_run(name);

	guest_expect_exit(&g, 2);
	guest_expect_out(&g, "");
	guest_expect_err(&g, UNUSABLE);
	return g;
}

Test(init, cycle)
{
	struct guest g = bad_table("init_cycle");

	guest_expect_err(&g, "runtime: import cycle in the init table:\n");
	guest_expect_err_matches(&g, "^\tb imports x \\(.*init_cycle\\.c:[0-9]+\\)$");
	guest_expect_err_matches(&g, "^\tx imports b \\(.*init_cycle\\.c:[0-9]+\\)$");
	cr_assert_eq(guest_count(g.err, " imports "), 2, "not the shortest:\n%s", g.err);
	guest_free(&g);
	g = bad_table("init_self");
	guest_expect_err_matches(&g, "^\tme imports me \\(.*init_self\\.c:[0-9]+\\)$");
	guest_free(&g);
}

Test(init, level)
{
	struct guest g = bad_table("init_level");

	guest_expect_err_matches(&g,
				 "^runtime: .*init_level\\.c:[0-9]+: package early imports "
				 "late, which is initialized later$");
	guest_free(&g);
}

Test(init, duplicate_name)
{
	struct guest g = bad_table("init_duplicate");

	guest_expect_err_matches(&g,
				 "^runtime: .*init_duplicate\\.c:[0-9]+: two packages are "
				 "named same$");
	guest_free(&g);
}

/* SPDX-License-Identifier: MIT */
/* Unwinding at every instruction, and tracebacks as their reader sees them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

#define PLACE(line) "\n\t/.*/tests/guest/traceback\\.c:" line " \\+0x[0-9a-f]+\n"
#define FRAME(name) name "\\(\\.\\.\\.\\)" PLACE("[0-9]+")
/* guest_main may be inlined. */
#define MAIN                                                                                       \
	"(guest_main\\(\\.\\.\\.\\)\n\t/.*/guest\\.h:[0-9]+( \\+0x[0-9a-f]+)?\n)?" FRAME("main")
#define LIBC(name) name "\\(\\.\\.\\.\\)\n\tlibc\\.a \\+0x[0-9a-f]+\n"

/* ---- every instruction ---- */

struct variant {
	char name[32];
};

ParameterizedTestParameters(unwind, every_instruction)
{
	static struct variant variants[] = {
		{"unwind"},          {"unwind-O0"},        {"unwind-O3"},       {"unwind-Os"},
		{"unwind-fp"},       {"unwind-pie"},       {"unwind-lto"},      {"unwind-lld"},
		{"unwind-strip"},    {"unwind-clang"},     {"unwind-clang-O0"}, {"unwind-clang-O3"},
		{"unwind-clang-fp"}, {"unwind-clang-lld"},
	};

	return cr_make_param_array(struct variant, variants, sizeof variants / sizeof *variants);
}

ParameterizedTest(struct variant *v, unwind, every_instruction)
{
	FILE *there = fopen(guest_path(v->name), "re");

	if (!there)
		cr_skip_test("no such compiler here");
	fclose(there);
	/* One P, so that the switch to another goroutine is stepped through, and no other one. */
	guest_ok(v->name, .args = {"step"}, .env = {"GOMAXPROCS=1", "RTDEBUG=asyncpreemptoff=1"},
		 .timeout_s = 100);
}

/* ---- reports ---- */

static void
expect_trace(const char *name, const char *guest_case, const char *regex)
{
	struct guest g = guest_run(name, .args = {guest_case});

	guest_expect_exit(&g, 0);
	guest_expect_err_matches(&g, regex);
	guest_free(&g);
}

Test(traceback, through_libc)
{
	expect_trace("traceback", "callback",
		     "^" FRAME("print_here") FRAME("compare") LIBC("sift") LIBC("trinkle")
			     LIBC("qsort_r") FRAME("sort") FRAME("run_callback") MAIN "$");
}

Test(traceback, of_the_runtime_too)
{
	expect_trace("traceback", "all",
		     "^" FRAME("print_here") FRAME("run_all") MAIN
		     "runtime_main\\(\\.\\.\\.\\)\n\t.*/boot\\.c:[0-9]+ \\+0x[0-9a-f]+\n"
		     "rt__gostart\\(\\.\\.\\.\\)\n\t.*/switch\\.S:[0-9]+ "
		     "\\+0x[0-9a-f]+\n$");
}

Test(traceback, of_a_parked_goroutine)
{
	expect_trace("traceback", "parked",
		     "^" FRAME("wait_for")
			     FRAME("other_main") "created by run_parked in goroutine 1" PLACE(
				     "[0-9]+") "$");
}

Test(traceback, from_a_fault)
{
	expect_trace("traceback", "fault",
		     "^" FRAME("load") FRAME("load_indirectly") FRAME("run_fault"));
	expect_trace("traceback-pie", "fault",
		     "^" FRAME("load") FRAME("load_indirectly") FRAME("run_fault"));
}

Test(traceback, of_a_call_to_nowhere)
{
	expect_trace("traceback", "nil_call",
		     "^0x0\\(\\.\\.\\.\\)\n" FRAME("call_nothing") FRAME("run_nil_call"));
}

Test(traceback, from_a_handler_to_what_it_interrupted)
{
	expect_trace("traceback", "handler",
		     "^" FRAME("print_here") FRAME("print_handler") LIBC("__restore_rt")
			     FRAME("load") FRAME("load_indirectly"));
}

Test(traceback, of_a_foreign_thread)
{
	expect_trace("traceback", "thread",
		     "^" FRAME("print_here") FRAME("thread_main") LIBC("start") "$");
}

Test(traceback, of_a_stack_without_sense)
{
	expect_trace("traceback", "lost",
		     "^" FRAME("run_lost") "\\.\\.\\.callers unknown\\.\\.\\.\n$");
}

Test(traceback, without_symbols)
{
	expect_trace("traceback-strip", "callback",
		     "^0x[0-9a-f]+\\(\\.\\.\\.\\)\n\t[^ ]*/traceback-strip \\+0x[0-9a-f]+\n");
}

Test(traceback, without_lines)
{
	expect_trace("traceback-g0", "fault",
		     "^load\\(\\.\\.\\.\\)\n\t[^ ]*/traceback-g0 \\+0x[0-9a-f]+\nload_indirectly");
}

/* Older line tables do not say which folder the compiler ran in. */
Test(traceback, of_every_version_of_line_tables)
{
	static const char *const guests[] = {"traceback-dwarf2", "traceback-dwarf3",
					     "traceback-dwarf4", "traceback-dwarf64",
					     "traceback-clang"};

	for (size_t i = 0; i < sizeof guests / sizeof *guests; i++) {
		FILE *there = fopen(guest_path(guests[i]), "re");

		if (!there)
			continue;
		fclose(there);
		expect_trace(guests[i], "fault",
			     "^load\\(\\.\\.\\.\\)\n\t[^ ]*traceback\\.c:[0-9]+ \\+0x[0-9a-f]+\n");
	}
}

/* As Go, with what has waited for a minute and more. */
Test(traceback, minutes)
{
	struct guest g = guest_run("traceback", .args = {"minutes"}, .env = {"RTTRACEBACK=all"});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "\ngoroutine 2 [sync.WaitGroup.Wait, 2 minutes]:\n");
	guest_free(&g);
}

/* ---- what is inlined ---- */

static const struct variant inlined_variants[] = {
	{"gcc-O1"},       {"gcc-O2"},        {"gcc-O3"},         {"gcc-pie"},      {"gcc-lto"},
	{"gcc-dwarf4"},   {"gcc-dwarf3"},    {"gcc-dwarf64"},    {"gcc-sections"}, {"clang-O1"},
	{"clang-O2"},     {"clang-O3"},      {"clang-pie"},      {"clang-lto"},    {"clang-dwarf4"},
	{"clang-dwarf3"}, {"clang-dwarf64"}, {"clang-sections"},
};

ParameterizedTestParameters(traceback, of_what_is_inlined)
{
	static struct variant copies[sizeof inlined_variants / sizeof *inlined_variants];

	memcpy(copies, inlined_variants, sizeof copies);
	return cr_make_param_array(struct variant, copies, sizeof copies / sizeof *copies);
}

#define INLINED(name, line) name "\\(\\.\\.\\.\\)\n\t[^ ]*inlined\\.c:" line "\n"
#define OUTLINED(name, line) name "\\(\\.\\.\\.\\)\n\t[^ ]*inlined\\.c:" line " \\+0x[0-9a-f]+\n"
#define IN_LIBRARY(name) name "\\(\\.\\.\\.\\)\n\t[^\n]* \\+0x[0-9a-f]+\n"

/* Whatever else the compiler makes of it, as after link-time optimization: outer may be in main. */
ParameterizedTest(struct variant *v, traceback, of_what_is_inlined)
{
	char name[64];

	snprintf(name, sizeof name, "inlined-%s", v->name);
	if (!guest_exists(name))
		cr_skip_test("no such compiler here");
	struct guest g =
		guest_run(name, .env = {"RTTRACEBACK=all", "GOMAXPROCS=1"}, .timeout_s = 60);

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "\ngoroutine 1 \\[running\\]:\n" INLINED("load", "17")
					 INLINED("load_twice", "23") OUTLINED("outer", "32")
						 OUTLINED("main", "113"));
	guest_expect_err_matches(
		&g,
		"\ngoroutine 2 \\[sync.WaitGroup.Wait\\]:\n" IN_LIBRARY("rt_wg_wait")
			INLINED("wait_for", "42") OUTLINED("waiter", "48") "created by start in "
									   "goroutine 1\n\t[^ "
									   "]*inlined\\.c:56\n");
	guest_free(&g);

	/* More of it than is kept: the outermost ones, and the line is right. */
	g = guest_run(name, .args = {"deep"});
	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, "\\[running\\]:\nat_[0-9]+\\(\\.\\.\\.\\)\n\t[^ ]*:17\n");
	cr_assert(guest_count(g.err, "(...)\n") == 14, "%s", g.err);
	guest_free(&g);
}

/* Without debug information, or with it compressed: the frames of functions. */
Test(traceback, of_what_is_inlined_unseen)
{
	struct guest g = guest_run("inlined-gcc-gz");

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, "\\[running\\]:\n" IN_LIBRARY("outer") IN_LIBRARY("main") "$");
	guest_free(&g);
	g = guest_run("inlined-gcc-strip");
	guest_expect_exit(&g, 2);
	guest_expect_err_matches(
		&g, "\\[running\\]:\n" IN_LIBRARY("0x[0-9a-f]+") IN_LIBRARY("0x[0-9a-f]+") "$");
	guest_free(&g);
}

/* 10 frames are shown as they are; of 100000, the first and the last 50. */
Test(traceback, of_deep_recursion)
{
	struct guest g = guest_run("traceback", .args = {"deep", "10"});

	guest_expect_exit(&g, 0);
	cr_assert(guest_count(g.err, "descend(...)") == 11);
	guest_free(&g);

	g = guest_run("traceback", .args = {"deep", "100000"});
	guest_expect_exit(&g, 0);
	guest_expect_err(&g, "\n...99904 frames elided...\n"); /* of 100001 + 3 others */
	int inlined = guest_count(g.err, "guest_main(...)\n");
	cr_assert(guest_count(g.err, "(...)\n") == 100 + inlined);
	guest_expect_err_matches(&g, MAIN "$");
	guest_free(&g);
}

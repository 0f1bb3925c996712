/* SPDX-License-Identifier: MIT */
/*
 * What a program says when it cannot go on: Go's crash_test and traceback_test, for C. Frames are
 * checked by the names of functions; that each has a place is, where it is depends on debug info.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "report.h"

/* What the runtime has inlined into one of its own. */
#define INLINED "([a-z_]+\\(\\.\\.\\.\\)\n\t[^ ]+\n)*"
#define DETAILS "gp=" HEX " m=[0-9]+ mp=" HEX
#define SIGNAL(name, code, addr) "\\[signal " name " code=" code " addr=" addr " pc=" HEX "\\]\n"

static const char *const guests[] = {"crash", "crash-O0", "crash-pie", "crash-clang"};

/* Runs a case in every build, on main and on another goroutine. */
static void
expect_everywhere(const char *name, const char *text, const char *details, const char *frames)
{
	char wanted[1000];

	for (size_t i = 0; i < 2 * sizeof guests / sizeof *guests; i++) {
		const char *guest = guests[i / 2], *go = i % 2 ? "go" : NULL;

		if (!guest_exists(guest))
			continue;
		struct guest g = guest_run(guest, .args = {name, go});

		guest_expect_exit(&g, 2);
		guest_expect_out(&g, "");
		snprintf(wanted, sizeof wanted, "%s\ngoroutine %d %s\\[running\\]:\n(%s)?%s%s",
			 text, go ? 2 : 1, details, *details ? FRAME("rt_.+") : "", frames,
			 go ? FRAME("start") : FRAME("main"));
		guest_expect_err_matches(&g, wanted);
		if (go)
			guest_expect_err_matches(&g, CREATED("main", "1"));
		else
			cr_assert(!strstr(g.err, "created by"), "%s", g.err);
		guest_free(&g);
	}
}

#define NIL_PANIC "panic: runtime error: invalid memory address or nil pointer dereference\n"
#define SEGV "SIGSEGV: segmentation violation"

Test(crash, nil_pointer, .timeout = 120)
{
	expect_everywhere("null", NIL_PANIC SIGNAL(SEGV, "0x1", "0x0"), "",
			  FRAME("follow") FRAME("follow_null"));
	expect_everywhere("call-null", NIL_PANIC "\\[signal " SEGV " code=0x1 addr=0x0 pc=0x0\\]\n",
			  "", FRAME("call_null"));
}

/* Whose fault it is does not depend on whose code it is found in. */
Test(crash, nil_pointer_for_libc, .timeout = 120)
{
	expect_everywhere("strlen-null", NIL_PANIC SIGNAL(SEGV, "0x1", "0x0"), "",
			  FRAME("strlen") FRAME("measure_null"));
	expect_everywhere("wait-null", NIL_PANIC SIGNAL(SEGV, "0x1", HEX), "",
			  FRAME("rt_wg_wait") FRAME("wait_for_null"));
}

Test(crash, wild_pointer, .timeout = 120)
{
	expect_everywhere("wild",
			  "unexpected fault address 0x123456789000\nfatal error: fault\n" SIGNAL(
				  SEGV, "0x1", "0x123456789000"),
			  DETAILS " ", FRAME("follow") FRAME("follow_wild"));
	expect_everywhere(
		"non-canonical",
		"unexpected fault at a non-canonical address\nfatal error: fault\n" SIGNAL(
			SEGV, "0x80", "0x0"),
		DETAILS " ", FRAME("follow") FRAME("follow_non_canonical"));
}

Test(crash, arithmetic, .timeout = 120)
{
	expect_everywhere("divide",
			  "panic: runtime error: integer divide by zero\n" SIGNAL(
				  "SIGFPE: floating-point exception", "0x1", HEX),
			  "", FRAME("divide"));
}

static void
expect_registers(const struct guest *g)
{
	static const char *const names[] = {
		"rax   ", "rbx   ", "rcx   ", "rdx   ", "rdi   ", "rsi   ", "rbp   ",
		"rsp   ", "r8    ", "r9    ", "r10   ", "r11   ", "r12   ", "r13   ",
		"r14   ", "r15   ", "rip   ", "rflags", "cs    ", "fs    ", "gs    "};
	const char *p = strstr(g->err, "\n\nrax    0x");
	char line[32];

	cr_assert(p, "%s", g->err);
	p += 2;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(line, sizeof line, "%s 0x", names[i]);
		cr_assert(strncmp(p, line, strlen(line)) == 0, "%s: %s", line, p);
		p = strchr(p, '\n') + 1;
	}
	cr_assert_eq(*p, 0, "after the registers: %s", p);
}

Test(crash, illegal_instruction, .timeout = 120)
{
	expect_everywhere("trap",
			  "SIGILL: illegal instruction\nPC=" HEX " m=[0-9]+ sigcode=2\n"
			  "instruction bytes: 0xf 0xb( " HEX "){14}\n",
			  DETAILS " ", FRAME("trap"));
	expect_everywhere("breakpoint", "SIGTRAP: trace trap\nPC=" HEX " m=[0-9]+ sigcode=128\n",
			  DETAILS " ", FRAME("breakpoint"));
	struct guest g = guest_run("crash", .args = {"trap"});
	expect_registers(&g);
	guest_free(&g);
}

Test(crash, heap)
{
	struct guest g = guest_run("crash", .args = {"free-twice"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(
		&g,
		"^runtime: free\\(0x[0-9a-f]+\\): start of a block of 112 bytes "
		"at 0x[0-9a-f]+, which is free\n"
		"fatal error: free: double free\n\ngoroutine 1 .*\\[running\\]:\n");
	guest_expect_err_matches(&g, FRAME("free_twice") FRAME("main"));
	guest_free(&g);
}

/* ---- stack overflow ---- */

static void
expect_overflow(const char *guest, const char *name, const char *go, const char *env,
		const char *fn)
{
	struct guest g = guest_run(guest, .args = {name, go}, .env = {env}, .timeout_s = 60);
	char wanted[500];

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "^runtime: goroutine stack exceeds [0-9]+-byte limit\n"
				 "runtime: sp=" HEX " stack=\\[" HEX ", " HEX "\\]\n");
	if (go)
		guest_expect_err_matches(&g,
					 "^runtime: for a larger stack: RTSTACK=[0-9]+[KM], or "
					 "rt_go_attr with .stack = 1 << [0-9]+\n"
					 "fatal error: stack overflow\n\n"
					 "goroutine 2 \\[running\\]:\n");
	else
		guest_expect_err(&g, "fatal error: stack overflow\n\ngoroutine 1 [running]:\n");
	snprintf(wanted, sizeof wanted, "%s%s", fn, fn);
	guest_expect_err_matches(&g, wanted);
	guest_expect_err_matches(&g,
				 go ? FRAME("overflow.*") FRAME("start") CREATED("main", "1")
				    : FRAME("overflow.*") FRAME("main"));
	cr_assert(guest_count(g.err, "(...)\n") < 120, "%s", g.err);
	guest_free(&g);
}

Test(crash, stack_overflow, .timeout = 300)
{
	for (size_t i = 0; i < sizeof guests / sizeof *guests; i++)
		if (guest_exists(guests[i]))
			expect_overflow(guests[i], "overflow", "go", NULL, FRAME("recurse"));
	expect_overflow("crash", "overflow", "go", "RTDEBUG=no_guard=1", FRAME("recurse"));
	expect_overflow("crash", "overflow", "go", "RTSTACK=64M", FRAME("recurse"));
	expect_overflow("crash", "overflow-large", "go", NULL, FRAME("recurse_large"));
	expect_overflow("crash", "overflow-printf", "go", NULL, FRAME("recurse_printf"));
	expect_overflow("crash", "overflow-printf", "go", "RTSTACK=32K", FRAME("recurse_printf"));
}

Test(crash, stack_overflow_with_the_runtimes_frames)
{
	struct guest g =
		guest_run("crash", .args = {"overflow", "go"}, .env = {"RTTRACEBACK=system"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "^fatal error: stack overflow\n\ngoroutine 2 " DETAILS
				 " \\[running\\]:\n" FRAME("recurse"));
	guest_expect_err_matches(&g,
				 FRAME("recurse") FRAME("overflow.*") FRAME("start")
					 FRAME("rt__gostart") CREATED("main", "1"));
	guest_expect_err_matches(&g, "\ngoroutine 1 gp=" HEX " m=nil \\[sync.WaitGroup.Wait\\]:\n");
	guest_free(&g);
}

/* One frame that is larger than the stack, and written to far below what is mapped for it: with
 * -fstack-clash-protection, which rt0-cc adds, it meets the guard and no other goroutine's stack.
 */
Test(crash, stack_overflow_at_once, .timeout = 120)
{
	for (size_t i = 0; i < sizeof guests / sizeof *guests; i++) {
		if (!guest_exists(guests[i]))
			continue;
		struct guest g = guest_run(guests[i], .args = {"overflow-at-once", "go"});

		guest_expect_exit(&g, 2);
		guest_expect_err_matches(&g,
					 "^runtime: goroutine stack exceeds 262144-byte limit\n");
		guest_expect_err_matches(&g,
					 "^fatal error: stack overflow\n\ngoroutine 2 "
					 "\\[running\\]:\n" FRAME("one_large_frame"));
		guest_free(&g);
	}
}

/* 1 GB of stack is touched: one build is enough. */
Test(crash, stack_overflow_of_main, .timeout = 300)
{
	expect_overflow("crash", "overflow-large", NULL, NULL, FRAME("recurse_large"));
	struct guest g = guest_run("crash", .args = {"overflow"}, .timeout_s = 100);
	guest_expect_err_matches(&g,
				 "^\\.\\.\\.[0-9]{6,} frames elided\\.\\.\\.\n" FRAME("recurse"));
	guest_free(&g);
}

/* ---- panic, abort ---- */

Test(crash, panic, .timeout = 120)
{
	expect_everywhere("panic", "panic: number 5\n\tand more\n", "", FRAME("panic"));
}

Test(crash, abort, .timeout = 120)
{
	struct guest g = guest_run("crash", .args = {"abort"});

	guest_expect_signal(&g, SIGABRT);
	guest_expect_err_matches(&g,
				 "^SIGABRT: abort\n\ngoroutine 1 \\[running\\]:\n" FRAME("abort")
					 FRAME("do_abort") FRAME("main"));
	guest_free(&g);
	g = guest_run("crash", .args = {"assert", "go"});
	guest_expect_signal(&g, SIGABRT);
	guest_expect_err_matches(&g,
				 "^Assertion failed: zero == 1 .*\nSIGABRT: abort\n\n"
				 "goroutine 2 \\[running\\]:\n");
	guest_expect_err_matches(&g, FRAME("do_assert") FRAME("start") CREATED("main", "1"));
	guest_free(&g);
	g = guest_run("crash", .args = {"abort"}, .env = {"RTTRACEBACK=none"});
	guest_expect_signal(&g, SIGABRT);
	guest_expect_err_is(&g, "");
	guest_free(&g);
}

/* A report that fails itself is cut short, and ends the program all the same. */
Test(crash, panic_during_panic)
{
	struct guest g = guest_run("crash", .args = {"panic-badly", "go"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, "^panic during panic\n\ngoroutine 2 \\[running\\]:\n");
	guest_expect_err_matches(&g, FRAME("panic_badly") FRAME("start") CREATED("main", "1"));
	guest_free(&g);
}

/* libc on the thread's own stack, for a goroutine: the frames that show are the goroutine's. */
Test(crash, on_the_thread)
{
	struct guest g = guest_run("crash", .args = {"create-badly", "go"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(
		&g, "^" NIL_PANIC SIGNAL(SEGV, "0x1", HEX) "\ngoroutine 2 \\[running\\]:\n");
	guest_expect_err_matches(&g, FRAME("create_badly") FRAME("start") CREATED("main", "1"));
	guest_free(&g);
}

/* Four goroutines, each on a thread of its own: one report after the other, whole. */
Test(crash, panic_race, .timeout = 120)
{
	struct guest g = guest_run("crash", .args = {"panic-race"}, .env = {"GOMAXPROCS=4"});
	int n = guest_count(g.err, "panic: racer ");

	guest_expect_exit(&g, 2);
	cr_assert(n >= 1 && n <= 4, "%s", g.err);
	cr_assert_eq(guest_count(g.err, "\n\ngoroutine "), n, "%s", g.err);
	cr_assert_eq(guest_count(g.err, "\nrace(...)\n\t"), n, "%s", g.err);
	guest_free(&g);
}

Test(crash, panic_while_exiting, .timeout = 60)
{
	for (int i = 0; i < 20; i++) {
		struct guest g = guest_run("crash", .args = {"panic-at-exit"},
					   .env = {i % 2 ? "GOMAXPROCS=1" : "GOMAXPROCS=4"});

		guest_expect_exit(&g, 2);
		guest_expect_err_matches(
			&g,
			"^panic: before the end\n\ngoroutine 2 \\[running\\]:\n" FRAME(
				"panic_slowly") CREATED("at_exit", "1"));
		guest_free(&g);
	}
}

Test(crash, threads_that_are_no_goroutines)
{
	struct guest g = guest_run("crash", .args = {"null-in-thread"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(
		&g,
		"^" NIL_PANIC SIGNAL(SEGV, "0x1", "0x0") "\nthread [0-9]+ \\[running\\]:\n" FRAME(
			"follow") FRAME("follow_null") FRAME("thread"));
	guest_free(&g);
	g = guest_run("crash", .args = {"overflow-in-thread"});
	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "^fatal error: stack overflow\n" SIGNAL(
					 SEGV, "0x[12]", HEX) "\nthread [0-9]+ "
							      "\\[running\\]:\n" FRAME("recurse")
								      FRAME("recurse"));
	guest_expect_err_matches(&g, FRAME("overflow") FRAME("thread"));
	guest_free(&g);
	g = guest_run("crash", .args = {"panic-in-thread"});
	guest_expect_exit(&g, 2);
	guest_expect_err_matches(
		&g,
		"^panic: number 5\n\tand more\n\nthread [0-9]+ \\[running\\]:\n" FRAME("panic")
			FRAME("thread"));
	guest_free(&g);
}

Test(crash, children)
{
	struct guest g = guest_run("crash", .args = {"in-child"});

	guest_expect_exit(&g, 0);
	guest_expect_err_matches(&g, "^" NIL_PANIC);
	guest_free(&g);
	g = guest_run("crash", .args = {"in-vfork-child"});
	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, "^" NIL_PANIC);
	guest_expect_err_matches(&g, "^panic: runtime error: integer divide by zero\n");
	guest_free(&g);
}

/* ---- deadlock ---- */

#define DEADLOCK "fatal error: all goroutines are asleep - deadlock!\n"

Test(crash, deadlock, .timeout = 120)
{
	for (size_t i = 0; i < 3 * sizeof guests / sizeof *guests; i++) {
		if (!guest_exists(guests[i / 3]))
			continue;
		struct guest g =
			guest_run(guests[i / 3], .args = {"deadlock"}, .env = {guest_procs[i % 3]});

		guest_expect_exit(&g, 2);
		guest_expect_err_matches(
			&g,
			"^" DEADLOCK
			"\ngoroutine 1 \\[sync.WaitGroup.Wait\\]:\n" FRAME("rt_wg_wait")
				FRAME("wait_for_ever") FRAME("deadlock"));
		cr_assert_eq(guest_count(g.err, "[sync.WaitGroup.Wait]:"), 4, "%s", g.err);
		cr_assert_eq(guest_count(g.err, "\ncreated by deadlock in goroutine 1\n"), 3, "%s",
			     g.err);
		cr_assert(!strstr(g.err, "runtime stack"), "%s", g.err);
		guest_free(&g);
	}
}

Test(crash, deadlock_locked)
{
	struct guest g = guest_run("crash", .args = {"deadlock-locked"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(
		&g,
		"^" DEADLOCK
		"\ngoroutine 1 \\[sync.WaitGroup.Wait, locked to thread\\]:\n" FRAME("rt_wg_wait")
			FRAME("wait_locked") FRAME("deadlock_locked"));
	cr_assert_eq(guest_count(g.err, "[sync.WaitGroup.Wait, locked to thread]:"), 3, "%s",
		     g.err);
	guest_free(&g);
	g = guest_run("crash", .args = {"goexit"});
	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "^" DEADLOCK
				 "\ngoroutine 2 \\[sync.WaitGroup.Wait\\]:\n" FRAME("rt_wg_wait")
					 FRAME("wait_for_ever") CREATED("goexit", "1"));
	guest_free(&g);
}

/* ---- SIGQUIT ---- */

Test(crash, quit, .timeout = 120)
{
	for (int procs = 1; procs <= 2; procs++) {
		struct guest g = guest_run("crash", .args = {"quit"},
					   .env = {procs == 1 ? "GOMAXPROCS=1" : "GOMAXPROCS=2"});

		guest_expect_exit(&g, 2);
		guest_expect_err_matches(&g,
					 "^SIGQUIT: quit\nPC=" HEX " m=[0-9]+ sigcode=0\n\n"
					 "goroutine [0-9]+ .*m=[0-9]+ mp=" HEX
					 " \\[(running|syscall|idle)\\]:\n");
		guest_expect_err_matches(
			&g,
			"\ngoroutine 2 gp=" HEX
			" m=nil \\[sync.WaitGroup.Wait\\]:\n" INLINED FRAME("rt_wg_wait"));
		/* The signal may be delivered to another thread, and in the scheduler. */
		guest_expect_err_matches(
			&g,
			FRAME("quit") FRAME(
				"main") "|\ngoroutine 1 " DETAILS " \\[running\\]:\n"
					"\tgoroutine running on other thread; stack unavailable\n");
		/* It has not run yet, or just then. */
		guest_expect_err_matches(
			&g, FRAME("deadlock") "(" FRAME("rt__gostart") ")?" CREATED("quit", "1"));
		expect_registers(&g);
		guest_free(&g);
	}
}

/* Each is named, with who has started it; where it is, unless it is a CPU's that we did not get. */
Test(crash, quit_beside_hogs, .timeout = 120)
{
	for (int procs = 1; procs <= 4; procs++) {
		char env[32];

		snprintf(env, sizeof env, "GOMAXPROCS=%d", procs);
		struct guest g = guest_run("crash", .args = {"quit-beside-hogs"}, .env = {env});
		int shown = guest_count(g.err, "\nhog(...)\n");
		int not_shown = guest_count(g.err, "thread; stack unavailable\n");

		guest_expect_exit(&g, 2);
		guest_expect_err_matches(&g, "^SIGQUIT: quit\n");
		cr_assert_eq(guest_count(g.err, "created by quit_beside_hogs in goroutine 1\n"),
			     procs + 1, "%s: %s", env, g.err);
		cr_assert(shown >= 1 && shown + not_shown >= procs + 1, "%s: %s", env, g.err);
		guest_free(&g);
	}
}

/* As many as there can be where guards are mappings. */
Test(crash, quit_beside_many, .timeout = 300)
{
	struct guest g = guest_run("crash", .args = {"quit-beside-many"}, .timeout_s = 200);

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, "^SIGQUIT: quit\n");
	/* And the one that the signal met, be it none. */
	int n = guest_count(g.err, "\ngoroutine ");
	cr_assert(n == 30001 || n == 30002, "%d", n);
	cr_assert_eq(guest_count(g.err, "\nwait_for_ever(...)\n"), 30000);
	guest_free(&g);
}

Test(crash, quit_when_idle)
{
	struct guest g = guest_run("crash", .args = {"quit-idle"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "^SIGQUIT: quit\nPC=" HEX " m=0 sigcode=0\n\n"
				 "goroutine 0 m=0 mp=" HEX " \\[idle\\]:\n");
	guest_expect_err_matches(&g,
				 "\ngoroutine 1 gp=" HEX
				 " m=nil \\[sync.WaitGroup.Wait\\]:\n" INLINED FRAME("rt_wg_wait"));
	expect_registers(&g);
	guest_free(&g);
}

/* A function of whose last call the compiler has made a jump is named. */
Test(crash, of_a_jump_into_the_runtime)
{
	struct guest g = guest_run("jump", .args = {"panic"}, .env = {"RTTRACEBACK=all"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g,
				 "\ngoroutine 2 \\[sync.WaitGroup.Wait\\]:\n" FRAME("rt_wg_wait")
					 FRAME("jump_to_wait") CREATED("main", "1"));
	guest_expect_err_matches(&g,
				 "\ngoroutine 3 \\[syscall\\]:\n(" FRAME("[^\n]+") ")+" FRAME(
					 "jump_to_read") CREATED("main", "1"));
	guest_free(&g);
	g = guest_run("jump", .args = {"panic"}, .env = {"RTTRACEBACK=system"});
	guest_expect_err_matches(&g,
				 FRAME("rt_wg_wait") FRAME("jump_to_wait") FRAME("rt__gostart"));
	guest_free(&g);
}

/* ---- RTTRACEBACK ---- */

static void
expect_level(const char *env, const char *arg, int goroutines, int details)
{
	struct guest g = guest_run("crash", .args = {"panic", arg}, .env = {env});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "panic: number 5\n\tand more\n");
	cr_assert_eq(guest_count(g.err, "\ngoroutine "), goroutines, "%s: %s", env, g.err);
	cr_assert_eq(guest_count(g.err, " gp=0x"), details, "%s: %s", env, g.err);
	guest_free(&g);
}

Test(crash, levels, .timeout = 60)
{
	expect_level(NULL, "go", 1, 0);
	expect_level("RTTRACEBACK=", "go", 1, 0);
	expect_level("RTTRACEBACK=single", "go", 1, 0);
	expect_level("RTTRACEBACK=none", "go", 0, 0);
	expect_level("RTTRACEBACK=0", "go", 0, 0);
	expect_level("RTTRACEBACK=all", "go", 2, 0);
	expect_level("RTTRACEBACK=1", "go", 2, 0);
	expect_level("RTTRACEBACK=system", "go", 2, 2);
	expect_level("RTTRACEBACK=2", "go", 2, 2);
	expect_level(NULL, "system", 1, 1);
	expect_level("RTTRACEBACK=none", "single", 1, 0);
	expect_level("RTTRACEBACK=system", "none", 1, 1);
	struct guest g = guest_run("crash", .args = {"deadlock"}, .env = {"RTTRACEBACK=none"});
	guest_expect_err_is(&g, DEADLOCK);
	guest_free(&g);
}

Test(crash, level_crash)
{
	static const char *const cases[] = {"panic", "null", "deadlock", "trap"};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct guest g =
			guest_run("crash", .args = {cases[i]}, .env = {"RTTRACEBACK=crash"});

		guest_expect_signal(&g, SIGABRT);
		guest_expect_err_matches(&g, "\ngoroutine 1 gp=" HEX " .*:\n");
		guest_free(&g);
	}
}

/* ---- where nobody listens, and where nobody is known ---- */

static int
close_stderr(const void *unused)
{
	(void)unused;
	return close(2);
}

static int
stderr_without_reader(const void *unused)
{
	int fds[2];

	(void)unused;
	return pipe(fds) < 0 || dup2(fds[1], 2) < 0 || close(fds[0]) < 0 || close(fds[1]) < 0;
}

Test(crash, nobody_listens, .timeout = 60)
{
	static const char *const cases[] = {"null", "panic", "deadlock", "trap", "overflow"};

	for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
		struct guest g =
			guest_run("crash", .args = {cases[i / 2], "go"}, .env = {"GOMAXPROCS=1"},
				  .before = i % 2 ? close_stderr : stderr_without_reader);

		guest_expect_exit(&g, 2);
		guest_expect_err_is(&g, "");
		guest_free(&g);
	}
}

/* Without symbols: addresses that addr2line takes, on the copy that has them. */
Test(crash, stripped)
{
	struct guest g = guest_run("crash-stripped", .args = {"null", "go"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, "^" NIL_PANIC);
	guest_expect_err_matches(
		&g,
		"\ngoroutine 2 \\[running\\]:\n(" HEX "\\(\\.\\.\\.\\)\n\t.*/crash-stripped \\+" HEX
		"\n){3}created by " HEX " in goroutine 1\n\t.*/crash-stripped \\+" HEX "\n");
	guest_free(&g);
}

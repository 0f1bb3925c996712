/* SPDX-License-Identifier: MIT */
/* libc on goroutines: thread-locals, locks, threads, signals, processes, ids. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <regex.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

/* Each with one P, where goroutines share a thread, and with several, where they move. */
static void
everywhere(const char *name, const char *arg)
{
	guest_ok_on_procs("libc", .args = {name, arg});
	guest_ok("libc", .args = {name, arg},
		 .env = {"GOMAXPROCS=4", "RTDEBUG=no_fsgsbase=1,no_guard=1"});
}

Test(libc, thread_locals)
{
	everywhere("thread-locals", NULL);
}

Test(libc, large_thread_locals)
{
	guest_ok("tls_size", .env = {"GOMAXPROCS=4"});
}

Test(libc, thread_specific_data)
{
	everywhere("specific", NULL);
}

Test(libc, reused_key_is_null_everywhere)
{
	everywhere("key-reuse", NULL);
}

Test(libc, locales_and_rounding)
{
	everywhere("locales", NULL);
}

Test(libc, lock_owners)
{
	everywhere("lock-owners", NULL);
}

Test(libc, lines_stay_whole)
{
	struct guest g = guest_run("libc", .args = {"stdio-lines"}, .env = {"GOMAXPROCS=8"});
	regex_t re;

	guest_expect_exit(&g, 0);
	cr_assert(regcomp(&re, "^goroutine [0-9]{3} line [0-9]{3} of many$",
			  REG_EXTENDED | REG_NOSUB) == 0);
	int n = 0;
	for (char *save, *line = strtok_r(g.out, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save), n++)
		cr_assert(regexec(&re, line, 0, NULL, 0) == 0, "torn: %s", line);
	cr_assert_eq(n, 2000);
	regfree(&re);
	guest_free(&g);
}

Test(libc, signals_of_foreign_threads, .timeout = 120)
{
	guest_ok("threads", .args = {"new"}, .timeout_s = 100);
	guest_ok("threads", .args = {"signal-stacks"}, .timeout_s = 60);
}

/* A thread that waits in the runtime wakes nobody: it is a part of a deadlock. */
Test(libc, deadlock_with_threads, .timeout = 60)
{
	static const char *const procs[] = {"GOMAXPROCS=1", "GOMAXPROCS=4"};
	static const char *const ends[] = {NULL, "ends"};

	for (int i = 0; i < 4; i++) {
		struct guest g = guest_run("threads", .args = {"deadlock", ends[i / 2]},
					   .env = {procs[i % 2]});

		guest_expect_exit(&g, 2);
		guest_expect_err_matches(
			&g,
			"^fatal error: all goroutines are asleep - deadlock!\n\n"
			"goroutine 1 \\[chan receive\\]:\n([^\n]+\n)+"
			"waits for the channel at 0x[0-9a-f]+ \\(0 of 3 values of 4 bytes\\)\n");
		guest_expect_err_matches(
			&g,
			"\nthread [0-9]+ \\[sync\\.WaitGroup\\.Wait\\]:\n([^\n]+\n)*"
			"wait_for_group\\(\\.\\.\\.\\)\n([^\n]+\n)+"
			"waits for the wait group at 0x[0-9a-f]+ \\(1 to go\\)\n");
		guest_expect_err_matches(
			&g,
			"\nthread [0-9]+ \\[chan receive\\]:\n([^\n]+\n)*"
			"receive_never\\(\\.\\.\\.\\)\n([^\n]+\n)+"
			"waits for the channel at 0x[0-9a-f]+ \\(0 of 3 values of 4 bytes\\)\n");
		guest_free(&g);
	}
	guest_ok("threads", .args = {"no-deadlock"}, .env = {"GOMAXPROCS=1"});
	guest_ok("threads", .args = {"no-deadlock"}, .env = {"GOMAXPROCS=4"});
}

static void
ids_everywhere(const char *name, const char *arg)
{
	guest_ok_on_procs("ids", .args = {name, arg});
	guest_ok("ids", .args = {name, arg}, .env = {"GOMAXPROCS=4", "RTDEBUG=no_fsgsbase=1"});
}

Test(libc, pthread_kill, .timeout = 60)
{
	ids_everywhere("kill-main", "thread");
	ids_everywhere("kill-main", "goroutine");
	ids_everywhere("kill-goroutine", NULL);
}

Test(libc, key_of_main_alone)
{
	ids_everywhere("key", NULL);
}

Test(libc, affinity_and_scheduling)
{
	ids_everywhere("self", NULL);
}

Test(libc, mutexes_in_shared_memory)
{
	ids_everywhere("shared-mutexes", NULL);
}

/* As POSIX has it: the process ends with its last thread, and well. */
Test(libc, main_ends_first)
{
	static const struct {
		const char *with, *out;
	} cases[] = {
		{"nobody", "cleanup\natexit\n"},
		{"thread", "cleanup\nthread\natexit\n"},
		{"goroutine", "cleanup\ngoroutine\natexit\n"},
	};
	struct guest g;

	for (size_t i = 0; i < GUEST_PROCS * 3; i++) {
		g = guest_run("ids", .args = {"main-ends", cases[i % 3].with},
			      .env = {guest_procs[i / 3]});
		guest_expect_exit(&g, 0);
		guest_expect_out(&g, cases[i % 3].out);
		guest_expect_err_is(&g, "");
		guest_free(&g);
	}
	g = guest_run("ids", .args = {"main-ends", "deadlock"});
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "fatal error: all goroutines are asleep - deadlock!");
	guest_free(&g);
}

Test(libc, foreign_threads)
{
	everywhere("foreign-threads", NULL);
}

Test(libc, exit_on_thread_and_goroutine)
{
	static const struct {
		const char *first;
		int status;
	} rows[] = {{"goroutine", 5}, {"thread-only", 6}, {"thread", 6}};

	for (int i = 0; i < 3; i++) {
		struct guest g = guest_run("libc", .args = {"two-exits", rows[i].first},
					   .env = {"GOMAXPROCS=4"});

		guest_expect_exit(&g, rows[i].status);
		guest_expect_out(&g, "handler\n");
		guest_free(&g);
	}
}

Test(libc, signals_to_self)
{
	everywhere("signals", NULL);
}

Test(libc, deadly_signals)
{
	static const struct {
		const char *how;
		int signal;
	} rows[] = {{"abort", SIGABRT},
		    {"assert", SIGABRT},
		    {"raise", SIGTERM},
		    {"handled", SIGABRT},
		    {"ignored", SIGABRT}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (int other = 0; other < 2; other++) {
			struct guest g = guest_run(
				"libc", .args = {"die", rows[i].how, other ? "other" : NULL});

			guest_expect_signal(&g, rows[i].signal);
			guest_free(&g);
		}
	}
}

/* assert in a program that names neither abort nor raise: libc's own call must find ours. */
Test(libc, assert_alone)
{
	struct guest g = guest_run("assert");

	guest_expect_signal(&g, SIGABRT);
	guest_expect_err(&g, "Assertion failed: argc > 5");
	guest_free(&g);
}

Test(libc, stack_bounds)
{
	everywhere("stack-of", NULL);
	everywhere("use-stack", "50");
}

/* Past the end of a goroutine's stack lies a guard, not another goroutine's stack. */
Test(libc, stack_overflow)
{
	for (int i = 0; i < 2; i++) {
		struct guest g = guest_run("libc", .args = {"use-stack", "70"},
					   .env = {i ? "RTDEBUG=no_guard=1" : NULL});

		guest_expect_exit(&g, 2);
		guest_expect_err(&g, "fatal error: stack overflow\n");
		guest_free(&g);
	}
	guest_ok("libc", .args = {"use-stack", "200"}, .env = {"RTSTACK=1M"});
	guest_ok("libc", .args = {"use-stack", "20000"}, .env = {"RTSTACK=128M"});
}

Test(libc, processes)
{
	everywhere("processes", NULL);
}

/* All threads change, or the call fails: a thread that keeps its old rights is a hole. */
Test(libc, setuid_changes_all_threads, .timeout = 120)
{
	static const char *const meanwhile[] = {"idle", "yielding", "spinning"};

	if (geteuid() != 0)
		cr_skip_test("only root can try setuid");
	for (int i = 0; i < 3; i++)
		for (int k = i == 2 ? 2 : 0; k < GUEST_PROCS; k++) /* spinners take two Ps */
			guest_ok("libc", .args = {"set-uid", meanwhile[i]},
				 .env = {guest_procs[k]});
}

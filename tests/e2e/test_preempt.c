/* SPDX-License-Identifier: MIT */
/* Goroutines that never call the library: others get their turns, and nothing of theirs is lost. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

static void
everywhere(const char *guest, const char *name, const char *arg)
{
	guest_ok_on_procs(guest, .args = {name, arg}, .timeout_s = 60);
}

/* Half of the 10 ms sleeps end within 200 ms of their time, however busy the machine is; the
 * figures are tools/bench's business. */
static void
check_ticker(const char *guest, const char *hogs, const char *env)
{
	struct guest g = guest_run(guest, .args = {"ticker", hogs}, .env = {env}, .timeout_s = 60);
	long median, most;

	guest_expect_exit(&g, 0);
	guest_expect_out_matches(&g, "^[0-9]+ [0-9]+$");
	guest_expect_out_matches(&g, "^ok$");
	cr_assert(sscanf(g.out, "%ld %ld", &median, &most) == 2);
	cr_log_info("%s, %s hogs, %s: late by %ld us, at most %ld us\n", guest, hogs, env, median,
		    most);
	cr_assert_lt(median, 200000, "%s: a 10 ms sleep is %ld us late", guest, median);
	guest_free(&g);
}

Test(preempt, yield_comes_back, .timeout = 120)
{
	everywhere("preempt", "yield", "4");
}

Test(preempt, ticker, .timeout = 120)
{
	for (int i = 0; i < GUEST_PROCS; i++) {
		check_ticker("preempt", "1", guest_procs[i]);
		check_ticker("preempt", "4", guest_procs[i]);
	}
}

Test(preempt, whatever_the_compiler_made_of_it, .timeout = 400)
{
	static const char *const compilers[] = {"gcc", "clang"};
	static const char *const flags[] = {
		"-O0",  "-O1", "-O2", "-O3", "-fno-omit-frame-pointer", "-fomit-frame-pointer",
		"-flto"};

	for (size_t c = 0; c < 2; c++) {
		for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
			char name[64];

			snprintf(name, sizeof name, "preempt-%s%s", compilers[c], flags[i]);
			if (!guest_exists(name)) {
				cr_assert_str_eq(compilers[c], "clang"); /* it may be missing */
				continue;
			}
			guest_ok(name, .args = {"yield", "8"}, .env = {guest_procs[0]},
				 .timeout_s = 60);
			guest_ok(name, .args = {"locals", "20"}, .env = {guest_procs[1]},
				 .timeout_s = 60);
			check_ticker(name, "4", guest_procs[0]);
		}
	}
}

Test(preempt, work_from_outside, .timeout = 120)
{
	everywhere("preempt", "from-outside", "4");
}

Test(preempt, blocked_reads, .timeout = 120)
{
	everywhere("preempt", "reads", "20");
}

Test(preempt, constructor, .timeout = 120)
{
	everywhere("preempt", "constructor", NULL);
}

Test(preempt, locked_threads, .timeout = 120)
{
	everywhere("preempt", "locked", NULL);
}

Test(preempt, gomaxprocs_returns, .timeout = 120)
{
	everywhere("preempt", "resize", "20");
}

Test(preempt, stop_the_world, .timeout = 300)
{
	everywhere("preempt", "stop-the-world", "1000");
}

Test(preempt, locals, .timeout = 120)
{
	everywhere("preempt", "locals", "100");
}

Test(preempt, masks, .timeout = 120)
{
	everywhere("preempt", "masks", "500");
}

Test(preempt, off, .timeout = 120)
{
	guest_ok("preempt", .args = {"not-preempted"},
		 .env = {"GOMAXPROCS=1", "RTDEBUG=asyncpreemptoff=1"});
	guest_ok("sched", .args = {"fair", "100"},
		 .env = {"GOMAXPROCS=1", "RTDEBUG=asyncpreemptoff=1"});
}

/* ---- registers; $RT0_STRESS times as many interruptions for longer runs ---- */

static void
registers(const char *guest, const char *kind, const char *debug)
{
	const char *stress = getenv("RT0_STRESS");
	char times[16];

	snprintf(times, sizeof times, "%d", 100 * (stress ? atoi(stress) : 1));
	for (int i = 0; i < GUEST_PROCS; i++) {
		struct guest g = guest_run(guest, .args = {"registers", kind, times},
					   .env = {guest_procs[i], debug}, .timeout_s = 100);

		guest_expect_exit(&g, 0);
		guest_expect_out_matches(&g, "^(ok|no such CPU)$");
		guest_expect_err_is(&g, "");
		guest_free(&g);
	}
}

Test(preempt, registers_sse, .timeout = 300)
{
	registers("preempt_regs", "sse", NULL);
}

Test(preempt, registers_avx, .timeout = 300)
{
	registers("preempt_regs", "avx", NULL);
}

Test(preempt, registers_avx512, .timeout = 300)
{
	registers("preempt_regs", "avx512", NULL);
}

Test(preempt, registers_with_xsave, .timeout = 300)
{
	registers("preempt_regs", "avx", "RTDEBUG=no_xsavec=1");
}

Test(preempt, registers_with_fxsave, .timeout = 300)
{
	registers("preempt_regs", "sse", "RTDEBUG=no_xsave=1");
}

/* ---- at random ---- */

/* A thousand slices are ten seconds. */
Test(preempt, stress_setting, .timeout = 120)
{
	struct guest g = guest_run("preempt_stress", .args = {"turns", "1000"},
				   .env = {guest_procs[0], "RTDEBUG=preemptstress=100"});

	guest_expect_exit(&g, 0);
	guest_expect_out_matches(&g, "^[0-9]+$");
	cr_assert_lt(atol(g.out), 5000, "%s", g.out);
	guest_free(&g);
}

static void
everywhere_stressed(const char *name, const char *debug)
{
	guest_ok_on_procs("preempt_stress", .args = {name}, .env = {debug}, .timeout_s = 60);
}

Test(preempt, return_from_a_handler, .timeout = 120)
{
	everywhere_stressed("restorer", "RTDEBUG=preemptstress=100");
}

Test(preempt, no_call_is_interrupted, .timeout = 120)
{
	everywhere_stressed("no-eintr", "RTDEBUG=preemptstress=20");
}

/* ---- on the way back from libc and the runtime ---- */

Test(preempt, calls_all_the_time, .timeout = 200)
{
	everywhere("preempt_return", "hogs", NULL);
	everywhere("preempt_return", "spin-lock", NULL);
}

Test(preempt, what_calls_return, .timeout = 200)
{
	static const char *const guests[] = {"preempt_return", "preempt_return-O0",
					     "preempt_return-clang"};

	for (size_t i = 0; i < sizeof guests / sizeof *guests; i++)
		if (guest_exists(guests[i]))
			guest_ok_on_procs(guests[i], .args = {"results", "100"},
					  .env = {"RTDEBUG=preemptstress=20"}, .timeout_s = 60);
}

Test(preempt, x87_stack_is_empty_for_others, .timeout = 120)
{
	everywhere("preempt_return", "x87", NULL);
}

/* ---- libc and signals ---- */

Test(preempt, comparator_of_qsort, .timeout = 120)
{
	everywhere("preempt_libc", "comparator", NULL);
	everywhere("preempt_libc", "comparator-spins", NULL);
}

Test(preempt, callback_of_a_file, .timeout = 200)
{
	everywhere("preempt_libc", "file", "spins");
	everywhere("preempt_libc", "file", "sleeps");
	everywhere("preempt_libc", "file", "yields");
}

Test(preempt, exit_handler, .timeout = 120)
{
	everywhere("preempt_libc", "exit-handler", NULL);
}

Test(preempt, signal_handlers, .timeout = 120)
{
	everywhere("preempt_libc", "handlers", NULL);
	everywhere("preempt_libc", "handlers", "onstack");
}

Test(preempt, siglongjmp, .timeout = 120)
{
	everywhere("preempt_libc", "jump-out", NULL);
	everywhere("preempt_libc", "jump-out", "onstack");
}

/* SPDX-License-Identifier: MIT */
/* Deferred calls, panics and protected calls: what Go's panic and defer tests check, for C. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "report.h"

#define NIL "panic: runtime error: invalid memory address or nil pointer dereference\n"
#define SEGV "\\[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=" HEX "\\]\n"

static const char *const guests[] = {"panic", "panic-O0", "panic-pie", "panic-clang",
				     "panic-clang-O0"};

static void
everywhere(const char *name)
{
	for (size_t i = 0; i < sizeof guests / sizeof *guests; i++)
		if (guest_exists(guests[i]))
			guest_ok(guests[i], .args = {name});
}

Test(panic, blocks, .timeout = 60)
{
	everywhere("blocks");
	everywhere("passed-over");
}

Test(panic, arguments, .timeout = 60)
{
	everywhere("arguments");
}

Test(panic, caught, .timeout = 60)
{
	everywhere("caught");
	everywhere("state");
}

Test(panic, goexit, .timeout = 60)
{
	everywhere("goexit");
}

Test(panic, threads, .timeout = 60)
{
	everywhere("threads");
}

Test(panic, longjmp, .timeout = 60)
{
	everywhere("jumps");
	everywhere("coroutines");
}

Test(panic, faults, .timeout = 60)
{
	everywhere("faults");
	guest_ok("panic", .args = {"faults"}, .env = {"RTDEBUG=no_xsave=1"});
}

Test(panic, signal_handlers, .timeout = 60)
{
	everywhere("handlers");
}

Test(panic, child, .timeout = 60)
{
	everywhere("in-child");
}

Test(panic, stress, .timeout = 300)
{
	guest_ok_on_procs("panic", .args = {"stress", "500"}, .timeout_s = 60);
	guest_ok_on_procs("panic", .args = {"stress", "100"}, .env = {"RTDEBUG=preemptstress=200"},
			  .timeout_s = 60);
	guest_ok("panic", .args = {"stress", "100"}, .env = {"RTDEBUG=schedseed=7"});
}

/* ---- what the end says ---- */

static void
ends(const char *name, const char *arg, const char *out, const char *err)
{
	struct guest g = guest_run("panic_end-O0", .args = {name, arg});

	guest_expect_exit(&g, 2);
	guest_expect_out(&g, out);
	guest_expect_err_matches(&g, err);
	guest_free(&g);
}

/* Go's TestRecursivePanic: the oldest first, and what was deferred has run before. */
Test(panic, panics_in_panics, .timeout = 60)
{
	ends("nested", "1", "deferred\n",
	     "^panic: panic 1\n\tand more\n\ngoroutine 1 \\[running\\]:\n" FRAME("recursive")
		     FRAME("nested"));
	ends("nested", "3", "deferred\ndeferred\ndeferred\n",
	     "^panic: panic 3\n\tand more\n"
	     "\tpanic: panic 2\n\tand more\n"
	     "\tpanic: panic 1\n\tand more\n\n"
	     "goroutine 1 \\[running\\]:\n" FRAME("recursive"));
	ends("fault-in-panic", NULL, "",
	     "^panic: first\n\t" NIL SEGV "\ngoroutine 1 \\[running\\]:\n" FRAME("store"));
}

#define ORIGIN(by) "\ngoroutine 1 \\[panicked\\]:\n" FRAME("fail") FRAME(by)

Test(panic, panics_of_what_was_caught, .timeout = 60)
{
	ends("repanicked", NULL, "",
	     "^panic: first \\[recovered, repanicked\\]\n\n"
	     "goroutine 1 \\[running\\]:\n" FRAME("repanicked") FRAME("guest_main"));
	ends("repanicked", NULL, "", ORIGIN("repanicked"));
	ends("recovered", NULL, "",
	     "^panic: first \\[recovered\\]\n\tpanic: second\n\n"
	     "goroutine 1 \\[running\\]:\n" FRAME("recovered"));
	ends("recovered", NULL, "", ORIGIN("recovered"));
}

Test(panic, after_goexit, .timeout = 60)
{
	ends("after-goexit", NULL, "",
	     "^panic: hello\n\ngoroutine 1 \\[running\\]:\n" FRAME("fail"));
	ends("goexit-of-main", NULL, "",
	     "^fatal error: no goroutines \\(main called "
	     "runtime.Goexit\\) - deadlock!\n");
}

Test(panic, fault_that_nobody_catches, .timeout = 60)
{
	ends("fault", NULL, "",
	     "^" NIL SEGV "\ngoroutine 1 \\[running\\]:\n" FRAME("store") FRAME("fault"));
	ends("fault", "caught", "deferred\n",
	     "^" NIL SEGV "\ngoroutine 1 \\[running\\]:\n" FRAME("store") FRAME("fault"));
}

Test(panic, on_a_thread, .timeout = 60)
{
	ends("thread", NULL, "deferred\n",
	     "^panic: on a thread\n\nthread [0-9]+ \\[running\\]:\n" FRAME("fail")
		     FRAME("fail_on_thread"));
}

/* Nothing of what the handler has interrupted runs. */
Test(panic, in_a_handler, .timeout = 60)
{
	ends("panic-in-handler", NULL, "in the handler\n",
	     "^panic: signal 10\n\ngoroutine 1 \\[running\\]:\n" FRAME("bad_handler"));
}

Test(panic, print, .timeout = 60)
{
	struct guest g = guest_run("panic_end-O0", .args = {"print"});

	guest_expect_exit(&g, 0);
	guest_expect_out(&g, "");
	guest_expect_err_matches(&g,
				 "^panic: deep\n\ngoroutine 1 \\[panicked\\]:\n" FRAME("fail")
					 FRAME("fail_deep") FRAME("fail_deep") FRAME("print"));
	guest_free(&g);
}

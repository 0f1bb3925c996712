/* SPDX-License-Identifier: MIT */
/* What a debugger sees: the name of the entry point, backtraces that end where they should, and
 * goroutines. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "report.h"
#include "waiting.h"

#define GDB "/usr/bin/gdb"

static void
skip_without_gdb(void)
{
	if (access(GDB, X_OK) != 0)
		cr_skip_test("there is no " GDB);
}

/* Runs gdb with up to 12 commands on a guest. gdb loads what the guest carries for it. */
static struct guest
gdb(const char *guest, const char *const *commands)
{
	char safe[4200];
	struct guest_options o = {.timeout_s = 60, .env = {"HOME=/nonexistent", "LC_ALL=C"}};
	char path[4096];
	int n = 0;

	snprintf(path, sizeof path, "%s", guest_path(guest));
	o.args[n++] = "-batch";
	o.args[n++] = "-nx";
	snprintf(safe, sizeof safe, "add-auto-load-safe-path %s", path);
	o.args[n++] = "-iex";
	o.args[n++] = safe;
	for (; *commands; commands++) {
		o.args[n++] = "-ex";
		o.args[n++] = *commands;
	}
	o.args[n++] = path;
	struct guest g = guest_run_with(GDB, &o);
	guest_expect_exit(&g, 0);
	return g;
}

#define GDB_RUN(guest, ...) gdb(guest, (const char *const[]){__VA_ARGS__, NULL})

/* gdb had nothing to complain about. */
static void
expect_no_complaints(const struct guest *g)
{
	static const char *const complaints[] = {"previous frame",    "corrupt",
						 "Backtrace stopped", "?? (",
						 "Python Exception",  "Error occurred"};

	for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
		cr_assert(!strstr(g->out, complaints[i]) && !strstr(g->err, complaints[i]),
			  "gdb says \"%s\":\n%s%s", complaints[i], g->out, g->err);
}

/* The last frame of a backtrace is `name`, and gdb had nothing to complain about. */
static void
expect_last_frame(const struct guest *g, const char *name)
{
	const char *last = NULL;
	char in[256];

	expect_no_complaints(g);
	for (const char *p = g->out; (p = strstr(p, "\n#")); p++)
		last = p + 1;
	cr_assert(last, "no backtrace:\n%s%s", g->out, g->err);
	snprintf(in, sizeof in, " %s (", name);
	cr_assert(strstr(last, in), "last frame is not in %s:\n%s", name, g->out);
}

/* The entry address, from the ELF header. */
static unsigned long
entry_of(const char *guest)
{
	Elf64_Ehdr header;
	FILE *f = fopen(guest_path(guest), "rb");

	cr_assert(f && fread(&header, sizeof header, 1, f) == 1);
	fclose(f);
	return header.e_entry;
}

Test(gdb, names_the_entry)
{
	static const char *const names[] = {"hello", "hello-pie"};

	skip_without_gdb();
	for (int i = 0; i < 2; i++) {
		char command[64];

		snprintf(command, sizeof command, "info symbol 0x%lx", entry_of(names[i]));
		struct guest g = GDB_RUN(names[i], command, "info address _start");
		guest_expect_out_matches(&g, "^_rt0_amd64_linux in section ");
		guest_expect_out_matches(&g, "^Symbol \"_start\" is .*at address 0x");
		guest_free(&g);
	}
}

Test(gdb, backtrace_from_main, .timeout = 90)
{
	skip_without_gdb();
	struct guest g = GDB_RUN("stop", "break stop_here", "run", "backtrace");
	expect_last_frame(&g, "main");
	guest_free(&g);
	g = GDB_RUN("stop", "set backtrace past-main on", "break stop_here", "run", "backtrace");

	guest_expect_out_matches(&g, "^#[0-9]+ .* main \\(");
	expect_last_frame(&g, "rt__gostart");
	guest_free(&g);
}

Test(gdb, backtrace_from_goroutine, .timeout = 90)
{
	skip_without_gdb();
	struct guest g =
		GDB_RUN("stop", "break work", "run", "break stop_here", "continue", "backtrace");

	guest_expect_out_matches(&g, "^#[0-9]+ .* work \\(");
	cr_assert(!strstr(g.out, "in main ("), "%s", g.out);
	expect_last_frame(&g, "rt__gostart");
	guest_free(&g);
}

Test(gdb, backtrace_at_boot, .timeout = 90)
{
	static const char *const names[] = {"hello", "hello-pie"};

	skip_without_gdb();
	for (int i = 0; i < 2; i++) {
		struct guest g = GDB_RUN(names[i], "break rt__rt0_go", "run", "backtrace");

		guest_expect_out_matches(&g, "^#0 .*rt__rt0_go \\(");
		guest_expect_out_matches(&g, "^#[0-9]+ .* rt__start_c \\(");
		expect_last_frame(&g, "_rt0_amd64");
		guest_free(&g);
	}
}

/* In the middle of the scheduler, too: on an M's own stack, which starts in mstart. */
Test(gdb, backtrace_from_scheduler, .timeout = 90)
{
	skip_without_gdb();
	struct guest g =
		GDB_RUN("stop", "break rt__schedule", "run", "backtrace", "continue", "backtrace");

	guest_expect_out_matches(&g, "^#0 .*rt__schedule \\(");
	guest_expect_out_matches(&g, "_rt0_amd64 \\(");
	cr_assert(!strstr(g.out, "previous frame") && !strstr(g.err, "previous frame"), "%s%s",
		  g.out, g.err);
	guest_free(&g);
}

/* ---- goroutines: tools/gdb/rt0-gdb.py ---- */

#define FOR_GATE " +the wait group" AT " \\([0-9]+ to go\\)$"
#define RUN_PARK "run 3 hog late >/dev/null"

static void
expect_list(const struct guest *g)
{
	guest_expect_out_matches(g, "^\\* +1  running +here park\\.c:[0-9]+$");
	guest_expect_out_matches(g,
				 "^  +2  sync\\.WaitGroup\\.Wait +inner park\\.c:[0-9]+" FOR_GATE);
	guest_expect_out_matches(g,
				 "^  +3  sync\\.WaitGroup\\.Wait +inner park\\.c:[0-9]+" FOR_GATE);
	guest_expect_out_matches(g, "^\\* +[0-9]+  running +hog park\\.c:[0-9]+$");
}

/* In order: the frames of a goroutine that waits in inner. */
static const char *
expect_parked_frames(const struct guest *g, const char *from)
{
	static const char *const frames[] = {" rt_wg_wait (", " in inner (", " in parked (",
					     " in rt__gostart ("};

	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		from = strstr(from, frames[i]);
		cr_assert(from, "no frame%s\n%s%s", frames[i], g->out, g->err);
	}
	return from;
}

Test(gdb, info_goroutines, .timeout = 90)
{
	static const char *const names[] = {"park", "park-pie", "park-O0"};

	skip_without_gdb();
	for (int i = 0; i < 3; i++) {
		struct guest g = GDB_RUN(names[i], "set environment GOMAXPROCS=2", "break here",
					 RUN_PARK, "info goroutines", "print $goid()");

		expect_list(&g);
		expect_no_complaints(&g);
		guest_expect_out_matches(&g, "^\\$1 = 1$");
		guest_free(&g);
	}
}

Test(gdb, minutes_and_inlined, .timeout = 90)
{
	skip_without_gdb();
	struct guest g = GDB_RUN("traceback", "catch syscall read",
				 "run minutes wait </dev/null >/dev/null", "info goroutines");

	guest_expect_out_matches(&g, "^  +2  sync\\.WaitGroup\\.Wait, 2 minutes +wait_for ");
	expect_no_complaints(&g);
	guest_free(&g);
	g = GDB_RUN("jump", "break puts", "run </dev/null >/dev/null", "info goroutines");
	guest_expect_out_matches(&g, "^  +2  sync\\.WaitGroup\\.Wait +jump_to_wait jump\\.c:");
	expect_no_complaints(&g);
	guest_free(&g);
	g = GDB_RUN("inlined-gcc-O2", "catch syscall read", "run wait </dev/null >/dev/null",
		    "info goroutines", "goroutine 2", "goroutine 2 backtrace");
	guest_expect_out_matches(
		&g, "^  +2  sync\\.WaitGroup\\.Wait +wait_for inlined\\.c:42" FOR_GATE);
	guest_expect_out_matches(&g, "^created by start inlined\\.c:56 in goroutine 1$");
	guest_expect_out_matches(&g, "^#[0-9]+ .* in wait_for \\(");
	expect_no_complaints(&g);
	guest_free(&g);
}

/* ---- what they wait for ---- */

static void
expect_waits(const struct guest *g)
{
	char pattern[512];

	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		snprintf(pattern, sizeof pattern, "^ +%zu  .* %s$", i + 2,
			 waits[i] ? waits[i] : "one of [27] cases");
		guest_expect_out_matches(g, pattern);
	}
	expect_no_complaints(g);
}

/* Live, and in a core file, where times are as of when the program last looked at the clock. */
Test(gdb, what_goroutines_wait_for, .timeout = 120)
{
	skip_without_gdb();
	char dir[] = "/tmp/rt0-gdb-XXXXXX", save[100], open[100], core[50];

	cr_assert(mkdtemp(dir));
	snprintf(core, sizeof core, "%s/core", dir);
	snprintf(save, sizeof save, "gcore %s", core);
	snprintf(open, sizeof open, "core-file %s", core);
	struct guest g = GDB_RUN("waiting", "set environment GOMAXPROCS=1", "catch syscall read",
				 "run </dev/null >/dev/null", "info goroutines", "goroutine 4",
				 "goroutine 7", "goroutine 16", save);
	expect_waits(&g);
	guest_expect_out_matches(&g, "in goroutine 1\n" CASES_OF_4);
	guest_expect_out_matches(&g, "in goroutine 1\n" CASES_OF_16);
	guest_expect_out_matches(&g,
				 "^waits for the mutex" AT ", which goroutine 1 has locked, or");
	guest_free(&g);
	g = GDB_RUN("waiting", open, "info goroutines", "goroutine 4");
	unlink(core);
	rmdir(dir);
	expect_waits(&g);
	guest_expect_out_matches(&g, "in goroutine 1\n" CASES_OF_4);
	guest_free(&g);
}

/* Before it runs, a goroutine is where it will start. */
Test(gdb, never_ran, .timeout = 90)
{
	skip_without_gdb();
	struct guest g =
		GDB_RUN("park", "set environment GOMAXPROCS=1", "break here",
			"run 1 late >/dev/null", "info goroutines", "goroutine 3 backtrace");

	guest_expect_out_matches(&g, "^  +3  runnable +parked park\\.c:[0-9]+$");
	expect_last_frame(&g, "rt__gostart");
	guest_free(&g);
}

Test(gdb, goroutine_backtrace, .timeout = 90)
{
	skip_without_gdb();
	struct guest g = GDB_RUN("park", "set environment GOMAXPROCS=2", "break here", RUN_PARK,
				 "goroutine 2 backtrace", "goroutine 1 backtrace",
				 "goroutine 2 info locals", "goroutine 2 print number", "frame");

	expect_parked_frames(&g, g.out);
	guest_expect_out_matches(&g, "^#0 +here \\(\\)");
	guest_expect_out_matches(&g, "^#1 .* main \\(");
	guest_expect_out_matches(&g, "^text = \"goroutine-1[\"\\\\]");
	expect_no_complaints(&g);
	guest_free(&g);
}

/* Afterwards, errors or not, what was selected is selected again, and the program runs on. */
Test(gdb, goroutine_restores, .timeout = 90)
{
	skip_without_gdb();
	struct guest g = GDB_RUN("park", "set environment GOMAXPROCS=2", "break here",
				 "run 3 </dev/null", "up", "goroutine 3 up", "echo [\\n", "frame",
				 "echo ]\\n", "info registers rip", "continue");
	const char *frame = strstr(g.out, "[\n");

	cr_assert(frame && strncmp(frame + 2, "#1 ", 3) == 0 && strstr(frame, " main ("), "%s",
		  g.out);
	guest_expect_out_matches(&g, "^ok$");
	guest_expect_out_matches(&g, "exited normally");
	guest_free(&g);
}

Test(gdb, goroutine_errors, .timeout = 90)
{
	skip_without_gdb();
	struct guest g = GDB_RUN("park", "break here", "run 3 >/dev/null",
				 "python\ntry: gdb.execute('goroutine 99 bt')\n"
				 "except gdb.error as e: print(e)",
				 "python\ntry: gdb.execute('goroutine 2 nonsense')\n"
				 "except gdb.error as e: print(e)",
				 "frame");

	guest_expect_out_matches(&g, "No such goroutine: 99");
	guest_expect_out_matches(&g, "Undefined command: \"nonsense\"");
	guest_expect_out_matches(&g, "^#0 +here \\(\\)");
	guest_free(&g);
}

Test(gdb, goroutine_all, .timeout = 90)
{
	skip_without_gdb();
	struct guest g = GDB_RUN("park", "set environment GOMAXPROCS=2", "break here", RUN_PARK,
				 "goroutine all backtrace");
	const char *at = g.out;

	for (int i = 0; i < 3; i++)
		at = expect_parked_frames(&g, at);
	guest_expect_out_matches(&g, "^Goroutine 1 \\(running\\):$");
	guest_expect_out_matches(&g, "^#0 .* hog \\(\\)");
	expect_no_complaints(&g);
	guest_free(&g);
}

/* libc has no unwind tables: its callers are found all the same, in any backtrace. */
Test(gdb, through_libc, .timeout = 90)
{
	static const char *const names[] = {"park", "park-pie", "park-O0"};

	skip_without_gdb();
	for (int i = 0; i < 3; i++) {
		struct guest g = GDB_RUN(names[i], "catch syscall read", "run 1 >/dev/null",
					 "backtrace", "goroutine 1 backtrace");
		const char *at = g.out;

		for (int twice = 0; twice < 2; twice++) {
			at = strstr(at, " in read (");
			cr_assert(at && (at = strstr(at, " in main (")), "%s%s", g.out, g.err);
		}
		expect_no_complaints(&g);
		guest_free(&g);
	}
}

/* A return address that was replaced, to stop a goroutine as it comes back, is known all the same.
 * Two of the hog's rounds end in a tail call: then it is the hog that is returned to. */
Test(gdb, through_replaced_return, .timeout = 90)
{
	static const char *const names[] = {"preempt_return", "preempt_return-O0"};

	skip_without_gdb();
	for (int i = 0; i < 2; i++) {
		struct guest g = GDB_RUN(
			names[i], "set environment GOMAXPROCS=1", "handle SIGURG nostop noprint",
			"break *(char *)&rt__async_return", "run hogs >/dev/null", "backtrace");

		guest_expect_out_matches(&g,
					 "^#([23] .* be_hog \\(|1 .* be_hog \\(one_round=" HEX
					 " <with_(wait_group|large_blocks)>)");
		expect_last_frame(&g, "rt__gostart");
		guest_free(&g);
	}
}

/* Without any symbols, what the note says is enough for the list. */
Test(gdb, stripped, .timeout = 90)
{
	skip_without_gdb();
	char script[4200];
	const char *source = getenv("RT0_GDB_SCRIPT");

	cr_assert(source, "RT0_GDB_SCRIPT is not set: run these tests through meson");
	snprintf(script, sizeof script, "source %s", source);
	struct guest g = GDB_RUN("park-stripped", script, "set environment GOMAXPROCS=2",
				 "catch syscall read", "run 3 late >/dev/null", "info goroutines",
				 "goroutine 2 backtrace");
	guest_expect_out_matches(&g, "^  +2  sync\\.WaitGroup\\.Wait +0x[0-9a-f]+" FOR_GATE);
	guest_expect_out_matches(&g, "^#2 ");
	guest_free(&g);
}

/* The same in a core file, which cannot be written to. gdb's own generate-core-file leaves stacks
 * out where there are guard pages; gcore is ours. */
Test(gdb, core_file, .timeout = 120)
{
	skip_without_gdb();
	char dir[] = "/tmp/rt0-gdb-XXXXXX", save[100], open[100], core[50];

	cr_assert(mkdtemp(dir));
	snprintf(core, sizeof core, "%s/core", dir);
	snprintf(save, sizeof save, "gcore %s", core);
	snprintf(open, sizeof open, "core-file %s", core);
	struct guest g =
		GDB_RUN("park", "set environment GOMAXPROCS=2", "break here", RUN_PARK, save);
	cr_assert(access(core, R_OK) == 0, "%s%s", g.out, g.err);
	guest_free(&g);
	g = GDB_RUN("park", open, "info goroutines", "goroutine 2 backtrace",
		    "goroutine 1 backtrace", "goroutine 2 info locals", "print $goid()");
	unlink(core);
	rmdir(dir);
	expect_list(&g);
	expect_parked_frames(&g, g.out);
	guest_expect_out_matches(&g, "^text = \"goroutine-1[\"\\\\]");
	guest_expect_out_matches(&g, "^#1 .* main \\(");
	expect_no_complaints(&g);
	guest_free(&g);
}

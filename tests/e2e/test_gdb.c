/* SPDX-License-Identifier: MIT */
/* What a debugger sees: the name of the entry point, and backtraces that end where they should. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

#define GDB "/usr/bin/gdb"

static void
skip_without_gdb(void)
{
	if (access(GDB, X_OK) != 0)
		cr_skip_test("there is no " GDB);
}

/* Runs gdb with up to 8 commands on a guest. */
static struct guest
gdb(const char *guest, const char *const *commands)
{
	struct guest_options o = {.timeout_s = 60, .env = {"HOME=/nonexistent", "LC_ALL=C"}};
	char path[4096];
	int n = 0;

	snprintf(path, sizeof path, "%s", guest_path(guest));
	o.args[n++] = "-batch";
	o.args[n++] = "-nx";
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

/* The last frame of a backtrace is `name`, and gdb had nothing to complain about. */
static void
expect_last_frame(const struct guest *g, const char *name)
{
	static const char *const complaints[] = {"previous frame", "corrupt", "Backtrace stopped",
						 "?? ("};
	const char *last = NULL;
	char in[256];

	for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
		cr_assert(!strstr(g->out, complaints[i]) && !strstr(g->err, complaints[i]),
			  "gdb says \"%s\":\n%s%s", complaints[i], g->out, g->err);
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

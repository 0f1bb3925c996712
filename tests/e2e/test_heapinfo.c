/* SPDX-License-Identifier: MIT */
/* The heap as a program can see it, and what it is like after a long life. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

Test(heapinfo, figures_agree)
{
	guest_ok("heapinfo", .args = {"figures"});
	guest_ok("heapinfo", .args = {"figures"}, .env = {"RTMEMPROFILE=/dev/null"});
}

Test(heapinfo, as_glibc_prints_it)
{
	struct guest g = guest_run("heapinfo", .args = {"printed"});

	guest_expect_exit(&g, 0);
	guest_expect_out_matches(&g, "^<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n");
	/* 700 of 100 bytes; 585 fit into a span. */
	guest_expect_out_matches(&g,
				 "\n  <size from=\"97\" to=\"112\" total=\"[0-9]+\" "
				 "count=\"4[67][0-9]\" used=\"70[0-3]\" spans=\"2\"/>\n");
	guest_expect_out_matches(&g, "\n</sizes>\n<total type=\"fast\" count=\"[0-9]+\" size=");
	guest_expect_out_matches(&g, "\n<total type=\"mmap\" count=\"1\" size=\"52[0-9]+\"/>\n");
	guest_expect_out_matches(&g, "\n<aspace type=\"mprotect\" size=\"[0-9]+\"/>\n</malloc>\n$");
	cr_assert_eq(guest_count(g.out, "<heap"), 1);
	cr_assert_eq(guest_count(g.out, "</heap>"), 1);
	cr_assert_eq(guest_count(g.out, "\""), 2 * guest_count(g.out, "=\""));
	guest_expect_err_matches(&g, "^Arena 0:\nsystem bytes     = +[0-9]+\n");
	guest_expect_err_matches(&g, "\nTotal \\(incl. mmap\\):\nsystem bytes     = ");
	guest_free(&g);
}

Test(heapinfo, gives_back_without_goroutines)
{
	guest_ok("heapinfo", .args = {"alone"});
}

/* A few seconds of a program's life in which sizes change again and again: what is left of old ones
 * holds spans. 235 % here, where glibc's malloc needs 158 and musl's 209. */
Test(heapinfo, long_life, .timeout = 100)
{
	struct guest g = guest_run("heapinfo", .args = {"long-life"}, .timeout_s = 90);

	guest_expect_exit(&g, 0);
	guest_expect_out_matches(&g, "\nworst [0-9]+ %, in the end [0-9]+ KiB\n$");
	guest_free(&g);
}

/* ---- limits of a cgroup ---- */

static void
put_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0, "%s", path);
}

/* A root with the guest, and with the files of a cgroup of either version in which it runs, and of
 * the one around that. Its path, in static memory. */
static const char *
make_root(int version, const char *outer, const char *inner)
{
	static char dir[64];
	char command[8192];
	const char *file = version == 2 ? "memory.max" : "memory.limit_in_bytes";

	snprintf(dir, sizeof dir, "/tmp/rt0-e2e-cgroup-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(command, sizeof command, "cp '%s' %s/guest && mkdir -p %s/proc/self %s/cg/in/er",
		 guest_path("heapinfo"), dir, dir, dir);
	cr_assert(system(command) == 0);
	put_file(dir, "proc/self/cgroup", version == 2 ? "0::/in/er\n" : "4:memory:/in/er\n0::/\n");
	put_file(dir, "proc/self/mountinfo",
		 version == 2 ? "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n"
			      : "30 23 0:26 / /cg rw - cgroup cgroup rw,memory\n");
	snprintf(command, sizeof command, "cg/in/%s", file);
	put_file(dir, command, outer);
	snprintf(command, sizeof command, "cg/in/er/%s", file);
	put_file(dir, command, inner);
	return dir;
}

static int
change_root(const void *dir)
{
	return chroot(dir) != 0 || chdir("/") != 0;
}

static void
limited(int version, const char *outer, const char *inner, const char *env, const char *limit)
{
	const char *dir = make_root(version, outer, inner);
	struct guest g = guest_run("/guest", .args = {"limited"}, .env = {env},
				   .before = change_root, .arg = dir);
	char command[128];

	guest_expect_exit(&g, 0);
	guest_expect_out(&g, limit);
	guest_free(&g);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	cr_assert(system(command) == 0);
}

/* The heap keeps to it but for a sixteenth, which is for all else; and knows of it in time: 40 MiB
 * of a cgroup of 64 are not to become 64 before it asks. */
Test(heapinfo, keeps_to_the_limit_of_a_cgroup, .timeout = 60)
{
	if (geteuid() != 0)
		cr_skip_test("only root can change root");
	limited(2, "max\n", "67108864\n", NULL, "61440 KiB\n");
	limited(2, "67108864\n", "134217728\n", NULL, "61440 KiB\n");
	limited(2, "max\n", "max\n", NULL, "none\n");
	limited(1, "9223372036854771712\n", "67108864\n", NULL, "61440 KiB\n");
	limited(1, "9223372036854771712\n", "9223372036854771712\n", NULL, "none\n");
	limited(2, "max\n", "67108864\n", "RTMEMLIMIT=56MiB", "57344 KiB\n");
	limited(2, "max\n", "67108864\n", "RTMEMLIMIT=1GiB", "1048576 KiB\n");
}

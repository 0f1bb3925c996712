/* SPDX-License-Identifier: MIT */
/* The heap as a program can see it, and what it is like after a long life. */
#include <criterion/criterion.h>

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

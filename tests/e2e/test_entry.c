/* SPDX-License-Identifier: MIT */
/* From the kernel's jump to main: arguments, environment, descriptors, relocation, constructors. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

Test(entry, hello)
{
	static const char *const names[] = {"hello", "hello-pie"};

	for (int i = 0; i < 2; i++) {
		struct guest g = guest_run(names[i]);

		guest_expect_exit(&g, 0);
		guest_expect_out(&g, "hello, world\n");
		guest_expect_err_is(&g, "");
		guest_free(&g);
	}
}

Test(entry, arguments)
{
	struct guest g = guest_run("entry", .args = {"args", "one", "", "three words here"});

	guest_expect_exit(&g, 3);
	guest_expect_out(&g, "goroutine 1\n[one]\n[]\n[three words here]\n");
	guest_free(&g);
}

/* Linux 5.18 and later make an empty argv one empty string. */
Test(entry, empty_argv)
{
	struct guest g = guest_run("entry", .empty_argv = true);

	guest_expect_exit(&g, 0);
	guest_expect_out_matches(&g, "^argc [01], argv\\[argc\\] NULL$");
	guest_free(&g);
}

Test(entry, empty_environment)
{
	struct guest g = guest_run("entry", .args = {"environment"});

	guest_expect_exit(&g, 0);
	guest_expect_out(&g, "0 variables, 0 bytes, last is not set\n");
	guest_free(&g);
}

#define BIG 125000 /* a single string may have 128 KiB */

Test(entry, big_environment)
{
	static char strings[8][BIG + 1];
	struct guest g;

	for (int i = 0; i < 8; i++) {
		memset(strings[i], 'x', BIG);
		snprintf(strings[i], 8, "VAR_%d=", i);
		strings[i][6] = 'x';
	}
	g = guest_run("entry", .args = {"environment"},
		      .env = {strings[0], strings[1], strings[2], strings[3], strings[4],
			      strings[5], strings[6], strings[7], "LAST=here", "GOMAXPROCS=3"});
	guest_expect_exit(&g, 0);
	guest_expect_out(&g, "10 variables, 1000031 bytes, last is here\n");
	guest_free(&g);
}

/* ---- closed standard descriptors ---- */

static int
close_some(const void *set)
{
	for (int fd = 0; fd < 3; fd++)
		if (*(const int *)set & 1 << fd)
			close(fd);
	return 0;
}

Test(entry, closed_descriptors)
{
	char path[] = "/tmp/rt0-e2e-XXXXXX", text[64];

	close(mkstemp(path));
	for (int set = 0; set < 8; set++) {
		struct guest g = guest_run("entry", .args = {"descriptors", path},
					   .before = close_some, .arg = &set);
		FILE *f = fopen(path, "r");

		guest_expect_exit(&g, 0);
		guest_expect_out(&g, set & 2 ? "" : "to stdout\n");
		guest_expect_err_is(&g, set & 4 ? "" : "to stderr\n");
		cr_assert(f && fgets(text, sizeof text, f));
		cr_assert_str_eq(text, "done\n");
		fclose(f);
		guest_free(&g);
	}
	unlink(path);
}

/* ---- what main returns ---- */

Test(entry, exit_status)
{
	static const struct {
		const char *arg;
		int status;
	} rows[] = {{"0", 0}, {"1", 1}, {"255", 255}, {"256", 0}, {"-1", 255}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct guest g = guest_run("entry", .args = {"status", rows[i].arg});

		guest_expect_exit(&g, rows[i].status);
		guest_free(&g);
	}
}

/* ---- relocation ---- */

Test(entry, ifunc)
{
	static const char *const names[] = {"ifunc", "ifunc-pie"};

	for (int i = 0; i < 2; i++) {
		struct guest g = guest_run(names[i]);

		guest_expect_exit(&g, 0);
		guest_expect_out(&g, "42 3\n");
		guest_free(&g);
	}
}

Test(entry, relro_is_read_only)
{
	static const char *const names[] = {"entry", "entry-pie"};

	for (int i = 0; i < 2; i++) {
		struct guest g = guest_run(names[i], .args = {"write-relro"});

		guest_expect_exit(&g, 2);
		guest_expect_out(&g, "writing\n");
		guest_expect_err_matches(&g,
					 "^\\[signal SIGSEGV: segmentation violation code=0x2 ");
		guest_free(&g);
	}
}

/* ---- the life of a program ---- */

#define STARTED                                                                                    \
	"init early on 1\nconstructor 101 on 1\nconstructor 200 on 1\ninit base on 1\n"            \
	"init app on 1\n"
#define FINIS(g)                                                                                   \
	"fini app on " g "\nfini base, second in the file on " g                                   \
	"\nfini base, first in the file on " g "\nfini early on " g "\n"
#define HANDLERS(g)                                                                                \
	"atexit 2 on " g "\natexit 1 on " g "\ndestructor 200 on " g "\ndestructor 101 on " g "\n"

static const struct ending {
	const char *how;
	int status;
	const char *out;
} endings[] = {
	{"return", 42, STARTED "main on 1\nnot a full line\n" FINIS("1") HANDLERS("1")},
	{"goroutine", 5, STARTED "main on 1\n" FINIS("2") HANDLERS("2")},
	{"two-exits", 2, STARTED "main on 1\n" FINIS("1") "second exit waits on 1\n" HANDLERS("1")},
	/* exit from a handler goes on with what is left. */
	{"exit-in-atexit", 7, STARTED "main on 1\nnot a full line\n" FINIS("1") HANDLERS("1")},
	/* Only what was initialized is finalized. */
	{"exit-in-constructor", 8,
	 "init early on 1\nconstructor 101 on 1\nfini early on 1\ndestructor 200 on 1\n"
	 "destructor 101 on 1\n"},
	{"exit-in-init", 4,
	 STARTED "fini base, second in the file on 1\nfini base, first in the file on 1\n"
		 "fini early on 1\n" HANDLERS("1")},
	{"exit-in-goroutine-of-init", 6,
	 STARTED "fini base, second in the file on 2\nfini base, first in the file on 2\n"
		 "fini early on 2\n" HANDLERS("2")},
};

Test(entry, life)
{
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		static const char *const procs[] = {"GOMAXPROCS=1", "GOMAXPROCS=4"};

		for (int k = 0; k < 2; k++) {
			struct guest g =
				guest_run("order", .args = {endings[i].how}, .env = {procs[k]});

			guest_expect_out(&g, endings[i].out);
			guest_expect_exit(&g, endings[i].status);
			guest_expect_err_is(&g, "");
			guest_free(&g);
		}
	}
}

Test(entry, exit_in_fini)
{
	struct guest g = guest_run("order", .args = {"exit-in-fini"});

	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "fatal error: exit hook invoked exit\n\ngoroutine 1 gp=0x");
	guest_free(&g);
}

/* No handler runs, no buffer is flushed but what the first line has flushed already. */
Test(entry, _exit)
{
	struct guest g = guest_run("order", .args = {"_exit"});

	guest_expect_exit(&g, 3);
	cr_assert(!strstr(g.out, "main") && !strstr(g.out, "fini"));
	guest_free(&g);
}

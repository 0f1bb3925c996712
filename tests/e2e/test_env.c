/* SPDX-License-Identifier: MIT */
/* The environment: settings that are good, bad and odd; a system that lacks what we would read; and
 * limits under which a program cannot start. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

/* ---- GOMAXPROCS ---- */

Test(env, gomaxprocs, .timeout = 120)
{
	for (int n = 1; n <= 64; n++) {
		char setting[32], out[32];

		snprintf(setting, sizeof setting, "GOMAXPROCS=%d", n);
		snprintf(out, sizeof out, "%d\n", n);
		struct guest g = guest_run("api", .args = {"procs"}, .env = {setting});
		guest_expect_exit(&g, 0);
		guest_expect_out(&g, out);
		guest_expect_err_is(&g, "");
		guest_free(&g);
	}
}

Test(env, gomaxprocs_default)
{
	cpu_set_t set;
	char out[32];

	cr_assert(sched_getaffinity(0, sizeof set, &set) == 0);
	struct guest g = guest_run("api", .args = {"procs"}, .env = {"GOMAXPROCS="});
	guest_expect_exit(&g, 0);
	guest_expect_err_is(&g, "");
	int n = atoi(g.out);
	snprintf(out, sizeof out, "%d\n", n);
	guest_expect_out(&g, out);
	cr_assert(n >= 1 && n <= CPU_COUNT(&set)); /* a cgroup may allow less */
	guest_free(&g);
}

Test(env, gomaxprocs_of_affinity)
{
	struct guest g = guest_run("api", .args = {"procs"}, .before = guest_pin_to_one_cpu);

	guest_expect_exit(&g, 0);
	guest_expect_out(&g, "1\n");
	guest_free(&g);
}

/* Each is said once, on stderr, and the program runs on. */
Test(env, bad_values)
{
	static const struct {
		const char *setting, *err;
	} rows[] = {
		{"GOMAXPROCS=0", "runtime: ignoring GOMAXPROCS=0: not a positive number\n"},
		{"GOMAXPROCS=-3", "runtime: ignoring GOMAXPROCS=-3: not a positive number\n"},
		{"GOMAXPROCS=four", "runtime: ignoring GOMAXPROCS=four: not a positive number\n"},
		{"GOMAXPROCS=4x", "runtime: ignoring GOMAXPROCS=4x: not a positive number\n"},
		{"GOMAXPROCS= 4", "runtime: ignoring GOMAXPROCS= 4: not a positive number\n"},
		{"GOMAXPROCS=99999999999999999999",
		 "runtime: ignoring GOMAXPROCS=99999999999999999999: not a positive number\n"},
		{"RTDEBUG=nonsense=1",
		 "runtime: ignoring RTDEBUG item \"nonsense=1\": unknown key\n"},
		{"RTDEBUG=no_guard",
		 "runtime: ignoring RTDEBUG item \"no_guard\": wants "
		 "key=NUMBER\n"},
		{"RTDEBUG=no_guard=",
		 "runtime: ignoring RTDEBUG item \"no_guard=\": wants "
		 "key=NUMBER\n"},
		{"RTDEBUG=no_guard=yes",
		 "runtime: ignoring RTDEBUG item \"no_guard=yes\": wants "
		 "key=NUMBER\n"},
		{"RTDEBUG=malloc=medium,malloc=,malloc=sample:0",
		 "runtime: ignoring RTDEBUG item \"malloc=medium\": wants malloc=hard, "
		 "malloc=sample or malloc=sample:N\n"
		 "runtime: ignoring RTDEBUG item \"malloc=\": wants malloc=hard, "
		 "malloc=sample or malloc=sample:N\n"
		 "runtime: ignoring RTDEBUG item \"malloc=sample:0\": wants malloc=hard, "
		 "malloc=sample or malloc=sample:N\n"},
		{"RTDEBUG=malloc=hard", ""},
		{"RTDEBUG==", "runtime: ignoring RTDEBUG item \"=\": unknown key\n"},
		{"RTDEBUG=,,no_guard=1,,bad,",
		 "runtime: ignoring RTDEBUG item \"bad\": unknown key\n"},
		{"RTDEBUG=a,b=2",
		 "runtime: ignoring RTDEBUG item \"a\": unknown key\n"
		 "runtime: ignoring RTDEBUG item \"b=2\": unknown key\n"},
		{"RTSTACK=1", "runtime: ignoring RTSTACK=1: not a size from 16K to 1G\n"},
		{"RTSTACK=2G", "runtime: ignoring RTSTACK=2G: not a size from 16K to 1G\n"},
		{"RTSTACK=lots", "runtime: ignoring RTSTACK=lots: not a size from 16K to 1G\n"},
		{"RTSTACK=K", "runtime: ignoring RTSTACK=K: not a size from 16K to 1G\n"},
		{"RTDEBUG=", ""},
		{"RTSTACK=", ""},
		{"RTTRACEBACK=loud",
		 "runtime: ignoring RTTRACEBACK=loud: not none, single, all, "
		 "system or crash\n"},
		{"RTTRACEBACK=3",
		 "runtime: ignoring RTTRACEBACK=3: not none, single, all, system "
		 "or crash\n"},
		{"RTTRACEBACK=", ""},
		{"RTTRACEBACK=all", ""},
		{"RTSTACK=64K", ""},
		{"RTSTACK=100000", ""},
		{"RTSTACK=1G", ""},
		{"RTDEBUG=no_guard=1,no_fsgsbase=1", ""},
		{"GOMAXPROCS=100000", ""}, /* as many as there can be */
		{"RTDEBUG_NOT_OURS=x", ""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct guest g = guest_run("hello", .env = {rows[i].setting});

		guest_expect_exit(&g, 0);
		guest_expect_out(&g, "hello, world\n");
		guest_expect_err_is(&g, rows[i].err);
		guest_free(&g);
	}
}

/* A value of any length is reported as one line. */
Test(env, long_bad_value)
{
	static char setting[5000];

	memset(setting, 'x', sizeof setting - 1);
	memcpy(setting, "GOMAXPROCS=", 11);
	struct guest g = guest_run("hello", .env = {setting});
	guest_expect_exit(&g, 0);
	guest_expect_err(&g, "runtime: ignoring GOMAXPROCS=xxx");
	cr_assert(g.err[g.err_len - 1] == '\n', "the line is not ended");
	guest_free(&g);
}

Test(env, forced_fallbacks)
{
	static const char *const settings[] = {"RTDEBUG=no_fsgsbase=1", "RTDEBUG=no_guard=1",
					       "RTDEBUG=no_fsgsbase=1,no_guard=1"};

	for (int i = 0; i < 3; i++) {
		guest_ok("stress", .args = {"locals", "2000"}, .env = {settings[i]});
		guest_ok("stress", .args = {"ping-pong", "8", "500"},
			 .env = {settings[i], "GOMAXPROCS=4"});
		guest_ok("api", .args = {"lock-thread"}, .env = {settings[i], "GOMAXPROCS=4"});
	}
}

/* ---- no /proc, no /sys ---- */

/* An empty folder with a copy of a guest in it; the path, in static memory. */
static const char *
make_root(const char *guest)
{
	static char dir[64];
	char command[8192];

	snprintf(dir, sizeof dir, "/tmp/rt0-e2e-root-XXXXXX");
	cr_assert(mkdtemp(dir));
	chmod(dir, 0755);
	snprintf(command, sizeof command, "cp '%s' %s/guest", guest_path(guest), dir);
	cr_assert(system(command) == 0);
	return dir;
}

static void
remove_root(const char *dir)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	cr_assert(system(command) == 0);
}

static int
change_root(const void *dir)
{
	return chroot(dir) != 0 || chdir("/") != 0;
}

Test(env, without_proc_and_sys)
{
	if (geteuid() != 0)
		cr_skip_test("only root can change root");
	const char *dir = make_root("stress");
	guest_ok("/guest", .args = {"locals", "500"}, .env = {"GOMAXPROCS=4"},
		 .before = change_root, .arg = dir);
	guest_ok("/guest", .args = {"tree", "8"}, .before = change_root, .arg = dir);
	remove_root(dir);
}

/* Closed descriptors, and no /dev/null to fill them with. */
static int
change_root_close_stdin(const void *dir)
{
	close(0);
	return change_root(dir);
}

Test(env, without_dev_null)
{
	if (geteuid() != 0)
		cr_skip_test("only root can change root");
	const char *dir = make_root("hello");
	struct guest g = guest_run("/guest", .before = change_root_close_stdin, .arg = dir);
	guest_expect_exit(&g, 1);
	guest_expect_err_is(&g,
			    "rt0: cannot start: descriptor 0 is closed and /dev/null cannot "
			    "be opened\n");
	guest_free(&g);
	remove_root(dir);
}

/* Everything read-only, /proc and /sys as well. */
static int
make_read_only(const void *unused)
{
	(void)unused;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return 1;
	mount("/proc", "/proc", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	mount("/sys/fs/cgroup", "/sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	mount("/sys", "/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	return 0;
}

Test(env, read_only_proc_and_sys)
{
	struct guest g = guest_run("stress", .args = {"tree", "8"}, .before = make_read_only);

	if (WIFEXITED(g.status) && WEXITSTATUS(g.status) == 125) {
		guest_free(&g);
		cr_skip_test("this user cannot mount");
	}
	guest_expect_exit(&g, 0);
	guest_expect_out(&g, "ok\n");
	guest_free(&g);
}

/* ---- limits ---- */

static int
limit_address_space(const void *kib)
{
	rlim_t bytes = (rlim_t) * (const long *)kib << 10;

	return setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes});
}

/*
 * From nothing to plenty. Below some size the kernel itself cannot load the file and kills it;
 * from there on a program must run, or say why not and exit with status 1 (it could not start) or
 * 2 (it ran, and then memory failed): never die by a signal.
 */
Test(env, address_space_limits, .timeout = 300)
{
	static const char *const names[] = {"hello", "hello-pie"};
	bool ran = false, refused = false;

	for (int i = 0; i < 2; i++) {
		bool loads = false;

		for (long kib = 100; kib < 2000000; kib += kib < 2000 ? 20 : kib / 20) {
			struct guest g = guest_run(names[i], .env = {"GOMAXPROCS=2"},
						   .before = limit_address_space, .arg = &kib);
			bool killed = WIFSIGNALED(g.status) && g.err_len == 0;

			if (killed && !loads) { /* by exec, before the first instruction */
				guest_free(&g);
				continue;
			}
			loads = true;
			cr_assert(!g.timed_out && WIFEXITED(g.status), "%s with %ld KiB: %d\n%s",
				  names[i], kib, g.status, g.err);
			if (WEXITSTATUS(g.status) == 0) {
				guest_expect_out(&g, "hello, world\n");
				ran = true;
			} else {
				guest_expect_exit(&g, 1);
				guest_expect_err_matches(&g, "^rt0: cannot start: ");
				refused = true;
			}
			guest_free(&g);
		}
	}
	cr_assert(ran && refused);
}

/* With enough to start and too little for its goroutines, it ends as Go's out of memory does. */
Test(env, address_space_for_goroutines, .timeout = 120)
{
	for (long mib = 8; mib < 4096; mib *= 2) {
		long kib = mib << 10;
		struct guest g = guest_run("stress", .args = {"locals", "5000", "1"},
					   .env = {"GOMAXPROCS=2"}, .before = limit_address_space,
					   .arg = &kib);

		cr_assert(!g.timed_out && WIFEXITED(g.status), "%ld MiB: %d\n%s", mib, g.status,
			  g.err);
		if (WEXITSTATUS(g.status) == 1)
			guest_expect_err_matches(&g, "^rt0: cannot start: ");
		else if (WEXITSTATUS(g.status) == 2)
			guest_expect_err_matches(&g, "^fatal error: (out of memory|newosproc)");
		else
			guest_expect_exit(&g, 0);
		guest_free(&g);
	}
}

static int
limit_processes(const void *unused)
{
	(void)unused;
	return setrlimit(RLIMIT_NPROC, &(struct rlimit){0, 0}) ||
		(geteuid() == 0 && (setgid(65534) || setuid(65534)));
}

Test(env, no_threads)
{
	/* Somewhere that the other user can reach. */
	const char *dir = make_root("stress");
	char path[128];

	snprintf(path, sizeof path, "%s/guest", dir);
	struct guest g = guest_run(path, .args = {"tree"}, .before = limit_processes);
	cr_assert(WIFEXITED(g.status) && (WEXITSTATUS(g.status) == 1 || WEXITSTATUS(g.status) == 2),
		  "status %d: %s", g.status, g.err);
	guest_expect_err(&g,
			 "runtime: failed to create new OS thread (have 1 already; errno=11)\n"
			 "runtime: may need to increase max user processes (ulimit -u)\n");
	guest_expect_err(&g, "fatal error: newosproc\n");
	guest_free(&g);
	remove_root(dir);
}

/* A small initial stack is enough: goroutines have their own. */
static int
limit_stack(const void *kib)
{
	rlim_t bytes = (rlim_t) * (const long *)kib << 10;

	return setrlimit(RLIMIT_STACK, &(struct rlimit){bytes, bytes});
}

Test(env, small_initial_stack)
{
	static const long sizes[] = {64, 128, 256, 1024};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		guest_ok("libc", .args = {"use-stack", "50"}, .before = limit_stack,
			 .arg = &sizes[i]);
}

/* SPDX-License-Identifier: MIT */
/*
 * Runs a program with pipes on its output and a deadline. fork, not posix_spawn: some tests change
 * root or limits in between, and the caller, a test of Criterion's, is a process with one thread.
 *
 * $RT0_GUEST_RTDEBUG is added to every guest's RTDEBUG, and $RT0_GUEST_GOMAXPROCS is its GOMAXPROCS
 * unless the test says otherwise: whole suites run once more with them.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define DEFAULT_TIMEOUT_S 20
#define REPORT_MAX 6000   /* bytes of each output in a failure */
#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL, which older headers lack */
#define MOST_WITH_MAPPINGS "30000"

struct buffer {
	char *text;
	size_t len, cap;
	int fd; /* -1: at its end */
};

const char *
guest_dir(void)
{
	const char *dir = getenv("RT0_GUESTS");

	cr_assert(dir, "RT0_GUESTS is not set: run these tests through meson");
	return dir;
}

const char *
guest_path(const char *name)
{
	static char path[4096];

	if (strchr(name, '/'))
		return name;
	snprintf(path, sizeof path, "%s/%s", guest_dir(), name);
	return path;
}

const char *
guest_goroutines(const char *n)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert(p != MAP_FAILED);
	bool free_of_charge = madvise(p, size, GUARD_INSTALL) == 0;
	munmap(p, size);
	return free_of_charge || atol(n) <= atol(MOST_WITH_MAPPINGS) ? n : MOST_WITH_MAPPINGS;
}

static long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the child ---- */

static char *
find_env(const struct guest_options *o, const char *name)
{
	for (int i = 0; i < GUEST_MAX_ARGS && o->env[i]; i++)
		if (strncmp(o->env[i], name, strlen(name)) == 0)
			return (char *)o->env[i];
	return NULL;
}

/* The environment that a test asks for, and what this run of the suite adds: nothing that the test
 * has set is changed, since of two keys in RTDEBUG the last one wins. */
static void
make_env(const struct guest_options *o, char **envp)
{
	static char debug[4096], procs[64];
	const char *add = getenv("RT0_GUEST_RTDEBUG"), *n = getenv("RT0_GUEST_GOMAXPROCS");
	char *own = find_env(o, "RTDEBUG=");
	int len = 0;

	for (int i = 0; i < GUEST_MAX_ARGS && o->env[i]; i++)
		if (!add || o->env[i] != own)
			envp[len++] = (char *)o->env[i];
	if (add) {
		snprintf(debug, sizeof debug, "RTDEBUG=%s,%s", add,
			 own ? strchr(own, '=') + 1 : "");
		envp[len++] = debug;
	}
	if (n && !find_env(o, "GOMAXPROCS=")) {
		snprintf(procs, sizeof procs, "GOMAXPROCS=%s", n);
		envp[len++] = procs;
	}
	envp[len] = NULL;
}

static void
be_child(const char *path, const struct guest_options *o, int out, int err)
{
	char *argv[GUEST_MAX_ARGS + 2] = {(char *)path};
	char *envp[GUEST_MAX_ARGS + 3];

	for (int i = 0; i < GUEST_MAX_ARGS && o->args[i]; i++)
		argv[i + 1] = (char *)o->args[i];
	make_env(o, envp);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int null = open("/dev/null", O_RDONLY);
	dup2(null, 0);
	dup2(out, 1);
	dup2(err, 2);
	syscall(SYS_close_range, 3u, ~0u, 0u);
	signal(SIGPIPE, SIG_DFL);
	if (o->before && o->before(o->arg) != 0)
		_exit(125);
	execve(path, o->empty_argv ? (char *[]){NULL} : argv, envp);
	_exit(126);
}

/* ---- the parent ---- */

static void
append(struct buffer *b, const char *text, size_t n)
{
	if (b->len + n + 1 > b->cap) {
		b->cap = 2 * (b->len + n + 1);
		b->text = realloc(b->text, b->cap);
		cr_assert(b->text);
	}
	memcpy(b->text + b->len, text, n);
	b->len += n;
	b->text[b->len] = 0;
}

static void
read_some(struct buffer *b)
{
	char chunk[65536];
	ssize_t n = read(b->fd, chunk, sizeof chunk);

	if (n > 0) {
		append(b, chunk, (size_t)n);
	} else if (n == 0 || errno != EINTR) {
		close(b->fd);
		b->fd = -1;
	}
}

/* Reads until both ends are closed and the child has ended, or until the deadline: then false. */
static bool
follow(int pidfd, struct buffer *out, struct buffer *err, long deadline_ms)
{
	bool running = true;

	while (running || out->fd >= 0 || err->fd >= 0) {
		struct pollfd fds[3] = {
			{out->fd, POLLIN, 0},
			{err->fd, POLLIN, 0},
			{running ? pidfd : -1, POLLIN, 0},
		};
		long left = deadline_ms - now_ms();

		if (left <= 0 || (poll(fds, 3, (int)left) < 0 && errno != EINTR))
			return false;
		if (fds[0].revents)
			read_some(out);
		if (fds[1].revents)
			read_some(err);
		if (fds[2].revents)
			running = false;
	}
	return true;
}

/* Asks gdb where every thread of a process that hangs is, into its stderr. */
static void
append_backtraces(struct buffer *err, pid_t pid)
{
	char command[256], chunk[4096];
	size_t n;

	snprintf(command, sizeof command,
		 "timeout 20 gdb -p %d -batch -ex 'thread apply all backtrace' 2>&1", (int)pid);
	FILE *f = popen(command, "r");
	if (!f)
		return;
	append(err, "\n---- it hangs ----\n", 20);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		append(err, chunk, n);
	pclose(f);
}

static void
describe_command(struct guest *g, const char *name, const struct guest_options *o)
{
	FILE *out = fmemopen(g->command, sizeof g->command - 1, "w");

	cr_assert(out);
	for (int i = 0; o->env[i]; i++)
		fprintf(out, "%s ", o->env[i]);
	fprintf(out, "%s", name);
	for (int i = 0; o->args[i]; i++)
		fprintf(out, " %s", o->args[i]);
	fclose(out);
}

struct guest
guest_run_with(const char *name, const struct guest_options *o)
{
	int out[2], err[2];
	struct guest g = {.status = 0};
	const char *path = guest_path(name);
	long deadline = now_ms() + 1000L * (o->timeout_s ? o->timeout_s : DEFAULT_TIMEOUT_S);

	describe_command(&g, name, o);
	cr_assert(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
	pid_t pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0)
		be_child(path, o, out[1], err[1]);
	setpgid(pid, pid); /* both do it: neither has to wait for the other */
	close(out[1]);
	close(err[1]);
	struct buffer bout = {.fd = out[0]}, berr = {.fd = err[0]};
	append(&bout, "", 0);
	append(&berr, "", 0);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	cr_assert(pidfd >= 0);
	if (!follow(pidfd, &bout, &berr, deadline)) {
		g.timed_out = true;
		append_backtraces(&berr, pid);
	}
	kill(-pid, SIGKILL); /* also what it left behind */
	cr_assert(waitpid(pid, &g.status, 0) == pid);
	close(pidfd);
	if (bout.fd >= 0)
		close(bout.fd);
	if (berr.fd >= 0)
		close(berr.fd);
	g.out = bout.text;
	g.out_len = bout.len;
	g.err = berr.text;
	g.err_len = berr.len;
	return g;
}

void
guest_free(struct guest *g)
{
	free(g->out);
	free(g->err);
	*g = (struct guest){0};
}

/* ---- expectations ---- */

static void
describe_end(const struct guest *g, char *text, size_t size)
{
	if (g->timed_out)
		snprintf(text, size, "ran past its deadline");
	else if (WIFEXITED(g->status))
		snprintf(text, size, "exited with status %d", WEXITSTATUS(g->status));
	else
		snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(g->status),
			 strsignal(WTERMSIG(g->status)));
}

static __attribute__((noreturn, format(printf, 2, 3))) void
fail(const struct guest *g, const char *format, ...)
{
	char wanted[REPORT_MAX], end[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(wanted, sizeof wanted, format, ap);
	va_end(ap);
	describe_end(g, end, sizeof end);
	/* Criterion cuts long messages, so the outputs go to stderr on their own. */
	fprintf(stderr, "%s: %s; expected %s\n---- stdout ----\n%.*s\n---- stderr ----\n%.*s\n",
		g->command, end, wanted, REPORT_MAX, g->out, REPORT_MAX, g->err);
	cr_assert_fail("%s: %s; expected %s", g->command, end, wanted);
	abort();
}

void
guest_expect_exit(const struct guest *g, int status)
{
	if (g->timed_out || !WIFEXITED(g->status) || WEXITSTATUS(g->status) != status)
		fail(g, "exit status %d", status);
}

void
guest_expect_signal(const struct guest *g, int signal)
{
	if (g->timed_out || !WIFSIGNALED(g->status) || WTERMSIG(g->status) != signal)
		fail(g, "death by signal %d (%s)", signal, strsignal(signal));
}

void
guest_expect_out(const struct guest *g, const char *whole)
{
	if (strcmp(g->out, whole) != 0)
		fail(g, "this on stdout:\n%s", whole);
}

void
guest_expect_err(const struct guest *g, const char *part)
{
	if (!strstr(g->err, part))
		fail(g, "this somewhere on stderr:\n%s", part);
}

void
guest_expect_err_is(const struct guest *g, const char *whole)
{
	if (strcmp(g->err, whole) != 0)
		fail(g, "this on stderr:\n%s", whole);
}

static bool
matches(const char *text, const char *pattern)
{
	regex_t re;

	cr_assert(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) == 0, "%s",
		  pattern);
	bool found = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

void
guest_expect_out_matches(const struct guest *g, const char *regex)
{
	if (!matches(g->out, regex))
		fail(g, "a match of /%s/ on stdout", regex);
}

void
guest_expect_err_matches(const struct guest *g, const char *regex)
{
	if (!matches(g->err, regex))
		fail(g, "a match of /%s/ on stderr", regex);
}

int
guest_count(const char *where, const char *text)
{
	int n = 0;

	for (const char *p = where; (p = strstr(p, text)); p += strlen(text))
		n++;
	return n;
}

void
guest_run_ok(const char *name, const struct guest_options *options)
{
	struct guest g = guest_run_with(name, options);

	guest_expect_exit(&g, 0);
	guest_expect_out(&g, "ok\n");
	guest_expect_err_is(&g, "");
	guest_free(&g);
}

const char *const guest_procs[GUEST_PROCS] = {"GOMAXPROCS=1", "GOMAXPROCS=2", "GOMAXPROCS=8"};

void
guest_run_ok_on_procs(const char *name, const struct guest_options *options)
{
	struct guest_options each = *options;
	int n = 0;

	while (each.env[n])
		n++;
	cr_assert_lt(n, GUEST_MAX_ARGS);
	for (int i = 0; i < GUEST_PROCS; i++) {
		each.env[n] = guest_procs[i];
		guest_run_ok(name, &each);
	}
}

bool
guest_exists(const char *name)
{
	return access(guest_path(name), X_OK) == 0;
}

int
guest_pin_to_one_cpu(const void *unused)
{
	cpu_set_t all, one;

	(void)unused;
	if (sched_getaffinity(0, sizeof all, &all) != 0)
		return -1;
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	return sched_setaffinity(0, sizeof one, &one);
}

/* SPDX-License-Identifier: MIT */
/*
 * Running programs as a user would, and looking at what they did: what they printed, how they
 * ended. Every run has a deadline; what is still running then is killed, and its threads'
 * backtraces (if there is a gdb) are shown with the failure.
 *
 *	struct guest g = guest_run("api", .args = {"deadlock"}, .env = {"GOMAXPROCS=2"});
 *	guest_expect_exit(&g, 2);
 *	guest_expect_err(&g, "fatal error: all goroutines are asleep - deadlock!");
 *	guest_free(&g);
 *
 * $RT0_GUESTS is the folder of guest programs.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>

#define GUEST_MAX_ARGS 32

struct guest_options {
	const char *args[GUEST_MAX_ARGS];
	const char *env[GUEST_MAX_ARGS]; /* all of its environment */
	int timeout_s;                   /* 0: 20 s */
	bool empty_argv;                 /* not even argv[0] */
	/* Called in the child before exec: to close descriptors, set limits, change root. It may
	 * use system calls only. Not 0: the child exits with status 125. */
	int (*before)(const void *arg);
	const void *arg;
};

struct guest {
	char command[256]; /* environment, name, arguments; for reports */
	int status;        /* as waitpid gives it */
	bool timed_out;
	char *out, *err; /* terminated by 0 */
	size_t out_len, err_len;
};

/* Runs a program: a path if there is a slash in the name, else a guest. */
struct guest guest_run_with(const char *name, const struct guest_options *options);
#define guest_run(name_, ...) guest_run_with(name_, &(const struct guest_options){__VA_ARGS__})

void guest_free(struct guest *g);

/* Each reports all that is known of the run if it does not hold, and ends the test. */
void guest_expect_exit(const struct guest *g, int status);
void guest_expect_signal(const struct guest *g, int signal);
void guest_expect_out(const struct guest *g, const char *whole);
void guest_expect_err(const struct guest *g, const char *part);
void guest_expect_err_is(const struct guest *g, const char *whole);
/* The extended regular expression matches somewhere in the text. */
void guest_expect_out_matches(const struct guest *g, const char *regex);
void guest_expect_err_matches(const struct guest *g, const char *regex);

/* How often text occurs in where. */
int guest_count(const char *where, const char *text);

/* The folder of guest programs, and the path of one; static memory. */
const char *guest_dir(void);
const char *guest_path(const char *name);

/* "ok\n", status 0, nothing on stderr: what most cases end with. */
void guest_run_ok(const char *name, const struct guest_options *options);
#define guest_ok(name_, ...) guest_run_ok(name_, &(const struct guest_options){__VA_ARGS__})

/* The same with one P, with two and with many: where goroutines share a thread, and where they
 * move. */
#define GUEST_PROCS 3
extern const char *const guest_procs[GUEST_PROCS]; /* GOMAXPROCS=1, ... */
void guest_run_ok_on_procs(const char *name, const struct guest_options *options);
#define guest_ok_on_procs(name_, ...)                                                              \
	guest_run_ok_on_procs(name_, &(const struct guest_options){__VA_ARGS__})

/* So many goroutines, or, where each of their guards takes two of the mappings that a process may
 * have (before Linux 6.13), as many as there can be with the kernel's usual limit. */
const char *guest_goroutines(const char *n);

/* Whether a guest was built: those of clang are only where there is one. */
bool guest_exists(const char *name);

/* A .before: leaves the guest one of the CPUs that the test may use. */
int guest_pin_to_one_cpu(const void *unused);

#endif

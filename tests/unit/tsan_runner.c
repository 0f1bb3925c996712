/* SPDX-License-Identifier: MIT */
/*
 * tsan_runner.c: runs Criterion's tests without Criterion's runner, for the TSan variants. That
 * one shares memory with its workers at an address that TSan reserves for itself, and does not
 * start. So main and the functions that a failed assertion calls are replaced; the tests, their
 * expected exit statuses and their time limits are the same. A test is a process, as there.
 */
#include <criterion/criterion.h>
#include <criterion/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT 60
#define FAILED 99

/* The linker's bounds of the section in which Test() leaves a pointer. */
extern struct criterion_test *const __start_cr_tst[], *const __stop_cr_tst[];

static int failures;

void
criterion_send_assert(struct criterion_assert_stats *stats)
{
	fprintf(stderr, "%s:%u: %s\n", stats->file, (unsigned)stats->line,
		stats->message ? stats->message : "assertion failed");
	__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
}

void
criterion_abort_test(void)
{
	_exit(FAILED);
}

void
criterion_continue_test(void)
{
}

/* What Test() wraps around the test's body. */
void
criterion_internal_test_setup(void)
{
}

void
criterion_internal_test_main(void (*fn)(void))
{
	fn();
}

void
criterion_internal_test_teardown(void)
{
}

/* In a child: TSan's reports make its exit status 66. */
static void
run_here(const struct criterion_test *t)
{
	unsigned limit = (unsigned)t->data->timeout;

	alarm(limit ? limit : DEFAULT_TIMEOUT);
	if (t->data->init)
		t->data->init();
	t->test();
	if (t->data->fini)
		t->data->fini();
	exit(__atomic_load_n(&failures, __ATOMIC_RELAXED) ? FAILED : 0);
}

static bool
passes(const struct criterion_test *t)
{
	int status;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		run_here(t);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (t->data->signal != 0)
		return WIFSIGNALED(status) && WTERMSIG(status) == t->data->signal;
	return WIFEXITED(status) && WEXITSTATUS(status) == t->data->exit_code;
}

int
main(void)
{
	int bad = 0, n = 0;

	for (struct criterion_test *const *p = __start_cr_tst; p < __stop_cr_tst; p++) {
		if (!*p || (*p)->data->disabled)
			continue;
		n++;
		if (!passes(*p)) {
			printf("FAIL %s::%s\n", (*p)->category, (*p)->name);
			bad++;
		}
	}
	printf("%d tests, %d failed\n", n, bad);
	return bad != 0 || n == 0;
}

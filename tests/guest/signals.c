/* SPDX-License-Identifier: MIT */
/* Signals that the runtime reports by itself, in programs that handle, ignore and restore them. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

extern char **environ;

static volatile uintptr_t zero;

__attribute__((noinline)) static int
follow(const volatile int *p)
{
	return *p;
}

static const int reported[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGQUIT};

static void
handler(int sig)
{
	(void)sig;
}

static void
info_handler(int sig, siginfo_t *info, void *uc)
{
	(void)sig, (void)info, (void)uc;
}

static bool
is_default(int sig)
{
	struct sigaction sa;

	memset(&sa, 0x55, sizeof sa);
	CHECK(sigaction(sig, NULL, &sa) == 0);
	return sa.sa_handler == SIG_DFL && sa.sa_flags == 0 && !sigismember(&sa.sa_mask, SIGINT);
}

/* What is set is what is read, and nobody sees the runtime's handlers. */
static int
actions(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (size_t i = 0; i < GUEST_LEN(reported); i++) {
		int sig = reported[i];
		struct sigaction sa = {.sa_sigaction = info_handler,
				       .sa_flags = SA_SIGINFO | SA_NODEFER};
		struct sigaction old;

		CHECK(is_default(sig));
		sigaddset(&sa.sa_mask, SIGUSR1);
		CHECK(sigaction(sig, &sa, &old) == 0 && old.sa_handler == SIG_DFL);
		CHECK(sigaction(sig, &old, &sa) == 0 && sa.sa_sigaction == info_handler);
		CHECK((sa.sa_flags & (SA_SIGINFO | SA_NODEFER | SA_ONSTACK)) ==
		      (SA_SIGINFO | SA_NODEFER));
		CHECK(sigismember(&sa.sa_mask, SIGUSR1) && !sigismember(&sa.sa_mask, SIGUSR2));
		CHECK(is_default(sig));
		CHECK(signal(sig, handler) == SIG_DFL && signal(sig, SIG_IGN) == handler);
		CHECK(signal(sig, SIG_DFL) == SIG_IGN && is_default(sig));
	}
	errno = 0;
	CHECK(sigaction(32, NULL, NULL) == -1 && errno == EINVAL);
	CHECK(sigaction(-1, NULL, NULL) == -1 && sigaction(99, NULL, NULL) == -1);
	CHECK(signal(SIGKILL, handler) == SIG_ERR);
	return ok();
}

/* ---- handlers that jump ---- */

static sigjmp_buf again;
static volatile void *handler_frame;

static void
jump(int sig)
{
	handler_frame = __builtin_frame_address(0);
	siglongjmp(again, sig);
}

static bool
on_stack_of(const volatile void *p, const void *frame)
{
	return (uintptr_t)frame - (uintptr_t)p < 65536;
}

static void
fault_and_jump(int flags, rt_wg *wg)
{
	struct sigaction sa = {.sa_handler = jump, .sa_flags = flags};

	sigaction(SIGSEGV, &sa, NULL);
	for (volatile int i = 0; i < 100; i++) {
		if (sigsetjmp(again, 1) == 0) {
			follow((int *)zero);
			_Exit(4);
		}
		CHECK(on_stack_of(handler_frame, __builtin_frame_address(0)) ==
		      !(flags & SA_ONSTACK));
	}
	rt_wg_done(wg);
}

static int
jumps(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 1);
	fault_and_jump(0, &wg);
	rt_wg_add(&wg, 1);
	fault_and_jump(SA_ONSTACK, &wg);
	rt_wg_add(&wg, 1);
	rt_go(fault_and_jump, 0, &wg);
	rt_wg_wait(&wg);
	rt_wg_add(&wg, 1);
	rt_go(fault_and_jump, SA_ONSTACK, &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* Takes its handler back when it is called: what faults again is reported. */
static void
give_back(int sig)
{
	signal(sig, SIG_DFL);
}

static int
restored(int argc, char **argv)
{
	(void)argc, (void)argv;
	signal(SIGSEGV, give_back);
	return follow((int *)zero);
}

/* A fault that somebody sends is no fault. */
static int
sent(int argc, char **argv)
{
	CHECK(argc == 1);
	raise(atoi(argv[0]));
	return 5;
}

static int
ignored(int argc, char **argv)
{
	(void)argc, (void)argv;
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTRAP, SIG_IGN);
	raise(SIGQUIT);
	kill(getpid(), SIGTRAP);
	return ok();
}

/* What the process was started with. */
static int
inherited(int argc, char **argv)
{
	(void)argc, (void)argv;
	CHECK(signal(SIGQUIT, SIG_IGN) == SIG_IGN);
	raise(SIGQUIT);
	return ok();
}

/* ---- children ---- */

static int
wait_for(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

static int
children(int argc, char **argv)
{
	char *const args[] = {"sh", "-c", "kill -QUIT $$; exit 9", NULL};
	pid_t pid;
	int status;

	(void)argc, (void)argv;
	CHECK(posix_spawn(&pid, "/bin/sh", NULL, NULL, args, environ) == 0);
	status = wait_for(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT);
	status = system("kill -SEGV $$; exit 9");
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(is_default(SIGQUIT));
	FILE *f = popen("kill -ABRT $$; exit 9", "r");
	CHECK(f);
	status = pclose(f);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	pid = fork();
	if (pid == 0) {
		execv("/bin/sh", args);
		_exit(9);
	}
	status = wait_for(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT);
	return ok();
}

/* ---- SIGURG, which the runtime uses itself once there are goroutines ---- */

static volatile sig_atomic_t urgent;
static volatile int urgent_flags;

static void
on_urgent(int sig)
{
	urgent += sig == SIGURG;
}

static void
nothing(rt_wg *wg)
{
	rt_wg_done(wg);
}

static void
expect_urgent(int n)
{
	urgent = 0;
	raise(SIGURG);
	CHECK(urgent == n);
}

static int
urgent_signal(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	expect_urgent(0);
	CHECK(signal(SIGURG, on_urgent) == SIG_DFL);
	expect_urgent(1);
	rt_wg_add(&wg, 1);
	rt_go(nothing, &wg);
	rt_wg_wait(&wg);
	expect_urgent(1);
	CHECK(signal(SIGURG, SIG_DFL) == on_urgent);
	expect_urgent(0);
	struct sigaction sa = {.sa_handler = on_urgent, .sa_flags = (int)SA_RESETHAND};
	CHECK(sigaction(SIGURG, &sa, NULL) == 0);
	expect_urgent(1);
	expect_urgent(0);
	CHECK(signal(SIGURG, SIG_IGN) == SIG_DFL);
	expect_urgent(0);
	return ok();
}

/* ---- the stack that handlers run on ---- */

static volatile int depth;
static volatile bool deep_enough; /* never */

__attribute__((noinline)) static int
recurse(const volatile char *last)
{
	volatile char frame[100];

	frame[0] = (char)(*last + depth++);
	return deep_enough ? 0 : recurse(frame) + frame[0];
}

static void
run_deep(int sig)
{
	volatile char frame = (char)sig;

	recurse(&frame);
}

static void
print_deep(int sig)
{
	char text[2000];

	snprintf(text, sizeof text, "%d %a", sig, depth++ / 3.0);
	if (!deep_enough)
		print_deep(text[0]);
	puts(text);
}

static void
raise_one(rt_wg *wg)
{
	rt_lock_os_thread();
	raise(SIGUSR1);
	rt_wg_done(wg);
}

static void *
raise_one_too(void *unused)
{
	raise(SIGUSR1);
	return unused;
}

/* main, goroutine or thread; printf, for one in libc. */
static int
overflow(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = argc > 1 ? print_deep : run_deep,
			       .sa_flags = SA_ONSTACK};
	rt_wg wg = RT_WG_INIT;

	CHECK(argc > 0 && sigaction(SIGUSR1, &sa, NULL) == 0);
	if (strcmp(argv[0], "main") == 0)
		raise(SIGUSR1);
	if (strcmp(argv[0], "thread") == 0)
		pthread_join(foreign_thread(raise_one_too, NULL), NULL);
	rt_lock_os_thread();
	rt_wg_add(&wg, 1);
	rt_go(raise_one, &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- sigaltstack ---- */

static struct {
	char below[16 << 10], stack[MINSIGSTKSZ];
} small;
static const stack_t small_stack = {.ss_sp = small.stack, .ss_size = sizeof small.stack};
static const stack_t no_stack = {.ss_flags = SS_DISABLE};
static volatile sig_atomic_t asked;
static bool others_ran;

static bool
is_same(stack_t a, stack_t b)
{
	return a.ss_sp == b.ss_sp && a.ss_size == b.ss_size && a.ss_flags == b.ss_flags;
}

static void
ask(int sig)
{
	stack_t now;

	CHECK(sigaltstack(NULL, &now) == 0);
	CHECK(now.ss_flags == SS_ONSTACK && now.ss_sp == small.stack);
	errno = 0;
	CHECK(sigaltstack(&no_stack, NULL) == -1 && errno == EPERM);
	asked += sig == SIGUSR1;
}

static void
set_others_ran(void)
{
	stack_t now;

	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp != small.stack);
	SET(others_ran, true);
}

/* Runs others only if it is stopped. */
static void
hog(void)
{
	SET(others_ran, false);
	rt_go(set_others_ran);
	while (!GET(others_ran))
		;
}

static void
expect_refused(stack_t ss, int error)
{
	stack_t before, after;

	CHECK(sigaltstack(NULL, &before) == 0);
	errno = 0;
	CHECK(sigaltstack(&ss, NULL) == -1 && errno == error);
	CHECK(sigaltstack(NULL, &after) == 0 && is_same(before, after));
}

/* What is set is what is read, and in the way of nobody: not of handlers, nor of preemption. */
static int
altstack(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = ask, .sa_flags = SA_ONSTACK};
	stack_t first, old;

	(void)argc, (void)argv;
	CHECK(sigaltstack(&small_stack, &first) == 0 && !(first.ss_flags & SS_DISABLE));
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	raise(SIGUSR1);
	CHECK(asked == 1);
	hog();
	CHECK(sigaltstack(&no_stack, &old) == 0 && is_same(old, small_stack));
	hog();
	expect_refused((stack_t){.ss_sp = small.stack, .ss_size = MINSIGSTKSZ - 1}, ENOMEM);
	expect_refused((stack_t){.ss_sp = small.stack, .ss_size = 8192, .ss_flags = 7}, EINVAL);
	expect_refused((stack_t){.ss_sp = small.stack, .ss_size = 8192, .ss_flags = SS_ONSTACK},
		       EINVAL);
	CHECK(sigaltstack(&first, &old) == 0 && is_same(old, no_stack));
	CHECK(sigaltstack(NULL, &old) == 0 && is_same(old, first));
	for (size_t i = 0; i < sizeof small; i++)
		CHECK(((char *)&small)[i] == 0);
	return ok();
}

static char large[64 << 10];
static const stack_t large_stack = {.ss_sp = large, .ss_size = sizeof large};

/* On a thread of the program's, they run there. */
static void
ask_on_large(int sig)
{
	stack_t now;

	CHECK((uintptr_t)&now - (uintptr_t)large < sizeof large);
	CHECK(sigaltstack(NULL, &now) == 0);
	CHECK(now.ss_flags == SS_ONSTACK && now.ss_sp == large);
	errno = 0;
	CHECK(sigaltstack(&no_stack, &now) == -1 && errno == EPERM);
	asked += sig == SIGUSR1;
}

static void *
exchange_stacks(void *unused)
{
	stack_t first, old;

	CHECK(sigaltstack(NULL, &first) == 0 && !(first.ss_flags & SS_DISABLE));
	CHECK(sigaltstack(&large_stack, NULL) == 0);
	raise(SIGUSR1);
	CHECK(asked == 1);
	expect_refused((stack_t){.ss_sp = large, .ss_size = MINSIGSTKSZ - 1}, ENOMEM);
	expect_refused((stack_t){.ss_sp = large, .ss_size = 8192, .ss_flags = SS_ONSTACK}, EINVAL);
	CHECK(sigaltstack(&no_stack, &old) == 0 && is_same(old, large_stack));
	CHECK(sigaltstack(&first, &old) == 0 && old.ss_flags == SS_DISABLE);
	return unused;
}

static int
altstack_of_thread(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = ask_on_large, .sa_flags = SA_ONSTACK};

	(void)argc, (void)argv;
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	pthread_join(foreign_thread(exchange_stacks, NULL), NULL);
	return ok();
}

static void
end_with(const stack_t *ss, const char *how)
{
	CHECK(sigaltstack(ss, NULL) == 0);
	if (strcmp(how, "quit") == 0)
		raise(SIGQUIT);
	if (strcmp(how, "null") == 0)
		follow((int *)zero);
	run_deep(0);
}

/* none or small, and how the program ends. */
static int
altstack_end(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	CHECK(argc == 2);
	rt_wg_go(&wg, end_with, strcmp(argv[0], "none") == 0 ? &no_stack : &small_stack, argv[1]);
	rt_wg_wait(&wg);
	return ok();
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {
		{"actions", actions},           {"jumps", jumps},
		{"restored", restored},         {"sent", sent},
		{"ignored", ignored},           {"inherited", inherited},
		{"children", children},         {"urgent", urgent_signal},
		{"overflow", overflow},         {"altstack", altstack},
		{"altstack-end", altstack_end}, {"altstack-of-thread", altstack_of_thread},
	};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

/* SPDX-License-Identifier: MIT */
/* RTDEBUG=preemptstress, and places where it has found, or could find, what slices never would. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest.h"

/* ---- turns: hogs are stopped more often than slices would have it ---- */

static int last;
static long changes;

static void
be_hog(int me, long want, rt_wg *done)
{
	while (GET(changes) < want)
		if (__atomic_exchange_n(&last, me, __ATOMIC_ACQ_REL) != me)
			ADD(changes, 1);
	rt_wg_done(done);
}

/* The milliseconds that so many turns take. */
static int
turns(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;
	int64_t begin = now_ns();

	rt_wg_add(&done, 2);
	for (int i = 1; i <= 2; i++)
		rt_go(be_hog, i, (long)number(argc, argv, 1000), &done);
	rt_wg_wait(&done);
	printf("%ld\n", (long)((now_ns() - begin) / MS));
	return 0;
}

/* ---- restorer: the end of a signal handler, which is a system call of libc ---- */

#define TRAP_FLAG 0x100

static int met;

/* After each instruction. At that system call it waits until a request to stop is under way, which
 * then comes just there: SIGURG is blocked here, and not outside. */
static void
step(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	const uint8_t *pc = (const uint8_t *)uc->uc_mcontext.gregs[REG_RIP];
	sigset_t pending;

	(void)sig, (void)info;
	if (pc[0] != 0x0f || pc[1] != 0x05 || uc->uc_mcontext.gregs[REG_RAX] != SYS_rt_sigreturn)
		return;
	met++;
	do
		CHECK(sigpending(&pending) == 0);
	while (!sigismember(&pending, SIGURG));
}

/* From here on, each instruction, up to the one that restores the flags. */
static void
step_back(int sig)
{
	(void)sig;
	__asm__ volatile("pushfq; orl %0, (%%rsp); popfq" : : "i"(TRAP_FLAG) : "cc", "memory");
}

static void
nothing(rt_wg *done)
{
	rt_wg_done(done);
}

static int
restorer(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = step, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	rt_wg done = RT_WG_INIT;
	int times = number(argc, argv, 20);

	rt_wg_add(&done, 1);
	rt_go(nothing, &done); /* from now on, somebody may ask main to stop */
	rt_wg_wait(&done);
	sigfillset(&sa.sa_mask);
	CHECK(sigaction(SIGTRAP, &sa, NULL) == 0);
	/* Nothing is blocked while it runs: what it returns to looks like any code. */
	sa = (struct sigaction){.sa_handler = step_back, .sa_flags = SA_NODEFER};
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	for (int i = 0; i < times; i++)
		CHECK(raise(SIGUSR1) == 0);
	CHECK(met == times);
	return ok();
}

/* ---- no-eintr: calls that the kernel does not restart, in a program without handlers ---- */

static int pair[2];

static void
wait_briefly(void)
{
	const struct timespec ts = {0, 100000};
	char c;

	CHECK(poll(NULL, 0, 1) == 0);
	CHECK(nanosleep(&ts, NULL) == 0);
	CHECK(recv(pair[0], &c, 1, 0) == -1 && errno == EAGAIN); /* SO_RCVTIMEO */
}

static void
compute_and_wait(int times, rt_wg *done)
{
	volatile unsigned x = 0;

	for (int i = 0; i < times; i++) {
		for (int k = 0; k < 20000; k++)
			x = x + 1;
		wait_briefly();
	}
	rt_wg_done(done);
}

static int
no_eintr(int argc, char **argv)
{
	const struct timeval ms = {0, 1000};
	rt_wg done = RT_WG_INIT;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &ms, sizeof ms) == 0);
	rt_wg_add(&done, 3);
	for (int i = 0; i < 3; i++)
		rt_go(compute_and_wait, number(argc, argv, 300), &done);
	rt_wg_wait(&done);
	return ok();
}

static const struct guest_case cases[] = {
	{"turns", turns},
	{"restorer", restorer},
	{"no-eintr", no_eintr},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

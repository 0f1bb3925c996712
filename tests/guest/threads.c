/* SPDX-License-Identifier: MIT */
/* Threads that the program makes itself, and signals: none is taken for a goroutine, from its first
 * instruction on, and each has a stack for handlers until it ends. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

static void *
end_at_once(void *arg)
{
	return arg;
}

/* Makes a thread and waits for its end. */
static void
run_thread(void *(*fn)(void *), void *arg)
{

	pthread_t t = foreign_thread(fn, arg);
	CHECK(pthread_join(t, NULL) == 0);
}

/* ---- new: a signal that comes as soon as there is a thread ---- */

static int stop, handled;
static pid_t known[8]; /* threads that are not to be signalled */

static void
note_goid(int sig)
{
	(void)sig;
	CHECK(rt_goid() == 0);
	ADD(handled, 1);
}

static bool
is_known(pid_t tid)
{
	for (size_t i = 0; i < GUEST_LEN(known); i++)
		if (known[i] == tid)
			return true;
	return false;
}

/* Whether tid is that of the last one that was signalled, or of one shortly before it. Numbers
 * begin anew behind the kernel's pid_max, 32768 on small machines. */
static bool
has_been(pid_t tid, pid_t last)
{
	return tid <= last && last - tid < 1000;
}

/* Signals whatever comes up, once. A new thread has its signals blocked at first, and unblocks them
 * just before it would call the first function of ours. */
static void *
signal_all_new(void *arg)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	pid_t last = 0;

	CHECK(d);
	while (!GET(stop)) {
		rewinddir(d);
		while ((e = readdir(d))) {
			pid_t tid = atoi(e->d_name);

			if (tid <= 0 || has_been(tid, last) || is_known(tid))
				continue;
			last = tid;
			syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
		}
	}
	closedir(d);
	return arg;
}

static void
ping(rt_wg *done)
{
	rt_wg_done(done);
}

static size_t
note_known(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	size_t n = 0;

	CHECK(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		CHECK(n < GUEST_LEN(known) - 1); /* one is left for the signaller */
		known[n++] = atoi(e->d_name);
	}
	closedir(d);
	return n;
}

static void *
be_signaller(void *n)
{
	known[(uintptr_t)n] = gettid();
	return signal_all_new(NULL);
}

static int
new_threads(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = note_goid};
	rt_wg done = RT_WG_INIT;
	int want = number(argc, argv, 200);

	rt_wg_add(&done, 1);
	rt_go(ping, &done);
	rt_wg_wait(&done); /* the runtime's own threads are there */
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	pthread_t signaller = foreign_thread(be_signaller, (void *)note_known());
	while (GET(handled) < want)
		run_thread(end_at_once, NULL);
	SET(stop, 1);
	CHECK(pthread_join(signaller, NULL) == 0);
	return ok();
}

/* ---- signal-stacks ---- */

static long
mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	long n = 0;
	int c;

	CHECK(f);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static char own_stack[64 << 10];
static stack_t found;

static void *
look(void *arg)
{
	CHECK(sigaltstack(NULL, &found) == 0);
	CHECK(!(found.ss_flags & SS_DISABLE) && found.ss_size >= (size_t)MINSIGSTKSZ);
	return arg;
}

static void *
bring_own(void *arg)
{
	stack_t ss = {.ss_sp = own_stack, .ss_size = sizeof own_stack};

	CHECK(sigaltstack(&ss, NULL) == 0);
	return arg;
}

static void *
exit_by_function(void *arg)
{
	pthread_exit(arg);
}

static void
leave(int sig)
{
	pthread_exit((void *)(uintptr_t)sig);
}

static void *
exit_by_handler(void *arg)
{
	pthread_kill(pthread_self(), SIGUSR2);
	CHECK(!"left by the handler");
	return arg;
}

/* Each thread has one, and it goes with the thread, however that ends. */
static int
signal_stacks(int argc, char **argv)
{
	static void *(*const ends[])(void *) = {end_at_once, look, bring_own, exit_by_function};
	struct sigaction sa = {.sa_handler = leave, .sa_flags = SA_ONSTACK};
	int times = number(argc, argv, 200);
	long before;

	for (size_t i = 0; i < GUEST_LEN(ends); i++) {
		run_thread(ends[i], NULL);
		before = mappings();
		for (int k = 0; k < times; k++)
			run_thread(ends[i], NULL);
		CHECK(mappings() < before + times / 2);
	}
	CHECK(found.ss_sp != own_stack);
	/* While a handler runs on it, it stays. */
	CHECK(sigaction(SIGUSR2, &sa, NULL) == 0);
	for (int k = 0; k < 10; k++)
		run_thread(exit_by_handler, NULL);
	return ok();
}

/* ---- deadlock: who waits for goroutines, and for whom goroutines wait ---- */

static rt_chan(int) never, there, back;
static rt_wg group = RT_WG_INIT;

static void *
wait_for_group(void *arg)
{
	rt_wg_wait(&group);
	return arg;
}

static void *
receive_never(void *arg)
{
	rt_recv(never);
	return arg;
}

/* deadlock [ends]: two threads wait, and main; ends: after them, a third one ends. */
static int
deadlock(int argc, char **argv)
{
	never = rt_chan_make(int, 3);
	rt_wg_add(&group, 1);
	foreign_thread(wait_for_group, NULL);
	foreign_thread(receive_never, NULL);
	if (argc > 0 && strcmp(argv[0], "ends") == 0)
		foreign_thread(end_at_once, NULL);
	rt_recv(never);
	return 1;
}

static void *
echo(void *rounds)
{
	int v;

	for (int i = 0; i < (int)(intptr_t)rounds; i++) {
		CHECK(rt_recv(there, &v) && v == i);
		rt_send(back, v);
	}
	return rounds;
}

static void *
call_out(void *rounds)
{
	int v;

	for (int i = 0; i < (int)(intptr_t)rounds; i++) {
		rt_send(there, i);
		CHECK(rt_recv(back, &v) && v == i);
	}
	return rounds;
}

/* Waits where rt0 does not see it, then does what all others wait for. */
static void *
read_then_done(void *fds)
{
	char c;

	CHECK(read(((int *)fds)[0], &c, 1) == 1);
	rt_wg_done(&group);
	return fds;
}

static void *
echo_then_write(void *fds)
{
	echo((void *)(intptr_t)1000);
	CHECK(write(((int *)fds)[1], "", 1) == 1);
	return fds;
}

/* Now and then all but one wait, or all but one that is just being woken: that is none. */
static int
no_deadlock(int argc, char **argv)
{
	intptr_t rounds = number(argc, argv, 20000);
	pthread_t t[4];
	int fds[2];

	there = rt_chan_make(int, 0);
	back = rt_chan_make(int, 0);
	t[0] = foreign_thread(echo, (void *)rounds);
	call_out((void *)rounds); /* a goroutine and a thread */
	rt_wg_add(&group, 1);
	CHECK(pipe(fds) == 0);
	t[1] = foreign_thread(read_then_done, fds);
	t[2] = foreign_thread(echo_then_write, fds);
	t[3] = foreign_thread(call_out, (void *)(intptr_t)1000); /* threads alone: main waits */
	rt_wg_wait(&group);
	for (size_t i = 0; i < GUEST_LEN(t); i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	return ok();
}

static const struct guest_case cases[] = {
	{"deadlock", deadlock},
	{"no-deadlock", no_deadlock},
	{"new", new_threads},
	{"signal-stacks", signal_stacks},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

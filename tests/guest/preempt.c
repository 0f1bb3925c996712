/* SPDX-License-Identifier: MIT */
/*
 * Goroutines that never call the library, and what others get beside them. Built in many ways by
 * meson.build: where a hog can be stopped is up to the code that the compiler made of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static int stop;
static long hog_turns[64];

static void
sleep_ns(int64_t ns)
{
	struct timespec ts = {ns / 1000000000, ns % 1000000000};

	nanosleep(&ts, NULL);
}

/* ---- hogs of several shapes ---- */

/* No memory but the flag and its count. */
static void
tight(int me)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		__atomic_fetch_add(&hog_turns[me], 1, __ATOMIC_RELAXED);
}

/* Calls, and frames large enough for a guard page to be near; Go's "big frames". */
static __attribute__((noinline)) unsigned
big_frame(unsigned x)
{
	volatile unsigned char frame[20000];

	frame[x % sizeof frame] = (unsigned char)x;
	frame[(x * 7) % sizeof frame] = 3;
	return frame[x % sizeof frame] + 1u;
}

static void
calling(int me)
{
	unsigned x = 1;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		x = big_frame(x);
		__atomic_fetch_add(&hog_turns[me], 1, __ATOMIC_RELAXED);
	}
}

/* Deep down; on the way back every level must find what it had. */
static __attribute__((noinline)) long
deep(int level, int me)
{
	volatile long mine = level * 3l + me;
	long below = level > 0 ? deep(level - 1, me) : (tight(me), 0);

	CHECK(mine == level * 3l + me);
	return below + 1;
}

static void
recursing(int me)
{
	CHECK(deep(1000, me) == 1001);
}

/* Floating point and vectors, as a compiler would use them: the sum is known. */
static void
computing(int me)
{
	double a[64], sum;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < 64; i++)
			a[i] = i + me;
		for (int k = 0; k < 50; k++)
			for (int i = 0; i < 64; i++)
				a[i] = a[i] * 2 - a[i];
		sum = 0;
		for (int i = 0; i < 64; i++)
			sum += a[i];
		CHECK(sum == 2016 + 64.0 * me);
		__atomic_fetch_add(&hog_turns[me], 1, __ATOMIC_RELAXED);
	}
}

static void (*const shapes[])(int) = {tight, calling, recursing, computing};

static void
be_hog(int me, rt_wg *done)
{
	shapes[(size_t)me % GUEST_LEN(shapes)](me);
	rt_wg_done(done);
}

static void
start_hogs(int n, rt_wg *done)
{
	rt_wg_add(done, n);
	for (int i = 0; i < n; i++)
		rt_go(be_hog, i, done);
}

/* Every one of them has run since. */
static void
until_all_ran(int n)
{
	long before[64];

	for (int i = 0; i < n; i++)
		before[i] = GET(hog_turns[i]);
	for (int i = 0; i < n; i++)
		YIELD_UNTIL(GET(hog_turns[i]) != before[i]);
}

static void
finish(rt_wg *done)
{
	SET(stop, 1);
	rt_wg_wait(done);
	puts("ok");
}

/* ---- others get their turns ---- */

/* Yielding to n hogs comes back, and all of them get turns. */
static int
yield_to_hogs(int argc, char **argv)
{
	int n = number(argc, argv, 4);
	rt_wg done = RT_WG_INIT;

	start_hogs(n, &done);
	for (int i = 0; i < 3; i++)
		until_all_ran(n);
	finish(&done);
	return 0;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sleeps of 10 ms beside hogs: prints how late they end, median and maximum, in us. */
static int
ticker(int argc, char **argv)
{
	enum { TICKS = 30 };
	int64_t late[TICKS];
	int n = number(argc, argv, 1);
	rt_wg done = RT_WG_INIT;

	start_hogs(n, &done);
	until_all_ran(n);
	for (int i = 0; i < TICKS; i++) {
		int64_t t = now_ns();

		sleep_ns(10 * MS);
		late[i] = now_ns() - t - 10 * MS;
	}
	qsort(late, TICKS, sizeof *late, compare);
	printf("%ld %ld\n", (long)late[TICKS / 2] / 1000, (long)late[TICKS - 1] / 1000);
	finish(&done);
	return 0;
}

/* Work that is readied from a thread without a P. */
static void *
release(void *gate)
{
	rt_wg_done(gate);
	return NULL;
}

static int
from_outside(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT, gate = RT_WG_INIT;
	pthread_t thread;

	start_hogs(number(argc, argv, 4), &done);
	for (int i = 0; i < 20; i++) {
		rt_wg_add(&gate, 1);
		CHECK(pthread_create(&thread, NULL, release, &gate) == 0);
		rt_wg_wait(&gate);
		CHECK(pthread_detach(thread) == 0);
	}
	finish(&done);
	return 0;
}

/* Locked goroutines take turns with a hog. */
static void
locked_turns(int n, rt_wg *done)
{
	rt_lock_os_thread();
	for (int i = 0; i < n; i++)
		rt_gosched();
	rt_unlock_os_thread();
	rt_wg_done(done);
}

static int
locked(int argc, char **argv)
{
	rt_wg hogs = RT_WG_INIT, done = RT_WG_INIT;

	(void)argc, (void)argv;
	start_hogs(2, &hogs);
	rt_wg_add(&done, 4);
	for (int i = 0; i < 4; i++)
		rt_go(locked_turns, 5, &done);
	rt_wg_wait(&done);
	finish(&hogs);
	return 0;
}

/* ---- stopping the world ---- */

/* rt_gomaxprocs returns although no hog ever calls the library. */
static int
resize(int argc, char **argv)
{
	int times = number(argc, argv, 20);
	rt_wg done = RT_WG_INIT;

	start_hogs(4, &done);
	for (int i = 0; i < times; i++) {
		int n = i % 4 + 1;

		rt_gomaxprocs(n);
		CHECK(rt_gomaxprocs(0) == n);
	}
	until_all_ran(4);
	finish(&done);
	return 0;
}

static void
call_the_kernel(int us, long *calls, rt_wg *done)
{
	while (!GET(stop)) {
		if (us == 0)
			CHECK(syscall(SYS_getppid) > 0);
		else
			usleep((useconds_t)us);
		ADD(*calls, 1);
	}
	rt_wg_done(done);
}

/* A thousand times, beside hogs and those that are in the kernel for 0, 10, 100 and 1000 us. */
static int
stop_the_world(int argc, char **argv)
{
	static const int us[] = {0, 10, 100, 1000};
	int times = number(argc, argv, 1000);
	long calls[4] = {0};
	rt_wg done = RT_WG_INIT;

	start_hogs(4, &done);
	rt_wg_add(&done, 4);
	for (int i = 0; i < 4; i++)
		rt_go(call_the_kernel, us[i], &calls[i], &done);
	for (int i = 0; i < times; i++)
		rt_gomaxprocs(i & 1 ? 3 : 4);
	for (int i = 0; i < 4; i++)
		YIELD_UNTIL(GET(calls[i]) > 0);
	until_all_ran(4);
	finish(&done);
	return 0;
}

/* ---- what belongs to a goroutine ---- */

static _Thread_local int mine;
static _Thread_local int others[100];
static int moves;

static void
keep_locals(int me, rt_wg *done)
{
	int *address = &mine, *error = &errno;

	mine = others[me] = me + 1;
	errno = me + 1000;
	while (!GET(stop)) {
		pid_t before = gettid();

		for (volatile int i = 0; i < 100000; i++)
			;
		CHECK(&mine == address && mine == me + 1 && others[me] == me + 1);
		CHECK(&errno == error && errno == me + 1000);
		if (gettid() != before)
			ADD(moves, 1);
	}
	rt_wg_done(done);
}

/* errno and thread-locals, until a hundred times one has come back on another thread. They move
 * when their P goes, to the thread of a goroutine that comes back from the kernel or for good. */
static int
locals(int argc, char **argv)
{
	int wanted = number(argc, argv, 100), procs = rt_gomaxprocs(0);
	rt_wg done = RT_WG_INIT;

	rt_wg_add(&done, 32);
	for (int i = 0; i < 32; i++)
		rt_go(keep_locals, i, &done);
	for (int i = 0; GET(moves) < wanted; i++) {
		if (procs > 1)
			rt_gomaxprocs(i & 1 ? procs : 1);
		CHECK(poll(NULL, 0, 1) == 0); /* not a sleep, which keeps no thread */
	}
	finish(&done);
	return 0;
}

/* Signal masks: who blocks signals for a while finds its mask, and puts back what was. */
static void
mask_signals(int me, int times, rt_wg *done)
{
	sigset_t all, old, now;
	int other = me & 1 ? SIGUSR1 : SIGUSR2;

	sigfillset(&all);
	for (int i = 0; i < times; i++) {
		sigset_t one;

		CHECK(sigprocmask(SIG_BLOCK, &all, &old) == 0);
		CHECK(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0);
		CHECK(sigismember(&now, SIGTERM) && sigismember(&now, SIGUSR1));
		for (volatile int k = 0; k < 1000; k++)
			;
		CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
		sigemptyset(&one);
		sigaddset(&one, other);
		CHECK(pthread_sigmask(SIG_BLOCK, &one, NULL) == 0);
		CHECK(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, other));
		CHECK(pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0);
		if (i % 16 == 0)
			rt_gosched();
	}
	rt_wg_done(done);
}

/* 64 of them; afterwards, hogs are still preempted on every thread. */
static int
masks(int argc, char **argv)
{
	int times = number(argc, argv, 500);
	rt_wg hogs = RT_WG_INIT, done = RT_WG_INIT;

	start_hogs(2, &hogs);
	rt_wg_add(&done, 64);
	for (int i = 0; i < 64; i++)
		rt_go(mask_signals, i, times, &done);
	rt_wg_wait(&done);
	SET(stop, 1);
	rt_wg_wait(&hogs);
	SET(stop, 0);
	start_hogs(16, &hogs);
	until_all_ran(16);
	finish(&hogs);
	return 0;
}

/* ---- RTDEBUG=asyncpreemptoff=1 ---- */

static void
spin_and_tell(int64_t ns, int *told)
{
	for (int64_t end = now_ns() + ns; now_ns() < end;)
		;
	SET(*told, 1);
}

/* With one P, whoever the caller yields to keeps it to its end; cooperation is what it was. */
static int
not_preempted(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 3; i++) {
		int told = 0;

		rt_go(spin_and_tell, (int64_t)100 * MS, &told);
		rt_gosched();
		CHECK(GET(told));
	}
	return ok();
}

/* ---- a hog that waits in the kernel's stead, and one before main ---- */

static void
echo(int in, int out, rt_wg *done)
{
	char c;

	while (read(in, &c, 1) == 1)
		CHECK(write(out, &c, 1) == 1);
	close(out);
	rt_wg_done(done);
}

/* Who blocks in read beside two hogs goes on when there is something to read. */
static int
reads(int argc, char **argv)
{
	int n = number(argc, argv, 20), there[2], back[2];
	rt_wg hogs = RT_WG_INIT, done = RT_WG_INIT;

	CHECK(pipe(there) == 0 && pipe(back) == 0);
	start_hogs(2, &hogs);
	rt_wg_add(&done, 1);
	rt_go(echo, there[0], back[1], &done);
	for (int i = 0; i < n; i++) {
		char c = (char)i, d = 0;

		CHECK(write(there[1], &c, 1) == 1);
		CHECK(read(back[0], &d, 1) == 1 && d == c);
	}
	close(there[1]);
	rt_wg_wait(&done);
	finish(&hogs);
	return 0;
}

static int early;

static void
set_early(void)
{
	SET(early, 1);
}

/* It waits for a goroutine and never calls the library. */
__attribute__((constructor)) static void
hog_before_main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "constructor") != 0)
		return;
	rt_go(set_early);
	while (!GET(early))
		;
}

static int
constructor(int argc, char **argv)
{
	(void)argc, (void)argv;
	CHECK(early);
	return ok();
}

static const struct guest_case cases[] = {
	{"reads", reads},   {"constructor", constructor},       {"yield", yield_to_hogs},
	{"ticker", ticker}, {"from-outside", from_outside},     {"locked", locked},
	{"resize", resize}, {"stop-the-world", stop_the_world}, {"locals", locals},
	{"masks", masks},   {"not-preempted", not_preempted},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

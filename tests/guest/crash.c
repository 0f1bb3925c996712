/* SPDX-License-Identifier: MIT */
/* Programs that come to a bad end, one for each way; what they print is the test. */
#define _GNU_SOURCE
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define NOINLINE __attribute__((noinline))
/* Keeps calls from becoming jumps, so that each function is a frame. */
#define STAY() __asm__ volatile("" : : : "memory")

static rt_wg wg = RT_WG_INIT;
static volatile uintptr_t zero;

/* ---- faults ---- */

NOINLINE static int
follow(const volatile int *p)
{
	return *p;
}

NOINLINE static void
follow_null(void)
{
	follow((int *)zero);
	STAY();
}

NOINLINE static void
follow_wild(void)
{
	follow((int *)(zero + 0x123456789000));
	STAY();
}

NOINLINE static void
follow_non_canonical(void)
{
	follow((int *)(zero + 0x4141414141414141));
	STAY();
}

NOINLINE static void
call_null(void)
{
	((void (*)(void))zero)();
	STAY();
}

NOINLINE static void
measure_null(void)
{
	zero = strlen((char *)zero);
	STAY();
}

NOINLINE static void
wait_for_null(void)
{
	rt_wg_wait((rt_wg *)zero);
	STAY();
}

NOINLINE static void
divide(void)
{
	zero = 7 / zero;
	STAY();
}

NOINLINE static void
trap(void)
{
	__builtin_trap();
}

NOINLINE static void
breakpoint(void)
{
	__asm__ volatile("int3");
}

NOINLINE static void
free_twice(void)
{
	void *volatile p = malloc(100), *volatile beside = malloc(100);

	(void)beside; /* keeps the group of blocks that p is in */
	free(p);
	free(p);
	STAY();
}

/* ---- full stacks ---- */

NOINLINE static int
recurse(int n)
{
	volatile char frame[200];

	frame[0] = (char)n;
	int r = n >= 0 ? recurse(n + 1) + frame[0] : 0;
	STAY();
	return r;
}

NOINLINE static int
recurse_large(int n)
{
	volatile char frame[20000];

	for (size_t i = 0; i < sizeof frame; i += 1000)
		frame[sizeof frame - 1 - i] = (char)n;
	int r = n >= 0 ? recurse_large(n + 1) + frame[0] : 0;
	STAY();
	return r;
}

NOINLINE static int
recurse_printf(int n)
{
	char frame[300];

	snprintf(frame, sizeof frame, "%d %f %s", n, n * 1.5, "text");
	int r = n >= 0 ? recurse_printf(n + 1) + frame[0] : 0;
	STAY();
	return r;
}

static void
overflow(void)
{
	recurse(0);
	STAY();
}

static void
overflow_large(void)
{
	recurse_large(0);
	STAY();
}

NOINLINE static int
one_large_frame(int n)
{
	volatile char frame[8 << 20];

	frame[n] = 1;
	return frame[n + 1];
}

static void
overflow_at_once(void)
{
	one_large_frame((int)rt_goid());
	STAY();
}

static void
overflow_printf(void)
{
	recurse_printf(0);
	STAY();
}

/* ---- what a program does itself ---- */

NOINLINE static void
panic(void)
{
	rt_panic("%s %d\nand more\n", "number", 5);
}

NOINLINE static void
panic_badly(void)
{
	rt_panic("%s", (char *)(zero + 8));
}

NOINLINE static void
create_badly(void)
{
	pthread_t t;

	pthread_create(&t, (pthread_attr_t *)(zero + 8), NULL, NULL);
	STAY();
}

NOINLINE static void
do_abort(void)
{
	abort();
}

NOINLINE static void
do_assert(void)
{
	assert(zero == 1);
	STAY();
}

NOINLINE static void
wait_for_ever(void)
{
	rt_wg_wait(&wg);
	STAY();
}

NOINLINE static void
wait_locked(void)
{
	rt_lock_os_thread();
	rt_wg_wait(&wg);
	STAY();
}

static void
deadlock(void)
{
	for (int i = 0; i < 3; i++)
		rt_go(wait_for_ever);
	wait_for_ever();
	STAY();
}

static void
deadlock_locked(void)
{
	rt_go(wait_locked);
	rt_go(wait_locked);
	wait_locked();
	STAY();
}

static void
goexit(void)
{
	rt_go(wait_for_ever);
	rt_goexit();
}

static void *
thread(void *fn)
{
	((void (*)(void))(uintptr_t)fn)();
	return NULL;
}

static void
null_in_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread, (void *)(uintptr_t)follow_null);
	pthread_join(t, NULL);
}

static void
overflow_in_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread, (void *)(uintptr_t)overflow);
	pthread_join(t, NULL);
}

static void
panic_in_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread, (void *)(uintptr_t)panic);
	pthread_join(t, NULL);
}

/* Each goroutine says its own: the reports must come one after the other. */
static int racers;

static void
race(int i)
{
	ADD(racers, 1);
	while (GET(racers) < 4)
		;
	rt_panic("racer %d", i);
}

static void
panic_race(void)
{
	for (int i = 1; i < 4; i++)
		rt_go(race, i);
	race(0);
}

/* main ends while another goroutine panics: the panic is the end. */
static void
panic_slowly(void)
{
	rt_panic("before the end");
}

static void
at_exit(void)
{
	rt_go(panic_slowly);
	for (;;)
		rt_gosched();
}

static void
panic_at_exit(void)
{
	atexit(at_exit);
	exit(0);
}

static void
in_child(void)
{
	int status;

	if (fork() == 0) {
		follow_null();
		_exit(1);
	}
	CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 2);
	_exit(0);
}

/* The child's crash leaves its parent, whose memory it shares, able to crash itself. */
static void
in_vfork_child(void)
{
	int status;

	if (vfork() == 0) {
		follow_null();
		_exit(1);
	}
	CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 2);
	divide();
}

/* ---- quit ---- */

static int running;

NOINLINE static void
spin(void)
{
	SET(running, 1);
	for (;;)
		;
}

NOINLINE static void
quit_self(void)
{
	kill(getpid(), SIGQUIT);
	for (;;)
		pause();
}

/* Goroutines in each state: parked, running, not yet run, and the one that it happens to. */
static void
quit(void)
{
	rt_go(wait_for_ever);
	rt_gosched();
	if (rt_gomaxprocs(0) > 1) {
		rt_go(spin);
		YIELD_UNTIL(GET(running));
	}
	rt_go(deadlock);
	quit_self();
	STAY();
}

NOINLINE static void
hog(void)
{
	ADD(running, 1);
	for (;;)
		;
}

/* One hog more than there are Ps: some run, some do not. */
static void
quit_beside_hogs(void)
{
	int n = rt_gomaxprocs(0) + 1;

	for (int i = 0; i < n; i++)
		rt_go(hog);
	YIELD_UNTIL(GET(running) == n);
	quit_self();
	STAY();
}

static void
quit_beside_many(void)
{
	for (int i = 0; i < 30000; i++)
		rt_go(wait_for_ever);
	quit_self();
	STAY();
}

/* From outside, when the first thread sleeps for want of anything to run. */
static void *
quit_when_idle(void *unused)
{
	char path[64], text[512] = "";

	(void)unused;
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
	while (!strstr(text, ") S ")) {
		FILE *f = fopen(path, "r");

		CHECK(f && fgets(text, sizeof text, f));
		fclose(f);
	}
	kill(getpid(), SIGQUIT);
	return pause() ? unused : NULL;
}

static void
quit_idle(void)
{
	pthread_t t;

	pthread_create(&t, NULL, quit_when_idle, NULL);
	wait_for_ever();
	STAY();
}

/* ---- the cases ---- */

static const struct {
	const char *name;
	void (*fn)(void);
} cases[] = {
	{"null", follow_null},
	{"wild", follow_wild},
	{"non-canonical", follow_non_canonical},
	{"call-null", call_null},
	{"strlen-null", measure_null},
	{"wait-null", wait_for_null},
	{"divide", divide},
	{"trap", trap},
	{"breakpoint", breakpoint},
	{"free-twice", free_twice},
	{"overflow", overflow},
	{"overflow-large", overflow_large},
	{"overflow-printf", overflow_printf},
	{"overflow-at-once", overflow_at_once},
	{"panic", panic},
	{"panic-badly", panic_badly},
	{"create-badly", create_badly},
	{"abort", do_abort},
	{"assert", do_assert},
	{"deadlock", deadlock},
	{"deadlock-locked", deadlock_locked},
	{"goexit", goexit},
	{"null-in-thread", null_in_thread},
	{"overflow-in-thread", overflow_in_thread},
	{"panic-in-thread", panic_in_thread},
	{"panic-race", panic_race},
	{"panic-at-exit", panic_at_exit},
	{"in-child", in_child},
	{"in-vfork-child", in_vfork_child},
	{"quit", quit},
	{"quit-beside-hogs", quit_beside_hogs},
	{"quit-beside-many", quit_beside_many},
	{"quit-idle", quit_idle},
};

static void
start(void (*fn)(void))
{
	fn();
	STAY();
}

/* argv[1]: what to do; argv[2]: "go": on another goroutine; a word: a level for rt_set_traceback */
int
main(int argc, char **argv)
{
	rt_wg_add(&wg, 1);
	for (size_t i = 0; argc > 1 && i < GUEST_LEN(cases); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		if (argc > 2 && strcmp(argv[2], "go") == 0) {
			rt_go(start, cases[i].fn);
			wait_for_ever();
		}
		if (argc > 2)
			CHECK(rt_set_traceback(argv[2]) && !rt_set_traceback("loud"));
		cases[i].fn();
		return 0;
	}
	return 64;
}

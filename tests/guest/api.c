/* SPDX-License-Identifier: MIT */
/* rt_go with every kind of argument; wait groups; ends of goroutines; locked threads; GOMAXPROCS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

/* ---- rt_go ---- */

struct pair {
	int a;
	double b;
};
struct two_longs {
	long a, b;
};
struct big {
	long a[3];
};

static rt_wg wg = RT_WG_INIT;
static int calls;

static void
called(void)
{
	ADD(calls, 1);
	rt_wg_done(&wg);
}

static void
take_nothing(void)
{
	called();
}

static void
take_small(char c, short s, int i, long l, unsigned u, bool b)
{
	CHECK(c == -1 && s == -2 && i == -3 && l == -4 && u == 5 && b);
	called();
}

static void
take_eight(int a, int b, int c, int d, int e, int f, int g, int h)
{
	CHECK(a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8);
	called();
}

static void
take_floating(float a, double b, float c, double d, double e, double f, double g, double h)
{
	CHECK(a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8);
	called();
}

static void
take_mixed(int a, double b, const char *c, float d, long e, struct pair f, char g)
{
	CHECK(a == 1 && b == 2.5 && strcmp(c, "three") == 0 && d == 4.5f && e == 5);
	CHECK(f.a == 6 && f.b == 7.5 && g == 'g');
	called();
}

static void
take_structs(struct pair a, struct two_longs b, struct pair *c)
{
	CHECK(a.a == 1 && a.b == 2 && b.a == 3 && b.b == 4 && c->a == 5);
	called();
}

static void
take_big(struct big a, struct big b)
{
	CHECK(a.a[0] == 1 && a.a[1] == 2 && a.a[2] == 3);
	CHECK(b.a[0] == 4 && b.a[1] == 5 && b.a[2] == 6);
	called();
}

static void
take_long_double(int i, long double x, long double y)
{
	CHECK(i == 1 && x == 2.25L && y == 4.5L);
	called();
}

static void
take_int128(__int128 x, long y, unsigned __int128 z)
{
	CHECK(x == -1 && y == 2 && z == ~(unsigned __int128)0);
	called();
}

static void
take_complex(_Complex double z, _Complex float c)
{
	CHECK(__real__ z == 1 && __imag__ z == 2 && __real__ c == 3 && __imag__ c == 4);
	called();
}

/* Padding: the long double is aligned to 16 bytes between two structs on the stack. 64 bytes of
 * arguments take 72 bytes there. */
static void
take_padded(struct big a, long double x, struct big b)
{
	CHECK(a.a[2] == 3 && x == 4.5L && b.a[0] == 1 && b.a[1] == 2 && b.a[2] == 3);
	called();
}

static void
take_many(int n, ...)
{
	va_list ap;
	double sum = 0;

	va_start(ap, n);
	for (int i = 0; i < n; i++)
		sum += i % 2 ? va_arg(ap, double) : va_arg(ap, int);
	va_end(ap);
	CHECK(n == 7 && sum == 28.5 + 0.5);
	called();
}

static struct two_longs
give_struct(int a)
{
	called();
	return (struct two_longs){a, a};
}

static double
give_double(double a)
{
	called();
	return a;
}

static void
take_function(void (*fn)(void), int (*compare)(const void *, const void *))
{
	CHECK(compare == NULL);
	fn();
}

/* The goroutine starts with the stack alignment that the ABI promises. */
static void
take_aligned(void)
{
	_Alignas(64) volatile char line[64];
	volatile long double x = 1;

	CHECK((uintptr_t)line % 64 == 0 && ((uintptr_t)&x & 15) == 0);
	called();
}

static int evaluated;

static int
evaluate(int x)
{
	evaluated++;
	return x;
}

typedef void unary(int);

static unary *
pick(unary *fn)
{
	evaluated++;
	return fn;
}

static int last;

static void
remember(int x)
{
	SET(last, x);
	called();
}

static void
forget(int x)
{
	(void)x;
	SET(last, 0);
	called();
}

static void
take_array(const int *a, const char *s)
{
	CHECK(a[0] == 1 && a[1] == 2 && strcmp(s, "text") == 0);
	called();
}

static int
arguments(int argc, char **argv)
{
	struct pair p = {5, 6};
	struct big b123 = {{1, 2, 3}}, b456 = {{4, 5, 6}};
	void (*pointer)(void) = take_nothing;
	unary *table[] = {remember, forget};
	static const int array[] = {1, 2};
	int i = 10;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 23);
	rt_go(take_nothing);
	rt_go(pointer);
	rt_go(*pointer);
	rt_go(&take_nothing);
	rt_go(take_small, -1, -2, -3, -4, 5, true);
	rt_go(take_small, (char)-1, (short)-2, -3L, -4, 5u, 1);
	rt_go(take_eight, 1, 2, 3, 4, 5, 6, 7, 8);
	rt_go(take_floating, 1, 2, 3, 4, 5, 6, 7, 8);
	rt_go(take_floating, 1.0f, 2.0f, 3.0, 4L, 5, 6l, 7u, '\b');
	rt_go(take_mixed, 1, 2.5, "three", 4.5f, 5, ((struct pair){6, 7.5}), 'g');
	rt_go(take_structs, ((struct pair){1, 2}), ((struct two_longs){3, 4}), &p);
	rt_go(take_big, b123, b456);
	rt_go(take_long_double, 1, 2.25L, 4.5L);
	rt_go(take_int128, -1, 2, ~(unsigned __int128)0);
	rt_go(take_complex, 1 + 2.0i, 3 + 4.0fi);
	rt_go(take_many, 7, 1, 2.5, 3, 4.5, 5, 6.0, 7);
	rt_go(give_struct, 1);
	rt_go(give_double, 1.5);
	rt_go(take_function, take_nothing, NULL);
	rt_go(take_aligned);
	rt_go(take_array, array, "text");
	rt_go(take_array, ((const int[]){1, 2}), "text");

	/* Evaluated once, at once, and by the caller. */
	rt_go(pick(remember), evaluate(i++));
	CHECK(evaluated == 2 && i == 11);
	i = 99;
	rt_wg_wait(&wg);
	CHECK(calls == 23 && last == 10);
	rt_wg_add(&wg, 1);
	rt_go(table[evaluate(0)], i);
	CHECK(evaluated == 3);
	i = 0;
	rt_wg_wait(&wg);
	CHECK(last == 99);
	return ok();
}

static int
padded_arguments(int argc, char **argv)
{
	struct big b = {{1, 2, 3}};

	(void)argc, (void)argv;
	rt_wg_add(&wg, 1);
	rt_go(take_padded, b, 4.5L, b);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- numbers ---- */

#define MANY 1000

static uint64_t ids[MANY];

static void
note_id(int i, rt_wg *done)
{
	ids[i] = rt_goid();
	rt_gosched();
	CHECK(ids[i] == rt_goid());
	rt_wg_done(done);
}

static int
compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
numbers(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	CHECK(rt_goid() == 1 && rt_num_goroutine() == 1 && rt_num_cpu() >= 1);
	rt_wg_add(&done, MANY);
	for (int i = 0; i < MANY; i++)
		rt_go(note_id, i, &done);
	rt_wg_wait(&done);
	YIELD_UNTIL(rt_num_goroutine() == 1);
	qsort(ids, MANY, sizeof *ids, compare_ids);
	CHECK(ids[0] > 1);
	for (int i = 1; i < MANY; i++)
		CHECK(ids[i] > ids[i - 1]);
	return ok();
}

/* ---- GOMAXPROCS ---- */

static int stop;
static long turns;

static void
yield_until_stopped(rt_wg *done)
{
	while (!GET(stop)) {
		ADD(turns, 1);
		rt_gosched();
	}
	rt_wg_done(done);
}

static int
resize(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;
	int rounds = argc > 0 ? atoi(argv[0]) : 50;

	rt_wg_add(&done, 40);
	for (int i = 0; i < 40; i++)
		rt_go(yield_until_stopped, &done);
	for (int i = 0; i < rounds; i++) {
		int n = i % 3 == 0 ? 64 : i % 3 == 1 ? 1 : i % 17 + 1;
		long before = GET(turns);

		rt_gomaxprocs(n);
		CHECK(rt_gomaxprocs(0) == n && rt_gomaxprocs(-5) == n);
		YIELD_UNTIL(GET(turns) > before + 100);
	}
	rt_gomaxprocs(1 << 30);
	CHECK(rt_gomaxprocs(2) == RT_MAXPROCS);
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

/* Two goroutines that resize at the same time. */
static void
keep_resizing(int seed, rt_wg *done)
{
	for (int i = 0; i < 100; i++)
		rt_gomaxprocs((i * seed) % 13 + 1);
	rt_wg_done(done);
}

static int
resize_twice(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&done, 4);
	for (int i = 0; i < 4; i++)
		rt_go(keep_resizing, 3 + 2 * i, &done);
	rt_wg_wait(&done);
	return ok();
}

static int
print_procs(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&done, MANY);
	for (int i = 0; i < MANY; i++)
		rt_go(note_id, i, &done);
	rt_wg_wait(&done);
	printf("%d\n", rt_gomaxprocs(0));
	return 0;
}

/* ---- locked threads ---- */

static int taken[200];

/* No other goroutine may run on this thread: each says where it runs, by thread. */
static void
stay(int i, rt_wg *done)
{
	rt_lock_os_thread();
	rt_lock_os_thread();
	pid_t tid = gettid();
	taken[i] = tid;
	for (int k = 0; k < 1000; k++) {
		rt_gosched();
		CHECK(gettid() == tid);
	}
	rt_unlock_os_thread(); /* still locked once */
	for (int k = 0; k < 100; k++) {
		rt_gosched();
		CHECK(gettid() == tid);
	}
	for (int k = 0; k < i; k++)
		CHECK(taken[k] != tid);
	rt_wg_done(done);
	YIELD_UNTIL(GET(stop));
	rt_unlock_os_thread();
	rt_unlock_os_thread(); /* one too many does nothing */
}

static int
lock_thread(int argc, char **argv)
{
	rt_wg locked = RT_WG_INIT, others = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&others, 30);
	for (int i = 0; i < 30; i++)
		rt_go(yield_until_stopped, &others);
	rt_wg_add(&locked, 10);
	for (int i = 0; i < 10; i++)
		rt_go(stay, i, &locked);
	rt_wg_wait(&locked);
	SET(stop, 1);
	rt_wg_wait(&others);
	YIELD_UNTIL(rt_num_goroutine() == 1);
	return ok();
}

/* Ends while locked: its thread must end, too. kill(2) with signal 0 asks the kernel. */
static void
end_locked(int *tid)
{
	rt_lock_os_thread();
	SET(*tid, gettid());
}

static int
locked_end(int argc, char **argv)
{
	int ended = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 50; i++) {
		int tid = 0;

		rt_lock_os_thread(); /* so that it gets another thread */
		rt_go(end_locked, &tid);
		YIELD_UNTIL(GET(tid));
		rt_unlock_os_thread();
		CHECK(tid != gettid());
		/* The process's first thread stays, as a zombie would. It is ours in the first
		 * round; later, a system call may have moved us to another one. */
		if (tid == getpid())
			continue;
		ended++;
		YIELD_UNTIL(syscall(SYS_tgkill, getpid(), tid, 0) == -1 && errno == ESRCH);
	}
	CHECK(ended >= 1);
	return ok();
}

/* Two locked goroutines hand a wait group back and forth. */
static rt_wg turn[2];

static void
take_turns(int me, rt_wg *done)
{
	rt_lock_os_thread();
	for (int i = 0; i < 500; i++) {
		rt_wg_wait(&turn[me]);
		rt_wg_add(&turn[me], 1);
		rt_wg_done(&turn[!me]);
	}
	rt_wg_done(done);
}

static int
locked_ping_pong(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&turn[1], 1);
	rt_wg_add(&done, 2);
	rt_go(take_turns, 0, &done);
	rt_go(take_turns, 1, &done);
	rt_wg_wait(&done);
	return ok();
}

/* ---- ends ---- */

static void
end_early(rt_wg *done)
{
	rt_wg_done(done);
	rt_goexit();
}

static int
goexit_others(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&done, 100);
	for (int i = 0; i < 100; i++)
		rt_go(end_early, &done);
	rt_wg_wait(&done);
	YIELD_UNTIL(rt_num_goroutine() == 1);
	return ok();
}

static void
print_and_end(int n)
{
	for (int i = 0; i < n; i++)
		rt_gosched();
	puts("the other one is done");
	fflush(stdout);
}

static int
goexit_main(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_go(print_and_end, 1000);
	rt_goexit();
}

static void
exit_later(int n)
{
	for (int i = 0; i < n; i++)
		rt_gosched();
	exit(6);
}

static int
goexit_main_then_exit(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_go(exit_later, 1000);
	rt_goexit();
}

static void
wait_for(rt_wg *never)
{
	rt_wg_wait(never);
}

static int
deadlock(int argc, char **argv)
{
	rt_wg never = RT_WG_INIT;

	rt_wg_add(&never, 1);
	for (int i = 0; argc > 0 && i < atoi(argv[0]); i++)
		rt_go(wait_for, &never);
	if (argc > 1)
		rt_lock_os_thread();
	rt_wg_wait(&never);
	return 0;
}

static void
spin_for_ever(void)
{
	for (;;)
		__asm__ volatile("");
}

static int
main_ends(int argc, char **argv)
{
	rt_wg never = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&never, 1);
	rt_go(wait_for, &never);
	rt_go(spin_for_ever);
	return 7;
}

/* ---- misuse ---- */

static int
negative(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_wg_add(&wg, 1);
	rt_wg_add(&wg, -2);
	return 0;
}

static void
panic_now(int n)
{
	rt_panic("number %d is %s", n, "wrong");
}

static int
panics(int argc, char **argv)
{
	(void)argv;
	if (argc == 0)
		panic_now(1);
	rt_go(panic_now, 2);
	for (;;)
		rt_gosched();
	return 0;
}

static int
go_of_null(int argc, char **argv)
{
	void (*volatile fn)(int) = NULL;

	(void)argc, (void)argv;
	rt_go(fn, 1);
	return 0;
}

static void
keep_a_thread(void)
{
	rt_lock_os_thread();
	rt_wg_wait(&wg);
}

static int
too_many_threads(int argc, char **argv)
{
	(void)argc, (void)argv;
	CHECK(rt_set_max_threads(10) == RT_MAX_THREADS);
	CHECK(rt_set_max_threads(10) == 10);
	rt_wg_add(&wg, 1);
	for (int i = 0; i < 100; i++)
		rt_go(keep_a_thread);
	rt_wg_wait(&wg);
	return 0;
}

static int
max_threads_too_low(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_set_max_threads(0);
	return 0;
}

static const struct guest_case cases[] = {
	{"arguments", arguments},
	{"padded-arguments", padded_arguments},
	{"numbers", numbers},
	{"resize", resize},
	{"resize-twice", resize_twice},
	{"procs", print_procs},
	{"lock-thread", lock_thread},
	{"locked-end", locked_end},
	{"locked-ping-pong", locked_ping_pong},
	{"goexit", goexit_others},
	{"goexit-main", goexit_main},
	{"goexit-main-then-exit", goexit_main_then_exit},
	{"deadlock", deadlock},
	{"main-ends", main_ends},
	{"negative", negative},
	{"panic", panics},
	{"go-null", go_of_null},
	{"too-many-threads", too_many_threads},
	{"max-threads-too-low", max_threads_too_low},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

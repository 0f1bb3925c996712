/* SPDX-License-Identifier: MIT */
/* Stacks: their sizes, their guards, what they cost, and that memory comes back. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

#define PAGE 4096ul
#define NOINLINE __attribute__((noinline))

static long
arg(int argc, char **argv, int i, long otherwise)
{
	return argc > i ? strtol(argv[i], NULL, 10) : otherwise;
}

/* kB after a key of /proc/self/status. */
static long
status_kb(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	size_t len = strlen(key);
	char line[128];
	long kb = -1;

	CHECK(f);
	while (kb < 0 && fgets(line, sizeof line, f))
		if (strncmp(line, key, len) == 0)
			kb = strtol(line + len, NULL, 10);
	fclose(f);
	CHECK(kb >= 0);
	return kb;
}

static long
memory_kb(void)
{
	return status_kb("VmRSS:") + status_kb("VmPTE:");
}

/* Leaves something in each page of about so many KiB of the stack. */
static NOINLINE void
go_deep(long kib)
{
	volatile char frame[1024];

	for (size_t i = 0; i < sizeof frame; i++)
		frame[i] = (char)i;
	if (kib > 1)
		go_deep(kib - 1);
	CHECK(frame[7] == 7);
}

/* The bounds of the caller's stack, as libc knows them. */
static void
bounds(uintptr_t *lo, size_t *size)
{
	pthread_attr_t attr;
	void *at;

	CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
	CHECK(pthread_attr_getstack(&attr, &at, size) == 0);
	*lo = (uintptr_t)at;
	pthread_attr_destroy(&attr);
}

/* Whether the kernel can read a byte there. */
static bool
readable(uintptr_t at)
{
	int fds[2];

	CHECK(pipe(fds) == 0);
	ssize_t n = write(fds[1], (const void *)at, 1);
	CHECK(n == 1 || errno == EFAULT);
	close(fds[0]);
	close(fds[1]);
	return n == 1;
}

static void
check_guard(void)
{
	uintptr_t lo;
	size_t size;

	bounds(&lo, &size);
	CHECK(readable(lo) && readable(lo + size - 1));
	CHECK(!readable(lo - 1) && !readable(lo - PAGE));
}

/* ---- sizes ---- */

static void
check_size(size_t want, long deep_kib, rt_wg *done)
{
	uintptr_t lo, here = (uintptr_t)&lo;
	size_t size;

	bounds(&lo, &size);
	CHECK(size == want && here > lo && here < lo + size);
	check_guard();
	go_deep(deep_kib);
	rt_wg_done(done);
}

static int
sizes(int argc, char **argv)
{
	static const struct {
		size_t ask, get;
	} rows[] = {
		{0, 256 << 10},
		{1, 16 << 10},
		{16 << 10, 16 << 10},
		{(16 << 10) + 1, 32 << 10},
		{100000, 128 << 10},
		{256 << 10, 256 << 10},
		{1000000, 1 << 20},
		{64 << 20, 64 << 20},
		{(64 << 20) + 1, 128 << 20},
		{1 << 30, 1 << 30},
	};
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < GUEST_LEN(rows); i++) {
			long kib = (long)(rows[i].get >> 10) * 3 / 4;

			rt_wg_add(&done, 1);
			CHECK(rt_go_attr(RT_ATTR(.stack = rows[i].ask), check_size, rows[i].get,
					 kib < 5000 ? kib : 5000, &done) == 0);
		}
		rt_wg_wait(&done);
		if (round == 1)
			rt_free_os_memory();
	}
	CHECK(rt_go_attr(RT_ATTR(.stack = (1ul << 30) + 1), go_deep, 1) == EINVAL);
	CHECK(rt_go_attr(RT_ATTR(.stack = SIZE_MAX), go_deep, 1) == EINVAL);
	return ok();
}

/* ---- arguments and results of rt_go_attr ---- */

static int calls;
static rt_wg called = RT_WG_INIT;

struct three {
	long a[3];
};

static void
take_mixed(int i, double x, struct three s, const char *text, float y)
{
	CHECK(i == 1 && x == 2.5 && s.a[2] == 5 && strcmp(text, "six") == 0 && y == 7.5f);
	ADD(calls, 1);
	rt_wg_done(&called);
}

static double
give_double(double x)
{
	ADD(calls, 1);
	rt_wg_done(&called);
	return x;
}

static int evaluated;

static size_t
evaluate(size_t size)
{
	evaluated++;
	return size;
}

static int
arguments(int argc, char **argv)
{
	static const rt_attr big = {.stack = 4 << 20};
	struct three s = {{3, 4, 5}};

	(void)argc, (void)argv;
	rt_wg_add(&called, 4);
	CHECK(rt_go_attr(RT_ATTR(.stack = 1 << 20), take_mixed, 1, 2.5, s, "six", 7.5f) == 0);
	CHECK(rt_go_attr(&big, take_mixed, 1, 2.5f, s, "six", 7.5) == 0);
	CHECK(rt_go_attr(NULL, give_double, 1) == 0);
	int e = rt_go_attr(RT_ATTR(.stack = evaluate(1 << 16)), give_double, (double)evaluate(2));
	CHECK(e == 0 && evaluated == 2);
	rt_wg_wait(&called);
	CHECK(calls == 4);
	return ok();
}

/* ---- what a parked goroutine costs ---- */

static rt_wg gate = RT_WG_INIT, parked = RT_WG_INIT, left = RT_WG_INIT;

static void
park(long deep_kib)
{
	if (deep_kib > 0)
		go_deep(deep_kib);
	rt_wg_done(&parked);
	rt_wg_wait(&gate);
	rt_wg_done(&left);
}

static void
start_parked(long n, long deep_kib)
{
	rt_wg_add(&gate, 1);
	rt_wg_add(&parked, (int)n);
	rt_wg_add(&left, (int)n);
	for (long i = 0; i < n; i++)
		rt_go(park, deep_kib);
	rt_wg_wait(&parked);
}

static void
end_parked(void)
{
	rt_wg_done(&gate);
	rt_wg_wait(&left);
	YIELD_UNTIL(rt_num_goroutine() == 1);
}

static int
cost(int argc, char **argv)
{
	long n = arg(argc, argv, 0, 100000), limit = arg(argc, argv, 1, 4800);
	long before = memory_kb();

	start_parked(n, 0);
	long each = (memory_kb() - before) * 1024 / n;
	if (each > limit)
		fprintf(stderr, "%ld bytes for each of %ld goroutines\n", each, n);
	CHECK(each <= limit);
	end_parked();
	return ok();
}

/* ---- a large frame of libc near the end ---- */

#define TIGHT ((size_t)64 << 10)
#define LEAST_FOR_PRINTF 7000 /* musl's has a frame of 7.5 KB */

static uintptr_t tight_end; /* of the stack, its low one */

/* printf of a double with so many bytes left, or a few more. */
static NOINLINE void
print_with(uintptr_t bytes)
{
	char here[32];
	uintptr_t more = (uintptr_t)here - tight_end - bytes;
	volatile char *frame = __builtin_alloca(more);

	for (uintptr_t i = 0; i < more; i += 16)
		frame[i] = 1;
	snprintf(here, sizeof here, "%f", 1.5);
	CHECK(strcmp(here, "1.500000") == 0);
	CHECK(bytes >= LEAST_FOR_PRINTF); /* or it was not the memory of this stack */
}

static void
tight(long bytes, rt_wg *wg)
{
	uintptr_t here = (uintptr_t)&wg;

	/* The stack ends at a page; the G and its thread-locals take less than one there. */
	tight_end = (here / PAGE + 1) * PAGE - TIGHT;
	print_with((uintptr_t)bytes);
	rt_wg_done(wg);
}

static int
step_over(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, 1);
	CHECK(rt_go_attr(RT_ATTR(.stack = TIGHT), tight, arg(argc, argv, 0, 0), &wg) == 0);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- guards ---- */

static void
park_and_look(void)
{
	check_guard();
	park(0);
	check_guard();
}

static int
guards(int argc, char **argv)
{
	long n = arg(argc, argv, 0, 1000);

	for (int round = 0; round < 3; round++) {
		rt_wg_add(&gate, 1);
		rt_wg_add(&parked, (int)n);
		rt_wg_add(&left, (int)n);
		for (long i = 0; i < n; i++)
			rt_go(park_and_look);
		rt_wg_wait(&parked);
		end_parked();
		if (round == 1)
			rt_free_os_memory(); /* the guards of whole arenas go with it */
	}
	return ok();
}

/* ---- memory comes back ---- */

/* Whether at most slack KiB more than before are in use, or will be once threads that still look
 * for work are idle. */
static bool
comes_back(long before, long slack)
{
	rt_free_os_memory();
	return memory_kb() - before <= slack;
}

/* After deep goroutines and after many, all ended. */
static int
given_back(int argc, char **argv)
{
	long n = arg(argc, argv, 0, 2000), deep = arg(argc, argv, 1, 200);
	long slack = arg(argc, argv, 2, 4096);
	long before = memory_kb();

	for (int round = 0; round < 3; round++) {
		start_parked(n, deep);
		CHECK(memory_kb() - before >= n * (deep ? deep : 4));
		end_parked();
		YIELD_UNTIL(comes_back(before, slack));
	}
	return ok();
}

/* The runtime's own clockwork (sched/gfree.c), turned by hand: what was not needed for a whole
 * period goes, a little with each call; what was needed stays. */
int64_t rt__gfree_tick(int64_t now);

static int
disused(int argc, char **argv)
{
	long n = arg(argc, argv, 0, 3000), before = memory_kb();
	int64_t now = (int64_t)1 << 60, next;

	start_parked(n, 64);
	end_parked();
	long full = memory_kb() - before;
	CHECK(full >= n * 64);
	CHECK(rt__gfree_tick(now) > 0);
	CHECK(memory_kb() - before >= n * 60); /* its period has only begun */
	for (int i = 0; i < 3; i++) {          /* in use again and again: it stays */
		start_parked(n, 0);
		now += 2000000000;
		rt__gfree_tick(now);
		end_parked();
	}
	CHECK(memory_kb() - before >= n * 60);
	for (int i = 0; i < 10000 && (next = rt__gfree_tick(now)) > 0; i++)
		now += next;
	CHECK(memory_kb() - before < full / 10);
	return ok();
}

/* What is not needed goes by itself, a second or two later, also while everybody sleeps. */
static int
by_itself(int argc, char **argv)
{
	long before = memory_kb();

	start_parked(1000, 100);
	CHECK(memory_kb() - before >= 100000);
	end_parked();
	if (arg(argc, argv, 0, 0)) {
		while (memory_kb() - before > 10000)
			usleep(10000);
	} else {
		YIELD_UNTIL(memory_kb() - before <= 10000);
	}
	return ok();
}

/* ---- goroutines come and go while their memory does ---- */

static _Thread_local long mine = 42;
static int stop;

static void
live_a_little(long i, rt_wg *done)
{
	CHECK(mine == 42);
	mine = i;
	errno = (int)i;
	if (i % 5 == 0)
		go_deep(i % 60 + 1);
	rt_gosched();
	CHECK(mine == i && errno == (int)i);
	rt_wg_done(done);
}

static void
keep_releasing(rt_wg *done)
{
	while (!GET(stop)) {
		rt_free_os_memory();
		rt_gosched();
	}
	rt_wg_done(done);
}

/* Deleting a key visits every goroutine there is. */
static void
keep_deleting_keys(rt_wg *done)
{
	pthread_key_t key;

	while (!GET(stop)) {
		CHECK(pthread_key_create(&key, NULL) == 0);
		CHECK(pthread_setspecific(key, &key) == 0);
		rt_gosched();
		CHECK(pthread_getspecific(key) == &key);
		CHECK(pthread_key_delete(key) == 0);
	}
	rt_wg_done(done);
}

static int
churn(int argc, char **argv)
{
	long rounds = arg(argc, argv, 0, 200);
	rt_wg done = RT_WG_INIT, helpers = RT_WG_INIT;

	rt_wg_add(&helpers, 2);
	rt_go(keep_releasing, &helpers);
	rt_go(keep_deleting_keys, &helpers);
	for (long i = 0; i < rounds; i++) {
		int n = (int)(i * 37 % 300 + 1);

		rt_wg_add(&done, n);
		for (long k = 0; k < n; k++) {
			size_t size = (size_t)(k % 3) << 16;

			CHECK(rt_go_attr(RT_ATTR(.stack = size), live_a_little, k, &done) == 0);
		}
		rt_wg_wait(&done);
	}
	SET(stop, 1);
	rt_wg_wait(&helpers);
	return ok();
}

/* ---- signals on threads whose last goroutine is gone ---- */

static int handled;

/* Only reads errno: on a thread between two goroutines, it is still that of the last one. */
static void
on_signal(int sig)
{
	(void)sig;
	ADD(handled, errno >= 0);
}

static void
signal_all_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	CHECK(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			syscall(SYS_tgkill, getpid(), atoi(e->d_name), SIGUSR1);
	closedir(d);
}

static void
keep_signalling(rt_wg *done)
{
	while (!GET(stop)) {
		signal_all_threads();
		rt_gosched();
	}
	rt_wg_done(done);
}

static int
signals(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	rt_wg done = RT_WG_INIT;

	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	rt_wg_add(&done, 1);
	rt_go(keep_signalling, &done);
	churn(argc, argv);
	rt_wg_wait(&done);
	CHECK(GET(handled) > 0);
	return 0;
}

/* ---- running out ---- */

/* Large stacks until there is no room for another; then, with those ended, there is again. */
static int
exhaust(int argc, char **argv)
{
	size_t size = (size_t)arg(argc, argv, 0, 64) << 20;
	int n = 0, e = 0;

	rt_wg_add(&gate, 1);
	while (n < 100000 && e == 0) {
		rt_wg_add(&parked, 1);
		rt_wg_add(&left, 1);
		e = rt_go_attr(RT_ATTR(.stack = size), park, 0l);
		n += e == 0;
	}
	rt_wg_done(&parked); /* the one that could not be started */
	rt_wg_done(&left);
	CHECK(e == ENOMEM && n > 0);
	rt_wg_wait(&parked);
	end_parked();
	for (int i = 0; i < 3; i++) { /* a smaller one finds room in what a larger one has left */
		rt_wg done = RT_WG_INIT;

		rt_free_os_memory();
		rt_wg_add(&done, 1);
		CHECK(rt_go_attr(RT_ATTR(.stack = size >> i), live_a_little, 1, &done) == 0);
		rt_wg_wait(&done);
	}
	return ok();
}

static int
many(int argc, char **argv)
{
	start_parked(arg(argc, argv, 0, 100000), 0);
	end_parked();
	return ok();
}

/* ---- how deep ---- */

static NOINLINE void
shallow(rt_wg *done)
{
	rt_wg_done(done);
}

static NOINLINE void
deeper(long kib, rt_wg *done)
{
	go_deep(kib);
	rt_wg_done(done);
}

static NOINLINE void
only_zeros(rt_wg *done)
{
	volatile char zeros[100 << 10];

	for (size_t i = 0; i < sizeof zeros; i++)
		zeros[i] = 0;
	rt_wg_done(done);
}

static const rt_stack_use *
use_of(const rt_stack_use *rows, int n, const void *fn)
{
	for (int i = 0; i < n; i++)
		if (rows[i].fn == fn)
			return &rows[i];
	return NULL;
}

static int
usage(int argc, char **argv)
{
	rt_stack_use rows[16];
	const rt_stack_use *r;
	rt_wg done = RT_WG_INIT;

	if (arg(argc, argv, 0, 0)) { /* it is off */
		CHECK(rt_stack_usage(rows, 16) == 0);
		puts("ok");
		return 0;
	}
	for (int i = 0; i < 40; i++) {
		rt_wg_add(&done, 3);
		rt_go(deeper, 100 + i, &done);
		rt_go(shallow, &done);
		rt_go(only_zeros, &done);
		rt_wg_wait(&done);
	}
	rt_wg_add(&done, 1);
	CHECK(rt_go_attr(RT_ATTR(.stack = 1 << 20), deeper, 800, &done) == 0);
	rt_wg_wait(&done);
	YIELD_UNTIL(rt_num_goroutine() == 1);
	int n = rt_stack_usage(rows, 16);
	CHECK(n == 5); /* main, and deeper on two kinds of stack */
	for (int i = 1; i < n; i++)
		CHECK(rows[i - 1].used >= rows[i].used);
	CHECK(rows[0].fn == deeper && rows[0].stack == 1 << 20 && rows[0].used >= 800 << 10 &&
	      rows[0].ended == 1 && rows[0].living == 0);
	CHECK(rows[1].fn == deeper && rows[1].stack == 256 << 10 && rows[1].used >= 139 << 10 &&
	      rows[1].used < 200 << 10 && rows[1].ended == 40);
	CHECK((r = use_of(rows, n, only_zeros)) && r->used >= 100 << 10 && r->used < 112 << 10);
	CHECK((r = use_of(rows, n, shallow)) && r->used < 8 << 10 && r->ended == 40);
	CHECK(rt_stack_usage(rows, 1) == 5 && rows[0].fn == deeper);
	return ok();
}

static const struct guest_case cases[] = {
	{"sizes", sizes},           {"arguments", arguments}, {"cost", cost},
	{"guards", guards},         {"disused", disused},     {"by-itself", by_itself},
	{"given-back", given_back}, {"churn", churn},         {"signals", signals},
	{"exhaust", exhaust},       {"many", many},           {"usage", usage},
	{"step-over", step_over},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

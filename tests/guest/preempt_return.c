/* SPDX-License-Identifier: MIT */
/*
 * Goroutines that spend all of their time in libc or in the runtime: they are stopped when they
 * come back, and find what the call has returned.
 */
#define _GNU_SOURCE
#include <complex.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static int stop;
static long turns;
static rt_chan(int) numbers;

/* ---- one round of each; the loop around it is all that there is of user text ---- */

static void
with_channel(void)
{
	int v;

	rt_send(numbers, 7);
	CHECK(rt_recv(numbers, &v) && v == 7);
}

static void
with_wait_group(void)
{
	static rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, 1);
	rt_wg_done(&wg);
}

static void
with_mutex(void)
{
	static rt_mutex m = RT_MUTEX_INIT;

	rt_mutex_lock(&m);
	rt_mutex_unlock(&m);
}

static void
with_large_blocks(void)
{
	char *p = malloc(1 << 20), *q = calloc(1, 10000);

	CHECK(p && q && q[9999] == 0);
	q[9999] = 1;
	free(p);
	free(q);
}

static void
with_posix_mutex(void)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

	CHECK(pthread_mutex_lock(&m) == 0);
	CHECK(pthread_mutex_unlock(&m) == 0);
}

static void
with_semaphore(void)
{
	static sem_t s;

	CHECK(sem_post(&s) == 0);
	CHECK(sem_wait(&s) == 0);
}

static char large[2][4 << 20];

static void
copying(void)
{
	CHECK(memcpy(large[0], large[1], sizeof large[0]) == large[0]);
}

static void
printing(void)
{
	char text[64];

	CHECK(snprintf(text, sizeof text, "%d %s %.3f", 12, "and", 0.125) == 12);
	CHECK(strcmp(text, "12 and 0.125") == 0);
}

static FILE *null;

static void
printing_to_file(void)
{
	CHECK(fputc('x', null) == 'x');
}

static void
calling_the_kernel(void)
{
	CHECK(getppid() > 0);
}

static void
reading_the_clock(void)
{
	struct timespec ts;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
}

static void (*const rounds[])(void) = {
	with_channel,     with_wait_group,    with_mutex,        with_large_blocks,
	with_posix_mutex, with_semaphore,     copying,           printing,
	printing_to_file, calling_the_kernel, reading_the_clock,
};

static void
be_hog(void (*one_round)(void), rt_wg *done)
{
	while (!GET(stop)) {
		one_round();
		__atomic_fetch_add(&turns, 1, __ATOMIC_RELAXED);
	}
	rt_wg_done(done);
}

static void
prepare(void)
{
	numbers = rt_chan_make(int, 4);
	null = fopen("/dev/null", "w");
	CHECK(null);
}

/* Beside each, main gets its turns, though it waits for no timer; with one P, by preemption. */
static int
hogs(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	prepare();
	for (size_t i = 0; i < GUEST_LEN(rounds); i++) {
		SET(stop, 0);
		rt_wg_add(&done, 1);
		rt_go(be_hog, rounds[i], &done);
		for (int k = 0; k < 3; k++) {
			long before = GET(turns);

			YIELD_UNTIL(GET(turns) != before);
		}
		SET(stop, 1);
		rt_wg_wait(&done);
	}
	return ok();
}

/* ---- a lock that is waited for without a word to the kernel ---- */

static pthread_spinlock_t spinlock;
static int waits;

static void
hold(rt_wg *done)
{
	CHECK(pthread_spin_lock(&spinlock) == 0);
	while (!GET(waits))
		;
	for (int64_t end = now_ns() + 20 * MS; now_ns() < end;)
		;
	CHECK(pthread_spin_unlock(&spinlock) == 0);
	rt_wg_done(done);
}

static void
wait_for_it(rt_wg *done)
{
	SET(waits, 1);
	CHECK(pthread_spin_lock(&spinlock) == 0);
	CHECK(pthread_spin_unlock(&spinlock) == 0);
	rt_wg_done(done);
}

static int
spin_lock(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	CHECK(pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE) == 0);
	rt_wg_add(&done, 3);
	rt_go(hold, &done);
	rt_go(wait_for_it, &done);
	rt_go(wait_for_it, &done);
	rt_wg_wait(&done);
	return ok();
}

/* ---- what calls return, in every register that can hold it ---- */

static int
compare(const void *a, const void *b)
{
	char x[16], y[16];

	CHECK(snprintf(x, sizeof x, "%05d", *(const int *)a) == 5);
	CHECK(snprintf(y, sizeof y, "%05d", *(const int *)b) == 5);
	return strcmp(x, y);
}

static void
check_integers(void)
{
	int v[] = {5, 4, 1, 3, 2};
	ldiv_t d = ldiv(1000007, 1000);
	char *end;

	CHECK(d.quot == 1000 && d.rem == 7); /* rax and rdx */
	CHECK(strtoll("-123456789012345 ", &end, 10) == -123456789012345 && *end == ' ');
	qsort(v, GUEST_LEN(v), sizeof *v, compare);
	CHECK(v[0] == 1 && v[4] == 5);
}

static void
check_floats(void)
{
	volatile double x = 0.75, y = 4.5;
	volatile long double z = 0.5L;
	double complex c = cexp(x + I * y);

	CHECK(fmod(y, x) == 0 && ldexp(x, 3) == 6 && sqrt(x * x) == x);
	CHECK(fabs(creal(c) - exp(x) * cos(y)) < 1e-12); /* xmm0 and xmm1 */
	CHECK(fabs(cimag(c) - exp(x) * sin(y)) < 1e-12);
	CHECK(strtold("0.0625", NULL) == 0.0625L && ldexpl(z, 4) == 8); /* x87 */
}

static void
check_memory(unsigned *seed)
{
	size_t n = (size_t)rand_r(seed) % 100000 + 1;
	unsigned char *p = malloc(n), *q;

	CHECK(p);
	memset(p, 0xa5, n);
	q = realloc(p, n / 2 + 1);
	CHECK(q && memchr(q, 0xa4, n / 2) == NULL && q[n / 2] == 0xa5);
	free(q);
}

static void
fail(int number)
{
	rt_panic("number %d", number);
}

/* Left by a jump, or by a panic, whatever was replaced meanwhile. */
static void
check_jumps(int me)
{
	jmp_buf j;
	sigjmp_buf s;
	volatile int n = 0;

	if (setjmp(j) < 3)
		longjmp(j, ++n);
	CHECK(n == 3);
	if (sigsetjmp(s, n & 1) < 6)
		siglongjmp(s, ++n);
	CHECK(n == 6);
	const rt_caught *c = rt_try(fail, me);
	char text[32];
	CHECK(snprintf(text, sizeof text, "number %d", me) > 0);
	CHECK(c && strcmp(c->text, text) == 0);
}

static void
check(int me, int times, rt_wg *done)
{
	unsigned seed = (unsigned)me;

	for (int i = 0; i < times; i++) {
		check_integers();
		check_floats();
		check_memory(&seed);
		check_jumps(me);
		for (size_t k = 0; k < GUEST_LEN(rounds); k++)
			if (rounds[k] != copying && rounds[k] != with_channel)
				rounds[k]();
	}
	rt_wg_done(done);
}

static int
results(int argc, char **argv)
{
	int times = number(argc, argv, 100);
	rt_wg done = RT_WG_INIT;

	prepare();
	rt_wg_add(&done, 8);
	for (int i = 0; i < 8; i++)
		rt_go(check, i, times, &done);
	rt_wg_wait(&done);
	return ok();
}

/* ---- the x87's stack belongs to who was stopped: for others, it is empty ---- */

static void
fill_x87(rt_wg *done)
{
	while (!GET(stop)) {
		long double sum;

		__asm__ volatile("fld1; fld1; fld1; fld1; fld1; fld1; fld1; fld1\n"
				 "	movl $1000000, %%ecx\n"
				 "1:	decl %%ecx\n"
				 "	jnz 1b\n"
				 "	faddp; faddp; faddp; faddp; faddp; faddp; faddp"
				 : "=t"(sum)
				 :
				 : "ecx", "cc", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
				   "st(6)", "st(7)");
		CHECK(sum == 8);
		__atomic_fetch_add(&turns, 1, __ATOMIC_RELAXED);
	}
	rt_wg_done(done);
}

static int
x87(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;
	char text[64];

	(void)argc, (void)argv;
	rt_wg_add(&done, 1);
	rt_go(fill_x87, &done);
	for (int i = 0; i < 20; i++) {
		long before = GET(turns);

		YIELD_UNTIL(GET(turns) != before);
		CHECK(snprintf(text, sizeof text, "%.3Lf", 1.125L) == 5);
		CHECK(strcmp(text, "1.125") == 0);
	}
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

static const struct guest_case cases[] = {
	{"hogs", hogs},
	{"spin-lock", spin_lock},
	{"results", results},
	{"x87", x87},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

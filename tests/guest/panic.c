/* SPDX-License-Identifier: MIT */
/* Deferred calls, panics and protected calls: what runs, in which order, and who is told. */
#define _GNU_SOURCE
#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "guest.h"

#define NOINLINE __attribute__((noinline))

/* What has happened, a letter each. Of one goroutine at a time. */
static char seen[64];
static size_t nseen;

NOINLINE static void
note(char c)
{
	CHECK(nseen < sizeof seen - 1);
	seen[nseen++] = c;
	seen[nseen] = 0;
}

#define SEEN(s)                                                                                    \
	do {                                                                                       \
		if (strcmp(seen, s) != 0)                                                          \
			fprintf(stderr, "seen %s, not %s\n", seen, s);                             \
		CHECK(strcmp(seen, s) == 0);                                                       \
		seen[nseen = 0] = 0;                                                               \
	} while (0)

/* ---- blocks ---- */

NOINLINE static int
leave(int how)
{
	rt_defer(note, 'f');
	for (int i = 0; i < 3; i++) {
		rt_defer(note, (char)('0' + i));
		if (i == 1 && how == 'b')
			break;
		if (i == 1 && how == 'c')
			continue;
		if (i == 1 && how == 'r') {
			rt_defer(note, 'i');
			return (int)nseen; /* before what is deferred */
		}
		if (i == 1 && how == 'g')
			goto out;
		note('.');
	}
	note('e');
out:
	note('o');
	return -1;
}

NOINLINE static void
skip(int n)
{
	rt_defer(note, 'a');
#ifdef __clang__ /* refuses this */
	if (n) {
		rt_defer(note, 'b');
		n = 0;
	}
#else
	switch (n) {
	case 1:;
		rt_defer(note, 'b');
		break;
	default:
		note('d');
	}
#endif
	note(n == 2 ? '2' : 'n');
}

static int
blocks(int argc, char **argv)
{
	(void)argc, (void)argv;
	leave(0);
	SEEN(".0.1.2eof");
	leave('b');
	SEEN(".01eof");
	leave('c');
	SEEN(".01.2eof");
	CHECK(leave('r') == 2);
	SEEN(".0i1f");
	leave('g');
	SEEN(".01of");
	skip(1);
	SEEN("bna");
	return ok();
}

static int
passed_over(int argc, char **argv)
{
	(void)argc, (void)argv;
#ifndef __clang__
	skip(2);
	SEEN("d2a");
#endif
	return ok();
}

/* ---- arguments ---- */

struct pair {
	long a;
	double b;
};
struct quad {
	long w[4];
};

static double sum;

NOINLINE static void
add_all(int a, double b, struct pair p, const char *s, short c, float d)
{
	sum += a + b + (double)p.a + p.b + (double)strlen(s) + c + d;
}

NOINLINE static int
add_words(char a, short b, int c, long d, unsigned e, void *f, long g, int h)
{
	sum += a + b + c + (double)d + e + (double)(uintptr_t)f + (double)g + h;
	return 7;
}

NOINLINE static struct pair
add_quad(struct quad q, long double x, __int128 y)
{
	sum += (double)(q.w[0] + q.w[1] + q.w[2] + q.w[3] + (long)y) + (double)x;
	CHECK(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
	return (struct pair){1, 2};
}

NOINLINE static void
add_some(int n, ...)
{
	va_list ap;

	va_start(ap, n);
	for (int i = 0; i < n; i++)
		sum += va_arg(ap, double);
	va_end(ap);
}

NOINLINE static void
use_registers(void)
{
	__asm__ volatile("" : : : "rbx", "r12", "r13", "r14", "r15", "memory");
}

static int
arguments(int argc, char **argv)
{
	int i = 1;

	(void)argc, (void)argv;
	{
		rt_defer(add_all, i, 2.5, ((struct pair){3, 4.5}), "five", 6, 7.5f);
		i = 100;
		rt_defer(add_words, 1, 2, 3, 4, 5, NULL, 6, 7);
		rt_defer(add_quad, ((struct quad){{1, 2, 3, 4}}), 5.5L, 6);
		rt_defer(add_some, 3, 1.5, 2.5, 3.5);
		rt_defer(use_registers);
		CHECK(sum == 0);
	}
	double all = 1 + 2.5 + 3 + 4.5 + 4 + 6 + 7.5 + 28 + 10 + 5.5 + 6 + 7.5;
	CHECK(sum == all);
	CHECK(!rt_try(add_all, 1, 2.5, ((struct pair){3, 4.5}), "five", 6, 7.5f));
	CHECK(!rt_try(add_words, 1, 2, 3, 4, 5, NULL, 6, 7));
	CHECK(!rt_try(add_quad, ((struct quad){{1, 2, 3, 4}}), 5.5L, 6));
	CHECK(!rt_try(add_some, 3, 1.5, 2.5, 3.5));
	CHECK(sum == 2 * all);
	return ok();
}

/* ---- panics ---- */

static int thing;

NOINLINE static void
fail(const char *text)
{
	rt_defer(note, 'f');
	rt_panic_value(&thing, "%s", text);
}

NOINLINE static void
fail_deep(int n)
{
	rt_defer(note, (char)('0' + n));
	if (n > 0)
		fail_deep(n - 1);
	else if (n == 0)
		fail("deep");
	note('!');
}

NOINLINE static void
try_and_note(const char *text)
{
	const rt_caught *c = rt_try(fail, text);

	CHECK(c && strcmp(c->text, text) == 0);
	note('c');
}

NOINLINE static void
fail_and_try(void)
{
	rt_defer(try_and_note, "inner"); /* caught in there: ours goes on */
	rt_panic("outer");
}

NOINLINE static void
fail_twice(void)
{
	rt_defer(note, '1');
	rt_defer(fail, "second");
	rt_defer(note, '2');
	rt_panic("first");
}

NOINLINE static void
again(const rt_caught *c)
{
	rt_defer(note, 'r');
	rt_repanic(c);
}

NOINLINE static void
because(const rt_caught *c)
{
	rt_panic_from(c, "because of %s", c->text);
}

static int
caught(int argc, char **argv)
{
	volatile int local = 5;
	int kept = argc + 40;

	(void)argv;
	const rt_caught *c = rt_try(fail_deep, 3);
	CHECK(c && strcmp(c->text, "deep") == 0 && c->value == &thing && c->goid == rt_goid());
	CHECK(c->nframes >= 2 && c->signal == 0 && local == 5 && kept == argc + 40);
	SEEN("f0123");
	CHECK(!rt_try(note, 'n'));
	SEEN("n");
	c = rt_try(fail_and_try);
	CHECK(c && strcmp(c->text, "outer") == 0 && !c->value);
	SEEN("fc");
	c = rt_try(fail_twice);
	CHECK(c && strcmp(c->text, "second") == 0);
	SEEN("2f1");
	const rt_caught *d = rt_try(again, c);
	CHECK(d && d != c && strcmp(d->text, "second") == 0 && d->value == &thing);
	CHECK(d->nframes == c->nframes && d->frames[0] == c->frames[0]);
	SEEN("r");
	d = rt_try(because, c);
	CHECK(d && strcmp(d->text, "because of second") == 0 && d->frames[0] != c->frames[0]);
	for (int i = 0; i < 3; i++) {
		rt_wg unused = RT_WG_INIT;

		c = rt_try(rt_wg_add, &unused, -1); /* a panic of the runtime's own */
		CHECK(c && strcmp(c->text, "sync: negative WaitGroup counter") == 0);
	}
	return ok();
}

NOINLINE static void
round_up_and_fail(void)
{
	CHECK(fesetround(FE_UPWARD) == 0);
	use_registers();
	rt_panic("%300d", 1);
}

static int
compare(const void *a, const void *b)
{
	if (*(const int *)a == 3)
		rt_panic("three");
	return *(const int *)a - *(const int *)b;
}

static int
state(int argc, char **argv)
{
	int numbers[] = {5, 4, 3, 2, 1};

	(void)argc, (void)argv;
	const rt_caught *c = rt_try(round_up_and_fail);
	CHECK(c && fegetround() == FE_TONEAREST);
	CHECK(strlen(c->text) == RT_CAUGHT_TEXT - 1);
	c = rt_try(qsort, numbers, GUEST_LEN(numbers), sizeof *numbers, compare);
	CHECK(c && strcmp(c->text, "three") == 0);
	return ok();
}

/* ---- goexit ---- */

static rt_wg wg = RT_WG_INIT;

NOINLINE static void
do_goexit(void)
{
	rt_goexit();
}

NOINLINE static void
goexit_in_try(void)
{
	rt_defer(rt_wg_done, &wg);
	rt_defer(note, 'a');
	const rt_caught *c = rt_try(do_goexit);
	note(c ? '!' : '?');
}

/* Go's TestGoexitInPanic: the panic is over. */
NOINLINE static void
goexit_in_panic(void)
{
	rt_defer(rt_wg_done, &wg);
	rt_defer(note, 'b');
	rt_defer(do_goexit);
	rt_panic("dropped");
}

/* Go's TestRecoveredPanicAfterGoexit: it goes on where the panic is caught. */
NOINLINE static void
goexit_with_panic(void)
{
	rt_defer(fail, "in goexit");
	rt_goexit();
}

NOINLINE static void
panic_in_goexit(void)
{
	rt_defer(rt_wg_done, &wg);
	rt_defer(note, 'c');
	rt_try(goexit_with_panic);
	note('!');
}

NOINLINE static void
try_in_goexit(void)
{
	rt_defer(rt_wg_done, &wg);
	rt_defer(try_and_note, "while it ends");
	rt_goexit();
}

static void
in_goroutine(void (*fn)(void), const char *order)
{
	rt_wg_add(&wg, 1);
	rt_go(fn);
	rt_wg_wait(&wg);
	SEEN(order);
}

static void
cleanup(void *arg)
{
	note(*(char *)arg);
}

NOINLINE static void
mixed(int how)
{
	rt_defer(note, '1');
	pthread_cleanup_push(cleanup, "2");
	rt_defer(note, '3');
	pthread_cleanup_push(cleanup, "4");
	rt_defer(note, '5');
	if (how == 'p')
		rt_panic("mixed");
	if (how == 'e')
		pthread_exit(NULL);
	if (how == 't')
		thrd_exit(0);
	pthread_cleanup_pop(1);
	pthread_cleanup_pop(1);
}

NOINLINE static void
mixed_exit(void)
{
	rt_defer(rt_wg_done, &wg);
	mixed('e');
}

NOINLINE static void
mixed_thrd_exit(void)
{
	rt_defer(rt_wg_done, &wg);
	mixed('t');
}

static int
goexit(int argc, char **argv)
{
	(void)argc, (void)argv;
	in_goroutine(goexit_in_try, "a");
	in_goroutine(goexit_in_panic, "b");
	in_goroutine(panic_in_goexit, "fc");
	in_goroutine(try_in_goexit, "fc");
	in_goroutine(mixed_exit, "54321");
	in_goroutine(mixed_thrd_exit, "54321");
	mixed(0);
	SEEN("45231"); /* a block ends behind its pthread_cleanup_pop */
	CHECK(rt_try(mixed, 'p'));
	SEEN("54321");
	return ok();
}

/* ---- threads that are no goroutines ---- */

static void *
on_thread(void *how)
{
	rt_defer(note, 't');
	try_and_note("on a thread");
	mixed(*(char *)how);
	return how;
}

static void *
create_inside(void *unused)
{

	rt_defer(note, 'o'); /* not the new thread's, whose struct libc copies from ours */
	pthread_t t = foreign_thread(on_thread, "e");

	CHECK(pthread_join(t, NULL) == 0);
	return unused;
}

static int
threads(int argc, char **argv)
{

	(void)argc, (void)argv;
	pthread_t t = foreign_thread(on_thread, "n");

	CHECK(pthread_join(t, NULL) == 0);
	SEEN("fc45231t");
	CHECK(pthread_create(&t, NULL, on_thread, "t") == 0 && pthread_join(t, NULL) == 0);
	SEEN("fc54321t");
	CHECK(pthread_create(&t, NULL, create_inside, NULL) == 0 && pthread_join(t, NULL) == 0);
	SEEN("fc54321to");
	return ok();
}

/* ---- longjmp ---- */

static jmp_buf env;
static sigjmp_buf sigenv;

NOINLINE static void
jump(int n)
{
	rt_defer(note, (char)('0' + n));
	if (n > 0)
		jump(n - 1);
	else if (n == 0)
		longjmp(env, 1);
}

NOINLINE static void
jump_in_deferred(void)
{
	rt_defer(note, 'x');
	rt_defer(jump, 1);
	rt_panic("over");
}

NOINLINE static void
jump_far(void)
{
	rt_defer(note, 'a');
	if (setjmp(env) == 0)
		jump(2);
	note('b');
	if (setjmp(env) == 0) {
		rt_defer(note, 'c'); /* a block of the same function */
		longjmp(env, 1);
	}
	note('d');
	if (setjmp(env) == 0)
		rt_try(jump, 1); /* over a protected call */
	note('e');
	if (setjmp(env) == 0)
		jump_in_deferred(); /* ends the panic */
	note('g');
	if (sigsetjmp(sigenv, 1) == 0) {
		rt_defer(note, 'h');
		siglongjmp(sigenv, 1);
	}
}

/* A panic runs what setjmp had found as the newest; and then somebody jumps there. */
NOINLINE static void
jump_beside(void)
{
	volatile int round = 0;

	{
		rt_defer(note, 'y');
		if (setjmp(env) == 0 && round++ == 0) {
			const rt_caught *c = rt_try(jump_in_deferred);
			note(c ? '!' : '?');
		}
		note('z');
	}
}

static int
jumps(int argc, char **argv)
{
	(void)argc, (void)argv;
	jump_far();
	SEEN("012bcd01e01xgha");
	jump_beside();
	SEEN("01xzy");
	const rt_caught *c = rt_try(fail, "still works");
	CHECK(c && strcmp(c->text, "still works") == 0);
	return ok();
}

/* ---- stacks that the program switches itself: each has its own ---- */

static jmp_buf of_main, of_coroutine;

static void
yield_to(jmp_buf from, jmp_buf to)
{
	if (setjmp(from) == 0)
		longjmp(to, 1);
}

NOINLINE static void
coroutine(void)
{
	{
		rt_defer(note, 'c');
		yield_to(of_coroutine, of_main);
		try_and_note("on a coroutine");
		yield_to(of_coroutine, of_main);
	}
	longjmp(of_main, 1);
}

static int
coroutines(int argc, char **argv)
{
	static _Alignas(16) char stack[64 << 10];

	(void)argc, (void)argv;
	rt_defer(note, '!'); /* not before the end */
	if (setjmp(of_main) == 0)
		__asm__ volatile("movq %0, %%rsp\n\txorl %%ebp, %%ebp\n\tcall *%1"
				 :
				 : "r"(stack + sizeof stack), "r"(coroutine)
				 : "memory");
	{
		rt_defer(note, 'm');
		yield_to(of_main, of_coroutine);
		try_and_note("on main");
	}
	SEEN("fcfcm");
	yield_to(of_main, of_coroutine);
	SEEN("c");
	return ok();
}

/* ---- faults ---- */

NOINLINE static void
store(volatile int *p)
{
	rt_defer(note, 's');
	*p = 1;
}

static volatile size_t length;

NOINLINE static void
measure(const char *s)
{
	length = strlen(s);
}

NOINLINE static void
copy(char *to, const char *from, size_t n)
{
	memcpy(to, from, n);
	__asm__ volatile("" : : : "memory"); /* no jump */
}

NOINLINE static int
divide(volatile int a, volatile int b)
{
	rt_defer(note, 'd');
	return a / b;
}

NOINLINE static void
with_vectors(double *ret, volatile int *p)
{
	double x = *ret * 1.5;

	*p = 2;
	*ret = x;
}

static int
faults(int argc, char **argv)
{
	long page = sysconf(_SC_PAGESIZE);
	FILE *f = tmpfile();

	(void)argc, (void)argv;
	CHECK(!rt_panic_on_fault(true) && rt_panic_on_fault(true));
	const rt_caught *c = rt_try(store, (int *)NULL);
	CHECK(c && c->signal == SIGSEGV && c->code == SEGV_MAPERR && c->address == NULL);
	CHECK(strcmp(c->text, "runtime error: invalid memory address or nil pointer dereference") ==
	      0);
	CHECK(c->nframes > 0);
	SEEN("s");
	c = rt_try(store, (int *)0x123456789000);
	CHECK(c && c->address == (void *)0x123456789000);
	SEEN("s");
	c = rt_try(store, (int *)0x4141414141414141);
	CHECK(c && c->signal == SIGSEGV && c->code == 0x80);
	SEEN("s");
	c = rt_try(divide, 7, 0);
	CHECK(c && c->signal == SIGFPE &&
	      strcmp(c->text, "runtime error: integer divide by zero") == 0);
	SEEN("d");
	CHECK(f && ftruncate(fileno(f), page) == 0);
	int *map = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	CHECK(map != MAP_FAILED && !rt_try(store, map));
	CHECK(ftruncate(fileno(f), 0) == 0);
	seen[nseen = 0] = 0;
	c = rt_try(store, map);
	CHECK(c && c->signal == SIGBUS && c->address == map);
	SEEN("s");
	char page_of[100] = "";
	c = rt_try(copy, page_of, (const char *)map, sizeof page_of);
	CHECK(c && c->signal == SIGBUS && c->address == map && c->nframes > 1);
	c = rt_try(measure, (const char *)NULL);
	CHECK(c && c->signal == SIGSEGV);
	for (int i = 0; i < 1000; i++) {
		double x = i;
		CHECK(rt_try(with_vectors, &x, (int *)NULL) && x == i);
	}
	CHECK(rt_panic_on_fault(false));
	return ok();
}

/* ---- signal handlers ---- */

static void
handler(int sig)
{
	(void)sig;
	rt_defer(note, 'h');
	try_and_note("in a handler");
}

static int
handlers(int argc, char **argv)
{
	(void)argc, (void)argv;
	signal(SIGUSR1, handler);
	rt_defer(note, 'm');
	raise(SIGUSR1);
	SEEN("fch");
	return ok();
}

/* ---- fork ---- */

static int
in_child(int argc, char **argv)
{
	int status;

	(void)argc, (void)argv;
	if (fork() == 0) {
		try_and_note("in a child");
		_exit(strcmp(seen, "fc") == 0 ? 0 : 1);
	}
	CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return ok();
}

/* ---- many ---- */

static void
subtract(int *balance)
{
	--*balance;
}

NOINLINE static int
stress_depth(unsigned *seed, int depth, int *balance)
{
	++*balance;
	rt_defer(subtract, balance);
	*seed = *seed * 1664525 + 1013904223;
	if (*seed >> 28 == 0)
		rt_gosched();
	if (depth <= 1 || *seed >> 29 == 1)
		rt_panic_value(seed, "%u", *seed);
	return depth > 0 ? stress_depth(seed, depth - 1, balance) + 1 : 0;
}

static void
stress_one(unsigned seed)
{
	int balance = 0;

	rt_defer(rt_wg_done, &wg);
	for (int i = 0; i < 200; i++) {
		const rt_caught *c = rt_try(stress_depth, &seed, 12, &balance);

		CHECK(c && c->value == &seed && balance == 0);
		CHECK((unsigned)strtoul(c->text, NULL, 10) == seed);
	}
	if (seed & 1)
		rt_goexit();
}

static int
stress(int argc, char **argv)
{
	int n = number(argc, argv, 200);

	rt_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		rt_go(stress_one, (unsigned)i);
	rt_wg_wait(&wg);
	return ok();
}

static const struct guest_case cases[] = {
	{"blocks", blocks},         {"passed-over", passed_over},
	{"arguments", arguments},   {"caught", caught},
	{"state", state},           {"goexit", goexit},
	{"threads", threads},       {"jumps", jumps},
	{"coroutines", coroutines}, {"faults", faults},
	{"handlers", handlers},     {"in-child", in_child},
	{"stress", stress},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

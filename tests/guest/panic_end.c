/* SPDX-License-Identifier: MIT */
/* Programs that end by a panic, or say what they have caught: what they print is the test. */
#include <pthread.h>
#include <signal.h>

#include "guest.h"

#define NOINLINE __attribute__((noinline))

NOINLINE static void
fail(const char *text)
{
	rt_panic("%s", text);
}

NOINLINE static void
fail_deep(int n)
{
	if (n > 0)
		fail_deep(n - 1);
	else if (n == 0)
		fail("deep");
	__asm__ volatile("" : : : "memory"); /* each is a frame */
}

static void
try_it(const char *text)
{
	const rt_caught *c = rt_try(fail, text);

	CHECK(c && strcmp(c->text, text) == 0);
}

NOINLINE static void
store(volatile int *p)
{
	*p = 1;
}

static void
tell(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void
bad_handler(int sig)
{
	rt_defer(tell, "in the handler");
	rt_panic("signal %d", sig);
}

static void
raise_it(void)
{
	rt_defer(tell, "not this one");
	raise(SIGUSR1);
}

static int
panic_in_handler(int argc, char **argv)
{
	(void)argc, (void)argv;
	signal(SIGUSR1, bad_handler);
	const rt_caught *c = rt_try(raise_it);
	printf("caught %p\n", (const void *)c);
	return 0;
}

static void
nothing(int n)
{
	(void)n;
}

NOINLINE static void
recursive(int n)
{
	rt_defer(tell, "deferred");
	rt_defer(n > 1 ? recursive : nothing, n - 1);
	rt_panic("panic %d\nand more", n);
}

static int
nested(int argc, char **argv)
{
	recursive(number(argc, argv, 1));
	return 0;
}

static int
repanicked(int argc, char **argv)
{
	const rt_caught *c = rt_try(fail, "first");

	(void)argc, (void)argv;
	rt_repanic(c);
}

static int
recovered(int argc, char **argv)
{
	const rt_caught *c = rt_try(fail, "first");

	(void)argc, (void)argv;
	rt_panic_from(c, "second");
}

/* Go's TestPanicAfterGoexit. */
static int
after_goexit(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_defer(fail, "hello");
	rt_goexit();
}

/* Go's TestRecoveredPanicAfterGoexit: main is gone, and nobody else is left. */
static int
goexit_of_main(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_defer(try_it, "hello");
	rt_goexit();
}

static int
fault(int argc, char **argv)
{
	rt_panic_on_fault(argc > 0);
	(void)argv;
	rt_defer(tell, "deferred");
	store((int *)NULL);
	return 0;
}

static int
fault_in_panic(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_defer(store, (int *)NULL);
	rt_panic("first");
}

static void *
fail_on_thread(void *unused)
{
	rt_defer(tell, "deferred");
	fail("on a thread");
	return unused;
}

static int
thread(int argc, char **argv)
{
	pthread_t t;

	(void)argc, (void)argv;
	pthread_create(&t, NULL, fail_on_thread, NULL);
	pthread_join(t, NULL);
	return 0;
}

static int
print(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_print_caught(rt_try(fail_deep, 1));
	return 0;
}

static const struct guest_case cases[] = {
	{"panic-in-handler", panic_in_handler},
	{"nested", nested},
	{"repanicked", repanicked},
	{"recovered", recovered},
	{"after-goexit", after_goexit},
	{"goexit-of-main", goexit_of_main},
	{"fault", fault},
	{"fault-in-panic", fault_in_panic},
	{"thread", thread},
	{"print", print},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

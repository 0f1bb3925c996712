/* SPDX-License-Identifier: MIT */
/*
 * The whole life of a program, one line for each step: runtime packages, constructors, packages,
 * main, finis, atexit handlers, destructors. argv[1] says how it ends.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "guest.h"

static int saved_argc;
static char **saved_argv;

static void
say(const char *what)
{
	printf("%s on %lu\n", what, (unsigned long)rt_goid());
}

static const char *
how(void)
{
	return saved_argc > 1 ? saved_argv[1] : "return";
}

static void exiter(int status);

RT_PACKAGE_RUNTIME(early);
RT_INIT(early)
{
	say("init early");
}
RT_FINI(early)
{
	say("fini early");
}

static __attribute__((constructor(200))) void
second_constructor(int argc, char **argv, char **envp)
{
	CHECK(argc == saved_argc && argv == saved_argv && envp == environ);
	say("constructor 200");
}

static __attribute__((constructor(101))) void
first_constructor(int argc, char **argv, char **envp)
{
	CHECK(argc >= 1 && argv[argc] == NULL && envp == environ && argv[0]);
	saved_argc = argc;
	saved_argv = argv;
	say("constructor 101");
	if (strcmp(how(), "exit-in-constructor") == 0)
		exit(8);
}

static __attribute__((destructor(200))) void
first_destructor(void)
{
	say("destructor 200");
}

static __attribute__((destructor(101))) void
second_destructor(void)
{
	say("destructor 101");
}

static void
at_exit_1(void)
{
	say("atexit 1");
}

static void
at_exit_2(void)
{
	say("atexit 2");
	if (strcmp(how(), "exit-in-atexit") == 0)
		exit(7);
}

RT_PACKAGE(base);
RT_INIT(base)
{
	say("init base");
	CHECK(saved_argc > 0);
	atexit(at_exit_1);
}
RT_FINI(base)
{
	say("fini base, first in the file");
}
RT_FINI(base)
{
	say("fini base, second in the file");
	if (strcmp(how(), "exit-in-fini") == 0)
		exit(9);
}

RT_PACKAGE(app, base);
RT_INIT(app)
{
	say("init app");
	atexit(at_exit_2);
	if (strcmp(how(), "exit-in-init") == 0)
		exit(4);
	if (strcmp(how(), "exit-in-goroutine-of-init") == 0) {
		rt_go(exiter, 6);
		for (;;)
			rt_gosched();
	}
}
RT_FINI(app)
{
	say("fini app");
}

static void
exiter(int status)
{
	exit(status);
}

/* A second call of exit while the first is in its handlers must wait for good: that only happens
 * once another goroutine runs exit's handlers at the same time. */
static int others_in_exit;

static void
second_exiter(void)
{
	ADD(others_in_exit, 1);
	exit(99);
}

static void
await_second_exit(void)
{
	rt_go(second_exiter);
	YIELD_UNTIL(GET(others_in_exit));
	for (int i = 0; i < 1000; i++)
		rt_gosched();
	say("second exit waits");
}

int
main(int argc, char **argv)
{
	CHECK(argc == saved_argc && argv == saved_argv);
	say("main");
	if (strcmp(how(), "goroutine") == 0) {
		rt_go(exiter, 5);
		for (;;)
			rt_gosched();
	} else if (strcmp(how(), "_exit") == 0) {
		_exit(3);
	} else if (strcmp(how(), "two-exits") == 0) {
		atexit(await_second_exit);
		exit(2);
	}
	printf("not a full line"); /* flushed all the same */
	fputc('\n', stdout);
	return 42;
}

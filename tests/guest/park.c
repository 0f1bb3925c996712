/* SPDX-License-Identifier: MIT */
/*
 * Goroutines in known states, to be looked at from outside: park COUNT [hog] [late] [abort].
 *
 * COUNT of them wait in inner, called by parked, on a wait group; `hog` spins without calling
 * anything; `late` has been started and may not have run yet. When all are where they belong, it
 * says "ready", calls here, and reads until the end of its input. Then it aborts, or lets all of
 * them end and says "ok".
 */
#include "guest.h"

#include <unistd.h>

void here(void);

static rt_wg gate = RT_WG_INIT, ready = RT_WG_INIT, ended = RT_WG_INIT;
static int stop;

__attribute__((noinline)) void
here(void)
{
	__asm__ volatile("" : : : "memory");
}

__attribute__((noinline)) static void
inner(int number)
{
	char text[32];

	snprintf(text, sizeof text, "goroutine-%d", number);
	rt_wg_done(&ready);
	rt_wg_wait(&gate);
	CHECK(atoi(strchr(text, '-') + 1) == number);
}

static void
parked(int number)
{
	volatile int twice = 2 * number;

	inner(number);
	CHECK(twice == 2 * number);
	rt_wg_done(&ended);
}

static void
hog(void)
{
	rt_wg_done(&ready);
	while (!GET(stop))
		;
	rt_wg_done(&ended);
}

static int
has(int argc, char **argv, const char *word)
{
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return 1;
	return 0;
}

int
main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;
	int hogs = has(argc, argv, "hog"), late = has(argc, argv, "late");
	char input;

	rt_wg_add(&gate, 1);
	rt_wg_add(&ready, count + hogs);
	rt_wg_add(&ended, count + hogs + late);
	for (int i = 0; i < count; i++)
		rt_go(parked, i + 1);
	if (hogs)
		rt_go(hog);
	rt_wg_wait(&ready);
	if (late) {
		rt_wg_add(&ready, 1);
		rt_go(parked, 77);
	}
	puts("ready");
	fflush(stdout);
	here();
	while (read(0, &input, 1) > 0)
		;
	if (has(argc, argv, "abort"))
		abort();
	rt_wg_done(&gate);
	SET(stop, 1);
	rt_wg_wait(&ended);
	return ok();
}

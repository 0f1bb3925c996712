/* SPDX-License-Identifier: MIT */
/* Programs to look at with RTDEBUG=schedtrace: goroutines in every state, or none but main. */
#include <time.h>
#include <unistd.h>

#include "guest.h"

static int stop;

static void
run(rt_wg *wg)
{
	while (!GET(stop))
		rt_gosched();
	rt_wg_done(wg);
}

static void
wait_at(rt_wg *gate, rt_wg *wg)
{
	rt_wg_wait(gate);
	rt_wg_done(wg);
}

static void
block(int fd, rt_wg *wg)
{
	char c;

	CHECK(read(fd, &c, 1) == 0);
	rt_wg_done(wg);
}

static void
pause_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) != 0)
		;
}

/* Three that run, two that are parked and one in a system call, for so many milliseconds. */
static int
busy(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT, gate = RT_WG_INIT;
	int fds[2];

	CHECK(argc == 1 && pipe(fds) == 0);
	rt_wg_add(&gate, 1);
	rt_wg_add(&wg, 6);
	for (int i = 0; i < 3; i++)
		rt_go(run, &wg);
	for (int i = 0; i < 2; i++)
		rt_go(wait_at, &gate, &wg);
	rt_go(block, fds[0], &wg);
	pause_ms(atol(argv[0]));
	SET(stop, 1);
	rt_wg_done(&gate);
	close(fds[1]);
	rt_wg_wait(&wg);
	return ok();
}

/* Everybody sleeps, and no goroutine was ever started. */
static int
idle(int argc, char **argv)
{
	CHECK(argc == 1);
	pause_ms(atol(argv[0]));
	return ok();
}

static int
panics(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_done(&wg);
	return 0;
}

static const struct guest_case cases[] = {{"busy", busy}, {"idle", idle}, {"panics", panics}};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

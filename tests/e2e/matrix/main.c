/* SPDX-License-Identifier: MIT */
/* The program of matrix.sh: package app here, what it imports in an archive. The order is log,
 * net, store, app; `unused` is in the archive as well and must not be linked. */
#include <stdio.h>

#include <rt/rt.h>

RT_PACKAGE(app, store, net);

static rt_wg started = RT_WG_INIT;

static void
greet(int n, double x)
{
	printf("goroutine %d %.1f\n", n, x);
	rt_wg_done(&started);
}

RT_INIT(app)
{
	rt_wg_add(&started, 1);
	rt_go(greet, 1, 2.5);
	rt_wg_wait(&started);
	puts("app");
}

RT_FINI(app)
{
	puts("fini app");
}

int
main(void)
{
	puts("main");
	return 7;
}

/* SPDX-License-Identifier: MIT */
/* rt_go of a function that an expression chooses. On its own: gcc 12 once crashed on it. */
#include "guest.h"

static int sum;

static void
add(int x, rt_wg *wg)
{
	ADD(sum, x);
	rt_wg_done(wg);
}

static void
subtract(int x, rt_wg *wg)
{
	ADD(sum, -x);
	rt_wg_done(wg);
}

int
main(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argv;
	rt_wg_add(&wg, 2);
	rt_go(argc > 0 ? add : subtract, 44, &wg);
	rt_go(argc > 1000 ? add : subtract, 2, &wg);
	rt_wg_wait(&wg);
	printf("%d\n", sum);
	return 0;
}

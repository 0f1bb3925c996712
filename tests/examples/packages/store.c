/* SPDX-License-Identifier: MIT */
/* Package store needs log. Its init may do anything, start goroutines for one. */
#include <rt/rt.h>

#include "packages.h"

RT_PACKAGE(store, log);

static int table[10];

static void
fill(int from, int to, rt_wg *wg)
{
	for (int i = from; i < to; i++)
		table[i] = 7 * i;
	rt_wg_done(wg);
}

int
store_get(int key)
{
	return table[key];
}

RT_INIT(store)
{
	rt_wg wg = RT_WG_INIT;

	log_line("filling the store");
	rt_wg_add(&wg, 2);
	rt_go(fill, 0, 5, &wg);
	rt_go(fill, 5, 10, &wg);
	rt_wg_wait(&wg);
}

RT_FINI(store)
{
	log_line("store emptied");
}

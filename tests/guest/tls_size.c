/* SPDX-License-Identifier: MIT */
/* Thread-locals that are larger than a goroutine's default stack: one slot must hold both. */
#include "guest.h"

#define SIZE (1 << 20)

static _Thread_local char big[SIZE];

static void
fill(char c, rt_wg *wg)
{
	char frame[1000];

	memset(frame, c, sizeof frame);
	for (int i = 0; i < SIZE; i++)
		CHECK(big[i] == 0);
	memset(big, c, sizeof big);
	rt_gosched();
	for (int i = 0; i < SIZE; i++)
		CHECK(big[i] == c);
	CHECK(frame[0] == c && frame[999] == c);
	rt_wg_done(wg);
}

int
main(void)
{
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, 9);
	for (char c = 1; c < 9; c++)
		rt_go(fill, c, &wg);
	fill(9, &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* SPDX-License-Identifier: MIT */
/* Places to stop at in a debugger, a few frames deep, on the main goroutine and on another. */
#include "guest.h"

void stop_here(int depth);

__attribute__((noinline)) void
stop_here(int depth)
{
	__asm__ volatile("" : : "r"(depth) : "memory");
}

__attribute__((noinline)) static void
descend(int depth)
{
	if (depth > 0)
		descend(depth - 1);
	else
		stop_here(depth);
	__asm__ volatile(""); /* no tail call: each level is a frame */
}

static void
work(rt_wg *wg)
{
	descend(2);
	rt_wg_done(wg);
}

int
main(void)
{
	rt_wg wg = RT_WG_INIT;

	descend(2);
	rt_wg_add(&wg, 1);
	rt_go(work, &wg);
	rt_wg_wait(&wg);
	return 0;
}

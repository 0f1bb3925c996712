/* SPDX-License-Identifier: MIT */
/*
 * Three goroutines say hello; main waits for them.
 *
 *	rt0-cc -O2 -o hello hello.c && ./hello
 */
#include <rt/rt.h>
#include <stdio.h>

static void
greet(const char *who, int times, rt_wg *wg)
{
	for (int i = 1; i <= times; i++) {
		printf("hello, %s (%d of %d)\n", who, i, times);
		rt_gosched(); /* the others' turn */
	}
	rt_wg_done(wg);
}

int
main(void)
{
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, 3);
	rt_go(greet, "world", 3, &wg); /* as Go's `go greet("world", 3, &wg)` */
	rt_go(greet, "moon", 2, &wg);
	rt_go(greet, "sun", 1, &wg);
	rt_wg_wait(&wg);
	puts("goodbye");
	return 0;
}

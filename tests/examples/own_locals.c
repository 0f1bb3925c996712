/* SPDX-License-Identifier: MIT */
/*
 * A thread-local variable belongs to a goroutine and stays with it on whatever thread it goes on.
 * So code that was written for threads is right on goroutines: here a random-number generator with
 * a hidden state, and errno.
 *
 *	rt0-cc -O2 -o own_locals own_locals.c && ./own_locals
 */
#include <errno.h>
#include <rt/rt.h>
#include <stdio.h>
#include <unistd.h>

static _Thread_local unsigned seed;

/* Knuth's numbers for MMIX, cut short. The state is nowhere in the interface. */
static unsigned
next_random(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 16;
}

static void
throw_dice(unsigned first_seed, int *ret, rt_wg *wg)
{
	seed = first_seed;
	errno = (int)first_seed;
	for (int i = 0; i < 1000; i++) {
		*ret += (int)(next_random() % 6) + 1;
		if (i % 10 == 0)
			rt_gosched(); /* may come back on another thread */
	}
	if (errno != (int)first_seed)
		*ret = -1;
	rt_wg_done(wg);
}

int
main(void)
{
	int sums[4] = {0};
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		rt_go(throw_dice, (unsigned)(i % 2 + 1), &sums[i], &wg);
	rt_wg_wait(&wg);

	close(-1); /* sets main's errno */
	printf("errno is EBADF: %s\n", errno == EBADF ? "yes" : "no");
	printf("same seed, same dice: %s\n",
	       sums[0] == sums[2] && sums[1] == sums[3] ? "yes" : "no");
	printf("another seed, other dice: %s\n", sums[0] != sums[1] ? "yes" : "no");
	return 0;
}

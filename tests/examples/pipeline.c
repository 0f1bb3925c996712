/* SPDX-License-Identifier: MIT */
/*
 * Channels: a pipeline of goroutines, one that collects what several send, and a select that waits
 * for a result, for the end of all workers, and not for ever.
 */
#include <stdio.h>

#include <rt/rt.h>

static void
count(rt_chan(int) out, int n)
{
	for (int i = 1; i <= n; i++)
		rt_send(out, i);
	rt_close(out);
}

static void
square(rt_chan(int) in, rt_chan(long) out)
{
	for (int v; rt_recv(in, &v);) /* Go: for v := range in */
		rt_send(out, (long)v * v);
}

int
main(void)
{
	enum { RESULT, END, LATE };
	rt_chan(int) numbers = rt_chan_make(int, 0);
	rt_chan(long) squares = rt_chan_make(long, 16);
	rt_wg workers = RT_WG_INIT;
	rt_time deadline = rt_after(10 * RT_SECOND);
	long v, sum = 0;

	rt_go(count, numbers, 1000);
	for (int i = 0; i < 4; i++)
		rt_wg_go(&workers, square, numbers, squares);
	for (bool running = true; running;) {
		switch (rt_select_ordered([RESULT] = RT_RECV(squares, &v), [END] = RT_WG(&workers),
					  [LATE] = RT_AT(deadline))) {
		case RESULT:
			sum += v;
			break;
		case END:
			running = false;
			break;
		case LATE:
			puts("too slow");
			return 1;
		}
	}
	rt_chan_free(numbers);
	rt_chan_free(squares);
	printf("the sum of the first 1000 squares is %ld\n", sum);
	return 0;
}

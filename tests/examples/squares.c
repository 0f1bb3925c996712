/* SPDX-License-Identifier: MIT */
/* The example of the README: channels, select, a deadline. */
#include <rt/rt.h>
#include <stdio.h>

static void
squares(rt_chan(int) in, rt_chan(long) out)
{
	for (int v; rt_recv(in, &v);) /* until it is closed, as Go's range */
		rt_send(out, (long)v * v);
	rt_close(out);
}

int
main(void)
{
	rt_chan(int) in = rt_chan_make(int, 0);
	rt_chan(long) out = rt_chan_make(long, 4);
	long v, sum = 0;
	bool more = true;

	rt_go(squares, in, out); /* any signature, checked like a call; nothing to allocate */
	for (int i = 1; more;) {
		switch (rt_select(RT_SEND(i <= 10 ? in : NULL, i), RT_RECV(out, &v, &more),
				  RT_AT(rt_after(5 * RT_SECOND)))) {
		case 0:
			if (++i > 10)
				rt_close(in);
			break;
		case 1:
			sum += v;
			break;
		case 2:
			return puts("too slow"), 1;
		}
	}
	printf("the sum of the squares is %ld\n", sum);
}

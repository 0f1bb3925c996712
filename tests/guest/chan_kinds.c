/* SPDX-License-Identifier: MIT */
/* Channels of all kinds of elements. */
#include "guest.h"

struct large {
	char bytes[65535];
};
struct nothing {
};

#define KIND(T, v, holds)                                                                          \
	do {                                                                                       \
		rt_chan(T) c = rt_chan_make(T, 1);                                                 \
		rt_send(c, v);                                                                     \
		__typeof__(T) x = rt_recv(c);                                                      \
		CHECK(holds);                                                                      \
		rt_chan_free(c);                                                                   \
	} while (0)

union either {
	int i;
	double d;
};
struct row {
	int of[4];
};
struct bits {
	unsigned low : 3, high : 5;
};
enum colour { RED, GREEN = 77 };

/* What an element may be, and what may stand for one. */
static int
kinds(int argc, char **argv)
{
	const struct bits bits = {5, 9};
	const enum colour green = GREEN;

	KIND(bool, argc >= 0, x);
	KIND(enum colour, green, x == GREEN);
	KIND(long double, 1.5f, x == 1.5L);
	KIND(__int128, (__int128)1 << 100, x == (__int128)1 << 100);
	KIND(const int, bits.low, x == 5);
	KIND(volatile short, argc > 1 ? -3 : bits.high, x == 9 || x == -3);
	KIND(struct bits, bits, x.low == 5 && x.high == 9);
	KIND(union either, ((union either){.d = 2.5}), x.d == 2.5);
	KIND(struct row, ((struct row){{1, 2, 3, 4}}), x.of[3] == 4);
	KIND(const char *, "text", strcmp(x, "text") == 0);
	KIND(void *, argv, x == argv);
	KIND(int (*)(int, char **), &kinds, x == kinds);
	return ok();
}

static void
send_large(rt_chan(struct large) c, rt_chan(struct nothing) n)
{
	static struct large l;

	memset(l.bytes, 7, sizeof l.bytes);
	rt_send(c, l);
	rt_close(c);
	for (int i = 0; i < 5; i++)
		rt_send(n, (struct nothing){});
	rt_close(n);
}

/* From frame to frame: the largest there is, and nothing at all. */
static int
extremes(int argc, char **argv)
{
	rt_chan(struct large) c = rt_chan_make(struct large, 0);
	rt_chan(struct nothing) none = rt_chan_make(struct nothing, 0);
	static struct large l;
	int n = 0;

	(void)argc, (void)argv;
	rt_go(send_large, c, none);
	CHECK(rt_recv(c, &l) && l.bytes[0] == 7 && l.bytes[65534] == 7);
	CHECK(!rt_recv(c, &l) && l.bytes[0] == 0 && l.bytes[65534] == 0);
	while (rt_recv(none, NULL))
		n++;
	CHECK(n == 5);
	return ok();
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {{"kinds", kinds}, {"extremes", extremes}};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

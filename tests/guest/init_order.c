/* SPDX-License-Identifier: MIT */
/*
 * Go's order of packages (all sorted by name; again and again the first whose imports are done),
 * and inside a package by file name, then line. init_order_b.c has the rest of package d and of
 * package e.
 *
 *	b imports d; a imports c; c imports e, d; z imports nothing
 *	d and e are done first, since others wait for them: order d, b, e, c, a, z
 */
#include "guest.h"

RT_PACKAGE(z);
RT_PACKAGE(a, c);
RT_PACKAGE(b, d);
RT_PACKAGE(c, e, d);
RT_PACKAGE(d);

RT_INIT(d)
{
	puts("d, file 1, first");
}

RT_INIT(a)
{
	void *volatile p = malloc(1000); /* inittrace counts it */

	puts("a");
	free(p);
}

RT_INIT(d)
{
	puts("d, file 1, second");
}

RT_INIT(z)
{
	puts("z");
}

RT_INIT(c)
{
	puts("c");
}

RT_INIT(b)
{
	puts("b");
}

RT_FINI(a)
{
	puts("fini a");
}

RT_FINI(d)
{
	puts("fini d, file 1");
}

RT_FINI(z)
{
	puts("fini z");
}

/* No init, but a fini: it was initialized all the same. */
RT_PACKAGE(f);
RT_FINI(f)
{
	puts("fini f");
}

int
main(void)
{
	puts("main");
	return 0;
}

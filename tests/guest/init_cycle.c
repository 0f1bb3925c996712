/* SPDX-License-Identifier: MIT */
/* An import cycle, two ways round: the shorter one is reported. */
#include <stdio.h>

#include <rt/init.h>

RT_PACKAGE(a, b);
RT_PACKAGE(b, c, x);
RT_PACKAGE(c, d);
RT_PACKAGE(d, b);
RT_PACKAGE(x, b);

int
main(void)
{
	puts("main");
	return 0;
}

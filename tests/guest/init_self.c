/* SPDX-License-Identifier: MIT */
/* A package that imports itself. */
#include <stdio.h>

#include <rt/init.h>

RT_PACKAGE(me, me);

int
main(void)
{
	puts("main");
	return 0;
}

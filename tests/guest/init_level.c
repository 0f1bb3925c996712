/* SPDX-License-Identifier: MIT */
/* A package of the runtime's level must not import one that is initialized later. */
#include <stdio.h>

#include <rt/init.h>

RT_PACKAGE(late);
RT_PACKAGE_RUNTIME(early, late);

int
main(void)
{
	puts("main");
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* The second file of init_order.c's program. */
#include <stdio.h>

#include <rt/init.h>

RT_PACKAGE(e);

RT_INIT(d)
{
	puts("d, file 2");
}

RT_INIT(e)
{
	puts("e");
}

RT_FINI(d)
{
	puts("fini d, file 2");
}

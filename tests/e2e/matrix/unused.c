/* SPDX-License-Identifier: MIT */
/* In the archive, imported by nobody. */
#include <stdio.h>

#include <rt/init.h>

RT_PACKAGE(unused);

RT_INIT(unused)
{
	puts("unused was linked");
}

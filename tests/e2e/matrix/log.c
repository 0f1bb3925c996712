/* SPDX-License-Identifier: MIT */
/* Imported by store and net. */
#include <stdio.h>

#include <rt/init.h>

RT_PACKAGE(log);

static int lines;

/* Two inits whose functions the compiler may want to merge. */
RT_INIT(log)
{
	lines++;
}

RT_INIT(log)
{
	lines++;
}

RT_INIT(log)
{
	printf("log %d\n", lines);
}

RT_FINI(log)
{
	puts("fini log");
}

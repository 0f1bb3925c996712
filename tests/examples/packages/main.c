/* SPDX-License-Identifier: MIT */
/*
 * Three packages that are initialized in the order that their imports ask for, whatever the order
 * of files on the command line. Leave one out and the link fails; make a cycle and the program
 * says so. `RTDEBUG=inittrace=1 ./packages` shows how long each took, `rtinspect packages` the
 * table.
 *
 *	rt0-cc -O2 -o packages main.c store.c log.c config.c && ./packages
 */
#include <stdio.h>

#include "packages.h"

int
main(void)
{
	log_line("main");
	printf("the answer is %d\n", store_get(6));
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Package config imports nothing, so it is initialized first. */
#include <rt/init.h>
#include <stdio.h>

#include "packages.h"

RT_PACKAGE(config);

static int verbose;

int
config_verbose(void)
{
	return verbose;
}

RT_INIT(config)
{
	verbose = 1;
	puts("config: read");
}

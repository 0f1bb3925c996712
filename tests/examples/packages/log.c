/* SPDX-License-Identifier: MIT */
/* Package log needs config: when its init runs, config's has run. */
#include <rt/init.h>
#include <stdio.h>

#include "packages.h"

RT_PACKAGE(log, config);

static int lines;

void
log_line(const char *text)
{
	if (config_verbose())
		printf("log %d: %s\n", ++lines, text);
}

RT_INIT(log)
{
	log_line("open");
}

/* Finis run at exit, in the reverse order: after those of all that import log. */
RT_FINI(log)
{
	log_line("closed");
}

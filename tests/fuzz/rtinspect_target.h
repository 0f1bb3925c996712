/* SPDX-License-Identifier: MIT */
/*
 * rtinspect_target.h: all that rtinspect does to a file, in one call, for fuzzers.
 */
#ifndef RTINSPECT_TARGET_H
#define RTINSPECT_TARGET_H

#include <stdio.h>
#include <stdlib.h>

#include "report.h"

/* Reads, checks and prints in every format; the output goes nowhere. */
static inline void
rtinspect_target(const uint8_t *data, size_t size, bool dwarf)
{
	static FILE *nowhere;
	struct ri_options options = {.dwarf = dwarf};
	struct ri_report report;

	if (nowhere == NULL) {
		nowhere = fopen("/dev/null", "w");
		if (nowhere == NULL) {
			abort();
		}
	}
	ri_report_build(&report, "fuzz", data, size, &options);
	ri_print_text(nowhere, &report);
	ri_print_check(nowhere, &report);
	ri_print_dot(nowhere, &report);
	ri_print_json(nowhere, &report, 1);
	ri_report_free(&report);
}

#endif

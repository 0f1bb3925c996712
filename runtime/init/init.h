/* SPDX-License-Identifier: MIT */
/* init: floor 13. Runs the init table (rt/init.h) on the main goroutine, and the finis at exit. */
#ifndef RT_INIT_INIT_H
#define RT_INIT_INIT_H

#include "proc/proc.h"

/* Reads the table and computes the order, or ends the program with what is wrong in it. */
void rt__init_load(void);

/* Notes the moment that inittrace counts from, Go's runtimeInitTime. */
void rt__init_note_start(void);

/* Runs the packages of the runtime level; then those of all other levels. */
void rt__runtime_init(void);
void rt__main_init(void);

/* Runs the finis of all packages that were initialized, once. */
void rt__run_finis(void);

/* For a panic: prints which package gp was initializing, and the importers that led there. */
void rt__explain_init(const struct rt__g *gp);

/* Go's fmtNSAsMS: milliseconds with two significant digits, at most three decimals, as inittrace
 * prints them. buf has 24 bytes. */
const char *rt__format_ms(char *buf, uint64_t ns);

#endif

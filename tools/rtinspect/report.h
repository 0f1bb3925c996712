/* SPDX-License-Identifier: MIT */
/*
 * report.h: everything that rtinspect knows about one file, and how to print it.
 *
 * ri_report_build does all the reading and checking; printers only print. The fuzzers call both.
 */
#ifndef RTINSPECT_REPORT_H
#define RTINSPECT_REPORT_H

#include <stdio.h>

#include "image.h"
#include "lines.h"
#include "order.h"
#include "table.h"
#include "util.h"

/* The ABI version of the note that this rtinspect knows. */
#define RI_ABI 1

enum ri_problem_kind {
	RI_PROBLEM_NOT_RT0,
	RI_PROBLEM_NO_TABLE,
	RI_PROBLEM_ABI,
	RI_PROBLEM_INTERPRETER,
	RI_PROBLEM_ENTRY,
	RI_PROBLEM_CYCLE,
	RI_PROBLEM_ORDER,
	RI_PROBLEM_DUPLICATE,
	RI_PROBLEM_ORPHAN,
	RI_PROBLEM_MISSING,
	RI_PROBLEM_LEVEL,
	RI_PROBLEM_TARGET,
	RI_PROBLEM_RECORD,
	RI_PROBLEM_CTORS,
};

struct ri_problem {
	enum ri_problem_kind kind;
	char *text;                   /* quotes the file: escape it */
	struct ri_site site;          /* where in the sources, if it is known */
	const struct ri_cycle *cycle; /* of RI_PROBLEM_CYCLE, or NULL */
};

/* The text ranges that rt0.ld lays out; those of runtime, libc, user. */
struct ri_range {
	const char *name;
	const char *section;
	bool present;
	uint64_t address, size;
};
#define RI_RANGES 3

struct ri_report {
	const char *path;
	struct ri_error error; /* the file is malformed; what was read before is there */
	char foreign[128];     /* what it is, if it is not a 64-bit little-endian ELF file */
	bool has_image;
	struct ri_image image;
	const char *linkage;

	bool ours; /* it has the rt0 note */
	uint32_t abi, record_size;

	struct ri_range ranges[RI_RANGES];
	const struct ri_section *entry_section; /* NULL where it is not known */
	const char *entry_symbol;
	struct ri_line entry_line;

	bool has_unlinked; /* it is an object file with init records */
	bool has_table;
	struct ri_error table_reason; /* why it has none */
	struct ri_table table;
	struct ri_order order;
	uint32_t ctors; /* index of the package c.ctors; UINT32_MAX: there is none */

	struct ri_array init_array, fini_array;
	struct ri_line *init_lines; /* of each word of init_array */

	struct ri_problem *problems;
	size_t nproblems, problems_room;
};

struct ri_options {
	bool dwarf; /* look for lines in DWARF */
};

/* Reads and checks a file's bytes, which must stay until ri_report_free. */
void ri_report_build(struct ri_report *report, const char *path, const uint8_t *data, size_t size,
		     const struct ri_options *options);
void ri_report_free(struct ri_report *report);

/* The text range that an address lies in: "runtime", "libc", "user" or NULL. */
const char *ri_report_range(const struct ri_report *report, uint64_t address);

/* check.c */
void ri_check(struct ri_report *report);
const char *ri_problem_name(enum ri_problem_kind kind);
const char *ri_level_name(unsigned level);
/* Why a package cannot run, in words; the caller frees it. */
char *ri_reason_text(const struct ri_table *table, const struct ri_order *order, uint32_t package);

/* Printers. */
void ri_print_text(FILE *out, const struct ri_report *report);
void ri_print_check(FILE *out, const struct ri_report *report);
void ri_print_dot(FILE *out, const struct ri_report *report);
void ri_print_json(FILE *out, const struct ri_report *reports, size_t count);

#endif

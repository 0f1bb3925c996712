/* SPDX-License-Identifier: MIT */
/* The init table as a graph, and its order. Pure: works on any array of records; no allocation
 * but through the function that the caller gives, no system call, no output. */
#ifndef RT_INIT_ORDER_H
#define RT_INIT_ORDER_H

#include <rt/init.h>

#include "base/base.h"

enum rt__package_state {
	RT_PKG_WAITING = 0,
	RT_PKG_RUNNING = 1,
	RT_PKG_DONE = 2,
};

/* An RT_INIT or RT_FINI. */
struct rt__init_hook {
	void (*fn)(void);
	const char *file;
	uint32_t line;
	int32_t package; /* index in the graph's packages */
};

struct rt__package {
	const char *name; /* its address is the identity */
	const char *file;
	uint32_t line;
	uint8_t level;
	uint8_t state;                  /* enum rt__package_state */
	int32_t first_import, nimports; /* in graph->imports */
	int32_t first_init, ninits;     /* in graph->inits */
	int32_t first_fini, nfinis;     /* in graph->finis */
	int64_t start_ns, run_ns;       /* when it ran, since initialization began */
	uint64_t bytes, allocs;         /* what it allocated */
};

struct rt__import {
	int32_t from, to; /* package indexes */
	const char *file;
	uint32_t line;
};

struct rt__init_graph {
	struct rt__package *packages; /* by level, then by name */
	struct rt__import *imports;   /* by importer */
	struct rt__init_hook *inits;  /* by package, file, line */
	struct rt__init_hook *finis;
	int32_t *order; /* package indexes, in run order */
	int32_t npackages, nimports, ninits, nfinis, norder;
};

enum rt__init_error {
	RT_INIT_OK,
	RT_INIT_CORRUPT,    /* a record of unknown kind or size */
	RT_INIT_NO_PACKAGE, /* a record names a package that has no RT_PACKAGE */
	RT_INIT_DUPLICATE,  /* two packages of one name */
	RT_INIT_LEVEL,      /* a package imports one of a later level */
	RT_INIT_CYCLE,
};

/* What is wrong, for messages; a and b are names of packages, or NULL. */
struct rt__init_problem {
	const char *a, *b;
	const char *file;
	uint32_t line;
};

/* Builds the graph of [records, end) and computes the order. alloc returns zeroed memory;
 * *ret_problem is written for the errors that have a place in the table. */
enum rt__init_error rt__init_build(struct rt__init_graph *g, const struct rt_init_record *records,
				   const struct rt_init_record *end,
				   void *(*alloc)(size_t size, size_t align),
				   struct rt__init_problem *ret_problem);

/* The shortest import cycle through any package that has no place in the order: fills path with
 * package indexes and returns their number, at most max; each imports the next, the last the
 * first. scratch has npackages entries. */
int32_t rt__init_find_cycle(const struct rt__init_graph *g, int32_t *path, int32_t max,
			    int32_t *scratch);

/* The chain of importers that explains why `package` is in the program: package itself, one that
 * imports it, and so on up to one that nobody imports; the shortest such chain. Arguments and
 * result as above. */
int32_t rt__init_find_importers(const struct rt__init_graph *g, int32_t package, int32_t *path,
				int32_t max, int32_t *scratch);

#endif

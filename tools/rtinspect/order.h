/* SPDX-License-Identifier: MIT */
/*
 * order.h: the order in which the packages of a table run, and the cycles that keep some from it.
 *
 * The order is the runtime's own: the levels in turn; in each, again and again the first package by
 * name whose imports are all done.
 */
#ifndef RTINSPECT_ORDER_H
#define RTINSPECT_ORDER_H

#include "table.h"

/* A cycle is its imports in turn: each one's `to` is the next one's `from`. It begins at the first
 * package by name. */
struct ri_cycle {
	uint32_t *imports; /* indexes */
	size_t length;
	bool shortest; /* false: there was too much to search to be sure */
};

enum ri_reason {
	RI_RUNS,
	RI_NO_PACKAGE, /* it has no RT_PACKAGE */
	RI_BAD_LEVEL,  /* its level is none that exists */
	RI_IN_CYCLE,   /* directly */
	RI_MISSING,    /* it imports one that has no RT_PACKAGE */
	RI_HIGHER,     /* it imports one of a higher level */
	RI_NOT_RUN,    /* it imports one that cannot run */
};

struct ri_order {
	uint32_t *sequence; /* indexes of packages as they run */
	size_t nsequence;
	uint32_t *stuck; /* indexes of those that cannot run, by name */
	size_t nstuck;
	uint8_t *reasons;  /* enum ri_reason of each package */
	uint32_t *because; /* the import that the reason is about, if the reason is an import */
	struct ri_cycle *cycles; /* one for each knot of packages that import each other */
	size_t ncycles, cycles_room;
};

/* The table must be finished. */
void ri_order_compute(const struct ri_table *table, struct ri_order *ret_order);
void ri_order_free(struct ri_order *order);

/* cycles.c: finds for each knot the shortest cycle through it. */
void ri_cycles_find(const struct ri_table *table, struct ri_order *order);

#endif

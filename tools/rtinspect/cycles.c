/* SPDX-License-Identifier: MIT */
/*
 * cycles.c: the shortest cycle through each knot of packages that import each other.
 *
 * Tarjan's algorithm (SIAM J. Comput. 1, 1972) finds the knots, with a stack of its own: the depth
 * of a graph that comes out of a file must not become the depth of ours. In each knot a breadth-
 * first search from every package finds the shortest way back to it.
 *
 * Invariant: the work is bounded. The first search of a knot finds a cycle and costs no more than
 * the knot has imports; the rest, which makes sure that it is the shortest, draws on a budget that
 * no table that people write comes near. Where it runs out the cycle says so.
 */
#include "order.h"

#include <stdlib.h>

#define NONE UINT32_MAX
#define BUDGET ((uint64_t)1 << 24) /* imports looked at: a second at worst */

struct finder {
	const struct ri_table *table;
	struct ri_order *order;
	uint32_t *number; /* Tarjan: when a package was first seen; NONE before */
	uint32_t *low;    /* Tarjan: the earliest that it reaches */
	uint32_t *knot;   /* which knot it is in; NONE while that is open */
	uint32_t *open;   /* Tarjan: seen and not yet in a knot */
	uint32_t *path;   /* Tarjan: the packages being visited */
	uint32_t *edge;   /* Tarjan: how many of its imports were visited */
	uint32_t nopen, npath, nseen, nknots;
	uint32_t *members; /* packages by knot, then by name */
	uint32_t *queue;   /* search: what was reached, in turn */
	uint32_t *via;     /* search: the import that reached it */
	uint32_t *reached; /* search: the number of the search that reached it */
	uint32_t *depth;   /* search: in how many steps */
	uint32_t nsearches;
	uint64_t budget;
};

static void
enter(struct finder *f, uint32_t package)
{
	f->number[package] = f->low[package] = f->nseen++;
	f->open[f->nopen++] = package;
	f->path[f->npath++] = package;
}

/* All packages from this one on in `open` make a knot. */
static void
close_knot(struct finder *f, uint32_t package)
{
	uint32_t member;

	do {
		member = f->open[--f->nopen];
		f->knot[member] = f->nknots;
	} while (member != package);
	f->nknots++;
}

static void
leave(struct finder *f, uint32_t package)
{
	f->npath--;
	if (f->low[package] == f->number[package]) {
		close_knot(f, package);
	}
	if (f->npath != 0) {
		uint32_t parent = f->path[f->npath - 1];

		if (f->low[package] < f->low[parent]) {
			f->low[parent] = f->low[package];
		}
	}
}

static void
visit(struct finder *f, uint32_t root)
{
	enter(f, root);
	while (f->npath != 0) {
		uint32_t at = f->path[f->npath - 1];
		const struct ri_package *package = &f->table->packages[at];
		uint32_t to;

		if (f->edge[at] == package->nimports) {
			leave(f, at);
			continue;
		}
		to = f->table->imports[package->first_import + f->edge[at]++].to;
		if (f->number[to] == NONE) {
			enter(f, to);
		} else if (f->knot[to] == NONE && f->number[to] < f->low[at]) {
			f->low[at] = f->number[to];
		}
	}
}

/* Searches for the way from the package back to itself, within its knot and shorter than limit
 * (0: any). Returns its length, 0 if there is none; the via fields then tell it backwards. */
static size_t
search(struct finder *f, uint32_t start, size_t limit, uint32_t *ret_last)
{
	size_t head = 0;
	size_t tail = 0;
	uint32_t mark = ++f->nsearches;

	f->queue[tail++] = start;
	f->depth[start] = 0;
	while (head < tail) {
		uint32_t at = f->queue[head++];
		const struct ri_package *package = &f->table->packages[at];

		if (limit != 0 && f->depth[at] + 1 >= limit) {
			return 0;
		}
		for (size_t i = 0; i < package->nimports; i++) {
			uint32_t edge = (uint32_t)(package->first_import + i);
			uint32_t to = f->table->imports[edge].to;

			f->budget -= f->budget != 0;
			if (to == start) {
				*ret_last = edge;
				return f->depth[at] + 1;
			}
			if (f->knot[to] == f->knot[start] && f->reached[to] != mark) {
				f->reached[to] = mark;
				f->via[to] = edge;
				f->depth[to] = f->depth[at] + 1;
				f->queue[tail++] = to;
			}
		}
	}
	return 0;
}

static void
record_cycle(struct finder *f, struct ri_cycle *cycle, size_t length, uint32_t last)
{
	uint32_t edge = last;

	free(cycle->imports);
	cycle->imports = ri_calloc(length, sizeof(uint32_t));
	cycle->length = length;
	for (size_t i = length; i-- > 0;) {
		cycle->imports[i] = edge;
		edge = f->via[f->table->imports[edge].from];
	}
}

/* Starts the cycle at its first package by name. */
static void
rotate_cycle(const struct ri_table *table, struct ri_cycle *cycle)
{
	uint32_t *turned = ri_calloc(cycle->length, sizeof(uint32_t));
	size_t first = 0;

	for (size_t i = 1; i < cycle->length; i++) {
		if (table->imports[cycle->imports[i]].from <
		    table->imports[cycle->imports[first]].from) {
			first = i;
		}
	}
	for (size_t i = 0; i < cycle->length; i++) {
		turned[i] = cycle->imports[(first + i) % cycle->length];
	}
	free(cycle->imports);
	cycle->imports = turned;
}

static void
search_knot(struct finder *f, const uint32_t *members, size_t count)
{
	struct ri_cycle cycle = {.shortest = true};

	for (size_t i = 0; i < count; i++) {
		uint32_t last;
		size_t length;

		if (cycle.length != 0 && f->budget == 0) {
			cycle.shortest = false;
			break;
		}
		length = search(f, members[i], cycle.length, &last);
		if (length != 0) {
			record_cycle(f, &cycle, length, last);
		}
	}
	if (cycle.length == 0) {
		return;
	}
	rotate_cycle(f->table, &cycle);
	f->order->cycles = ri_grow(f->order->cycles, f->order->ncycles, &f->order->cycles_room,
				   sizeof(struct ri_cycle));
	f->order->cycles[f->order->ncycles++] = cycle;
}

/* Lists the packages by knot, each knot's by name, and searches each. */
static void
search_knots(struct finder *f)
{
	size_t count = f->table->npackages;
	size_t *first = ri_calloc((size_t)f->nknots + 2, sizeof(size_t));
	bool *done = ri_calloc(f->nknots, sizeof(bool));

	for (size_t i = 0; i < count; i++) {
		first[f->knot[i] + 2]++;
	}
	for (size_t i = 2; i < (size_t)f->nknots + 2; i++) {
		first[i] += first[i - 1];
	}
	for (size_t i = 0; i < count; i++) {
		f->members[first[f->knot[i] + 1]++] = (uint32_t)i;
	}
	/* In the order of each knot's first package, so that reports are in order too. */
	for (size_t i = 0; i < count; i++) {
		uint32_t knot = f->knot[i];

		if (!done[knot]) {
			done[knot] = true;
			search_knot(f, f->members + first[knot], first[knot + 1] - first[knot]);
		}
	}
	free(first);
	free(done);
}

void
ri_cycles_find(const struct ri_table *table, struct ri_order *order)
{
	size_t count = table->npackages;
	uint32_t *memory = ri_calloc(count * 11, sizeof(uint32_t));
	struct finder f = {
		.table = table,
		.order = order,
		.number = memory,
		.low = memory + count,
		.knot = memory + count * 2,
		.open = memory + count * 3,
		.path = memory + count * 4,
		.edge = memory + count * 5,
		.members = memory + count * 6,
		.queue = memory + count * 7,
		.via = memory + count * 8,
		.reached = memory + count * 9,
		.depth = memory + count * 10,
		.budget = BUDGET,
	};

	for (size_t i = 0; i < count; i++) {
		f.number[i] = f.knot[i] = NONE;
	}
	for (size_t i = 0; i < count; i++) {
		if (f.number[i] == NONE) {
			visit(&f, (uint32_t)i);
		}
	}
	search_knots(&f);
	free(memory);
}

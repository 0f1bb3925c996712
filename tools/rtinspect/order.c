/* SPDX-License-Identifier: MIT */
/*
 * order.c: Kahn's algorithm over the init table, level by level, with a heap of what is ready.
 *
 * Invariant: a package's index is its rank by name, so the heap compares indexes.
 *
 * Rejected: one pass with (level, rank) as the key. A package that waits for another level's would
 * then run late instead of being found stuck, as it is in the program.
 */
#include "order.h"

#include <stdlib.h>

struct kahn {
	const struct ri_table *table;
	struct ri_order *order;
	size_t *missing;     /* of each package: how many of its imports are not done */
	uint32_t *importers; /* indexes of imports, grouped by what is imported */
	size_t *first;       /* of each package: its group in importers; one more at the end */
	uint32_t *heap;
	size_t nheap;
	unsigned level;
};

static void
push(struct kahn *kahn, uint32_t package)
{
	size_t at = kahn->nheap++;

	while (at != 0 && kahn->heap[(at - 1) / 2] > package) {
		kahn->heap[at] = kahn->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	kahn->heap[at] = package;
}

static uint32_t
pop(struct kahn *kahn)
{
	uint32_t top = kahn->heap[0];
	uint32_t last = kahn->heap[--kahn->nheap];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < kahn->nheap && kahn->heap[child + 1] < kahn->heap[child]) {
			child++;
		}
		if (child >= kahn->nheap || kahn->heap[child] >= last) {
			break;
		}
		kahn->heap[at] = kahn->heap[child];
		at = child;
	}
	kahn->heap[at] = last;
	return top;
}

static void
group_importers(struct kahn *kahn)
{
	const struct ri_table *table = kahn->table;
	size_t sum = 0;

	for (size_t i = 0; i < table->nimports; i++) {
		kahn->first[table->imports[i].to]++;
		kahn->missing[table->imports[i].from]++;
	}
	for (size_t i = 0; i <= table->npackages; i++) {
		size_t count = kahn->first[i];

		kahn->first[i] = sum;
		sum += count;
	}
	/* Filling moves each group's start to the next one's; moving them back follows. */
	for (size_t i = 0; i < table->nimports; i++) {
		kahn->importers[kahn->first[table->imports[i].to]++] = (uint32_t)i;
	}
	for (size_t i = table->npackages; i > 0; i--) {
		kahn->first[i] = kahn->first[i - 1];
	}
	kahn->first[0] = 0;
}

/* True if the package may run now that all its imports are done. */
static bool
ready(const struct kahn *kahn, uint32_t package)
{
	return kahn->missing[package] == 0 && kahn->table->packages[package].declared != 0 &&
		kahn->table->packages[package].level == kahn->level;
}

static void
run_level(struct kahn *kahn)
{
	const struct ri_table *table = kahn->table;

	for (size_t i = 0; i < table->npackages; i++) {
		if (ready(kahn, (uint32_t)i)) {
			push(kahn, (uint32_t)i);
		}
	}
	while (kahn->nheap != 0) {
		uint32_t done = pop(kahn);

		kahn->order->sequence[kahn->order->nsequence++] = done;
		for (size_t i = kahn->first[done]; i < kahn->first[done + 1]; i++) {
			uint32_t importer = table->imports[kahn->importers[i]].from;

			kahn->missing[importer]--;
			if (ready(kahn, importer)) {
				push(kahn, importer);
			}
		}
	}
}

/* Why a package that no cycle holds cannot run, and which of its imports tells so. */
static enum ri_reason
find_reason(const struct ri_table *table, const struct ri_order *order, uint32_t index,
	    uint32_t *ret_because)
{
	const struct ri_package *package = &table->packages[index];
	enum ri_reason reason = RI_RUNS;

	if (package->declared == 0) {
		return RI_NO_PACKAGE;
	}
	if (package->level > RT_LEVEL_USER) {
		return RI_BAD_LEVEL;
	}
	/* The import that is at fault itself tells more than one that only leads to a fault. */
	for (size_t i = 0; i < package->nimports; i++) {
		size_t edge = package->first_import + i;
		uint32_t to = table->imports[edge].to;
		enum ri_reason found = RI_RUNS;

		if (table->packages[to].declared == 0) {
			found = RI_MISSING;
		} else if (table->packages[to].level > package->level) {
			found = RI_HIGHER;
		} else if (order->reasons[to] != RI_RUNS) {
			found = RI_NOT_RUN;
		}
		if (found != RI_RUNS && (reason == RI_RUNS || found < reason)) {
			reason = found;
			*ret_because = (uint32_t)edge;
		}
	}
	return reason;
}

static void
explain(const struct ri_table *table, struct ri_order *order)
{
	for (size_t i = 0; i < order->ncycles; i++) {
		for (size_t k = 0; k < order->cycles[i].length; k++) {
			uint32_t from = table->imports[order->cycles[i].imports[k]].from;

			order->reasons[from] = RI_IN_CYCLE;
			order->because[from] = order->cycles[i].imports[k];
		}
	}
	for (size_t i = 0; i < order->nstuck; i++) {
		uint32_t index = order->stuck[i];

		if (order->reasons[index] != RI_IN_CYCLE) {
			order->reasons[index] =
				(uint8_t)find_reason(table, order, index, &order->because[index]);
		}
	}
}

void
ri_order_compute(const struct ri_table *table, struct ri_order *ret_order)
{
	size_t count = table->npackages;
	struct kahn kahn = {
		.table = table,
		.order = ret_order,
		.missing = ri_calloc(count, sizeof(size_t)),
		.importers = ri_calloc(table->nimports, sizeof(uint32_t)),
		.first = ri_calloc(count + 1, sizeof(size_t)),
		.heap = ri_calloc(count, sizeof(uint32_t)),
	};

	*ret_order = (struct ri_order){
		.sequence = ri_calloc(count, sizeof(uint32_t)),
		.stuck = ri_calloc(count, sizeof(uint32_t)),
		.reasons = ri_calloc(count, 1),
		.because = ri_calloc(count, sizeof(uint32_t)),
	};
	group_importers(&kahn);
	for (kahn.level = RT_LEVEL_RUNTIME; kahn.level <= RT_LEVEL_USER; kahn.level++) {
		run_level(&kahn);
	}

	/* All are taken for stuck; those that ran are not. */
	for (size_t i = 0; i < count; i++) {
		ret_order->reasons[i] = RI_NOT_RUN;
	}
	for (size_t i = 0; i < ret_order->nsequence; i++) {
		ret_order->reasons[ret_order->sequence[i]] = RI_RUNS;
	}
	for (size_t i = 0; i < count; i++) {
		if (ret_order->reasons[i] != RI_RUNS) {
			ret_order->stuck[ret_order->nstuck++] = (uint32_t)i;
		}
	}
	ri_cycles_find(table, ret_order);
	explain(table, ret_order);

	free(kahn.missing);
	free(kahn.importers);
	free(kahn.first);
	free(kahn.heap);
}

void
ri_order_free(struct ri_order *order)
{
	for (size_t i = 0; i < order->ncycles; i++) {
		free(order->cycles[i].imports);
	}
	free(order->cycles);
	free(order->sequence);
	free(order->stuck);
	free(order->reasons);
	free(order->because);
	*order = (struct ri_order){0};
}

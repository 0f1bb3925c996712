/* SPDX-License-Identifier: MIT */
/*
 * heap.c: reads what there is of each class of blocks; see heap.h.
 *
 * The tables may be damaged. Units are walked up to the end that the program names, as far as they
 * can be read; what an entry says is believed as far as it can be true: a class that there is, no
 * more blocks than fit into a unit. The first entry that cannot be is where the walk ends.
 */
#include "heap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COMMITTED_MAX ((uint64_t)1 << 44)
#define ENTRY_MAX 1024
#define BATCH 16 /* entries */
#define BLOCKS_MAX 65536
#define PAGE 4096u

struct entry {
	uint64_t state, magic, class_, nblocks, carved, pages;
};

static bool
plausible(const struct rt__heap_layout *l)
{
	return l->size >= sizeof(*l) && l->unit_shift >= 12 && l->unit_shift <= 30 &&
		l->entry_size > 0 && l->entry_size <= ENTRY_MAX && l->nclasses <= RI_CLASSES_MAX &&
		RI_IS_FIELD(l->entry.state, l->entry_size) &&
		RI_IS_FIELD(l->entry.magic, l->entry_size) &&
		RI_IS_FIELD(l->entry.class_, l->entry_size) &&
		RI_IS_FIELD(l->entry.nblocks, l->entry_size) &&
		RI_IS_FIELD(l->entry.carved, l->entry_size) &&
		RI_IS_FIELD(l->entry.pages, l->entry_size);
}

/* ---- one span ---- */

static void
add(struct ri_class *sum, const struct ri_class *one)
{
	sum->spans += one->spans;
	sum->used += one->used;
	sum->bytes += one->bytes;
	sum->cached += one->cached;
	sum->cached_bytes += one->cached_bytes;
	sum->free += one->free;
	sum->free_bytes += one->free_bytes;
}

static int
count_span(struct ri_heap *heap, struct ri_program *program, const uint8_t *bytes, uint64_t unit)
{
	const struct rt__heap_layout *l = &heap->layout;
	struct ri_class one = {.spans = 1};
	struct entry e = {
		.state = RI_FIELD(bytes, l->entry.state),
		.class_ = RI_FIELD(bytes, l->entry.class_),
		.nblocks = RI_FIELD(bytes, l->entry.nblocks),
		.carved = RI_FIELD(bytes, l->entry.carved),
		.pages = RI_FIELD(bytes, l->entry.pages),
	};
	static uint8_t states[BLOCKS_MAX];

	if (e.class_ >= heap->nclasses || e.nblocks > BLOCKS_MAX || e.carved > e.nblocks ||
	    program->read(program, e.state, states, e.carved) != e.carved) {
		return ri_fail(&heap->damage,
			       "the heap is damaged: no span can be as unit %" PRIu64
			       " is said to be",
			       unit);
	}
	for (uint64_t i = 0; i < e.carved; i++) {
		uint32_t bit = states[i] < 32 ? (uint32_t)1 << states[i] : 0;

		one.used += (l->used_states & bit) != 0;
		one.cached += (l->cached_states & bit) != 0;
	}
	uint64_t size = heap->classes[e.class_].size;
	size = size != 0 ? size : e.pages * PAGE;
	one.free = e.nblocks - one.used - one.cached;
	one.bytes = one.used * size;
	one.cached_bytes = one.cached * size;
	one.free_bytes = one.free * size;
	add(&heap->classes[e.class_], &one);
	add(&heap->total, &one);
	return 0;
}

/* ---- all ---- */

static void
count_units(struct ri_heap *heap, struct ri_program *program, uint64_t entries)
{
	const struct rt__heap_layout *l = &heap->layout;
	uint64_t units = heap->committed >> l->unit_shift;
	uint8_t *batch = ri_calloc(BATCH, l->entry_size);

	for (uint64_t unit = 0; unit < units && heap->damage.text[0] == '\0'; unit += BATCH) {
		uint64_t n = units - unit < BATCH ? units - unit : BATCH;
		uint64_t lowest = entries - (unit + n - 1) * l->entry_size;

		if (program->read(program, lowest, batch, n * l->entry_size) != n * l->entry_size) {
			ri_fail(&heap->damage,
				"the heap cannot be read: its table, from unit %" PRIu64 " on",
				unit);
			break;
		}
		for (uint64_t i = 0; i < n; i++) {
			const uint8_t *entry = batch + (n - 1 - i) * l->entry_size;

			if (RI_FIELD(entry, l->entry.magic) != 0 &&
			    count_span(heap, program, entry, unit + i) < 0) {
				break;
			}
		}
	}
	free(batch);
}

static bool
read_classes(struct ri_heap *heap, struct ri_program *program)
{
	heap->nclasses = heap->layout.nclasses;
	for (size_t i = 0; i < heap->nclasses; i++) {
		if (!ri_program_read(program, heap->layout.class_sizes + i * 4,
				     &heap->classes[i].size, 4)) {
			return false;
		}
	}
	return true;
}

void
ri_heap_read(struct ri_heap *heap, struct ri_program *program, uint64_t layout, bool count)
{
	struct rt__heap_layout *l = &heap->layout;
	uint64_t entries, gaps;

	*heap = (struct ri_heap){0};
	if (layout == 0) {
		return;
	}
	if (!ri_program_read(program, layout, l, sizeof(*l)) || !plausible(l) ||
	    !ri_program_word(program, l->committed, &heap->committed) ||
	    !ri_program_word(program, l->entries, &entries) ||
	    !ri_program_word(program, l->in_use, &heap->in_use) ||
	    !ri_program_word(program, l->idle, &heap->idle) ||
	    !ri_program_word(program, l->released, &heap->released) ||
	    !ri_program_word(program, l->gaps, &gaps) || heap->committed > COMMITTED_MAX ||
	    heap->in_use > heap->committed >> l->unit_shift ||
	    heap->idle > heap->committed >> l->unit_shift ||
	    gaps > (heap->in_use << l->unit_shift) / PAGE || !read_classes(heap, program)) {
		ri_fail(&heap->damage, "the heap's own figures are damaged, or cannot be read");
		return;
	}
	heap->known = true;
	heap->in_use = (heap->in_use << l->unit_shift) - gaps * PAGE;
	heap->idle <<= l->unit_shift;
	if (count) {
		heap->counted = true;
		count_units(heap, program, entries);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * What a debugger must know of the heap to count what is in it: rt__layout (sched/layout.h) leads
 * to rt__heap_layout, and goes by the same rules. Needs nothing but <stdint.h>.
 */
#ifndef RT_MEM_HEAP_LAYOUT_H
#define RT_MEM_HEAP_LAYOUT_H

#include <stdint.h>

/* A field of a span's entry, by its offset and size in bytes. */
struct rt__heap_field {
	uint16_t offset, size;
};

struct rt__heap_layout {
	uint32_t size; /* of this struct; it grows at its end only */

	/* The table of units has an entry for each: that of unit n lies n times entry_size below
	 * that of unit 0. Where entry.magic is 0, no span begins. */
	uint32_t unit_shift; /* a unit is of 1 << unit_shift bytes */
	uint32_t entry_size;
	uint32_t nclasses;

	/* Addresses of variables, all of 8 bytes. */
	uint64_t committed;    /* bytes of the heap that may be in use */
	uint64_t entries;      /* where the entry of unit 0 is */
	uint64_t in_use, idle; /* units in spans; units that are free and have memory */
	uint64_t released;     /* bytes given back, ever */

	/* uint32_t[nclasses]: bytes of a block; 0: of entry.pages times 4096. */
	uint64_t class_sizes;

	/* entry.state is the address of a byte for each block: entry.nblocks of them, of which
	 * those from entry.carved on have never been used. A block is the program's if the bit of
	 * that number is set in used_states, and at hand on some thread if it is in
	 * cached_states. */
	struct {
		struct rt__heap_field state, magic, class_, nblocks, carved, pages;
	} entry;
	uint32_t used_states, cached_states;

	uint64_t gaps; /* a variable: pages of 4096 bytes in spans, given back */
};

#endif

/* SPDX-License-Identifier: MIT */
/*
 * heap.h: the heap of an rt0 program, as its memory has it.
 *
 * Where it is comes from rt__heap_layout (runtime/mem/heap_layout.h).
 */
#ifndef RTINSPECT_HEAP_H
#define RTINSPECT_HEAP_H

#include "mem/heap_layout.h"
#include "program.h"

#define RI_CLASSES_MAX 256

struct ri_class {
	uint32_t size; /* of a block; 0: they differ */
	uint64_t spans, used, bytes;
	uint64_t cached, cached_bytes; /* at hand on some thread */
	uint64_t free, free_bytes;     /* others that are free */
};

struct ri_heap {
	struct rt__heap_layout layout;
	bool known;                                 /* the program says where it is */
	uint64_t committed, in_use, idle, released; /* bytes */
	bool counted;                               /* the rest is there */
	struct ri_class classes[RI_CLASSES_MAX], total;
	size_t nclasses;
	struct ri_error damage; /* not all could be read: why */
};

/* layout: where rt__heap_layout is, 0 if the program has none. count: look at each block, which
 * takes about a second for 50 GB. */
void ri_heap_read(struct ri_heap *heap, struct ri_program *program, uint64_t layout, bool count);

#endif

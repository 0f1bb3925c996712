/* SPDX-License-Identifier: MIT */
/*
 * The heap on the host, without Ms and Ps: a few caches, operations on them drawn from a seed, and
 * a model of what is allocated.
 */
#ifndef HEAP_MODEL_H
#define HEAP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/heap.h"

#define CACHES 3

extern struct rt__cache *caches[CACHES];

/* A heap of so many chunks at most, somewhere; 0: as in a program. */
void setup(uint32_t max_chunks);
uint64_t draw(uint64_t *seed);
/* malloc and free, as malloc.c does them, on a given cache. */
void *take(struct rt__cache *c, size_t size, bool *zero);
void give(struct rt__cache *c, void *p);
/* So many operations, of which one in so many may be about large blocks. Checks the contents of
 * blocks, and now and then the whole heap. */
void run(uint64_t seed, int ops, unsigned large_one_in, bool may_fail);
/* The scavenger looks at all spans, as in a period; or takes all that it can have. */
void sweep(bool all);
/* Frees everything. */
void drop_all(void);

#endif

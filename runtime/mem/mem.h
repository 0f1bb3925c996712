/* SPDX-License-Identifier: MIT */
/*
 * mem: floor 6. Memory of the runtime itself, and, until the allocator is here, a count of what
 * the program allocates from libc's.
 */
#ifndef RT_MEM_H
#define RT_MEM_H

#include "base/base.h"

/* Makes the runtime's own memory usable. Called once, in schedinit. */
void rt__mallocinit(void);

/* Zeroed memory that lives as long as the process, as Go's persistentalloc: for Ms, Ps, tables.
 * align is a power of two, at most a page. Never returns NULL: without memory, nothing works. */
void *rt__persistent_alloc(size_t size, size_t align);

/* What malloc, calloc and realloc have handed out to the goroutine `counting_g`
 * since it was set; NULL counts nobody. For inittrace, as Go counts the init goroutine only. */
struct rt__malloc_count {
	const void *counting_g;
	uint64_t bytes, allocs;
};
extern struct rt__malloc_count rt__malloc_count;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * malloc, until rt0 has an allocator of its own: libc's, with a count for inittrace in front. Only
 * malloc and realloc are replaced; calloc calls malloc. aligned_alloc and its kin are not counted:
 * musl has no second name for it to call. They are weak: a program that brings an allocator keeps
 * it (and counts nothing).
 *
 * musl 1.2 keeps the real functions under these names for the case that malloc is replaced.
 */
#include <stdlib.h>

#include "mem/mem.h"

#include "proc/proc.h"

#define HIDDEN __attribute__((visibility("hidden")))
#define WEAK __attribute__((weak, visibility("default")))

HIDDEN void *__libc_malloc(size_t);
HIDDEN void *__libc_realloc(void *, size_t);

struct rt__malloc_count rt__malloc_count;

static inline void
count(const void *p, size_t size)
{
	const void *g = rt__load_rlx(&rt__malloc_count.counting_g);

	if (rt__unlikely(g != NULL) && p && rt__getg() == g) {
		rt__malloc_count.allocs++;
		rt__malloc_count.bytes += size;
	}
}

WEAK void *
malloc(size_t size)
{
	void *p = __libc_malloc(size);

	count(p, size);
	return p;
}

WEAK void *
realloc(void *old, size_t size)
{
	void *p = __libc_realloc(old, size);

	count(p, size);
	return p;
}

/* SPDX-License-Identifier: MIT */
/* The heap profile: which blocks are sampled (runs.c), and what is known of them (profile.c). */
#ifndef RT_MEM_PROFILE_H
#define RT_MEM_PROFILE_H

#include "mem/heap.h"

/* ---- profile.c ---- */

void rt__profile_init(void);

/* Bytes between samples on average, 0 while there is no profile; and its number: each time it is
 * set, counters begin anew. */
struct rt__profile_rate {
	size_t bytes;   /* (a) */
	uint32_t epoch; /* (a) */
};
extern struct rt__profile_rate rt__profile_rate;

static inline bool
rt__profile_on(void)
{
	return rt__load_rlx(&rt__profile_rate.bytes) != 0;
}

/* Whether the next block, of `size` bytes, is to be sampled, as counted by *left and *random. */
bool rt__profile_count(struct rt__sampler *s, size_t size);
/* Between rt__heap_enter and _leave: by the counter of all that have none. */
bool rt__profile_count_shared(size_t size);

/* Notes who has allocated a block in use; it is watched from then on, if there is room. */
void rt__profile_alloc(void *p, size_t size);
/* A block that is watched is freed, or will have another size: true if it was for the profile. */
bool rt__profile_free(const void *p);

/* What one stack has allocated of one class, in estimates of all of it. */
struct rt__profile_bucket {
	uint32_t stack, class;
	uint64_t allocs, frees; /* blocks, in 1/256 */
	uint64_t alloc_bytes, freed_bytes;
};
/* A copy of all buckets, which the caller gives back by rt__os_unmap: NULL if there are none. */
struct rt__profile_bucket *rt__profile_read(uint32_t *ret_n, size_t *ret_size);

/* ---- runs.c ---- */

/* Of a new cache, or one whose blocks are others' by now: its runs are empty. */
void rt__runs_reset(struct rt__cache *c);
/* Gives what is left of a cache's runs to their spans. */
void rt__runs_flush(struct rt__cache *c);
/* A block of a class, and whether it is to be sampled; NULL without memory. Between rt__heap_enter
 * and _leave. */
void *rt__run_alloc(struct rt__cache *c, unsigned class, bool *zero, bool *sampled);
/* What is left of a run, since profiling has ended: a block of it, or NULL. */
void *rt__run_rest(struct rt__cache *c, unsigned class, bool *zero);
/* From now on, or no more, small requests are served from runs. */
void rt__runs_use(bool on);

#endif

/* SPDX-License-Identifier: MIT */
/* The heap profile: which blocks are sampled, and what is known of them. */
#ifndef RT_MEM_PROFILE_H
#define RT_MEM_PROFILE_H

#include "mem/heap.h"

void rt__profile_init(void);

/* Bytes between samples on average, 0 while there is no profile. */
extern size_t rt__profile_rate; /* (a) */

static inline bool
rt__profile_on(void)
{
	return rt__load_rlx(&rt__profile_rate) != 0;
}

/* Counts a block of so many times 16 bytes: true if rt__profile_sample is to be asked about it. The
 * first one is for a block that has come by rt__bin_of. */
static inline bool
rt__profile_count(struct rt__sampler *s, size_t n)
{
	s->left -= (int64_t)n;
	return rt__unlikely(s->left < 0);
}

static inline bool
rt__profile_count_slow(struct rt__sampler *s, size_t n)
{
	return rt__unlikely(rt__load_rlx(&s->turned)) || rt__profile_count(s, n);
}

/*
 * Samples the block at p, which has ended the count, or counts it anew, if there is another rate by
 * now. Who has allocated it is noted, and it is watched from then on, if there is room. Both return
 * p: the other one is for who has no cache, and has not counted it.
 */
void *rt__profile_sample(struct rt__cache *c, void *p, size_t n);
void *rt__profile_shared(void *p, size_t n);
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

#endif

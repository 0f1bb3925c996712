/* SPDX-License-Identifier: MIT */
/*
 * RTDEBUG=malloc=sample:N: one of N allocations, drawn at random, lies on pages of its own
 * (guarded.c), at their end or their start, and after it was freed nobody can touch them for as
 * long as the pool lasts: 128 places, given out again in the order in which they were freed. As
 * GWP-ASan does; a program can run like this for good, and a bug that happens often enough in one
 * process, or in one of many, is reported some day.
 *
 * Nothing is added to the fast paths. The caches that they see are empty and full in this mode, so
 * each malloc and free comes to its slow path; there the real cache serves it, after the countdown
 * in that cache: 3 to 5 ns more for each (lifo of tools/bench 12 ns a pair and not 6, rand 25 and
 * not 16). A sampled one takes about 10 us.
 *
 * Blocks of more than RT_SAMPLE_MAX are left alone, and who has no cache is. So are all once 128
 * sampled blocks are in use.
 */
#include "mem/hard.h"
#include "mem/mem.h"

#define POOL 128u

static uint32_t in_use; /* (L) hard.lock */

static uint32_t
pool(void)
{
	const struct rt__heap *h = &rt__heap;
	size_t limit = h->limit_known ? h->limit / 16 : POOL; /* in units; each place is one */

	return limit < POOL ? (uint32_t)limit : POOL;
}

uint32_t
rt__sample_next(void)
{
	uint32_t n = (uint32_t)rt__debug.malloc;

	return 1 + rt__hard_draw(2 * n - 1); /* n on average */
}

struct rt__record *
rt__sample_take(size_t size, size_t align, bool *zero)
{
	bool at_end = rt__hard_draw(2) == 0;
	struct rt__record *r = NULL;

	if (in_use + rt__quarantine_held() < pool()) {
		r = rt__guarded_alloc(size, align, at_end, zero);
	} else if ((r = rt__quarantine_take()) != NULL) {
		*zero = true;
		if (!rt__guarded_reuse(r, size, align, at_end))
			r = NULL;
	}
	in_use += r != NULL;
	return r;
}

void
rt__sample_freed(void)
{
	in_use--;
}

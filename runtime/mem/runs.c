/* SPDX-License-Identifier: MIT */
/*
 * Which blocks the heap profile samples, at no cost for malloc's fast path.
 *
 * Bytes that are allocated must be counted, all of them: a count of refills would never see a
 * block that is freed and allocated again, and of a short-lived and a long-lived one that take
 * turns it would always sample the short-lived, which reaches deeper into the bin. But a counter on
 * the fast path is paid for by everybody.
 *
 * So while a profile is taken, malloc has bins that free knows nothing of. The fast path finds its
 * bin by a table from sizes to classes, and free by the class in the span. The table is made to
 * lead to other bins, the runs; blocks that are freed go to the ordinary bin. From a run blocks are
 * only taken, so that when it has become empty, it is known how many. Then malloc comes here, and
 * gets the next run: what the ordinary bin has of the cache's own, or a part, such that the run
 * ends before the block that is to be sampled. All bytes of a run count as allocated when
 * it is handed out; distances between samples have no memory, so that it does not matter what
 * became of them.
 *
 * The table may be changed at any time: every bin is one that malloc can take from, and an empty
 * one leads here. With no profile, this costs a kilobyte for each cache.
 */
#include "mem/mem.h"
#include "mem/profile.h"

void
rt__runs_reset(struct rt__cache *c)
{
	for (unsigned i = RT_CLASS_END; i < RT_RUN_END; i++) {
		struct rt__bin *run = &c->bins[i];

		if (run->lo)
			run->top = run->lo;
		else
			*run = rt__cache_none.bins[0];
	}
}

static size_t
count(const struct rt__bin *b)
{
	return (size_t)(b->top - b->lo);
}

void
rt__runs_flush(struct rt__cache *c)
{
	for (unsigned class = 1; class < RT_RUN_CLASSES; class ++) {
		struct rt__bin *run = &c->bins[RT_CLASS_RUN + class];

		if (count(run) > 0)
			rt__central_free(class, run->lo + 1, (uint32_t)count(run));
		run->top = run->lo;
	}
}

void
rt__runs_use(bool on)
{
	for (size_t i = 0; i < RT_ARRAY_LEN(rt__class_of_16); i++) {
		unsigned class = rt__size_class(i * 16);

		rt__store_rlx(&rt__class_of_16[i], (uint8_t)(class + (on ? RT_CLASS_RUN : 0)));
	}
}

static bool
give_place(struct rt__bin *run, unsigned class)
{
	uint32_t cap = rt__class_cap[class];
	struct rt__block *lo = rt__persistent_try((cap + 1) * sizeof *lo, RT_CACHE_LINE);

	if (!lo)
		return false;
	*run = (struct rt__bin){lo, lo + cap, lo, lo + cap};
	return true;
}

/* Moves up to n blocks of b to an empty run, the topmost on top. */
static void
fill(struct rt__bin *run, struct rt__bin *b, size_t n)
{
	n = n < count(b) ? n : count(b);
	b->top -= n;
	__builtin_memcpy(run->lo + 1, b->top + 1, n * sizeof *run->lo);
	run->top = run->lo + n;
}

void *
rt__run_alloc(struct rt__cache *c, unsigned class, bool *zero, bool *sampled)
{
	struct rt__bin *b = &c->bins[class], *run = &c->bins[RT_CLASS_RUN + class];
	size_t size = rt__class_size[class];
	void *p = rt__bin_pop_zero(b, zero);

	if (!p && rt__cache_refill(c, class))
		p = rt__bin_pop_zero(b, zero);
	if (!p && class < RT_RUN_CLASSES)
		return rt__run_rest(c, class, zero); /* there is no memory */
	if (!p)
		return NULL;
	*sampled = rt__profile_count(&c->sampler, size);
	if (c->noscan || class >= RT_RUN_CLASSES ||
	    (run->lo == run->end && !give_place(run, class)))
		return p; /* those without pointers do not come by the table */
	if (run->top == run->lo && count(b) > 0 && c->sampler.left >= size) {
		fill(run, b, c->sampler.left / size);
		c->sampler.left -= count(run) * size;
	}
	/* Who uses few blocks again and again would be here again soon: the next run is longer. */
	if (count(b) == 0 && count(run) < rt__class_cap[class] / 2)
		rt__cache_refill(c, class);
	return p;
}

void *
rt__run_rest(struct rt__cache *c, unsigned class, bool *zero)
{
	return class < RT_RUN_CLASSES ? rt__bin_pop_zero(&c->bins[RT_CLASS_RUN + class], zero)
				      : NULL;
}

/* SPDX-License-Identifier: MIT */
/* Whether what the heap says of itself fits together. For tests: in an object of its own, so that
 * no other program has it. */
#include "mem/heap.h"
#include "mem/mem.h"

#define CHECK(cond, p) ((cond) ? (void)0 : rt__heap_corrupt("check: " #cond, (const void *)(p)))

/* Of all small spans. */
struct sum {
	size_t gone, listed;
};

/* The blocks of a small span by state. */
static void
check_span(const struct rt__span *sp)
{
	uint32_t free = 0, below_low = 0, beyond = 0, size = rt__class_size[sp->class];
	uintptr_t start = rt__unit_address(rt__span_unit(sp));

	for (uint32_t i = 0; i < sp->nblocks; i++) {
		bool is_free = sp->state[i] == RT_BLOCK_FREE;

		CHECK(sp->state[i] <= RT_BLOCK_WATCHED, sp);
		free += is_free && i < sp->carved;
		below_low += is_free && i < sp->low;
		beyond += !is_free && i >= sp->carved;
	}
	CHECK(free == sp->nfree, sp);
	CHECK(below_low == 0 && beyond == 0, sp);
	CHECK(sp->nblocks == RT_UNIT / rt__class_size[sp->class], sp);
	CHECK(sp->owner->noscan == sp->noscan, sp);
	CHECK(sp->magic == rt__magic(rt__class_size[sp->class]), sp);
	CHECK(sp->listed == (sp->nfree > 0 || sp->carved < sp->nblocks), sp);
	for (uint32_t i = 0; i < sp->carved; i++)
		CHECK(sp->state[i] == RT_BLOCK_FREE ||
			      !(sp->gone &
				rt__sparse_pages(sp, (void *)(start + (uintptr_t)i * size))),
		      sp);
}

/* How many units the span is of, or chunks' worth. */
static uint32_t
units_of(const struct rt__span *sp)
{
	if (sp->class <= RT_CLASS_MEDIUM)
		return 1;
	if (sp->class < RT_CLASSES)
		return sp->class - RT_CLASS_MEDIUM;
	uint32_t per = RT_UNIT / 4096;
	if (sp->class == RT_CLASS_LARGE)
		return (sp->pages + per - 1) / per;
	per *= RT_CHUNK_UNITS;
	return (sp->pages + (uint32_t)(rt__os.page_size / 4096) + per - 1) / per * RT_CHUNK_UNITS;
}

static uint32_t
check_unit(uint32_t unit, struct sum *sum)
{
	const struct rt__span *sp = rt__span_at(unit);
	const struct rt__chunk *c = &rt__heap.chunks[unit / RT_CHUNK_UNITS];
	uint32_t n = 1, bit = 1u << unit % RT_CHUNK_UNITS;

	if (c->huge == RT_HOLE)
		return RT_CHUNK_UNITS;
	if (c->free & bit) {
		CHECK(sp->magic == 0, sp);
		return 1;
	}
	CHECK(sp->magic != 0, sp);
	CHECK(!(c->zero & bit) && !(c->cold & bit) && !(c->due & bit), sp);
	CHECK(sp->class > 0 && sp->class < RT_CLASS_END, sp);
	n = units_of(sp);
	if (sp->class <= RT_CLASS_MEDIUM) {
		check_span(sp);
		sum->gone += (size_t)__builtin_popcount(sp->gone);
		sum->listed += sp->listed;
	}
	for (uint32_t i = 0; i < n; i++) {
		c = &rt__heap.chunks[(unit + i) / RT_CHUNK_UNITS];
		CHECK(!(c->free & 1u << (unit + i) % RT_CHUNK_UNITS), sp);
		CHECK((c->huge != 0) == (sp->class == RT_CLASS_HUGE), sp);
		CHECK(i == 0 || c->huge || rt__span_at(unit + i)->back == i, rt__span_at(unit + i));
	}
	return n;
}

/* Its list is of spans of its own: how many there are. */
static size_t
check_cache(const struct rt__cache *c)
{
	size_t n = 0;

	for (unsigned class = 1; class < RT_CLASS_SMALL_END; class ++) {
		uint32_t prev = 0;

		for (uint32_t link = c->spans[class].first; link; n++) {
			const struct rt__span *sp = rt__span_at(link - 1);

			CHECK(sp->magic != 0 && sp->class == class && sp->owner == c, c);
			CHECK(sp->listed && sp->prev == prev, sp);
			prev = link;
			link = sp->next;
		}
		CHECK(c->spans[class].last == prev, c);
	}
	return n;
}

void
rt__mem_check(void)
{
	struct rt__heap *h = &rt__heap;
	size_t free = 0, zero = 0, split = 0, listed = 0;
	struct sum sum = {0, 0};

	rt__heap_enter();
	rt__scavenge_hold();
	rt__lock(&h->lock);
	for (uint32_t unit = 0; unit < h->nchunks * RT_CHUNK_UNITS;)
		unit += check_unit(unit, &sum);
	for (uint32_t c = 0; c < h->nchunks; c++) {
		free += (size_t)__builtin_popcount(h->chunks[c].free);
		zero += (size_t)__builtin_popcount(h->chunks[c].zero);
		split += h->chunks[c].pages == RT_PAGES_SPLIT;
		CHECK((h->chunks[c].zero & ~h->chunks[c].free) == 0, &h->chunks[c]);
		for (uint32_t n = 1; n <= h->longest[c]; n++)
			CHECK(h->hint[n] <= c, &h->chunks[c]);
	}
	/* acq: pairs with who has published the newest */
	for (const struct rt__cache *c = rt__load_acq(&rt__caches); c; c = c->next)
		listed += check_cache(c);
	listed += check_cache(&rt__cache_none) + check_cache(&rt__cache_none_noscan);
	CHECK(listed == sum.listed, h);
	CHECK(h->used == (size_t)(h->nchunks - h->holes) * RT_CHUNK_UNITS - free, h);
	CHECK(h->dirty == free - zero, h);
	CHECK(h->gone == sum.gone && h->nsplit == split, h);
	rt__unlock(&h->lock);
	rt__scavenge_let_go();
	rt__heap_leave();
}

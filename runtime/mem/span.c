/* SPDX-License-Identifier: MIT */
/*
 * Spans. One of small blocks is a unit; its blocks are handed out from its low end, and the lowest
 * free one first after that, so that its high end and its pages may stay untouched. The states of
 * its blocks are bytes, in the span's own entry if they are few, else in memory of the runtime's
 * that is kept for the next span of the class. Those that are free are found eight at a time.
 *
 * For holders of the class's central.lock; rt__span_new and _delete take heap.lock.
 */
#include "mem/heap.h"
#include "mem/mem.h"

/* A state for each offset that rt__magic can lead to, the rest of the unit included; whole words,
 * for take_freed. */
static size_t
state_bytes(unsigned class)
{
	uint32_t size = rt__class_size[class];

	return RT_ALIGN_UP((RT_UNIT + size - 1) / size, sizeof(uint64_t));
}

static uint8_t *
new_states(struct rt__span *sp, unsigned class, void **spare)
{
	size_t n = state_bytes(class);
	void **states = *spare;

	if (n <= sizeof sp->own_state) {
		__builtin_memset(sp->own_state, RT_BLOCK_FREE, n);
		return sp->own_state;
	}
	if (!states)
		return rt__persistent_try(n, RT_CACHE_LINE); /* zeroed: all free */
	*spare = *states;
	__builtin_memset(states, RT_BLOCK_FREE, n);
	return (uint8_t *)states;
}

static uint32_t
alloc_unit(bool *zero)
{
	rt__lock(&rt__heap.lock);
	uint32_t unit = rt__units_alloc(1, zero);
	rt__unlock(&rt__heap.lock);
	return unit;
}

static void
free_unit(uint32_t unit)
{
	rt__lock(&rt__heap.lock);
	rt__units_free(unit, 1);
	rt__unlock(&rt__heap.lock);
}

struct rt__span *
rt__span_new(unsigned class, struct rt__cache *owner, void **spare)
{
	uint32_t size = rt__class_size[class];
	bool zero;
	uint32_t unit = alloc_unit(&zero);

	if (unit == RT_NO_UNIT)
		return NULL;
	struct rt__span *sp = rt__span_at(unit);
	uint8_t *state = new_states(sp, class, spare);
	if (!state) {
		free_unit(unit);
		return NULL;
	}
	rt__store_rlx(&sp->state, state);
	rt__store_rlx(&sp->class, (uint8_t) class);
	rt__store_rlx(&sp->back, (uint8_t)0);
	sp->nblocks = (uint16_t)(RT_UNIT / size);
	sp->carved = sp->nfree = sp->low = sp->gone = 0;
	sp->zeroed = zero;
	sp->taken = false;
	sp->given = !zero; /* what is behind its last block may have memory */
	rt__store_rlx(&sp->owner, owner);
	rt__store_rlx(&sp->noscan, owner->noscan);
	rt__store_rel(&sp->magic, rt__magic(size)); /* pairs with the acquire in rt__mem_find */
	return sp;
}

void
rt__span_delete(struct rt__span *sp, void **spare)
{
	rt__store_rlx(&sp->magic, 0u);
	rt__sparse_taken(sp, UINT32_MAX);
	if (sp->state != sp->own_state) {
		*(void **)(void *)sp->state = *spare;
		*spare = sp->state;
	}
	free_unit(rt__span_unit(sp));
}

/* A bit, the highest, of each byte of w that is zero. */
static uint64_t
zero_bytes(uint64_t w)
{
	const uint64_t low = UINT64_MAX / 255 * 127;

	return ~(((w & low) + low) | w | low);
}

/* What is the same for all blocks of a span, and where the last one that was taken has gone. */
struct taking {
	uintptr_t base;
	uint32_t size;
	uint8_t *state;
	struct rt__block *at;
};

static inline void
take(struct taking *t, uint32_t i, enum rt__block_state state)
{
	rt__store_rlx(&t->state[i], (uint8_t)state);
	*--t->at = (struct rt__block){(void *)(t->base + (uintptr_t)i * t->size), &t->state[i]};
}

/* The first n that are free, from the one on that is numbered `low`; there are so many. What is
 * behind the last one. Bytes of other blocks change meanwhile, but none becomes free, or ceases to
 * be. */
static uint32_t
take_freed(struct taking t, uint32_t low, uint32_t n)
{
	const uint64_t *words = (const uint64_t *)(const void *)t.state;

	for (uint32_t i = low & ~7u;; i += 8) {
		for (uint64_t free = zero_bytes(rt__load_rlx(&words[i / 8])); free;
		     free &= free - 1) {
			uint32_t byte = (uint32_t)__builtin_ctzl(free) / 8;

			take(&t, i + byte, RT_BLOCK_CACHED);
			if (--n == 0)
				return i + byte + 1;
		}
	}
}

uint32_t
rt__span_take(struct rt__span *sp, struct rt__block *end, uint32_t n)
{
	uintptr_t base = rt__unit_address(rt__span_unit(sp));
	struct taking t = {base, rt__class_size[sp->class], sp->state, end};
	uint32_t freed = n < sp->nfree ? n : sp->nfree, carved = sp->carved;
	uint32_t fresh = n - freed, left = sp->nblocks - carved;
	enum rt__block_state state = sp->zeroed ? RT_BLOCK_ZERO : RT_BLOCK_CACHED;

	fresh = fresh < left ? fresh : left;
	if (freed > 0)
		sp->low = (uint16_t)take_freed(t, sp->low, freed);
	t.at -= freed;
	for (uint32_t i = carved; i < carved + fresh; i++)
		take(&t, i, state);
	sp->carved = (uint16_t)(carved + fresh);
	sp->nfree = (uint16_t)(sp->nfree - freed);
	sp->taken = true;
	for (uint32_t i = 1; rt__unlikely(sp->gone) && i <= freed + fresh; i++)
		rt__sparse_taken(sp, rt__sparse_pages(sp, end[-(ptrdiff_t)i].p));
	if (sp->nfree == 0)
		sp->low = sp->carved;
	return freed + fresh;
}

uint32_t
rt__span_give(const struct rt__block *in, uint32_t n)
{
	struct rt__span *sp = rt__unit_of(in[0].p);
	uintptr_t start = rt__unit_address(rt__span_unit(sp));
	uint8_t *lowest = sp->state + sp->low;
	uint32_t i = 0;

	for (; i < n && (uintptr_t)in[i].p - start < RT_UNIT; i++) {
		uint8_t *at = in[i].state, state = rt__load_rlx(at);

		if (rt__unlikely(state != RT_BLOCK_CACHED && state != RT_BLOCK_ZERO))
			rt__heap_corrupt("a cache held a block that is not free", in[i].p);
		rt__store_rlx(at, (uint8_t)RT_BLOCK_FREE);
		lowest = at < lowest ? at : lowest;
	}
	sp->low = (uint16_t)(lowest - sp->state);
	sp->nfree = (uint16_t)(sp->nfree + i);
	sp->given = true;
	rt__heap_freed();
	return i;
}

/* ---- one block ---- */

void
rt__span_make_single(uint32_t unit, unsigned class, uint32_t units)
{
	struct rt__span *sp = rt__span_at(unit);

	for (uint32_t i = 1; i < units; i++)
		rt__store_rlx(&rt__span_at(unit + i)->back, (uint8_t)i);
	rt__store_rlx(&sp->state, sp->own_state);
	rt__store_rlx(&sp->class, (uint8_t) class);
	rt__store_rlx(&sp->back, (uint8_t)0);
	sp->nblocks = sp->carved = 1;
	sp->nfree = 0;
	rt__store_rel(&sp->magic, rt__magic(RT_UNIT)); /* pairs with the acquire in rt__mem_find */
}

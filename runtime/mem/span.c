/* SPDX-License-Identifier: MIT */
/*
 * Spans. One of small blocks is a unit; its blocks are handed out from its low end, and the lowest
 * free one first after that, so that its high end and its pages may stay untouched. The states of
 * its blocks are bytes, in the span's own entry if they are few, else in memory of the runtime's
 * that is kept for the next span of the class. Finding a free block looks at eight at a time.
 *
 * For holders of the class's central.lock; rt__span_new and _delete take heap.lock.
 */
#include "mem/heap.h"
#include "mem/mem.h"

/* A state for each offset that rt__magic can lead to, the rest of the unit included; whole words,
 * for find_free. */
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
	sp->state = new_states(sp, class, spare);
	if (!sp->state) {
		free_unit(unit);
		return NULL;
	}
	sp->class = (uint8_t) class;
	sp->back = 0;
	sp->nblocks = (uint16_t)(RT_UNIT / size);
	sp->carved = sp->nfree = sp->low = 0;
	sp->zeroed = zero;
	rt__store_rlx(&sp->owner, owner);
	rt__store_rlx(&sp->noscan, owner->noscan);
	rt__store_rel(&sp->magic, rt__magic(size)); /* pairs with the acquire in rt__mem_find */
	return sp;
}

void
rt__span_delete(struct rt__span *sp, void **spare)
{
	rt__store_rlx(&sp->magic, 0u);
	if (sp->state != sp->own_state) {
		*(void **)(void *)sp->state = *spare;
		*spare = sp->state;
	}
	free_unit(rt__span_unit(sp));
}

/* The first block from i on that is free; there is one. Bytes of other blocks change meanwhile,
 * but none becomes free, or ceases to be. */
static uint32_t
find_free(const struct rt__span *sp, uint32_t i)
{
	const uint64_t *words = (const uint64_t *)(const void *)sp->state;
	const uint64_t ones = UINT64_MAX / 255;
	uint32_t at = i / 8;
	uint64_t skip = (1ul << (i % 8 * 8)) - 1;

	for (;; at++, skip = 0) {
		uint64_t w = rt__load_rlx(&words[at]) | skip;
		uint64_t zero = (w - ones) & ~w & ones << 7; /* the lowest bit is exact */

		if (zero)
			return at * 8 + (uint32_t)__builtin_ctzl(zero) / 8;
	}
}

static struct rt__block
block_at(const struct rt__span *sp, uint32_t i)
{
	uintptr_t base = rt__unit_address(rt__span_unit(sp));

	return (struct rt__block){(void *)(base + (uintptr_t)i * rt__class_size[sp->class]),
				  &sp->state[i]};
}

uint32_t
rt__span_take(struct rt__span *sp, struct rt__block *out, uint32_t n)
{
	uint32_t i = sp->low, got = 0;

	for (; got < n && sp->nfree > 0; sp->nfree--) {
		i = find_free(sp, i);
		rt__store_rlx(&sp->state[i], (uint8_t)RT_BLOCK_CACHED);
		out[got++] = block_at(sp, i++);
	}
	sp->low = (uint16_t)(sp->nfree > 0 ? i : sp->carved);
	for (i = sp->carved; got < n && i < sp->nblocks; i++) {
		rt__store_rlx(&sp->state[i],
			      (uint8_t)(sp->zeroed ? RT_BLOCK_ZERO : RT_BLOCK_CACHED));
		out[got++] = block_at(sp, i);
	}
	sp->carved = (uint16_t)i;
	if (sp->nfree == 0)
		sp->low = sp->carved;
	return got;
}

void
rt__span_give(struct rt__span *sp, struct rt__block b)
{
	uint32_t i = (uint32_t)(b.state - sp->state);

	if (*b.state != RT_BLOCK_CACHED && *b.state != RT_BLOCK_ZERO)
		rt__heap_corrupt("a cache held a block that is not free", b.p);
	rt__store_rlx(b.state, (uint8_t)RT_BLOCK_FREE);
	sp->nfree++;
	if (i < sp->low)
		sp->low = (uint16_t)i;
}

/* ---- one block ---- */

void
rt__span_make_single(uint32_t unit, unsigned class, uint32_t units)
{
	struct rt__span *sp = rt__span_at(unit);

	for (uint32_t i = 1; i < units; i++)
		rt__span_at(unit + i)->back = (uint8_t)i;
	sp->state = sp->own_state;
	sp->class = (uint8_t) class;
	sp->back = 0;
	sp->nblocks = sp->carved = 1;
	sp->nfree = 0;
	rt__store_rel(&sp->magic, rt__magic(RT_UNIT)); /* pairs with the acquire in rt__mem_find */
}

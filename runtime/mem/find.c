/* SPDX-License-Identifier: MIT */
/*
 * From any address to its block, for reports and for a collector. No lock: the tables stay where
 * they are, and an entry's magic is published last and withdrawn first. So what was read of a span
 * is of one span if magic and class are the same afterwards: between one and the next of a unit
 * lies heap.lock, and a magic of 0. If they are not, there was a moment without a block, which is
 * as good an answer as any. (A span that goes, and comes back as the same after it was another, all
 * within the call, may be told with a size of the other.) Who needs an answer to stay true has
 * stopped the world.
 */
#include "mem/heap.h"
#include "mem/mem.h"

/* The entry of the first unit of the span that a unit is in; of any other, if it is in none. */
static const struct rt__span *
head_of(uint32_t unit)
{
	/* acq: pairs with the release in grow_tables */
	uint32_t huge = rt__load_rlx(&rt__load_acq(&rt__heap.chunks)[unit / RT_CHUNK_UNITS].huge);
	const struct rt__span *sp = rt__span_at(unit);

	if (huge && huge != RT_HOLE)
		return rt__span_at((huge - 1) * RT_CHUNK_UNITS);
	if (rt__load_rlx(&sp->magic) == 0)
		return rt__span_at(unit - rt__load_rlx(&sp->back));
	return sp;
}

static size_t
block_size(const struct rt__span *sp, unsigned class)
{
	return class < RT_CLASSES ? rt__class_size[class] : rt__load_acq(&sp->pages) * (size_t)4096;
}

bool
rt__mem_find(uintptr_t p, struct rt__mem_block *ret)
{
	uintptr_t offset = p - rt__heap.base, i = 0;

	if (offset >= rt__load_acq(&rt__heap.size)) /* pairs with the release in commit */
		return false;
	/* acq: with the release of who made the span; and each before what is read next. */
	const struct rt__span *sp = head_of((uint32_t)(offset >> RT_UNIT_SHIFT));
	uint64_t magic = rt__load_acq(&sp->magic);
	unsigned class = rt__load_acq(&sp->class);
	const uint8_t *state = rt__load_acq(&sp->state);
	bool noscan = rt__load_acq(&sp->noscan);
	size_t size = block_size(sp, class);
	if (magic == 0 || rt__load_rlx(&sp->magic) != magic || rt__load_rlx(&sp->class) != class ||
	    rt__load_rlx(&sp->state) != state)
		return false;
	uintptr_t start = rt__unit_address(rt__span_unit(sp));
	if (class < RT_CLASS_SMALL_END) {
		i = (p - start) * magic >> 32;
		if (p - start >= RT_UNIT || (i + 1) * size > RT_UNIT)
			return false;
		start += i * size;
	}
	ret->start = start;
	ret->size = size;
	ret->in_use = rt__is_in_use(rt__load_rlx(&state[i])); /* states are never unmapped */
	ret->pointers = !noscan;
	return p - start < size;
}

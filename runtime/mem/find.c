/* SPDX-License-Identifier: MIT */
/*
 * From any address to its block, for reports and for a collector. No lock: the tables stay where
 * they are, and an entry's magic is published last and withdrawn first. An answer may be out of
 * date when it arrives; who needs it to stay has stopped the world.
 */
#include "mem/heap.h"
#include "mem/mem.h"

/* The entry of the first unit of the span that a unit is in. */
static struct rt__span *
head_of(uint32_t unit)
{
	uint32_t huge = rt__load_rlx(&rt__load_rlx(&rt__heap.chunks)[unit / RT_CHUNK_UNITS].huge);
	struct rt__span *sp = rt__span_at(unit);

	if (huge && huge != RT_HOLE)
		return rt__span_at((huge - 1) * RT_CHUNK_UNITS);
	if (rt__load_rlx(&sp->magic) == 0)
		return rt__span_at(unit - rt__load_rlx(&sp->back));
	return sp;
}

bool
rt__mem_find(uintptr_t p, struct rt__mem_block *ret)
{
	uintptr_t offset = p - rt__heap.base;

	if (offset >= rt__load_acq(&rt__heap.size)) /* pairs with the release in commit */
		return false;
	struct rt__span *sp = head_of((uint32_t)(offset >> RT_UNIT_SHIFT));
	uint64_t magic = rt__load_acq(&sp->magic); /* pairs with the release of who made the span */
	uintptr_t start = rt__unit_address(rt__span_unit(sp)), i = 0;
	if (magic == 0)
		return false;
	unsigned class = rt__load_rlx(&sp->class);
	size_t size = class < RT_CLASSES ? rt__class_size[class]
					 : rt__load_rlx(&sp->pages) * (size_t)4096;
	if (class < RT_CLASS_SMALL_END) {
		i = (p - start) * magic >> 32;
		if (p - start >= RT_UNIT || i >= sp->nblocks)
			return false;
		start += i * size;
	}
	ret->start = start;
	ret->size = size;
	ret->in_use = rt__load_rlx(&sp->state[i]) == RT_BLOCK_USED;
	ret->pointers = !rt__load_rlx(&sp->noscan);
	return p - start < size;
}

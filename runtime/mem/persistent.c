/* SPDX-License-Identifier: MIT */
/*
 * A bump allocator for what is never freed. Its first block is in .bss, big enough for the
 * tables of a small machine and the cache of one P, so that starting a small program maps nothing;
 * untouched, it costs nothing. More comes by mmap.
 */
#include "mem/heap.h"
#include "mem/mem.h"

#define FIRST_BLOCK (96u << 10)
#define NEXT_BLOCK (256u << 10)

static _Alignas(RT_CACHE_LINE) RT_COLD_BSS char first_block[FIRST_BLOCK];

static struct {
	struct rt__lock lock;
	uintptr_t at, end;
} persistent;

void
rt__persistent_init(void)
{
	persistent.at = (uintptr_t)first_block;
	persistent.end = persistent.at + sizeof first_block;
	rt__lock_rank(&persistent.lock, RT_RANK_TABLES);
}

void *
rt__persistent_try(size_t size, size_t align)
{
	/* Large requests get pages of their own, so that the rest of a block is not thrown away. */
	if (size >= NEXT_BLOCK / 4)
		return rt__os_reserve(RT_ALIGN_UP(size, rt__os.page_size));
	rt__lock(&persistent.lock);
	uintptr_t p = RT_ALIGN_UP(persistent.at, align);
	if (p + size > persistent.end) {
		p = (uintptr_t)rt__os_reserve(NEXT_BLOCK);
		if (p)
			persistent.end = p + NEXT_BLOCK;
	}
	if (p)
		persistent.at = p + size;
	rt__unlock(&persistent.lock);
	return (void *)p;
}

void *
rt__persistent_alloc(size_t size, size_t align)
{
	void *p = rt__persistent_try(size, align);

	if (!p)
		rt__out_of_memory("the runtime's tables", size);
	return p;
}

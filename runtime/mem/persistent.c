/* SPDX-License-Identifier: MIT */
/*
 * A bump allocator for what is never freed. Its first block is in .bss, big enough for the
 * tables of a small machine, so that starting a small program maps nothing; more comes by mmap.
 */
#include "mem/heap.h"
#include "mem/mem.h"

#define FIRST_BLOCK (8u << 10)
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

/* Large requests get pages of their own, so that the rest of a block is not thrown away. */
static void *
alloc_pages(size_t size)
{
	void *p = rt__os_reserve(RT_ALIGN_UP(size, rt__os.page_size));

	if (!p)
		rt__out_of_memory("the runtime's tables", size);
	return p;
}

void *
rt__persistent_alloc(size_t size, size_t align)
{
	if (size >= NEXT_BLOCK / 4)
		return alloc_pages(size);
	rt__lock(&persistent.lock);
	uintptr_t p = RT_ALIGN_UP(persistent.at, align);
	if (p + size > persistent.end) {
		p = (uintptr_t)alloc_pages(NEXT_BLOCK);
		persistent.end = p + NEXT_BLOCK;
	}
	persistent.at = p + size;
	rt__unlock(&persistent.lock);
	return (void *)p;
}

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
#define LARGE 4096u

static _Alignas(4096) RT_COLD_BSS char first_block[FIRST_BLOCK];

static struct {
	struct rt__lock lock;
	uintptr_t at, end;
} persistent;

void
rt__persistent_init(void)
{
	persistent.at = (uintptr_t)first_block;
	persistent.end = persistent.at + sizeof first_block;
}

/* When there is an M soon: what holds ranked locks is noted in that. */
void
rt__persistent_rank(void)
{
	rt__lock_rank(&persistent.lock, RT_RANK_TABLES);
}

/* Small things from the low end, large ones from the high end: so the small ones share pages. */
static void *
take(size_t size, size_t align)
{
	uintptr_t low = RT_ALIGN_UP(persistent.at, align), high = (persistent.end - size) & -align;

	if (low + size > persistent.end || high < persistent.at)
		return NULL;
	if (size >= LARGE) {
		persistent.end = high;
		return (void *)high;
	}
	persistent.at = low + size;
	return (void *)low;
}

static bool
next_block(void)
{
	uintptr_t p = (uintptr_t)rt__os_reserve(NEXT_BLOCK);

	if (p) {
		persistent.at = p;
		persistent.end = p + NEXT_BLOCK;
	}
	return p != 0;
}

void *
rt__persistent_try(size_t size, size_t align)
{
	/* Large requests get pages of their own, so that the rest of a block is not thrown away. */
	if (size >= NEXT_BLOCK / 4)
		return rt__os_reserve(RT_ALIGN_UP(size, rt__os.page_size));
	rt__lock(&persistent.lock);
	void *p = take(size, align);
	if (!p && next_block())
		p = take(size, align);
	rt__unlock(&persistent.lock);
	return p;
}

void *
rt__persistent_alloc(size_t size, size_t align)
{
	void *p = rt__persistent_try(size, align);

	if (!p)
		rt__out_of_memory("the runtime's tables", size);
	return p;
}

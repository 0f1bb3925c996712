/* SPDX-License-Identifier: MIT */
/*
 * Stacks are reserved and never move, since C has no maps of the pointers into them; the kernel
 * commits a page when it is first touched. Ordinary stacks are slots of one size in arenas, side
 * by side, so that eight of them share a page of page tables, with one guard page at the low end
 * of each slot. A guard is a marker in the page table (MADV_GUARD_INSTALL, Linux 6.13), which
 * splits no mapping; before, it is mprotect, of which a process has about 32,000 (max_map_count).
 *
 * A slot is a power of two and one page more, for the guard. Were it a power of two, the page that
 * each goroutine starts on would have the same low bits in all of them, and would compete for the
 * same few entries of the TLB: with 1000 goroutines, each switch would walk the page tables.
 *
 * Main's stack, the only large one, is a mapping of its own that the kernel keeps a gap below.
 *
 * Transparent huge pages are off: with them, the first touch would commit 2 MiB.
 *
 * Rejected: mmap for each stack (two mappings each, and 6 us); growing by copying, as Go does.
 */
#include "stack/stack.h"

#include "os/os.h"
#include "sync/sync.h"

#define ARENA_SIZE (64ul << 20)

static struct {
	struct rt__lock lock;
	size_t slot;       /* bytes of a slot: a stack, a power of two, and its guard page */
	uintptr_t at, end; /* rest of the current arena */
} stacks;

void
rt__stackinit(size_t size, size_t tls_size)
{
	size_t stack = size ? size : RT_STACK_DEFAULT;

	/* The TLS block lies in the slot (sched/g.c) and must leave room for frames. */
	while (stack / 2 < tls_size)
		stack *= 2;
	stacks.slot = stack + rt__os.page_size;
	rt__lock_rank(&stacks.lock, RT_RANK_STACK);
}

/* Reserves up to *size bytes, less when the address space is limited, but not less than min. */
static uintptr_t
reserve(void *(*how)(size_t), size_t *size, size_t min)
{
	for (; *size >= min; *size /= 2) {
		void *p = how(*size);

		if (p) {
			rt__os_no_huge_pages(p, *size);
			return (uintptr_t)p;
		}
	}
	return 0;
}

/* The next slot, with stacks.lock held; 0 without address space. */
static uintptr_t
next_slot(void)
{
	if (stacks.end - stacks.at < stacks.slot) {
		size_t size = ARENA_SIZE > stacks.slot ? ARENA_SIZE : stacks.slot;

		stacks.at = reserve(rt__os_reserve, &size, stacks.slot);
		stacks.end = stacks.at ? stacks.at + size : 0;
		if (!stacks.at)
			return 0;
	}
	uintptr_t lo = stacks.at;
	stacks.at += stacks.slot;
	return lo;
}

struct rt__stack
rt__stack_alloc(void)
{
	rt__lock(&stacks.lock);
	uintptr_t lo = next_slot();
	rt__unlock(&stacks.lock);
	if (!lo || rt__os_guard((void *)lo, rt__os.page_size) < 0)
		rt__out_of_memory("a goroutine's stack", stacks.slot);
	return (struct rt__stack){lo + rt__os.page_size, lo + stacks.slot};
}

struct rt__stack
rt__stack_alloc_main(void)
{
	size_t size = RT_STACK_MAIN, limit = rt__os_address_limit();

	if (size > limit / 4)
		size = limit / 4; /* the heap and other goroutines need some, too */
	size = RT_ALIGN_UP(size, rt__os.page_size);
	uintptr_t lo = reserve(rt__os_reserve_stack, &size, RT_STACK_MIN);
	if (!lo)
		rt__out_of_memory("the main goroutine's stack", size);
	size &= ~(rt__os.page_size - 1);
	/* Such a mapping grows as the first stack does, up to RLIMIT_STACK, which it exceeds from
	 * the start. Without that limit, only a guard stops it. */
	if (rt__os_stack_limit() == SIZE_MAX && rt__os_guard((void *)lo, rt__os.page_size) == 0)
		lo += rt__os.page_size, size -= rt__os.page_size;
	return (struct rt__stack){lo, lo + size};
}

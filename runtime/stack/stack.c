/* SPDX-License-Identifier: MIT */
/*
 * Stacks are reserved and never move, since C has no maps of the pointers into them; the kernel
 * commits a page when it is first touched. Their sizes are powers of two; arena.c has the places.
 *
 * Main's stack is a mapping of its own that the kernel keeps a gap below.
 *
 * Rejected: mmap for each stack (two mappings each, and 6 us); growing by copying, as Go does.
 */
#include "stack/stack_priv.h"

static struct {
	int ordinary; /* the class, of those from 1 on, that has the ordinary size */
	int least;    /* the smallest class that has room for the TLS block */
} sizes = {1, 1};

/* Of classes from 1 on. */
static size_t
pow2_size(int class)
{
	return RT_STACK_MIN << (class - 1);
}

static int
pow2_class(size_t size)
{
	int class = 1;

	while (pow2_size(class) < size)
		class ++;
	return class;
}

_Static_assert(RT_STACK_MIN << (RT_STACK_CLASSES - 2) == RT_STACK_MAX, "one class for each size");

void
rt__stackinit(size_t size, size_t tls_size)
{
	/* The TLS block lies in the slot (sched/g.c) and must leave room for frames. */
	rt__arena_init();
	sizes.least = pow2_class(2 * tls_size);
	sizes.ordinary = pow2_class(size ? size : RT_STACK_DEFAULT);
	if (sizes.ordinary < sizes.least)
		sizes.ordinary = sizes.least;
}

int
rt__stack_class(size_t size)
{
	if (size == 0)
		return 0;
	if (size > RT_STACK_MAX)
		return -1;
	int class = pow2_class(size);
	if (class < sizes.least)
		class = sizes.least;
	return class == sizes.ordinary ? 0 : class;
}

size_t
rt__stack_size(int class)
{
	return pow2_size(class ? class : sizes.ordinary);
}

size_t
rt__stack_guard_size(void)
{
	return RT_GUARD_PAGES * rt__os.page_size;
}

uintptr_t
rt__stack_reserve(void *(*how)(size_t), size_t *size, size_t min)
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

struct rt__stack
rt__stack_alloc_main(void)
{
	size_t size = RT_STACK_MAIN, limit = rt__os_address_limit();

	if (size > limit / 4)
		size = limit / 4; /* the heap and other goroutines need some, too */
	size = RT_ALIGN_UP(size, rt__os.page_size);
	uintptr_t lo = rt__stack_reserve(rt__os_reserve_stack, &size, RT_STACK_MIN);
	if (!lo)
		rt__out_of_memory("the main goroutine's stack", size);
	size &= ~(rt__os.page_size - 1);
	/* Such a mapping grows as the first stack does, up to RLIMIT_STACK, which it exceeds from
	 * the start, mostly. Where that is larger, or none, only a guard stops it. */
	size_t guard = rt__stack_guard_size();
	if (rt__os_stack_limit() > size && rt__os_guard((void *)lo, guard) == 0)
		lo += guard, size -= guard;
	return (struct rt__stack){lo, lo + size};
}

void
rt__stack_fatal(int class, enum rt__stack_error why)
{
	if (why == RT_STACK_NO_GUARD && !rt__load_rlx(&rt__os.madvise_guard)) {
		rt__eprintf("runtime: cannot guard a goroutine's stack: too many mappings\n"
			    "runtime: each stack takes two of vm.max_map_count: raise that, or use "
			    "Linux 6.13 or later, where a guard takes none\n");
		rt__throw("out of memory");
	}
	rt__out_of_memory("a goroutine's stack", rt__stack_size(class) + rt__stack_guard_size());
}

/* SPDX-License-Identifier: MIT */
/*
 * What is said when the program hands malloc's family a pointer that is no block in use, and when
 * the heap finds its own tables damaged. The first line tells what the heap knows of the address;
 * then comes a report as for other fatal errors, with the stack that did it.
 */
#include "mem/heap.h"
#include "mem/mem.h"

RT_NORETURN void
rt__misuse(const char *what, const char *why)
{
	char text[80];

	rt__format(text, sizeof text, "%s: %s", what, why);
	rt__throw(text);
}

RT_NORETURN void
rt__bad_pointer(const char *what, const void *p)
{
	struct rt__mem_block b;

	if (!rt__mem_find((uintptr_t)p, &b)) {
		bool heap = (uintptr_t)p - rt__heap.base < rt__heap.size;

		rt__eprintf("runtime: %s(%p): %s\n", what, p,
			    heap ? "no block is there" : "outside of the heap");
		rt__misuse(what, "invalid pointer");
	}
	size_t offset = (uintptr_t)p - b.start;
	rt__eprintf("runtime: %s(%p): %s of a block of %zu bytes at %p%s\n", what, p,
		    offset ? "inside" : "start", b.size, (void *)b.start,
		    b.in_use ? "" : ", which is free");
	if (offset)
		rt__eprintf("runtime: %zu bytes into it\n", offset);
	rt__misuse(what,
		   b.in_use         ? "not the start of a block"
			   : offset ? "invalid pointer"
				    : "double free");
}

RT_NORETURN void
rt__bad_size(const void *p, size_t size)
{
	struct rt__mem_block b = {0};

	rt__mem_find((uintptr_t)p, &b);
	rt__eprintf("runtime: free_sized(%p, %zu): the block has %zu bytes\n", p, size, b.size);
	rt__throw("free_sized: wrong size");
}

RT_NORETURN void
rt__heap_corrupt(const char *what, const void *p)
{
	rt__eprintf("runtime: heap corrupted at %p: %s\n", p, what);
	rt__throw("malloc: heap corrupted");
}

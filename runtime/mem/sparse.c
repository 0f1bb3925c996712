/* SPDX-License-Identifier: MIT */
/*
 * Memory of spans that are in use, page by page. What a program allocates changes, and of what was
 * usual before, a few blocks stay, each of which holds a span. Nothing is ever written into a block
 * that is free, or read: so a page of which all blocks are free need not be there, and goes back to
 * the kernel. Who gets one of its blocks later finds a page of zeros.
 *
 * Blocks of caches and shelves are not free in this sense; those of spans are. A span is looked at
 * once in a period of the scavenger's, chunk by chunk from the high end of the heap, and left alone
 * if something was taken from it meanwhile: caches take from the first spans of a list, so that
 * those which a class needs stay as they are. Nor is there anything to see where nothing was given
 * back.
 *
 * For holders of the class's central.lock, but the sweep, which takes that for each span.
 *
 * Rejected: giving a page back when its last block is freed, which a loop that frees and allocates
 * would pay for with a fault each time, 2.6 us; spans of a page, which are 16 times as many to keep
 * lists of.
 */
#include "mem/heap.h"

#define PAGE 4096u

static uint32_t next; /* the sweep has looked at chunks from here on; for the scavenger */
static uint32_t turn; /* (a) rt__sparse_to has looked at this one last */

/* ---- a span ---- */

uint32_t
rt__sparse_pages(const struct rt__span *sp, const void *block)
{
	uint32_t from = (uint32_t)((uintptr_t)block & (RT_UNIT - 1));
	uint32_t to = from + rt__class_size[sp->class] - 1;

	return (2u << to / PAGE) - (1u << from / PAGE);
}

void
rt__sparse_taken(struct rt__span *sp, uint32_t pages)
{
	if (!(sp->gone & pages))
		return;
	/* Others change this under locks of other classes. */
	rt__add_rlx(&rt__heap.gone, -(size_t)__builtin_popcount(sp->gone & pages));
	sp->gone = (uint16_t)(sp->gone & ~pages);
}

/* States of others' blocks change meanwhile, but none becomes free or ceases to be. */
static bool
needs(const struct rt__span *sp, uint32_t page)
{
	uint32_t size = rt__class_size[sp->class];
	uint32_t i = page * PAGE / size, last = (page * PAGE + PAGE - 1) / size;

	for (; i <= last && i < sp->carved; i++)
		if (rt__load_rlx(&sp->state[i]) != RT_BLOCK_FREE)
			return true;
	return false;
}

uint32_t
rt__sparse_find(const struct rt__span *sp)
{
	uint32_t pages = 0;

	for (uint32_t i = 0; i < RT_UNIT_PAGES; i++)
		if (!(sp->gone & 1u << i) && !needs(sp, i))
			pages |= 1u << i;
	return pages;
}

void
rt__sparse_release(struct rt__span *sp)
{
	uint32_t pages =
		rt__release_bits(rt__unit_address(rt__span_unit(sp)), rt__sparse_find(sp), PAGE);
	size_t n = (size_t)__builtin_popcount(pages);

	sp->given = false;
	sp->gone = (uint16_t)(sp->gone | pages);
	rt__add_rlx(&rt__heap.gone, n);
	rt__add_rlx(&rt__heap.released, n * PAGE);
}

/* ---- all of them ---- */

static bool
split(uint32_t c, uint32_t pages, bool any)
{
	rt__lock(&rt__heap.lock);
	bool go = rt__chunk_split(c, pages, any);
	rt__unlock(&rt__heap.lock);
	return go;
}

static void
look_at(uint32_t c, bool any)
{
	uint32_t first = c * RT_CHUNK_UNITS, due = 0, pages = 0;

	/* acq: pairs with the release in grow_tables */
	if (rt__load_rlx(&rt__load_acq(&rt__heap.chunks)[c].huge))
		return;
	for (uint32_t i = 0; i < RT_CHUNK_UNITS; i++) {
		uint32_t n = rt__central_sparse(first + i, any);

		pages += n;
		due |= (n > 0 ? 1u : 0) << i;
	}
	if (!due || !split(c, pages, any))
		return;
	for (; due; due &= due - 1)
		rt__central_sparse_release(first + (uint32_t)__builtin_ctz(due));
}

static uint32_t
chunks(void)
{
	return (uint32_t)(rt__load_acq(&rt__heap.size) / RT_CHUNK); /* pairs with add_chunks */
}

void
rt__sparse_begin(void)
{
	next = chunks();
}

bool
rt__sparse_step(uint32_t n)
{
	for (; n > 0 && next > 0; n--)
		look_at(--next, false);
	return next > 0;
}

void
rt__sparse_to(size_t units, uint32_t most)
{
	uint32_t n = chunks(), c = rt__load_rlx(&turn);

	for (most = most < n ? most : n; most > 0 && rt__heap_needed() > units; most--) {
		c = (c > 0 && c <= n ? c : n) - 1;
		look_at(c, true);
	}
	rt__store_rlx(&turn, c);
}

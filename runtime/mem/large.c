/* SPDX-License-Identifier: MIT */
/*
 * Blocks of more than RT_MEDIUM_MAX bytes, each a span of its own. A large one is a run of units in
 * a chunk. A huge one, of more than half a chunk, is whole chunks, with a guard page behind what
 * was asked for: who overruns it, or follows a wild index, faults there.
 *
 * A large one has no guard: to install one and take it away again takes 1.9 us, and 6 if the page
 * is used in between, where a malloc and its free take 0.2. RTDEBUG=malloc=hard has them for all.
 *
 * They grow in place where what lies behind is free. A huge one that cannot is moved by the kernel,
 * its pages and not their contents, and leaves zeros behind.
 *
 * Who frees one takes heap.lock, and gives memory back at once when there is more of it free than
 * in use: the scavenger may be too late for that.
 */
#include "mem/heap.h"

#define LARGE_MAX (RT_CHUNK / 2)
#define PAGE 4096ul /* of rt__span.pages, whatever the machine's is */

static size_t
usable(const struct rt__span *sp)
{
	return sp->pages * PAGE;
}

static uint32_t
units_for(size_t size)
{
	return (uint32_t)((size + RT_UNIT - 1) / RT_UNIT);
}

/* With room for the guard. */
static uint32_t
chunks_for(size_t size)
{
	return (uint32_t)((size + rt__os.page_size + RT_CHUNK - 1) / RT_CHUNK);
}

static uint32_t
pages_for(size_t size)
{
	return (uint32_t)(RT_ALIGN_UP(size, rt__os.page_size) / PAGE);
}

static void *
guard_of(const struct rt__span *sp)
{
	return (void *)(rt__unit_address(rt__span_unit(sp)) + usable(sp));
}

/* ---- with heap.lock ---- */

static void
set_huge(uint32_t unit, uint32_t from, uint32_t n, bool huge)
{
	uint32_t c = unit / RT_CHUNK_UNITS;

	for (uint32_t i = from; i < n; i++)
		rt__store_rlx(&rt__heap.chunks[c + i].huge, huge ? c + 1 : 0);
}

/* Whole chunks for a block of a larger alignment: those before and behind are given back. */
static uint32_t
alloc_aligned_chunks(uint32_t n, size_t align, bool *zero)
{
	uint32_t slack = align > RT_CHUNK ? (uint32_t)(align / RT_CHUNK) - 1 : 0;
	uint32_t unit = rt__chunks_alloc(n + slack, zero);

	if (unit == RT_NO_UNIT || slack == 0)
		return unit;
	uintptr_t at = rt__unit_address(unit);
	uint32_t before = (uint32_t)((RT_ALIGN_UP(at, align) - at) / RT_CHUNK);
	uint32_t first = unit + before * RT_CHUNK_UNITS;
	rt__chunks_free(unit, before, *zero);
	rt__chunks_free(first + n * RT_CHUNK_UNITS, slack - before, *zero);
	return first;
}

/* ---- guards ---- */

static void
guard(const struct rt__span *sp)
{
	rt__os_guard(guard_of(sp), rt__os.page_size); /* without it, nothing but that is missing */
}

/* ---- alloc and free ---- */

static void *
alloc_large(size_t size, bool noscan, bool *zero)
{
	uint32_t n = units_for(size);

	rt__lock(&rt__heap.lock);
	uint32_t unit = rt__units_alloc(n, zero);
	if (unit != RT_NO_UNIT) {
		struct rt__span *sp = rt__span_at(unit);

		rt__store_rlx(&sp->own_state[0], (uint8_t)RT_BLOCK_USED);
		rt__store_rlx(&sp->noscan, noscan);
		rt__store_rlx(&sp->pages, n * (uint32_t)(RT_UNIT / PAGE));
		rt__span_make_single(unit, RT_CLASS_LARGE, n);
	}
	rt__unlock(&rt__heap.lock);
	return unit == RT_NO_UNIT ? NULL : (void *)rt__unit_address(unit);
}

/* With heap.lock. zero: so many of its first chunks have no memory. */
static void
give_chunks(struct rt__span *sp, uint32_t zero)
{
	uint32_t unit = rt__span_unit(sp), n = chunks_for(usable(sp));

	rt__store_rlx(&sp->magic, 0u);
	set_huge(unit, 0, n, false);
	rt__chunks_free(unit, zero, true);
	rt__chunks_free(unit + zero * RT_CHUNK_UNITS, n - zero, false);
}

/* plain: all of its chunks are memory like other. If not, they are mapped anew; and if the kernel
 * refuses that as well, they are kept until it does not. */
static void
free_huge(struct rt__span *sp, bool plain)
{
	void *p = (void *)rt__unit_address(rt__span_unit(sp));
	uint32_t n = chunks_for(usable(sp));
	bool anew = !plain && rt__os_reserve_again(p, n * RT_CHUNK);

	rt__lock(&rt__heap.lock);
	if (plain || anew) {
		give_chunks(sp, anew ? n : 0);
		rt__dirty_trim();
	} else {
		rt__store_rlx(&sp->own_state[0], (uint8_t)RT_BLOCK_CACHED);
		sp->next = rt__heap.kept;
		rt__store_rlx(&rt__heap.kept, rt__span_unit(sp) + 1);
	}
	rt__unlock(&rt__heap.lock);
}

/* Of those that were kept. */
static void
free_kept(void)
{
	rt__lock(&rt__heap.lock);
	uint32_t link = rt__heap.kept;
	if (link)
		rt__store_rlx(&rt__heap.kept, rt__span_at(link - 1)->next);
	rt__unlock(&rt__heap.lock);
	if (link)
		free_huge(rt__span_at(link - 1), false);
}

static void *
alloc_huge(size_t size, size_t align, bool noscan, bool *zero)
{
	if (size > RT_HEAP_MAX - RT_CHUNK || align > RT_HEAP_MAX / 2)
		return NULL;
	if (rt__unlikely(rt__load_rlx(&rt__heap.kept)))
		free_kept();
	uint32_t n = chunks_for(size);
	rt__lock(&rt__heap.lock);
	uint32_t unit = alloc_aligned_chunks(n, align, zero);
	if (unit != RT_NO_UNIT) {
		struct rt__span *sp = rt__span_at(unit);

		set_huge(unit, 0, n, true);
		rt__store_rlx(&sp->own_state[0], (uint8_t)RT_BLOCK_USED);
		rt__store_rlx(&sp->noscan, noscan);
		rt__store_rlx(&sp->pages, pages_for(size));
		rt__span_make_single(unit, RT_CLASS_HUGE, 1);
	}
	rt__unlock(&rt__heap.lock);
	if (unit == RT_NO_UNIT)
		return NULL;
	guard(rt__span_at(unit));
	return (void *)rt__unit_address(unit);
}

void *
rt__large_alloc(size_t size, size_t align, bool noscan, bool *zero)
{
	if (size <= LARGE_MAX && align <= RT_UNIT)
		return alloc_large(size, noscan, zero);
	return alloc_huge(size, align, noscan, zero);
}

void
rt__large_free(struct rt__span *sp)
{
	if (sp->class == RT_CLASS_HUGE) {
		free_huge(sp, rt__os_unguard(guard_of(sp), rt__os.page_size));
		return;
	}
	rt__lock(&rt__heap.lock);
	rt__store_rlx(&sp->magic, 0u);
	rt__units_free(rt__span_unit(sp), units_for(usable(sp)));
	rt__dirty_trim();
	rt__unlock(&rt__heap.lock);
}

/* ---- realloc ---- */

static bool
resize_large(struct rt__span *sp, size_t size)
{
	uint32_t unit = rt__span_unit(sp), have = units_for(usable(sp)), n = units_for(size);

	if (size > LARGE_MAX)
		return false;
	rt__lock(&rt__heap.lock);
	bool done = n <= have || rt__units_claim(unit + have, n - have);
	if (n < have)
		rt__units_free(unit + n, have - n);
	for (uint32_t i = have; done && i < n; i++)
		rt__store_rlx(&rt__span_at(unit + i)->back, (uint8_t)i);
	if (done)
		rt__store_rlx(&sp->pages, n * (uint32_t)(RT_UNIT / PAGE));
	rt__unlock(&rt__heap.lock);
	return done;
}

/* Its chunks from `size` on become free, or it gets some more: whether there are any. */
static bool
resize_chunks(struct rt__span *sp, size_t size)
{
	uint32_t unit = rt__span_unit(sp), have = chunks_for(usable(sp)), n = chunks_for(size);

	rt__lock(&rt__heap.lock);
	bool done = n <= have || rt__chunks_claim(unit + have * RT_CHUNK_UNITS, n - have);
	if (done) {
		set_huge(unit, have, n, true);
		set_huge(unit, n, have, false);
		rt__store_rlx(&sp->pages, pages_for(size));
	}
	if (n < have)
		rt__chunks_free(unit + n * RT_CHUNK_UNITS, have - n, false);
	rt__unlock(&rt__heap.lock);
	return done;
}

/* What was used of the last chunk that stays is given back. */
static bool
resize_huge(struct rt__span *sp, size_t size)
{
	size_t was = usable(sp);

	if (!rt__os_unguard(guard_of(sp), rt__os.page_size))
		return false;
	bool done = resize_chunks(sp, size);
	size_t end = chunks_for(usable(sp)) * RT_CHUNK;
	if (end > was)
		end = was;
	if (usable(sp) < end) {
		struct rt__range rest = {guard_of(sp), end - usable(sp)};

		rt__os_release_each(&rest, 1);
	}
	guard(sp);
	return done;
}

/* To more room elsewhere. The kernel may have taken the new place away when it cannot. */
static void *
move_huge(struct rt__span *sp, size_t size)
{
	void *old = (void *)rt__unit_address(rt__span_unit(sp));
	bool zero;
	void *p = alloc_huge(size, 0, sp->noscan, &zero);

	if (!p)
		return NULL;
	if (!rt__os_unguard(guard_of(sp), rt__os.page_size)) {
		rt__large_free(rt__unit_of(p));
		return NULL;
	}
	if (!rt__os_move(old, p, usable(sp))) {
		guard(sp);
		free_huge(rt__unit_of(p), false);
		return NULL;
	}
	rt__lock(&rt__heap.lock);
	give_chunks(sp,
		    (uint32_t)(usable(sp) / RT_CHUNK)); /* the last one's rest holds what it held */
	rt__unlock(&rt__heap.lock);
	return p;
}

bool
rt__large_fits(const struct rt__span *sp, size_t size)
{
	size_t step = sp->class == RT_CLASS_LARGE ? RT_UNIT : rt__os.page_size;

	return size <= usable(sp) && usable(sp) - size < step;
}

void *
rt__large_realloc(struct rt__span *sp, size_t size)
{
	void *p = (void *)rt__unit_address(rt__span_unit(sp));

	if (size <= RT_MEDIUM_MAX || size > RT_HEAP_MAX - RT_CHUNK)
		return NULL;
	if (sp->class == RT_CLASS_LARGE)
		return resize_large(sp, size) ? p : NULL;
	if (size <= LARGE_MAX)
		return NULL;
	if (resize_huge(sp, size))
		return p;
	return size > usable(sp) ? move_huge(sp, size) : NULL;
}

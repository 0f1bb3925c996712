/* SPDX-License-Identifier: MIT */
/*
 * Blocks on pages of their own: units of the heap of which only the pages of the block can be
 * touched. The block lies at their end, so that the first access behind it faults, but for what
 * alignment leaves; or at their start, for accesses before it. What is left of the pages is a red
 * zone.
 *
 *	| no access ... | zone | block | zone | no access ... |
 *	place.p               p       p + size               the span's end
 *
 * When one is freed, nothing of it can be touched any more, and its memory goes back at once.
 * Where the kernel refuses a guard (too many mappings, before Linux 6.13), the block is one
 * without.
 */
#include "mem/hard.h"
#include "mem/mem.h"

static size_t
page(void)
{
	return rt__os.page_size;
}

static uintptr_t
span_end(const struct rt__record *r)
{
	const struct rt__span *sp = rt__unit_of(r->place.p);
	size_t size = r->class < RT_CLASSES ? rt__class_size[r->class] : sp->pages * 4096ul;

	return (uintptr_t)r->place.p + size;
}

void
rt__guarded_pages(const struct rt__record *r, uintptr_t *from, uintptr_t *to)
{
	*from = r->p & ~(page() - 1);
	*to = RT_ALIGN_UP(r->p + (r->size ? r->size : 1), page());
}

static void
guard(uintptr_t from, uintptr_t to)
{
	rt__os_guard((void *)from, to - from);
}

/* False: the kernel refuses, as it may where guards are of the older kind and memory is limited.
 * The place is lost. */
static bool
unguard(uintptr_t from, uintptr_t to)
{
	return rt__os_unguard((void *)from, to - from) ||
		rt__os_reserve_again((void *)from, to - from);
}

/* A place for so many bytes. */
static bool
take(size_t total, size_t align, struct rt__block *b, unsigned *class, bool *zero)
{
	if (total <= RT_MEDIUM_MAX && align <= RT_UNIT) {
		*class = RT_CLASS_MEDIUM + (unsigned)((total + RT_UNIT - 1) / RT_UNIT);
		if (rt__central_take(&rt__cache_none, *class, b, 1) == 0)
			return false;
		*zero = rt__load_rlx(b->state) == RT_BLOCK_ZERO;
		return true;
	}
	b->p = rt__large_alloc(total > RT_MEDIUM_MAX ? total : RT_MEDIUM_MAX + 1, align, false,
			       zero);
	if (!b->p)
		return false;
	b->state = rt__unit_of(b->p)->own_state;
	*class = rt__unit_of(b->p)->class;
	return true;
}

static void
give(struct rt__block b, unsigned class)
{
	rt__store_rlx(b.state, (uint8_t)RT_BLOCK_CACHED);
	if (class < RT_CLASSES)
		rt__central_free(class, &b, 1);
	else
		rt__large_free(rt__unit_of(b.p));
}

/* Where the block lies on pages from `at` on, of which the first `lead` bytes are no one's. */
static void
lay_out(struct rt__record *r, size_t lead, size_t size, size_t align, bool at_end)
{
	size_t step = align < 16 ? 16 : align, least = size ? size : 1;
	uintptr_t at = (uintptr_t)r->place.p, end = at + RT_ALIGN_UP(lead + least, page());

	r->p = at_end ? (end - least) & ~(step - 1) : at + lead;
	r->size = size;
	r->guarded = true;
}

struct rt__record *
rt__guarded_alloc(size_t size, size_t align, bool at_end, bool *zero)
{
	size_t lead = RT_ALIGN_UP(align, page());
	struct rt__block b;
	unsigned class;
	uintptr_t from, to;

	if (size > RT_HEAP_MAX - RT_CHUNK || align > RT_HEAP_MAX / 4)
		return NULL;
	size_t total = RT_ALIGN_UP(lead + (size ? size : 1), page()) + page();
	if (!take(total, align, &b, &class, zero))
		return NULL;
	struct rt__record *r = rt__record_make(b, class);
	if (!r) {
		give(b, class);
		return NULL;
	}
	lay_out(r, lead, size, align, at_end);
	rt__guarded_pages(r, &from, &to);
	guard((uintptr_t)b.p, from);
	guard(to, span_end(r));
	rt__redzone_surround(r);
	rt__store_rlx(b.state, (uint8_t)RT_BLOCK_USED);
	return r;
}

/* All of the place is guarded, and stays so but for the block's pages. */
bool
rt__guarded_reuse(struct rt__record *r, size_t size, size_t align, bool at_end)
{
	uintptr_t from, to;

	lay_out(r, RT_ALIGN_UP(align, page()), size, align, at_end);
	rt__guarded_pages(r, &from, &to);
	if (!unguard(from, to))
		return false;
	rt__redzone_surround(r);
	rt__store_rlx(r->place.state, (uint8_t)RT_BLOCK_USED);
	return true;
}

/* A guard of the newer kind takes the memory away. */
bool
rt__guarded_hold(struct rt__record *r)
{
	uintptr_t from, to;

	rt__guarded_pages(r, &from, &to);
	struct rt__range range = {(void *)from, to - from};
	if (rt__os_guard(range.p, range.size) != 0)
		return false;
	if (!rt__load_rlx(&rt__os.madvise_guard))
		rt__os_release_each(&range, 1);
	rt__lock(&rt__heap.lock);
	rt__add_rlx(&rt__heap.released, range.size);
	rt__unlock(&rt__heap.lock);
	return true;
}

void
rt__guarded_free(struct rt__record *r)
{
	if (unguard((uintptr_t)r->place.p, span_end(r)))
		give(r->place, r->class);
}

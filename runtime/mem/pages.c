/* SPDX-License-Identifier: MIT */
/*
 * The heap's address space, and which units and chunks of it are free.
 *
 * It is reserved once, wherever the kernel likes (which is random): as much as there is, up to 1
 * TiB, without access. The table of units lies in front of it, and grows downwards, so that a small
 * heap is all in one place. Both are made accessible as the heap grows, a chunk at first, then
 * twice as much each time up to 64 MiB; so a small program pays for what it uses, a stray pointer
 * behind the heap faults, and strict overcommit counts what is there. Steps of 32 MiB and more ask
 * for huge pages: what they may waste is a small part of a heap that large.
 *
 * Free units are bits, one word for each chunk. A run of up to 32 units lies in one chunk: the
 * first with room, from low addresses up, so that the high end of a heap that has shrunk is free.
 * The hint for each length tells where to begin. More than a chunk's worth is whole chunks.
 *
 * A unit that is free has memory still (it is dirty) until the scavenger gives that back.
 *
 * Everything here but init is for holders of heap.lock. Rejected: a tree of free runs by size, as
 * page heaps have had: it is slower than a hint and a word of bits until the heap is huge, and best
 * fit keeps the high end of the heap in use.
 */
#include "mem/heap.h"
#include "mem/mem.h"

#define MAX_CHUNKS (uint32_t)(RT_HEAP_MAX / RT_CHUNK)
#define MIN_CHUNKS 16u
#define MAX_STEP 32u
#define HUGE_STEP 16u
#define ALL_FREE UINT32_MAX
#define FIRST_TABLE 64u /* chunks */

struct rt__heap rt__heap;

void
rt__heap_init(void)
{
	rt__lock_rank(&rt__heap.lock, RT_RANK_HEAP);
}

/* ---- words of bits ---- */

/* m has a bit for each run of n that begins there: the same for runs of n + by. */
static uint32_t
runs(uint32_t free, uint32_t n)
{
	uint32_t m = free;

	for (uint32_t have = 1, by; m && have < n; have += by) {
		by = have < n - have ? have : n - have;
		m &= m >> by;
	}
	return m;
}

/* By binary search: runs of 16, then of 8 more, and so on. */
static uint8_t
longest_run(uint32_t free)
{
	uint32_t of[5], m = ALL_FREE, n = 0;

	if (free == ALL_FREE)
		return RT_CHUNK_UNITS;
	of[0] = free;
	for (int i = 1; i < 5; i++)
		of[i] = of[i - 1] & of[i - 1] >> (1u << (i - 1));
	for (int i = 4; i >= 0; i--) {
		uint32_t longer = m & of[i] >> n;

		if (longer) {
			m = longer;
			n += 1u << i;
		}
	}
	return (uint8_t)n;
}

static uint32_t
mask_of(uint32_t bit, uint32_t n)
{
	return (n == RT_CHUNK_UNITS ? ALL_FREE : (1u << n) - 1) << bit;
}

/* ---- reserving and committing ---- */

#define SPANS_OF_CHUNK (RT_CHUNK_UNITS * sizeof(struct rt__span))

static bool
try_reserve(uint32_t max_chunks)
{
	struct rt__heap *h = &rt__heap;
	size_t spans = RT_ALIGN_UP(max_chunks * SPANS_OF_CHUNK, RT_CHUNK);
	uintptr_t p = (uintptr_t)rt__os_reserve_none(spans + (max_chunks + 1) * RT_CHUNK);

	if (!p)
		return false;
	h->base = RT_ALIGN_UP(p + spans, RT_CHUNK);
	h->spans = (struct rt__span *)h->base - 1;
	h->spans_at_0 = (uintptr_t)h->spans + (h->base >> RT_UNIT_SHIFT) * sizeof(struct rt__span);
	h->max_chunks = max_chunks;
	h->step = 1;
	return true;
}

void
rt__heap_reserve(uint32_t max_chunks)
{
	while (max_chunks >= MIN_CHUNKS && !try_reserve(max_chunks))
		max_chunks /= 2;
}

/* Where addresses are limited, the heap leaves half of them to stacks and others. */
static void
reserve(void)
{
	uint32_t n = MAX_CHUNKS;

	if (try_reserve(n))
		return;
	size_t limit = rt__os_address_limit();
	while (n > MIN_CHUNKS && n * RT_CHUNK > limit / 2)
		n /= 2;
	rt__heap_reserve(n);
}

/* Room for n chunks in the tables. Readers may still look at old ones, which stay. */
static bool
grow_tables(uint32_t n)
{
	struct rt__heap *h = &rt__heap;
	uint32_t cap = h->table_cap ? h->table_cap : FIRST_TABLE;

	if (n <= h->table_cap)
		return true;
	while (cap < n)
		cap *= 2;
	struct rt__chunk *chunks =
		rt__persistent_try(cap * (sizeof *chunks + sizeof *h->longest), RT_CACHE_LINE);
	if (!chunks)
		return false;
	uint8_t *longest = (uint8_t *)&chunks[cap];
	if (h->nchunks > 0) {
		__builtin_memcpy(chunks, h->chunks, h->nchunks * sizeof *chunks);
		__builtin_memcpy(longest, h->longest, h->nchunks * sizeof *longest);
	}
	rt__store_rlx(&h->chunks, chunks);
	h->longest = longest;
	h->table_cap = cap;
	return true;
}

/* The entries of the chunks from number `from` to `to`; together with the heap's first memory,
 * which lies behind the first entries. */
static bool
commit_memory(uint32_t from, uint32_t to)
{
	size_t page = rt__os.page_size;
	uintptr_t base = rt__heap.base, at = base + from * RT_CHUNK;
	uintptr_t spans = (base - to * SPANS_OF_CHUNK) & ~(page - 1);
	uintptr_t spans_end = RT_ALIGN_UP(base - from * SPANS_OF_CHUNK, page);

	if (from == 0)
		return rt__os_commit((void *)spans, base + to * RT_CHUNK - spans);
	return rt__os_commit((void *)spans, spans_end - spans) &&
		rt__os_commit((void *)at, (to - from) * RT_CHUNK);
}

/* Makes n more chunks usable. */
static bool
commit(uint32_t n)
{
	struct rt__heap *h = &rt__heap;
	uint32_t to = h->nchunks + n;

	if (!grow_tables(to) || !commit_memory(h->nchunks, to))
		return false;
	if (n >= HUGE_STEP)
		rt__os_huge_pages((void *)(h->base + h->nchunks * RT_CHUNK), n * RT_CHUNK);
	else
		h->huge_from = to;
	for (uint32_t i = h->nchunks; i < to; i++) {
		h->chunks[i].free = h->chunks[i].zero = ALL_FREE;
		h->longest[i] = RT_CHUNK_UNITS;
	}
	rt__store_rlx(&h->nchunks, to);
	/* rel: the tables. Pairs with the acquire in rt__mem_find; others that have a pointer into
	 * the heap have it from who has seen this. */
	rt__store_rel(&h->size, to * RT_CHUNK);
	return true;
}

/* At least n more chunks. */
static bool
grow(uint32_t n)
{
	struct rt__heap *h = &rt__heap;

	if (!h->base)
		reserve();
	uint32_t left = h->max_chunks - h->nchunks, step = n > h->step ? n : h->step;
	if (step > left)
		step = left;
	rt__limit_find();
	if (n > left || (!commit(step) && (step == n || !commit(n))))
		return false;
	if (h->step < MAX_STEP)
		h->step *= 2;
	return true;
}

/* ---- units ---- */

static void
chunk_freed(uint32_t c)
{
	uint8_t longest = longest_run(rt__heap.chunks[c].free);

	rt__heap.longest[c] = longest;
	for (uint32_t n = 1; n <= longest; n++)
		if (rt__heap.hint[n] > c)
			rt__heap.hint[n] = c;
}

/* Takes units that are free out of a chunk: whether they are all zeros. */
static bool
take(uint32_t c, uint32_t mask)
{
	struct rt__heap *h = &rt__heap;
	struct rt__chunk *chunk = &h->chunks[c];
	uint32_t n = (uint32_t)__builtin_popcount(mask);
	uint32_t zero = (uint32_t)__builtin_popcount(mask & chunk->zero);

	chunk->free &= ~mask;
	chunk->zero &= ~mask;
	chunk->cold &= ~mask;
	chunk->due &= ~mask;
	h->longest[c] = longest_run(chunk->free);
	h->used += n;
	h->dirty -= n - zero;
	return zero == n;
}

static void
keep_limit(size_t units)
{
	const struct rt__heap *h = &rt__heap;

	if (rt__unlikely(h->limit_known && h->used + h->dirty + units > h->limit))
		rt__limit_keep(units);
}

uint32_t
rt__units_alloc(uint32_t n, bool *zero)
{
	struct rt__heap *h = &rt__heap;

	keep_limit(n);
	for (;;) {
		uint32_t c = h->hint[n];

		while (c < h->nchunks && h->longest[c] < n)
			c++;
		h->hint[n] = c;
		if (c < h->nchunks) {
			uint32_t bit = (uint32_t)__builtin_ctz(runs(h->chunks[c].free, n));

			*zero = take(c, mask_of(bit, n));
			return c * RT_CHUNK_UNITS + bit;
		}
		if (!grow(1))
			return RT_NO_UNIT;
	}
}

bool
rt__units_claim(uint32_t unit, uint32_t n)
{
	uint32_t c = unit / RT_CHUNK_UNITS, bit = unit % RT_CHUNK_UNITS;

	if (bit + n > RT_CHUNK_UNITS || c >= rt__heap.nchunks)
		return false;
	uint32_t mask = mask_of(bit, n);
	if (bit == 0 || (rt__heap.chunks[c].free & mask) != mask)
		return false;
	take(c, mask);
	return true;
}

void
rt__units_free(uint32_t unit, uint32_t n)
{
	struct rt__heap *h = &rt__heap;
	uint32_t c = unit / RT_CHUNK_UNITS, mask = mask_of(unit % RT_CHUNK_UNITS, n);

	if (h->chunks[c].free & mask)
		rt__heap_corrupt("a free unit is freed", (void *)rt__unit_address(unit));
	h->chunks[c].free |= mask;
	h->used -= n;
	h->dirty += n;
	chunk_freed(c);
}

/* ---- chunks ---- */

static uint32_t
free_chunks_from(uint32_t c, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && c + n < rt__heap.nchunks && rt__heap.chunks[c + n].free == ALL_FREE)
		n++;
	return n;
}

/* The first n free chunks in a row; or where those at the high end begin, if they are too few. */
static uint32_t
find_chunks(uint32_t n, uint32_t *found)
{
	uint32_t c = rt__heap.hint[RT_CHUNK_UNITS];

	while (c < rt__heap.nchunks) {
		*found = free_chunks_from(c, n);
		if (*found == n || c + *found == rt__heap.nchunks)
			return c;
		c += *found + 1;
	}
	*found = 0;
	return c;
}

static bool
take_chunks(uint32_t c, uint32_t n)
{
	bool zero = true;

	for (uint32_t i = 0; i < n; i++)
		zero &= take(c + i, ALL_FREE);
	return zero;
}

uint32_t
rt__chunks_alloc(uint32_t n, bool *zero)
{
	keep_limit((size_t)n * RT_CHUNK_UNITS);
	uint32_t found, c = find_chunks(n, &found);
	if (found < n) {
		if (!grow(n - found))
			return RT_NO_UNIT;
		c = find_chunks(n, &found);
	}
	*zero = take_chunks(c, n);
	return c * RT_CHUNK_UNITS;
}

bool
rt__chunks_claim(uint32_t unit, uint32_t n)
{
	uint32_t c = unit / RT_CHUNK_UNITS;

	if (free_chunks_from(c, n) < n)
		return false;
	take_chunks(c, n);
	return true;
}

void
rt__chunks_free(uint32_t unit, uint32_t n, bool zero)
{
	for (uint32_t i = 0; i < n; i++) {
		rt__units_free(unit + i * RT_CHUNK_UNITS, RT_CHUNK_UNITS);
		if (zero) {
			rt__heap.chunks[unit / RT_CHUNK_UNITS + i].zero = ALL_FREE;
			rt__heap.dirty -= RT_CHUNK_UNITS;
		}
	}
}

/* ---- giving back ---- */

void
rt__units_age(void)
{
	for (uint32_t c = 0; c < rt__heap.nchunks; c++) {
		struct rt__chunk *chunk = &rt__heap.chunks[c];
		uint32_t dirty = chunk->free & ~chunk->zero;

		chunk->due |= chunk->cold;
		chunk->cold = dirty & ~chunk->due;
	}
}

/* The memory of these units, by runs. */
static uint32_t
release_mask(uint32_t c, uint32_t go)
{
	uint32_t n = (uint32_t)__builtin_popcount(go);

	rt__heap.chunks[c].zero |= go;
	while (go) {
		uint32_t bit = (uint32_t)__builtin_ctz(go), rest = ~(go >> bit);
		uint32_t len = rest ? (uint32_t)__builtin_ctz(rest) : RT_CHUNK_UNITS;
		struct rt__range r = {(void *)rt__unit_address(c * RT_CHUNK_UNITS + bit),
				      len * RT_UNIT};

		rt__os_release_each(&r, 1);
		go &= ~mask_of(bit, len);
	}
	return n;
}

/* A huge page goes as a whole: the kernel would take it apart for less, and not put it together
 * again. */
static uint32_t
release_in(uint32_t c, bool any)
{
	struct rt__chunk *chunk = &rt__heap.chunks[c];
	uint32_t go = any ? chunk->free & ~chunk->zero : chunk->due;

	if (!any && c >= rt__heap.huge_from && chunk->free != ALL_FREE)
		return 0;
	chunk->due &= ~go;
	chunk->cold &= ~go;
	return release_mask(c, go);
}

size_t
rt__units_release(size_t max, bool any)
{
	struct rt__heap *h = &rt__heap;
	size_t n = 0;

	for (uint32_t c = h->nchunks; c-- > 0 && n < max && h->dirty > 0;) {
		uint32_t here = release_in(c, any);

		n += here;
		h->dirty -= here;
		h->released += here * RT_UNIT;
	}
	return n;
}

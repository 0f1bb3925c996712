/* SPDX-License-Identifier: MIT */
/*
 * The heap's address space, and which units and chunks of it are free.
 *
 * It begins at a random place where the kernel puts nothing by itself, and is mapped as it grows: a
 * chunk at first, then twice as much each time up to 64 MiB. So a small program pays for what it
 * uses, a stray pointer behind the heap faults, and limits of memory or addresses (RLIMIT_DATA,
 * RLIMIT_AS, strict overcommit) count what is there. What a program may have mapped in its way, it
 * leaves out. The table of units grows downwards from the same place, so that a small heap is all
 * in one mapping. Steps of 16 MiB and more, which begin at 14 MiB, ask for huge pages: the first
 * use of memory is twice as fast, and what may be wasted is a small part of a heap that large.
 *
 * Free units are bits, one word for each chunk. A run of up to 32 units lies in one chunk: the
 * first with room, from low addresses up, so that the high end of a heap that has shrunk is free.
 * The hint for each length tells where to begin. More than a chunk's worth is whole chunks.
 *
 * A unit that is free has memory still (it is dirty) until the scavenger gives that back.
 *
 * Everything here but init is for holders of heap.lock. Rejected: a tree of free runs by size, as
 * page heaps have had: it is slower than a hint and a word of bits until the heap is huge, and best
 * fit keeps the high end of the heap in use. Reserving all addresses at once: no limit of addresses
 * means anything then, or a process that has set one can map nothing more; and a start takes two
 * system calls and 7 us more.
 */
#include "mem/heap.h"
#include "mem/mem.h"

#define MAX_CHUNKS (uint32_t)(RT_HEAP_MAX / RT_CHUNK)
#define MAX_STEP 32u
#define HUGE_STEP 8u
#define SPLIT_WORTH 128u /* of 512: a quarter of a huge page */
#define SPLIT_MAX 8192u  /* the kernel's limit is 65,530 mappings */
#define ALL_FREE UINT32_MAX
#define FIRST_TABLE 16u         /* chunks */
#define FIRST_BASE (17ul << 40) /* behind what sanitizers and other runtimes like to take */
#define BASE_BITS 25            /* of chance, by chunks: up to 80 TiB; programs begin at 85 */
#define ASK_CGROUP 16u          /* chunks, 32 MiB: a smaller heap does not care */
#define OTHER_PART 16u          /* of what the cgroup has: stacks, tables, the kernel's */
#define PLACES 8                /* to try */

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

/* ---- addresses, and memory there ---- */

#define SPANS_OF_CHUNK (RT_CHUNK_UNITS * sizeof(struct rt__span))

static void
set_base(uintptr_t base, uint32_t max_chunks)
{
	struct rt__heap *h = &rt__heap;

	h->base = h->table = base;
	h->spans = (struct rt__span *)base - 1;
	h->spans_at_0 = (uintptr_t)h->spans + (base >> RT_UNIT_SHIFT) * sizeof(struct rt__span);
	h->max_chunks = max_chunks;
	h->step = 1;
}

void
rt__heap_reserve(uint32_t max_chunks)
{
	size_t spans = RT_ALIGN_UP(max_chunks * SPANS_OF_CHUNK, RT_CHUNK);
	uintptr_t p = (uintptr_t)rt__os_reserve_none(spans + (max_chunks + 1) * RT_CHUNK);

	if (!p)
		return;
	set_base(RT_ALIGN_UP(p + spans, RT_CHUNK), max_chunks);
	rt__heap.reserved = true;
}

static enum rt__mapped
map(uintptr_t from, uintptr_t to)
{
	if (rt__heap.reserved)
		return rt__os_commit((void *)from, to - from) ? RT_MAPPED : RT_MAP_REFUSED;
	return rt__os_map_at((void *)from, to - from);
}

/* The first chunk, with its entries below it, somewhere. From the second try on, a bit of luck does
 * no harm. */
static bool
map_first(void)
{
	struct rt__heap *h = &rt__heap;
	size_t entries = RT_ALIGN_UP(SPANS_OF_CHUNK, rt__os.page_size);
	uint64_t drawn = (uintptr_t)rt__args.argv; /* the kernel has drawn it, unless told not to */
	enum rt__mapped got = RT_MAP_TAKEN;

	if (h->reserved)
		got = map(h->base - entries, h->base + RT_CHUNK);
	for (int i = 0; !h->reserved && got == RT_MAP_TAKEN && i < PLACES; i++) {
		drawn = (drawn + 1) * 0x9e3779b97f4a7c15;
		set_base(FIRST_BASE + (drawn >> (64 - BASE_BITS)) * RT_CHUNK, MAX_CHUNKS);
		got = map(h->base - entries, h->base + RT_CHUNK);
	}
	if (got != RT_MAPPED) {
		h->base = h->reserved ? h->base : 0;
		return false;
	}
	h->table = h->base - entries;
	return true;
}

/* Room for the entries of n chunks. */
static bool
map_table(uint32_t n)
{
	struct rt__heap *h = &rt__heap;
	uintptr_t to = (h->base - n * SPANS_OF_CHUNK) & ~(rt__os.page_size - 1);

	if (to >= h->table)
		return true;
	if (map(to, h->table) != RT_MAPPED)
		return false;
	h->table = to;
	return true;
}

/* Room for n chunks in the tables. Readers may still look at old ones, which stay. */
static bool
grow_tables(uint32_t n)
{
	static struct {
		struct rt__chunk chunks[FIRST_TABLE];
		uint8_t longest[FIRST_TABLE];
	} first; /* in a page that is in use anyway */
	struct rt__heap *h = &rt__heap;
	uint32_t cap = h->table_cap ? h->table_cap : FIRST_TABLE;

	if (n <= h->table_cap)
		return true;
	while (cap < n)
		cap *= 2;
	struct rt__chunk *chunks = first.chunks;
	uint8_t *longest = first.longest;
	if (cap > FIRST_TABLE) {
		chunks = rt__persistent_try(cap * (sizeof *chunks + sizeof *h->longest),
					    RT_CACHE_LINE);
		if (!chunks)
			return false;
		longest = (uint8_t *)&chunks[cap];
	}
	if (h->nchunks > 0) {
		__builtin_memcpy(chunks, h->chunks, h->nchunks * sizeof *chunks);
		__builtin_memcpy(longest, h->longest, h->nchunks * sizeof *longest);
	}
	rt__store_rel(&h->chunks, chunks); /* with its contents, for rt__mem_find */
	h->longest = longest;
	h->table_cap = cap;
	return true;
}

/* The heap is larger by n chunks: free ones, or a hole. */
static void
add_chunks(uint32_t n, bool hole)
{
	struct rt__heap *h = &rt__heap;
	uint32_t to = h->nchunks + n;

	for (uint32_t i = h->nchunks; i < to; i++) {
		h->chunks[i].free = h->chunks[i].zero = hole ? 0 : ALL_FREE;
		h->longest[i] = hole ? 0 : RT_CHUNK_UNITS;
		h->chunks[i].huge = hole ? RT_HOLE : 0;
		h->chunks[i].pages = n < HUGE_STEP ? RT_PAGES_SMALL : RT_PAGES_HUGE;
	}
	h->holes += hole ? n : 0;
	rt__store_rlx(&h->nchunks, to);
	/* rel: the tables. Pairs with the acquire in rt__mem_find; others that have a pointer into
	 * the heap have it from who has seen this. */
	rt__store_rel(&h->size, to * RT_CHUNK);
}

/* Makes n more chunks usable. */
static enum rt__mapped
commit(uint32_t n)
{
	struct rt__heap *h = &rt__heap;
	uint32_t to = h->nchunks + n;
	uintptr_t at = h->base + h->nchunks * RT_CHUNK;
	enum rt__mapped got;

	if (!grow_tables(to))
		return RT_MAP_REFUSED;
	if (h->nchunks == 0 && n == 1)
		got = map_first() ? RT_MAPPED : RT_MAP_REFUSED;
	else
		got = map_table(to) ? map(at, at + n * RT_CHUNK) : RT_MAP_REFUSED;
	if (got != RT_MAPPED)
		return got;
	if (n >= HUGE_STEP)
		rt__os_huge_pages((void *)at, n * RT_CHUNK);
	add_chunks(n, false);
	return RT_MAPPED;
}

/* Somebody has mapped something where the heap was to grow: it goes on behind that. */
static bool
skip(void)
{
	if (rt__heap.nchunks == rt__heap.max_chunks || !grow_tables(rt__heap.nchunks + 1) ||
	    !map_table(rt__heap.nchunks + 1))
		return false;
	add_chunks(1, true);
	return true;
}

/* Before the heap grows to so many chunks: what the cgroup allows, if nobody has asked yet. */
static void
find_limit(uint32_t chunks)
{
	if (rt__heap.limit_known || chunks <= ASK_CGROUP)
		return;
	size_t all = rt__cgroup_memory();
	rt__mem_set_limit(all - all / OTHER_PART);
}

/* Some more chunks: n in a row, or the very first. */
static bool
grow(uint32_t n)
{
	struct rt__heap *h = &rt__heap;
	enum rt__mapped got;

	if (h->nchunks == 0)
		return commit(1) == RT_MAPPED;
	do {
		uint32_t left = h->max_chunks - h->nchunks, step = n > h->step ? n : h->step;

		if (n > left)
			return false;
		find_limit(h->nchunks + step);
		got = commit(step < left ? step : left);
		if (got != RT_MAPPED && step > n)
			got = commit(n);
	} while (got == RT_MAP_TAKEN && skip());
	if (got == RT_MAPPED && h->step < MAX_STEP)
		h->step *= 2;
	return got == RT_MAPPED;
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

/* Of the chunk's memory. */
static void
ask_for_pages(uint32_t c, enum rt__chunk_pages pages)
{
	struct rt__heap *h = &rt__heap;
	void *p = (void *)rt__unit_address(c * RT_CHUNK_UNITS);

	if (pages == RT_PAGES_HUGE) {
		rt__os_huge_pages(p, RT_CHUNK);
		h->nsplit--;
	} else {
		rt__os_no_huge_pages(p, RT_CHUNK);
		h->nsplit++;
	}
	h->chunks[c].pages = (uint8_t)pages;
}

/* Takes units that are free out of a chunk: whether they are all zeros. */
static bool
take(uint32_t c, uint32_t mask)
{
	struct rt__heap *h = &rt__heap;
	struct rt__chunk *chunk = &h->chunks[c];
	uint32_t n = (uint32_t)__builtin_popcount(mask);
	uint32_t zero = (uint32_t)__builtin_popcount(mask & chunk->zero);

	if (rt__unlikely(chunk->pages == RT_PAGES_SPLIT) && chunk->free == ALL_FREE)
		ask_for_pages(c, RT_PAGES_HUGE);
	chunk->free &= ~mask;
	chunk->zero &= ~mask;
	chunk->cold &= ~mask;
	chunk->due &= ~mask;
	h->longest[c] = longest_run(chunk->free);
	rt__store_rlx(&h->used, h->used + n);
	rt__store_rlx(&h->dirty, h->dirty - (n - zero));
	return zero == n;
}

uint32_t
rt__units_alloc(uint32_t n, bool *zero)
{
	struct rt__heap *h = &rt__heap;

	rt__limit_keep(n);
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
	rt__store_rlx(&h->used, h->used - n);
	rt__store_rlx(&h->dirty, h->dirty + n);
	chunk_freed(c);
	rt__heap_freed();
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
	rt__limit_keep((size_t)n * RT_CHUNK_UNITS);
	uint32_t found, c;
	while (c = find_chunks(n, &found), found < n)
		if (!grow(n - found))
			return RT_NO_UNIT;
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
			rt__store_rlx(&rt__heap.dirty, rt__heap.dirty - RT_CHUNK_UNITS);
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

/* What the kernel does not take stays. */
uint32_t
rt__release_bits(uintptr_t p, uint32_t bits, size_t size)
{
	uint32_t gone = 0;

	while (bits) {
		uint32_t bit = (uint32_t)__builtin_ctz(bits), rest = ~(bits >> bit);
		uint32_t len = rest ? (uint32_t)__builtin_ctz(rest) : RT_CHUNK_UNITS;
		struct rt__range r = {(void *)(p + bit * size), len * size};

		if (rt__os_release_each(&r, 1))
			gone |= mask_of(bit, len);
		bits &= ~mask_of(bit, len);
	}
	return gone;
}

/*
 * Of a huge page, little is left where it is: the kernel would take the page apart. If it goes, the
 * rest is to stay small pages, since the kernel would fill the holes again some day to make it a
 * huge one; until it is all free. Each such chunk may be a mapping of its own.
 */
bool
rt__chunk_split(uint32_t c, uint32_t pages, bool any)
{
	const struct rt__chunk *chunk = &rt__heap.chunks[c];

	if (chunk->pages != RT_PAGES_HUGE || chunk->free == ALL_FREE)
		return true;
	if ((pages < SPLIT_WORTH && !any) || rt__heap.nsplit >= SPLIT_MAX)
		return any;
	ask_for_pages(c, RT_PAGES_SPLIT);
	return true;
}

static uint32_t
release_in(uint32_t c, bool any)
{
	struct rt__chunk *chunk = &rt__heap.chunks[c];
	uint32_t go = any ? chunk->free & ~chunk->zero : chunk->due;

	if (!go || !rt__chunk_split(c, (uint32_t)__builtin_popcount(go) * RT_UNIT_PAGES, any))
		return 0;
	chunk->due &= ~go;
	chunk->cold &= ~go;
	uint32_t gone = rt__release_bits(rt__unit_address(c * RT_CHUNK_UNITS), go, RT_UNIT);
	chunk->zero |= gone;
	return (uint32_t)__builtin_popcount(gone);
}

size_t
rt__units_release(size_t max, bool any)
{
	struct rt__heap *h = &rt__heap;
	size_t n = 0;

	for (uint32_t c = h->nchunks; c-- > 0 && n < max && h->dirty > 0;) {
		uint32_t here = release_in(c, any);

		n += here;
		rt__store_rlx(&h->dirty, h->dirty - here);
		rt__add_rlx(&h->released, here * RT_UNIT);
	}
	return n;
}

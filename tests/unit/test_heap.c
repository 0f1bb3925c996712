/* SPDX-License-Identifier: MIT */
/*
 * The heap on the host: sequences of operations drawn from a seed against a model of what is
 * allocated, with the heap's own check of everything in between; size classes; searching from
 * interior addresses; memory that goes back; what misuse is told.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rt/rt.h>

#include "mem/heap.h"
#include "mem/mem.h"
#include "os/os.h"

#include "heap_model.h"

#define MAX_CHUNKS 128

/* ---- size classes ---- */

Test(heap, classes_hold_what_they_are_for)
{
	for (size_t size = 0; size <= RT_MEDIUM_MAX; size++) {
		unsigned class = rt__size_class(size);

		cr_assert(rt__class_size[class] >= size && class < RT_CLASSES, "%zu", size);
		if (size > 5376)
			cr_assert(rt__class_size[class - 1] < size + 128, "%zu", size);
		else if (size > 16)
			cr_assert(rt__class_size[class - 1] < size, "%zu", size);
	}
	for (size_t two = 16; two <= RT_MEDIUM_MAX; two *= 2)
		if (two != 3 * RT_UNIT)
			cr_assert_eq(rt__class_size[rt__size_class(two)], two);
}

Test(heap, magic_divides)
{
	for (unsigned class = 1; class < RT_CLASSES; class ++) {
		uint32_t size = rt__class_size[class],
			 m = rt__magic(size < RT_UNIT ? size : RT_UNIT);

		for (uint64_t offset = 0; offset < RT_UNIT; offset++) {
			cr_assert_eq(offset * m >> 32, offset / size);
			cr_assert_eq((uint32_t)(offset * m) < m, offset % size == 0);
		}
	}
}

/* ---- operations against a model ---- */

Test(heap, operations_from_a_seed)
{
	const char *given = getenv("RT0_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)getpid() * 2654435761u;
	rt_mem_stats st;

	setup(MAX_CHUNKS);
	run(seed | 1, 400000, 64, true);
	drop_all();
	rt__mem_check();
	rt_read_mem_stats(&st);
	cr_assert_eq(st.blocks, 0, "RT0_SEED=%lu", seed);
	cr_assert_eq(st.cached, 0);
	cr_assert_eq(st.idle, 0);
	/* What is left is one empty span for each class that was used. */
	cr_assert(st.in_use <= RT_CLASSES * RT_UNIT);
}

/* ---- blocks without pointers ---- */

static const size_t some_sizes[] = {1, 100, 5000, 32768, RT_UNIT, RT_MEDIUM_MAX, 300000, 3000000};

Test(heap, blocks_without_pointers_lie_apart)
{
	enum { N = RT_ARRAY_LEN(some_sizes) };
	struct rt__mem_block b;
	void *p[2][N];
	bool zero;

	setup(MAX_CHUNKS);
	struct rt__cache *twin = rt__cache_twin(caches[0], true);
	cr_assert(twin != caches[0] && twin->noscan && rt__cache_twin(caches[0], true) == twin);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2 * N; i++) {
			size_t size = some_sizes[i / 2];
			bool noscan = i % 2;
			void *q = size > RT_MEDIUM_MAX
				? rt__large_alloc(size, 0, noscan, &zero)
				: take(noscan ? twin : caches[0], size, &zero);

			p[noscan][i / 2] = q;
			cr_assert(rt__mem_find((uintptr_t)q + size - 1, &b) && b.in_use);
			cr_assert_eq(b.pointers, !noscan);
		}
		for (int i = 0; i < N; i++)
			for (int k = 0; k < 2; k++)
				give(caches[(i + k + round) % CACHES], p[k][i]);
		rt__mem_check();
	}
	void *q = rt__large_alloc(3000000, 0, true, &zero);
	q = rt__large_realloc(rt__unit_of(q), 40000000);
	cr_assert(rt__mem_find((uintptr_t)q, &b) && !b.pointers && b.size >= 40000000);
	give(caches[1], q);
	drop_all();
	rt__mem_check();
}

/* ---- many threads, each with a cache; blocks wander from one to another ---- */

#define EXCHANGE 64

static void *exchange[EXCHANGE];

static void *
wander(void *arg)
{
	uint64_t seed = (uintptr_t)arg * 2654435761u + 1;
	struct rt__cache *c = caches[(uintptr_t)arg];
	bool zero;

	for (int i = 0; i < 30000; i++) {
		size_t size = sizeof(size_t) + draw(&seed) % (draw(&seed) % 64 ? 300 : 100000);
		size_t *p = take(c, size, &zero);

		cr_assert_not_null(p);
		*p = (size_t)p;
		size_t *old = rt__xchg_acqrel(&exchange[draw(&seed) % EXCHANGE], p);
		if (old) {
			cr_assert_eq(*old, (size_t)old);
			give(c, old);
		}
		struct rt__mem_block b;
		uintptr_t at = rt__heap.base + draw(&seed) % rt__load_rlx(&rt__heap.size);
		if (rt__mem_find(at, &b)) /* anybody's */
			cr_assert(b.start <= at && at - b.start < b.size);
	}
	return NULL;
}

static uint8_t
state_of(const void *p)
{
	const struct rt__span *sp = rt__unit_of(p);

	return sp->state[((uintptr_t)p % RT_UNIT) / rt__class_size[sp->class]];
}

/* Blocks that others have freed come back to the cache whose spans they are of, and nobody else
 * hands them out, however they wander. */
Test(heap, blocks_go_back_to_their_owner)
{
	uint64_t seed = 1;
	void *p[1000];
	bool zero;

	setup(MAX_CHUNKS);
	for (int i = 0; i < 1000; i++)
		p[i] = take(caches[0], 64, &zero);
	for (int i = 0; i < 100000; i++) {
		int k = (int)(draw(&seed) % 1000), by = (int)(draw(&seed) % CACHES);

		give(caches[by], p[k]);
		p[k] = take(caches[by], 64, &zero);
		cr_assert_eq(rt__unit_of(p[k])->owner, caches[by]);
	}
	for (int i = 0; i < 1000; i++)
		give(caches[1], p[i]);
	for (int i = 0; i < CACHES; i++)
		rt__cache_flush(caches[i]);
	rt__central_trim(true);
	rt__mem_check();
	for (int i = 0; i < 1000; i++)
		if (rt__unit_of(p[i])->magic)
			cr_assert_eq(state_of(p[i]), RT_BLOCK_FREE);
}

/* Past all caches. */
static void
give_to_span(void *p)
{
	struct rt__block b = {p, NULL};

	rt__span_of_block(p, &b.state);
	*b.state = RT_BLOCK_CACHED;
	rt__central_free(rt__unit_of(p)->class, &b, 1);
}

/* What the cache has, in its bin and in its spans. */
static void
use_up(struct rt__cache *c, size_t size)
{
	unsigned class = rt__size_class(size);
	struct rt__block b;

	while (c->spans[class].first)
		rt__central_take(c, class, &b, 1);
	while (rt__bin_pop(&c->bins[class]))
		;
}

/* A cache takes from its own spans as long as there are any, from others' if much is free there,
 * and makes no new one before. */
Test(heap, spans_are_of_owners)
{
	enum { SIZE = 4096, EACH = 16, SPANS = 40 };
	void *p[3][SPANS * EACH];
	bool zero;

	setup(MAX_CHUNKS);
	for (int c = 0; c < 3; c++)
		for (int i = 0; i < SPANS * EACH; i++)
			p[c][i] = take(caches[c], SIZE, &zero);
	for (int i = 0; i < SPANS; i++)
		give_to_span(p[1][i * EACH]);
	use_up(caches[0], SIZE);
	give_to_span(p[0][SPANS * EACH - 1]);
	rt__mem_check();
	size_t used = rt__heap.used;
	cr_assert_eq(take(caches[0], SIZE, &zero), p[0][SPANS * EACH - 1], "its own");
	cr_assert_eq(rt__heap.used, used + 1, "and a new one: others' are nearly full");
	for (int i = 0; i < 3 * EACH; i++)
		give_to_span(p[2][EACH + 2 * i]);
	use_up(caches[0], SIZE);
	used = rt__heap.used;
	void *q = take(caches[0], SIZE, &zero);
	cr_assert(rt__unit_of(q)->owner == caches[0] && rt__heap.used == used);
	cr_assert(q >= p[2][EACH] && q < p[2][8 * EACH], "one that has room");
	rt__mem_check();
	rt__cache_flush(caches[1]);
	cr_assert(rt__unit_of(p[1][0])->owner->none, "it owns none with free blocks any more");
	rt__mem_check();
}

Test(heap, blocks_wander_between_threads)
{
	pthread_t t[CACHES];
	rt_mem_stats st;

	setup(MAX_CHUNKS);
	for (uintptr_t i = 0; i < CACHES; i++)
		pthread_create(&t[i], NULL, wander, (void *)i);
	for (int i = 0; i < CACHES; i++)
		pthread_join(t[i], NULL);
	rt__mem_check();
	for (int i = 0; i < EXCHANGE; i++)
		if (exchange[i])
			give(caches[0], exchange[i]);
	drop_all();
	rt_read_mem_stats(&st);
	cr_assert(st.blocks == 0 && st.cached == 0);
}

/* ---- the end of memory ---- */

Test(heap, without_memory_it_says_so_and_goes_on)
{
	void *p[MAX_CHUNKS];
	bool zero;
	int n = 0;

	setup(MAX_CHUNKS);
	while (n < MAX_CHUNKS && (p[n] = rt__large_alloc(RT_CHUNK, 0, false, &zero)) != NULL)
		n++;
	cr_assert_eq(n, MAX_CHUNKS / 2); /* each has a guard, and so a second chunk */
	cr_assert_null(take(caches[0], 100, &zero));
	cr_assert_null(take(caches[0], RT_MEDIUM_MAX, &zero));
	cr_assert_null(rt__large_alloc(RT_HEAP_MAX, 0, false, &zero));
	give(caches[0], p[--n]);
	cr_assert_not_null(take(caches[0], 100, &zero));
	rt__mem_check();
}

Test(heap, large_alignment)
{
	bool zero;

	setup(MAX_CHUNKS);
	for (size_t align = 64; align <= RT_CHUNK * 8; align *= 2) {
		char *p = rt__large_alloc(RT_MEDIUM_MAX + 1, align, false, &zero);

		cr_assert_not_null(p);
		cr_assert_eq((uintptr_t)p % align, 0);
		p[RT_MEDIUM_MAX] = 1;
		give(caches[0], p);
	}
	rt__mem_check();
}

/* ---- memory goes back ---- */

static size_t
resident(void *p, size_t size)
{
	unsigned char page[1024];
	size_t n = 0;

	cr_assert(size / 4096 <= sizeof page && mincore(p, size, page) == 0);
	for (size_t i = 0; i < size / 4096; i++)
		n += page[i] & 1;
	return n;
}

Test(heap, idle_memory_goes_after_a_period)
{
	bool zero;

	setup(MAX_CHUNKS);
	char *p = rt__large_alloc(RT_CHUNK / 2, 0, false, &zero);
	cr_assert(zero);
	memset(p, 1, RT_CHUNK / 2);
	give(caches[0], p);
	rt__units_age();
	cr_assert_eq(rt__units_release(SIZE_MAX, false), 0);
	cr_assert_eq(resident(p, RT_CHUNK / 2), RT_CHUNK / 2 / 4096);
	rt__units_age();
	cr_assert_eq(rt__units_release(SIZE_MAX, false), RT_CHUNK_UNITS / 2);
	cr_assert_eq(resident(p, RT_CHUNK / 2), 0);
	cr_assert_eq(rt__large_alloc(RT_CHUNK / 2, 0, false, &zero), p);
	cr_assert(zero);
}

/* Pages of spans that no block lies in go once nothing was taken from the span for a period; who
 * takes their blocks again has pages again. */
Test(heap, idle_pages_of_spans_go)
{
	enum { SIZE = 64, N = 4 * RT_UNIT / SIZE, KEEP = N / 8 };
	char *p[N];
	bool zero;

	setup(MAX_CHUNKS);
	for (int i = 0; i < N; i++)
		p[i] = memset(take(caches[0], SIZE, &zero), i % 128, SIZE);
	use_up(caches[0], SIZE);
	for (int i = 0; i < N; i++)
		if (i % KEEP)
			give_to_span(p[i]);
	sweep(false);
	cr_assert_eq(rt__heap.gone, 0, "they were in use just now");
	rt__mem_check();
	sweep(false);
	size_t gone = rt__heap.gone;
	cr_assert_geq(gone, 4 * RT_UNIT_PAGES - 8 - 2); /* a page of each, and their ends */
	cr_assert_leq(resident((char *)rt__heap.base, RT_CHUNK),
		      (rt__heap_needed() + rt__heap.dirty) * RT_UNIT_PAGES);
	sweep(false);
	cr_assert_eq(rt__heap.gone, gone);
	rt__mem_check();
	for (int i = 0; i < N; i += KEEP)
		for (int j = 0; j < SIZE; j++)
			cr_assert_eq(p[i][j], i % 128);
	char *q;
	do
		q = take(caches[0], SIZE, &zero);
	while (q < p[0] + 4096);
	cr_assert(!zero && q[0] == 0);
	cr_assert(rt__heap.gone < gone, "a page is there again");
	q[0] = 1;
	rt__mem_check();
	rt__cache_flush(caches[0]);
	sweep(true);
	rt__mem_check();
	cr_assert_leq(resident((char *)rt__heap.base, RT_CHUNK),
		      rt__heap.used * RT_UNIT_PAGES - rt__heap.gone);
}

/* A cache gives up what it has not touched for a period, its own blocks and others', when it comes
 * to central for another class. */
Test(heap, idle_classes_are_given_up)
{
	enum { N = 20 };
	void *p[2 * N], *q[3];
	bool zero;

	setup(MAX_CHUNKS);
	const struct rt__bin *b = &caches[0]->bins[rt__size_class(1000)];
	for (int i = 0; i < 2 * N; i++)
		p[i] = take(caches[i % 2], 1000, &zero);
	for (int i = 0; i < 2 * N; i++)
		give(caches[0], p[i]);
	cr_assert(b->top > b->lo && b->hi < b->end);
	for (int period = 0; period < 3; period++) {
		rt__heap.period++;
		use_up(caches[0], 64);
		q[period] = take(caches[0], 64, &zero);
		if (period < 2)
			cr_assert(b->top > b->lo && b->hi < b->end);
		if (period == 0) /* used: one more */
			give(caches[0], take(caches[1], 1000, &zero));
	}
	cr_assert(b->top == b->lo && b->hi == b->end, "not used since the last but one");
	for (int i = 0; i < 3; i++)
		give(caches[0], q[i]);
	rt__mem_check();
}

static void
fill_pages(char **p, int n)
{
	bool zero;

	for (int i = 0; i < n; i++)
		if (!p[i])
			p[i] = memset(take(caches[0], 4096, &zero), 1, 4096);
}

static void
drop_pages(char **p, int n, int keep)
{
	for (int i = 0; i < n; i++)
		if (p[i] && i % keep) {
			give_to_span(p[i]);
			p[i] = NULL;
		}
	sweep(false);
	sweep(false);
	rt__mem_check();
}

/* What stays, since little of a huge page is free, keeps nobody awake. */
Test(heap, the_scavenger_comes_to_an_end)
{
	enum { N = 50 * RT_CHUNK / 4096 };
	static char *p[N];
	int64_t now = 0, wait;
	int ticks = 0;

	setup(MAX_CHUNKS);
	fill_pages(p, N);
	for (int i = N - 64; i < N; i++)
		give_to_span(p[i]);
	do {
		wait = rt__scavenge_tick(now);
		now += wait;
		cr_assert_lt(++ticks, 100);
	} while (wait > 0);
	cr_assert_geq(now, 2000000000);
	cr_assert_lt(now, 5000000000);
	cr_assert(rt__heap.dirty > 0 && rt__heap.nsplit == 0);
	give_to_span(p[0]);
	cr_assert_gt(rt__scavenge_tick(now), 0);
}

/* A chunk of which a part was given back is of small pages, until it has been free as a whole. */
Test(heap, huge_pages_are_split_and_become_whole)
{
	enum { N = 50 * RT_CHUNK / 4096 };
	static char *p[N];

	setup(MAX_CHUNKS);
	fill_pages(p, N);
	drop_pages(p, N, 8);
	uint32_t split = rt__heap.nsplit;
	cr_assert_gt(split, 10);
	cr_assert_gt(rt__heap.gone, N / 8 * 5);
	fill_pages(p, N);
	cr_assert_eq(rt__heap.nsplit, split, "no chunk was free");
	cr_assert_lt(rt__heap.gone, 2 * RT_UNIT_PAGES);
	drop_pages(p, N, N);
	fill_pages(p, N);
	cr_assert_lt(rt__heap.nsplit, 3);
	rt__mem_check();
}

Test(heap, free_blocks_are_not_written_to)
{
	bool zero;
	char *p[1000];

	setup(MAX_CHUNKS);
	for (int i = 0; i < 1000; i++) {
		p[i] = take(caches[0], 64, &zero);
		memset(p[i], 0x5a, 64);
	}
	for (int i = 0; i < 1000; i++)
		give(caches[i % CACHES], p[i]);
	for (int i = 0; i < CACHES; i++)
		rt__cache_flush(caches[i]);
	rt__central_trim(true);
	for (int i = 0; i < 1000; i++)
		for (int j = 0; j < 64; j++)
			cr_assert_eq(p[i][j], 0x5a);
}

/* ---- misuse ---- */

Test(heap, report_of_a_double_free, .exit_code = 2)
{
	bool zero;

	setup(MAX_CHUNKS);
	void *p = take(caches[0], 100, &zero);
	give(caches[0], p);
	rt__bad_pointer("free", p);
}

Test(heap, damage_is_found, .exit_code = 2)
{
	bool zero;

	setup(MAX_CHUNKS);
	void *p = take(caches[0], 100, &zero);
	rt__unit_of(p)->nfree++;
	rt__mem_check();
}

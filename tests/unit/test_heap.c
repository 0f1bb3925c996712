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

#define CACHES 3
#define SLOTS 2000
#define MAX_CHUNKS 128

/* mem/here.c is about Ms and Ps. */
void
rt__caches_trim(void)
{
}

static struct rt__cache *caches[CACHES];

static void
setup(void)
{
	rt__os.page_size = 4096;
	rt__os.madvise_guard = true;
	rt__persistent_init();
	rt__heap_init();
	rt__central_init();
	rt__heap_reserve(MAX_CHUNKS);
	for (int i = 0; i < CACHES; i++)
		caches[i] = rt__cache_new(false);
}

static uint64_t
draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* ---- malloc and free, as malloc.c does them, on a given cache ---- */

static void *
take(struct rt__cache *c, size_t size, bool *zero)
{
	if (size > RT_MEDIUM_MAX)
		return rt__large_alloc(size, 0, zero);
	unsigned class = rt__size_class(size);
	void *p = rt__bin_pop_zero(&c->bins[class], zero);
	if (!p && rt__cache_refill(c, class))
		p = rt__bin_pop_zero(&c->bins[class], zero);
	return p;
}

static void
give(struct rt__cache *c, void *p)
{
	uint8_t *state = NULL;
	struct rt__span *sp = rt__span_in_use(p, &state);

	cr_assert_not_null(sp);
	if (sp->class >= RT_CLASSES) {
		*state = RT_BLOCK_CACHED;
		rt__large_free(sp);
		return;
	}
	if (rt__bin_full(&c->bins[sp->class]))
		rt__cache_spill(c, sp->class);
	rt__bin_push(c, sp, p, state);
}

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

struct slot {
	unsigned char *p;
	size_t size;
	unsigned char fill;
};

static struct slot slots[SLOTS];

static size_t
draw_size(uint64_t *seed)
{
	static const size_t scale[] = {64, 512, 512, 4096, 40000, 300000, 1500000, 5000000};
	size_t limit = scale[draw(seed) % (draw(seed) % 64 ? 5 : 8)];

	return draw(seed) % limit;
}

/* The first and last bytes stand for the block. */
static void
fill(struct slot *s)
{
	size_t n = s->size < 64 ? s->size : 64;

	memset(s->p, s->fill, n);
	memset(s->p + s->size - n, s->fill, n);
}

static void
check_fill(const struct slot *s)
{
	size_t n = s->size < 64 ? s->size : 64;

	for (size_t i = 0; i < n; i++)
		cr_assert(s->p[i] == s->fill && s->p[s->size - 1 - i] == s->fill);
}

static void
check_found(const struct slot *s, uint64_t *seed)
{
	struct rt__mem_block b;
	uintptr_t at = (uintptr_t)s->p + (s->size ? draw(seed) % s->size : 0);

	cr_assert(rt__mem_find(at, &b));
	cr_assert_eq(b.start, (uintptr_t)s->p);
	cr_assert(b.size >= s->size && b.in_use);
}

static void
replace(struct slot *s, uint64_t *seed)
{
	bool zero = false;

	if (s->p) {
		check_fill(s);
		check_found(s, seed);
		give(caches[draw(seed) % CACHES], s->p);
	}
	s->p = NULL;
	s->size = draw_size(seed);
	s->fill = (unsigned char)(draw(seed) | 1);
	if (draw(seed) % 3 == 0)
		return;
	s->p = take(caches[draw(seed) % CACHES], s->size, &zero);
	if (!s->p)
		return;
	cr_assert_eq((uintptr_t)s->p % 16, 0);
	if (zero)
		for (size_t i = 0; i<s->size; i += s->size> 4096 ? 509 : 1)
			cr_assert_eq(s->p[i], 0);
	fill(s);
}

static void
resize(struct slot *s, uint64_t *seed)
{
	uint8_t *state = NULL;

	if (!s->p || s->size <= RT_MEDIUM_MAX)
		return;
	size_t size = RT_MEDIUM_MAX + 1 + draw(seed) % 6000000;
	struct rt__span *sp = rt__span_in_use(s->p, &state);
	check_fill(s);
	void *p = rt__large_realloc(sp, size);
	if (!p)
		return;
	s->p = p;
	cr_assert_eq(s->p[0], s->fill);
	cr_assert_eq(s->p[(s->size < size ? s->size : size) - 1],
		     s->size <= size ? s->fill : s->p[size - 1]);
	s->size = size;
	fill(s);
}

static void
run(uint64_t seed, int ops)
{
	for (int i = 0; i < ops; i++) {
		struct slot *s = &slots[draw(&seed) % SLOTS];

		if (draw(&seed) % 50 == 0)
			resize(s, &seed);
		else
			replace(s, &seed);
		if (i % 20000 == 19999) {
			rt__mem_check();
			rt__units_age();
			rt__units_release(draw(&seed) % 256, draw(&seed) % 4 == 0);
			rt__central_trim(draw(&seed) % 4 == 0);
			rt__cache_flush(caches[draw(&seed) % CACHES]);
			rt__mem_check();
		}
	}
}

static void
drop_all(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].p)
			give(caches[0], slots[i].p);
	for (int i = 0; i < CACHES; i++)
		rt__cache_flush(caches[i]);
	rt__scavenge_all();
}

Test(heap, operations_from_a_seed)
{
	const char *given = getenv("RT0_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)getpid() * 2654435761u;
	rt_mem_stats st;

	setup();
	run(seed | 1, 400000);
	drop_all();
	rt__mem_check();
	rt_read_mem_stats(&st);
	cr_assert_eq(st.blocks, 0, "RT0_SEED=%lu", seed);
	cr_assert_eq(st.cached, 0);
	cr_assert_eq(st.idle, 0);
	/* What is left is one empty span for each class that was used. */
	cr_assert(st.in_use <= RT_CLASSES * RT_UNIT);
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

	setup();
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

Test(heap, blocks_wander_between_threads)
{
	pthread_t t[CACHES];
	rt_mem_stats st;

	setup();
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

	setup();
	while (n < MAX_CHUNKS && (p[n] = rt__large_alloc(RT_CHUNK, 0, &zero)) != NULL)
		n++;
	cr_assert_eq(n, MAX_CHUNKS / 2); /* each has a guard, and so a second chunk */
	cr_assert_null(take(caches[0], 100, &zero));
	cr_assert_null(take(caches[0], RT_MEDIUM_MAX, &zero));
	cr_assert_null(rt__large_alloc(RT_HEAP_MAX, 0, &zero));
	give(caches[0], p[--n]);
	cr_assert_not_null(take(caches[0], 100, &zero));
	rt__mem_check();
}

Test(heap, large_alignment)
{
	bool zero;

	setup();
	for (size_t align = 64; align <= RT_CHUNK * 8; align *= 2) {
		char *p = rt__large_alloc(RT_MEDIUM_MAX + 1, align, &zero);

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

	setup();
	char *p = rt__large_alloc(RT_CHUNK / 2, 0, &zero);
	cr_assert(zero);
	memset(p, 1, RT_CHUNK / 2);
	give(caches[0], p);
	rt__units_age();
	cr_assert_eq(rt__units_release(SIZE_MAX, false), 0);
	cr_assert_eq(resident(p, RT_CHUNK / 2), RT_CHUNK / 2 / 4096);
	rt__units_age();
	cr_assert_eq(rt__units_release(SIZE_MAX, false), RT_CHUNK_UNITS / 2);
	cr_assert_eq(resident(p, RT_CHUNK / 2), 0);
	cr_assert_eq(rt__large_alloc(RT_CHUNK / 2, 0, &zero), p);
	cr_assert(zero);
}

Test(heap, free_blocks_are_not_written_to)
{
	bool zero;
	char *p[1000];

	setup();
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

	setup();
	void *p = take(caches[0], 100, &zero);
	give(caches[0], p);
	rt__bad_pointer("free", p);
}

Test(heap, damage_is_found, .exit_code = 2)
{
	bool zero;

	setup();
	void *p = take(caches[0], 100, &zero);
	rt__unit_of(p)->nfree++;
	rt__mem_check();
}

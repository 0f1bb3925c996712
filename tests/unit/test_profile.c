/* SPDX-License-Identifier: MIT */
/*
 * Which blocks the heap profile samples: that its estimates are right for blocks of any size,
 * whatever becomes of them, also while the rate is changed; and that a new rate is everybody's at
 * once, who has allocated before or not, and whoever sets it meanwhile.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include <rt/rt.h>

#include "mem/heap.h"
#include "mem/mem.h"
#include "mem/profile.h"
#include "mem/stacks.h"
#include "os/os.h"
#include "symtab/symtab.h"

#include "heap_model.h"

#define CHUNKS 64

/* ---- in place of call stacks: who allocates says so ---- */

static _Thread_local uintptr_t who = 1;

unsigned
rt__stacks_callers(uintptr_t *pcs, unsigned max)
{
	cr_assert(max > 0);
	pcs[0] = who;
	return 1;
}

enum rt__text
rt__text_of(uintptr_t pc)
{
	(void)pc;
	return RT_TEXT_USER;
}

/* ---- malloc and free, as malloc.c does them ---- */

static size_t
size_of(const void *p)
{
	const struct rt__span *sp = rt__unit_of(p);

	return sp->class < RT_CLASSES ? rt__class_size[sp->class] : sp->pages * 4096ul;
}

static void *
alloc(struct rt__cache *c, size_t size)
{
	size_t n = (size + 15) / 16;
	void *p = size <= RT_FAST_MAX ? rt__bin_pop(rt__bin_of(c, n)) : NULL;
	bool zero, ended;

	if (p) {
		ended = rt__profile_count(&c->sampler, n);
	} else {
		p = take(c, size, &zero);
		cr_assert_not_null(p);
		n = size_of(p) / 16;
		ended = rt__profile_count_slow(&c->sampler, n);
	}
	return ended ? rt__profile_sample(c, p, n) : p;
}

static bool
is_sampled(const void *p)
{
	uint8_t *state;

	return rt__span_watched(p, &state) != NULL;
}

static void
release(struct rt__cache *c, void *p)
{
	uint8_t *state;

	if (rt__span_watched(p, &state)) {
		cr_assert(rt__profile_free(p));
		rt__store_rlx(state, (uint8_t)RT_BLOCK_USED);
	}
	give(c, p);
}

/* ---- estimates ---- */

static struct rt__profile_bucket
sum_of(uintptr_t name)
{
	struct rt__profile_bucket sum = {0};
	uint32_t n, stack = rt__stacks_add(&name, 1);
	size_t size;
	struct rt__profile_bucket *b = rt__profile_read(&n, &size);

	cr_assert_not_null(b);
	for (uint32_t i = 0; i < n; i++) {
		if (b[i].stack != stack)
			continue;
		sum.allocs += b[i].allocs;
		sum.frees += b[i].frees;
		sum.alloc_bytes += b[i].alloc_bytes;
		sum.freed_bytes += b[i].freed_bytes;
	}
	rt__os_unmap(b, size);
	return sum;
}

/* Of 4096 samples, one deviation is 1.6 %: five, once in two million. */
static void
expect_near(const char *what, uintptr_t name, uint64_t have, uint64_t want)
{
	cr_assert(have > want / 100 * 91 && have < want / 100 * 109, "%s of %lu: %lu, not %lu",
		  what, name, have, want);
}

static void
expect_estimate(uintptr_t name, uint64_t blocks, size_t size, uint64_t in_use)
{
	struct rt__profile_bucket b = sum_of(name);

	expect_near("blocks", name, b.allocs / 256, blocks);
	expect_near("bytes", name, b.alloc_bytes, blocks * size);
	if (in_use > 0)
		expect_near("in use", name, b.alloc_bytes - b.freed_bytes, in_use * size);
	else
		cr_assert(b.frees == b.allocs && b.freed_bytes == b.alloc_bytes);
}

static const size_t sizes[] = {1, 16, 17, 100, 500, 1024, 1025, 5000, 32768, 200000, 300000};
#define NSIZES RT_ARRAY_LEN(sizes)
#define SAMPLES 4096
#define RATE 4096ul

/* Blocks that are freed at once, and allocated again and again. */
Test(profile, of_each_size)
{
	setup(CHUNKS);
	rt_set_mem_profile_rate(RATE);
	for (who = 1; who <= NSIZES; who++) {
		size_t size = sizes[who - 1], sampled = size < RATE ? size : RATE;
		size_t n = SAMPLES * RATE / sampled, real = 0;

		for (size_t i = 0; i < n; i++) {
			void *p = alloc(caches[0], size);

			real = size_of(p);
			release(caches[0], p);
		}
		expect_estimate(who, n, real, 0);
	}
}

/* One that stays and some that do not, in turn: always the same reach deepest into the bin. */
Test(profile, of_blocks_that_take_turns)
{
	enum { N = 4 * SAMPLES, SIZE = 1024 };
	static void *kept[N];

	setup(CHUNKS);
	rt_set_mem_profile_rate(RATE);
	for (int i = 0; i < N; i++) {
		who = 1;
		kept[i] = alloc(caches[0], SIZE);
		who = 2;
		void *p = alloc(caches[0], SIZE);
		for (who = 3; who <= 4; who++)
			release(caches[0], alloc(caches[0], SIZE));
		release(caches[0], p);
	}
	expect_estimate(1, N, SIZE, N);
	for (int i = 0; i < N; i++)
		release(caches[0], kept[i]);
	expect_estimate(1, N, SIZE, 0);
	for (uintptr_t name = 2; name <= 4; name++)
		expect_estimate(name, N, SIZE, 0);
}

/* Each time, counters begin anew; nobody gains or loses by that. */
Test(profile, while_the_rate_changes)
{
	static const size_t rates[] = {2048, 8192, 1, 4096, 1000};
	enum { N = 8 * SAMPLES };
	uint64_t seed = 1;

	setup(CHUNKS);
	for (int i = 0; i < N; i++) {
		if (draw(&seed) % 16 == 0)
			rt_set_mem_profile_rate(rates[draw(&seed) % RT_ARRAY_LEN(rates)]);
		struct rt__cache *c = caches[draw(&seed) % CACHES];
		for (who = 1; who <= 3; who++)
			release(c, alloc(c, 100ul << 2 * who)); /* 400, 1600, 6400 */
	}
	expect_estimate(1, N, 416, 0);
	expect_estimate(2, N, 1792, 0);
	expect_estimate(3, N, 6528, 0);
}

/* ---- a new rate ---- */

Test(profile, a_new_rate_is_everybodys)
{
	static const size_t before[] = {0, 1ul << 40, 100000};

	setup(CHUNKS);
	for (size_t i = 0; i < RT_ARRAY_LEN(before); i++) {
		rt_set_mem_profile_rate(before[i]);
		for (int k = 0; k < CACHES; k++)
			release(caches[k], alloc(caches[k], 100));
		cr_assert_eq(rt_set_mem_profile_rate(1), before[i]);
		for (int k = 0; k < 2 * CACHES; k++) {
			void *p = alloc(caches[k % CACHES], 1);

			cr_assert(is_sampled(p));
			release(caches[k % CACHES], p);
		}
	}
	struct rt__cache *late = rt__cache_new(false);
	cr_assert(is_sampled(alloc(late, 1)));
	rt_set_mem_profile_rate(0);
	for (int k = 0; k < CACHES; k++)
		for (int i = 0; i < 1000; i++)
			cr_assert_not(is_sampled(alloc(caches[k], 1000)));
}

#define ROUNDS 100
static unsigned round_now; /* odd: all blocks are to be sampled; 0: that is being changed */
static unsigned seen[CACHES];
static bool failed[CACHES];

/* Allocates all the time, and tells of which round a whole block was. */
static void *
allocate(void *arg)
{
	int id = (int)(intptr_t)arg;
	unsigned r = 0;

	while (r < ROUNDS) {
		r = rt__load_acq(&round_now); /* pairs with the test's store */
		void *p = alloc(caches[id], 64);
		bool sampled = is_sampled(p);

		release(caches[id], p);
		if (r != 0 && sampled != (r % 2 == 1) && rt__load_acq(&round_now) == r)
			failed[id] = true;
		if (r != 0)
			rt__store_rel(&seen[id], r); /* pairs with wait_for_all */
	}
	return NULL;
}

static void
wait_for_all(unsigned r)
{
	for (int id = 0; id < CACHES; id++)
		while (rt__load_acq(&seen[id]) < r) /* pairs with allocate */
			sched_yield();
}

/* A round begins when the rate is set, and ends before it is set again: a block of which both ends
 * are in one has its rate. */
Test(profile, a_new_rate_while_all_allocate, .timeout = 60)
{
	pthread_t t[CACHES];

	setup(CHUNKS);
	for (int id = 0; id < CACHES; id++)
		cr_assert_eq(pthread_create(&t[id], NULL, allocate, (void *)(intptr_t)id), 0);
	for (unsigned r = 1; r <= ROUNDS; r++) {
		rt__store_rel(&round_now, 0u);
		rt_set_mem_profile_rate(r % 2);
		rt__store_rel(&round_now, r); /* pairs with allocate */
		wait_for_all(r);
	}
	for (int id = 0; id < CACHES; id++) {
		cr_assert_eq(pthread_join(t[id], NULL), 0);
		cr_assert_not(failed[id]);
	}
}

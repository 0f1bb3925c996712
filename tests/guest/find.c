/* SPDX-License-Identifier: MIT */
/* From any address to its block, as a collector will ask: what is no block's, what is inside of
 * one, and while others allocate and free. Looks at the heap from inside. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "mem/heap.h"
#include "mem/mem.h"

static uint64_t
draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* ---- what is no block's ---- */

static char in_data[100] = {1}, in_bss[100];
static _Thread_local char in_tls[100];

static void
expect_none(uintptr_t p)
{
	struct rt__mem_block b;

	if (rt__mem_find(p, &b)) {
		fprintf(stderr, "%#zx: block at %#zx of %zu bytes\n", p, b.start, b.size);
		_Exit(3);
	}
}

/* Also before there is a heap. */
static void
expect_no_foreign(void)
{
	static const uintptr_t wild[] = {0,
					 1,
					 15,
					 4096,
					 0x00007fffffffffff,
					 0x0000800000000000,
					 0xdeadbeefdeadbeef,
					 0xffff7fffffffffff,
					 0xffff800000000000,
					 0xffffffffff600000, /* vsyscall */
					 UINTPTR_MAX - 15,
					 UINTPTR_MAX};
	char on_stack[100];
	char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	for (size_t i = 0; i < GUEST_LEN(wild); i++)
		expect_none(wild[i]);
	expect_none((uintptr_t)expect_no_foreign);
	expect_none((uintptr_t) "text");
	expect_none((uintptr_t)in_data);
	expect_none((uintptr_t)in_bss);
	expect_none((uintptr_t)in_tls);
	expect_none((uintptr_t)on_stack);
	expect_none((uintptr_t)pthread_self());
	expect_none(getauxval(AT_SYSINFO_EHDR));
	expect_none(getauxval(AT_RANDOM));
	expect_none((uintptr_t)sbrk(0));
	expect_none((uintptr_t)page);
	CHECK(munmap(page, 8192) == 0);
	expect_none((uintptr_t)page);
}

static void *
foreign_in_thread(void *arg)
{
	expect_no_foreign();
	return arg;
}

/* The heap's own tables, and where it begins and ends. */
static void
expect_no_metadata(const void *block)
{
	const struct rt__span *sp = rt__unit_of(block);

	expect_none((uintptr_t)sp);
	expect_none((uintptr_t)sp->state);
	expect_none((uintptr_t)rt__heap.spans);
	expect_none((uintptr_t)rt__heap.chunks);
	expect_none((uintptr_t)&rt__heap);
	expect_none((uintptr_t)rt__caches);
	expect_none((uintptr_t)rt__caches->bins[5].lo);
	expect_none(rt__heap.base - 1);
	expect_none(rt__heap.base + rt__heap.size);
	expect_none(rt__heap.base + (1ul << 40));
}

static void
foreign_in_goroutine(rt_wg *wg)
{
	expect_no_foreign();
	rt_wg_done(wg);
}

static int
foreign(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	CHECK(rt__heap.size == 0);
	expect_no_foreign();
	expect_none(rt__heap.base);
	void *p = malloc(100), *medium = malloc(200000);
	CHECK(p && medium);
	expect_no_foreign();
	expect_no_metadata(p);
	expect_no_metadata(medium);
	rt_wg_add(&wg, 1);
	rt_go(foreign_in_goroutine, &wg);
	rt_wg_wait(&wg);
	pthread_join(foreign_thread(foreign_in_thread, NULL), NULL);
	return ok();
}

/* ---- inside of blocks, and beside them ---- */

static const size_t sizes[] = {
	0,           1,
	16,          17,
	100,         112,
	1000,        1024,
	1025,        5000,
	10000,       21845,
	32768,       32769,
	65536,       65537,
	200000,      262144,
	262145,      MIB,
	MIB + 1,     2 * MIB - 4096,
	2 * MIB,     3000000,
	5 * MIB + 7, 30 * MIB + 5,
};

static void
expect_block(const void *p, bool pointers)
{
	size_t size = malloc_usable_size((void *)p);
	const size_t at[] = {0, 1, size / 3, size / 2, size - 1};
	uintptr_t start = (uintptr_t)p;
	struct rt__mem_block b;

	for (size_t i = 0; i < GUEST_LEN(at); i++) {
		CHECK(rt__mem_find(start + at[i], &b));
		CHECK(b.start == start && b.size == size);
		CHECK(b.in_use && b.pointers == pointers);
	}
	CHECK(!rt__mem_find(start - 1, &b) || b.start + b.size <= start);
	CHECK(!rt__mem_find(start + size, &b) || b.start == start + size);
}

static void
expect_free(uintptr_t start, size_t size)
{
	struct rt__mem_block b;

	for (size_t at = 0; at < size; at += size / 7 + 1)
		CHECK(!rt__mem_find(start + at, &b) || !b.in_use);
}

/* The page behind a huge block, and what is left of its last chunk. */
static void
expect_guard(const void *p)
{
	uintptr_t end = (uintptr_t)p + malloc_usable_size((void *)p);

	for (uintptr_t at = end; at % RT_CHUNK; at += 4096)
		expect_none(at);
}

/* Where no block fits into the end of a span. */
static void
expect_rest(const void *p)
{
	uintptr_t unit = (uintptr_t)p & ~(RT_UNIT - 1ul);
	size_t size = malloc_usable_size((void *)p);

	for (uintptr_t at = unit + RT_UNIT / size * size; size < RT_UNIT && at < unit + RT_UNIT;
	     at++)
		expect_none(at);
}

static int
inside(int argc, char **argv)
{
	enum { N = GUEST_LEN(sizes) };
	void *p[3][N];

	(void)argc, (void)argv;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			p[0][i] = malloc(sizes[i]);
			p[1][i] = rt_malloc_noscan(sizes[i]);
			p[2][i] = aligned_alloc(round ? 4096 : 8 * MIB, sizes[i]);
		}
		for (int i = 0; i < 3 * N; i++) {
			void *q = p[i % 3][i / 3];

			expect_block(q, i % 3 != 1);
			expect_rest(q);
			if (malloc_usable_size(q) > MIB)
				expect_guard(q);
		}
		for (int i = 0; i < 3 * N; i++) {
			uintptr_t start = (uintptr_t)p[i % 3][i / 3];
			size_t size = malloc_usable_size((void *)start);

			free((void *)start);
			expect_free(start, size);
		}
	}
	for (size_t i = 0; i < N; i++) { /* resized in place, moved by the kernel, copied */
		char *q = realloc(malloc(sizes[i]), sizes[N - 1 - i]);

		expect_block(q, true);
		q = realloc(q, sizes[i] + 5000);
		expect_block(q, true);
		q = realloc(q, 70000);
		expect_block(q, true);
		free(q);
	}
	return ok();
}

/* ---- while others allocate and free ---- */

#define CHURNERS 6
#define FINDERS 2
#define HELD 64

static int stop;

/* Spans of all kinds come and go, in the same units. */
static void
churn(unsigned id)
{
	uint64_t seed = (id + 1) * 0x9e3779b97f4a7c15;
	void *p[40] = {NULL};

	while (!GET(stop)) {
		size_t i = draw(&seed) % GUEST_LEN(p);

		if (draw(&seed) % 8 == 0) {
			void *q = realloc(p[i], sizes[draw(&seed) % 20]);
			CHECK(q);
			p[i] = q;
			continue;
		}
		free(p[i]);
		p[i] = draw(&seed) % 2 ? malloc(sizes[draw(&seed) % 20])
				       : rt_malloc_noscan(sizes[draw(&seed) % 20]);
		CHECK(p[i]);
		if (draw(&seed) % 2000 == 0)
			rt_free_os_memory();
	}
	for (size_t i = 0; i < GUEST_LEN(p); i++)
		free(p[i]);
}

static void *
churn_thread(void *id)
{
	churn((unsigned)(uintptr_t)id);
	return NULL;
}

/* Whatever it is, it is a block that can be, and has the address in it. */
static void
expect_possible(uintptr_t p)
{
	struct rt__mem_block b;

	if (!rt__mem_find(p, &b))
		return;
	size_t in_unit = b.start % RT_UNIT;
	CHECK(b.start <= p && p - b.start < b.size);
	CHECK(b.start >= rt__heap.base && b.start + b.size <= rt__heap.base + GET(rt__heap.size));
	if (b.size > RT_SMALL_MAX) {
		CHECK(in_unit == 0 || b.size < RT_UNIT);
		CHECK(b.size % 4096 == 0 && b.size <= 32 * MIB);
		return;
	}
	CHECK(b.size == rt__class_size[rt__size_class(b.size)]);
	CHECK(in_unit % b.size == 0 && in_unit + b.size <= RT_UNIT);
}

/* Blocks that are held are found as they are, whatever becomes of those beside them. */
static void *
find(void *id)
{
	uint64_t seed = ((uintptr_t)id + 100) * 0x9e3779b97f4a7c15;
	struct rt__mem_block b;
	void *held[HELD];

	for (int i = 0; i < HELD; i++)
		held[i] = malloc(sizes[draw(&seed) % 20]);
	for (int i = 0; i < 1500000; i++) {
		uintptr_t p = (uintptr_t)held[draw(&seed) % HELD];
		size_t size = malloc_usable_size((void *)p);

		CHECK(rt__mem_find(p + draw(&seed) % size, &b));
		CHECK(b.start == p && b.size == size && b.in_use && b.pointers);
		expect_possible(rt__heap.base + draw(&seed) % GET(rt__heap.size));
		/* The units that come and go most are the lowest. */
		expect_possible(rt__heap.base + draw(&seed) % (4 * MIB));
	}
	for (int i = 0; i < HELD; i++)
		free(held[i]);
	return NULL;
}

static void
churn_goroutine(unsigned id, rt_wg *wg)
{
	churn(id);
	rt_wg_done(wg);
}

static int
racing(int argc, char **argv)
{
	pthread_t churner = foreign_thread(churn_thread, (void *)50), finder[FINDERS];
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, CHURNERS);
	for (unsigned i = 0; i < CHURNERS; i++)
		rt_go(churn_goroutine, i, &wg);
	for (uintptr_t i = 0; i < FINDERS; i++)
		finder[i] = foreign_thread(find, (void *)i);
	for (int i = 0; i < FINDERS; i++)
		pthread_join(finder[i], NULL);
	SET(stop, 1);
	rt_wg_wait(&wg);
	pthread_join(churner, NULL);
	rt__mem_check();
	return ok();
}

static const struct guest_case cases[] = {
	{"foreign", foreign},
	{"inside", inside},
	{"racing", racing},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

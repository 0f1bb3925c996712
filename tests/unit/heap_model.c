/* SPDX-License-Identifier: MIT */
/* Implements heap_model.h. */
#include "heap_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem/mem.h"
#include "os/os.h"

#define SLOTS 2000
#define CHECK_EVERY (ops < 20000 ? 100 : 20000)

#define CHECK(cond)                                                                                \
	((cond) ? (void)0                                                                          \
		: (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond), abort()))

/* mem/here.c is about Ms and Ps. */
void
rt__caches_trim(void)
{
}

bool
rt__heap_go_in(bool deeper)
{
	(void)deeper;
	return true;
}

void
rt__heap_leave(void)
{
}

struct rt__cache *caches[CACHES];

void
setup(uint32_t max_chunks)
{
	rt__os.page_size = 4096;
	rt__os.madvise_guard = true;
	rt__persistent_init();
	rt__heap_init();
	rt__cache_none_init();
	rt__central_init();
	if (max_chunks > 0)
		rt__heap_reserve(max_chunks);
	for (int i = 0; i < CACHES; i++)
		caches[i] = rt__cache_new(false);
}

uint64_t
draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* ---- malloc and free, as malloc.c does them, on a given cache ---- */

void *
take(struct rt__cache *c, size_t size, bool *zero)
{
	if (size > RT_MEDIUM_MAX)
		return rt__large_alloc(size, 0, false, zero);
	unsigned class = rt__size_class(size ? size : 1);
	void *p = rt__bin_pop_zero(&c->bins[class], zero);
	if (!p && rt__cache_refill(c, class))
		p = rt__bin_pop_zero(&c->bins[class], zero);
	return p;
}

void
give(struct rt__cache *c, void *p)
{
	uint8_t *state = NULL;
	struct rt__span *sp = rt__span_in_use(p, &state);

	CHECK(sp);
	if (sp->class >= RT_CLASSES) {
		*state = RT_BLOCK_CACHED;
		rt__large_free(sp);
		return;
	}
	c = rt__cache_twin(c, sp->noscan);
	if (rt__bin_full(&c->bins[sp->class]))
		rt__cache_spill(c, sp->class);
	CHECK(rt__bin_push(c, sp, p, state));
}

/* ---- operations against a model ---- */

struct slot {
	unsigned char *p;
	size_t size;
	unsigned char fill;
};

static struct slot slots[SLOTS];
static unsigned one_in; /* sizes may be large */

static size_t
draw_size(uint64_t *seed)
{
	static const size_t scale[] = {64, 512, 512, 4096, 40000, 300000, 1500000, 5000000};
	size_t limit = scale[draw(seed) % (draw(seed) % one_in ? 5 : 8)];

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
		CHECK(s->p[i] == s->fill && s->p[s->size - 1 - i] == s->fill);
}

static void
check_found(const struct slot *s, uint64_t *seed)
{
	struct rt__mem_block b;
	uintptr_t at = (uintptr_t)s->p + (s->size ? draw(seed) % s->size : 0);

	CHECK(rt__mem_find(at, &b));
	CHECK(b.start == (uintptr_t)s->p);
	CHECK(b.size >= s->size && b.in_use);
}

static void
replace(struct slot *s, uint64_t *seed, bool may_fail)
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
	CHECK(s->p || may_fail);
	if (!s->p)
		return;
	CHECK((uintptr_t)s->p % 16 == 0);
	if (zero)
		for (size_t i = 0; i<s->size; i += s->size> 4096 ? 509 : 1)
			CHECK(s->p[i] == 0);
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
	CHECK(s->p[0] == s->fill);
	CHECK(s->size > size || s->p[s->size - 1] == s->fill);
	s->size = size;
	fill(s);
}

void
sweep(bool all)
{
	if (all) {
		rt__sparse_to(0, UINT32_MAX);
		return;
	}
	rt__sparse_begin();
	while (rt__sparse_step(3))
		;
}

void
run(uint64_t seed, int ops, unsigned large_one_in, bool may_fail)
{
	unsigned n = ops < 10 * SLOTS ? (unsigned)ops / 10 : SLOTS;

	one_in = large_one_in;
	for (int i = 0; i < ops; i++) {
		struct slot *s = &slots[draw(&seed) % n];

		if (draw(&seed) % 50 == 0)
			resize(s, &seed);
		else
			replace(s, &seed, may_fail);
		if (i % CHECK_EVERY == CHECK_EVERY - 1) {
			rt__mem_check();
			rt__units_age();
			rt__units_release(draw(&seed) % 256, draw(&seed) % 4 == 0);
			sweep(draw(&seed) % 4 == 0);
			rt__central_trim(draw(&seed) % 4 == 0);
			rt__cache_flush(caches[draw(&seed) % CACHES]);
			rt__mem_check();
		}
	}
}

void
drop_all(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].p)
			give(caches[0], slots[i].p);
	for (int i = 0; i < CACHES; i++)
		rt__cache_flush(caches[i]);
	rt__scavenge_all();
}

/* SPDX-License-Identifier: MIT */
/*
 * malloc and free: the twins of the yardsticks' malloc_bench (../shared/yardsticks/memory), on as
 * many goroutines as there are processors instead of threads. One op is a free and a malloc, whose
 * first and last byte are written.
 *
 *	rand	10,000 slots each, of which a random one is replaced: 16 to 512 bytes
 *	small	the same with 32 bytes
 *	large	64 slots of 8 to 256 KiB
 *	lifo	64 blocks of 64 bytes, freed in reverse order
 *	xfree	half of the goroutines allocate what the others free, of sizes as rand's
 *	larson	1,000 slots each, as rand's; after 100,000 ops the goroutine ends and hands them to
 *		a new one, wherever that runs
 */
#include "yard.h"

#include <stdlib.h>

#define RING 4096
#define BATCH 64

struct churn {
	size_t slots, lo, span;
};

static inline uint64_t
draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

static inline void *
take(size_t size)
{
	char *p = malloc(size);

	bench_check(p);
	p[0] = 1;
	p[size - 1] = 1;
	return p;
}

static void
churn(struct churn c, int id, long n, rt_wg *wg)
{
	uint64_t s = 0x9E3779B97F4A7C15u * (uint64_t)(id + 1);
	void **slot = bench_alloc((long)c.slots, sizeof *slot);

	for (size_t i = 0; i < c.slots; i++)
		slot[i] = take(c.lo + draw(&s) % c.span);
	for (long k = 0; k < n; k++) {
		uint64_t r = draw(&s);
		size_t i = (r >> 32) % c.slots;

		free(slot[i]);
		slot[i] = take(c.lo + (r & 0xffffffff) % c.span);
	}
	for (size_t i = 0; i < c.slots; i++)
		free(slot[i]);
	free(slot);
	rt_wg_done(wg);
}

static void
run_churn(long n, struct churn c)
{
	int procs = rt_gomaxprocs(0);
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, procs);
	bench_begin();
	for (int i = 0; i < procs; i++)
		rt_go(churn, c, i, n, &wg);
	rt_wg_wait(&wg);
	bench_end(n * procs);
}

void
malloc_rand(long n, int k)
{
	(void)k;
	run_churn(n, (struct churn){10000, 16, 497});
}

void
malloc_small(long n, int k)
{
	(void)k;
	run_churn(n, (struct churn){10000, 32, 1});
}

void
malloc_large(long n, int k)
{
	(void)k;
	run_churn(n, (struct churn){64, 8192, 248 * 1024});
}

/* n ops on each P. */
static void
run_each(void (*fn)(int id, long n, rt_wg *wg), long n)
{
	int procs = rt_gomaxprocs(0);
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, procs);
	bench_begin();
	for (int i = 0; i < procs; i++)
		rt_go(fn, i, n, &wg);
	rt_wg_wait(&wg);
	bench_end(n * procs);
}

static void
lifo(int id, long n, rt_wg *wg)
{
	void *p[BATCH];

	(void)id;
	for (long k = 0; k < n; k += BATCH) {
		for (int i = 0; i < BATCH; i++)
			p[i] = take(64);
		for (int i = BATCH - 1; i >= 0; i--)
			free(p[i]);
	}
	rt_wg_done(wg);
}

void
malloc_lifo(long n, int k)
{
	(void)k;
	run_each(lifo, n);
}

#define HEIRLOOMS 1000

struct estate {
	void *slot[HEIRLOOMS];
	uint64_t seed;
};

static void
generation(struct estate *e, long n, rt_wg *ended)
{
	for (long k = 0; k < n; k++) {
		uint64_t r = draw(&e->seed);
		size_t i = (r >> 32) % HEIRLOOMS;

		free(e->slot[i]);
		e->slot[i] = take(16 + (r & 0xffffffff) % 497);
	}
	rt_wg_done(ended);
}

static void
dynasty(int id, long n, rt_wg *wg)
{
	struct estate *e = bench_alloc(1, sizeof *e);

	e->seed = 0x9E3779B97F4A7C15u * (uint64_t)(id + 1);
	for (int i = 0; i < HEIRLOOMS; i++)
		e->slot[i] = take(16 + draw(&e->seed) % 497);
	for (long left = n; left > 0; left -= 100000) {
		rt_wg ended = RT_WG_INIT;

		rt_wg_add(&ended, 1);
		rt_go(generation, e, left < 100000 ? left : 100000, &ended);
		rt_wg_wait(&ended);
	}
	for (int i = 0; i < HEIRLOOMS; i++)
		free(e->slot[i]);
	free(e);
	rt_wg_done(wg);
}

void
malloc_larson(long n, int k)
{
	(void)k;
	run_each(dynasty, n);
}

/* One allocates, one frees. */
struct ring {
	_Alignas(64) unsigned head;
	_Alignas(64) unsigned tail;
	_Alignas(64) void *slot[RING];
};

static void
produce(struct ring *r, long n, rt_wg *wg)
{
	uint64_t s = 0x9E3779B97F4A7C15u;

	for (long i = 0; i < n; i++) {
		unsigned head = r->head;

		while (head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) >= RING)
			rt_gosched();
		r->slot[head % RING] = take(16 + draw(&s) % 497);
		__atomic_store_n(&r->head, head + 1, __ATOMIC_RELEASE);
	}
	rt_wg_done(wg);
}

static void
consume(struct ring *r, long n, rt_wg *wg)
{
	for (long i = 0; i < n; i++) {
		unsigned tail = r->tail;

		while (tail == __atomic_load_n(&r->head, __ATOMIC_ACQUIRE))
			rt_gosched();
		free(r->slot[tail % RING]);
		__atomic_store_n(&r->tail, tail + 1, __ATOMIC_RELEASE);
	}
	rt_wg_done(wg);
}

void
malloc_xfree(long n, int k)
{
	struct ring *r = aligned_alloc(64, sizeof *r);
	rt_wg wg = RT_WG_INIT;

	(void)k;
	bench_check(r);
	r->head = r->tail = 0;
	rt_wg_add(&wg, 2);
	bench_begin();
	rt_go(produce, r, n, &wg);
	rt_go(consume, r, n, &wg);
	rt_wg_wait(&wg);
	bench_end(n);
	free(r);
}

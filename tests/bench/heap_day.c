/* SPDX-License-Identifier: MIT */
/*
 * A day of random sizes: how much memory a program holds for what it has asked for. So many
 * operations, a malloc or a free each; by default 100,000 for each second of 24 hours. What is
 * usual drifts, each hour: sizes, how long blocks live, and how many bytes are live. Half of what
 * goes is young; one block in 100,000 stays until the day is over, and what it lies in. Blocks
 * are freed by whichever thread finds them.
 *
 *	heap_day [OPERATIONS [MIB [SECONDS]]]
 *
 * with MIB live when it is most. It prints the hours, and at the end: peaks; live and resident, so
 * many SECONDS after all but a tenth is freed, and after all is. On rt0 it runs on goroutines,
 * elsewhere on threads:
 *
 *	musl-gcc -O2 -static -pthread heap_day.c [ANOTHER_MALLOC.o] -lm
 */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<rt/rt.h>)
#include <rt/rt.h>
#endif

#define WORKERS 2
#define HOURS 24
#define DAY (100000ul * 60 * 60 * HOURS)
#define MIB (1ul << 20)
#define SIZES 4096 /* drawn for each hour */
#define EXCHANGED 1024

struct slot {
	unsigned char *p;
	uint32_t size;
};

struct worker {
	struct slot *slots; /* of these, n are in use */
	uint32_t n, cap;
	struct slot *old; /* those that stay */
	uint32_t nold, old_cap;
	size_t bytes; /* live, without those */
	size_t old_bytes;
	uint64_t seed, ops;
	uint32_t sizes[SIZES];
};

static struct worker workers[WORKERS];
static struct slot exchange[WORKERS][EXCHANGED]; /* from one worker to another */
static pthread_mutex_t exchange_lock[WORKERS];
static unsigned long ops_of_hour;
static size_t live_max, own;

/* ---- random ---- */

static uint64_t
draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* What programs allocate: mostly small, with a long tail. */
static void
draw_sizes(struct worker *w, int hour)
{
	static const uint32_t usual[] = {40, 700, 24, 3000, 160, 12000, 90, 300};

	for (int i = 0; i < SIZES; i++) {
		double u = (double)(draw(&w->seed) >> 11) * 0x1p-53 + 1e-9;
		uint32_t size = (uint32_t)(usual[hour % 8] * -log(u)) + 1;

		w->sizes[i] = draw(&w->seed) % 500 ? size : size * 100;
	}
}

/* ---- blocks ---- */

static void
fail(const char *what)
{
	fprintf(stderr, "heap_day: %s\n", what);
	_Exit(3);
}

/* Each page is touched; the ends are looked at when it is freed. */
static struct slot
make(struct worker *w)
{
	uint32_t size = w->sizes[draw(&w->seed) % SIZES];
	unsigned char *p = malloc(size);

	if (!p)
		fail("no memory");
	for (uint32_t at = 0; at < size; at += 4096)
		p[at] = 1;
	p[0] = p[size - 1] = (unsigned char)size;
	w->ops++;
	return (struct slot){p, size};
}

static void
drop(struct worker *w, struct slot s)
{
	if (s.p[0] != (unsigned char)s.size || s.p[s.size - 1] != (unsigned char)s.size)
		fail("a block does not hold what was put into it");
	free(s.p);
	w->ops++;
}

static void *
grow(void *p, uint32_t *cap, size_t size)
{
	*cap = *cap ? *cap * 2 : 1024;
	p = realloc(p, *cap * size);
	if (!p)
		fail("no memory");
	return p;
}

static void
add(struct worker *w, struct slot s)
{
	if (w->n == w->cap)
		w->slots = grow(w->slots, &w->cap, sizeof *w->slots);
	w->slots[w->n++] = s;
	w->bytes += s.size;
}

static struct slot
take(struct worker *w, uint32_t i)
{
	struct slot s = w->slots[i];

	w->slots[i] = w->slots[--w->n];
	w->bytes -= s.size;
	return s;
}

static struct slot
take_one(struct worker *w)
{
	uint32_t young = w->n < 1000 ? w->n : 1000;
	uint64_t r = draw(&w->seed);

	return take(w, (uint32_t)(r % 2 ? (r >> 1) % w->n : w->n - 1 - (r >> 1) % young));
}

/* Some of each go to the next worker, which has put others there. */
static void
pass_on(struct worker *w)
{
	unsigned me = (unsigned)(w - workers), next = (me + 1) % WORKERS;

	for (int round = 0; round < 2; round++) {
		unsigned at = round ? me : next;

		pthread_mutex_lock(&exchange_lock[at]);
		for (int i = 0; i < EXCHANGED; i++) {
			struct slot *s = &exchange[at][i];

			if (!round && !s->p && w->n > 0)
				*s = take_one(w);
			else if (round && s->p)
				add(w, *s), s->p = NULL;
		}
		pthread_mutex_unlock(&exchange_lock[at]);
	}
}

/* ---- hours ---- */

/* Of the most: by night little, and at times less than before. */
static double
share(int hour)
{
	static const double of[] = {.3, .2, .1, .1, .15, .3, .6, .9, 1,  .8, .95, .6,
				    1,  .7, .9, 1,  .5,  .8, .6, .7, .4, .5, .2,  .3};

	return of[hour % HOURS];
}

static void
live_through(struct worker *w, int hour)
{
	size_t target = (size_t)((double)(live_max / WORKERS) * share(hour));
	uint64_t end = w->ops + ops_of_hour / WORKERS;

	draw_sizes(w, hour + (int)(w - workers));
	while (w->ops < end) {
		struct slot s = make(w);

		if (draw(&w->seed) % 100000 == 0) {
			if (w->nold == w->old_cap)
				w->old = grow(w->old, &w->old_cap, sizeof *w->old);
			w->old[w->nold++] = s;
			w->old_bytes += s.size;
			continue;
		}
		add(w, s);
		while (w->bytes > target)
			drop(w, take_one(w));
		if (draw(&w->seed) % 20000 == 0)
			pass_on(w);
	}
}

static void *
worker(void *arg)
{
	static int hour_of[WORKERS];
	struct worker *w = arg;

	live_through(w, hour_of[w - workers]++);
	return NULL;
}

#ifdef RT_RT_H
static void
run(void)
{
	rt_wg wg = RT_WG_INIT;

	for (int i = 0; i < WORKERS; i++)
		rt_wg_go(&wg, worker, &workers[i]);
	rt_wg_wait(&wg);
}
#else
static void
run(void)
{
	pthread_t t[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		pthread_create(&t[i], NULL, worker, &workers[i]);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(t[i], NULL);
}
#endif

/* ---- figures ---- */

static size_t
resident(void)
{
	long pages[2];
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld %ld", &pages[0], &pages[1]) != 2)
		fail("no /proc");
	fclose(f);
	return (size_t)pages[1] * (size_t)sysconf(_SC_PAGESIZE);
}

/* What the program has asked for, its own tables included. */
static size_t
live(void)
{
	size_t n = 0;

	for (int i = 0; i < WORKERS; i++) {
		n += workers[i].bytes + workers[i].old_bytes +
			(workers[i].cap + workers[i].old_cap) * sizeof(struct slot);
		for (int k = 0; k < EXCHANGED; k++)
			n += exchange[i][k].p ? exchange[i][k].size : 0;
	}
	return n;
}

static double
report(const char *what, int hour)
{
	double of = (double)live() / MIB, in = (double)(resident() - own) / MIB;

	printf("%s %d: live %.1f MiB, resident %.1f MiB: %.2f\n", what, hour, of, in, in / of);
	fflush(stdout);
	return in / of;
}

static void
drop_to(size_t bytes)
{
	for (int i = 0; i < WORKERS; i++)
		while (workers[i].bytes > bytes / WORKERS)
			drop(&workers[i],
			     take(&workers[i], (uint32_t)(draw(&workers[i].seed) % workers[i].n)));
}

int
main(int argc, char **argv)
{
	unsigned long ops = argc > 1 ? strtoul(argv[1], NULL, 0) : DAY;
	double ratio, worst = 0, sum = 0, peak_live = 0, peak = 0;
	unsigned wait = argc > 3 ? (unsigned)atoi(argv[3]) : 4;
	struct timespec a, b;

	live_max = (argc > 2 ? strtoul(argv[2], NULL, 0) : 64) * MIB;
	ops_of_hour = ops / HOURS;
	memset(exchange, 0, sizeof exchange); /* touched, before it is counted */
	for (int i = 0; i < WORKERS; i++) {
		pthread_mutex_init(&exchange_lock[i], NULL);
		workers[i].seed = 88172645463325252u + (uint64_t)i;
	}
	own = resident();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int hour = 0; hour < HOURS; hour++) {
		run();
		ratio = report("hour", hour);
		double of = (double)live() / MIB;
		peak_live = of > peak_live ? of : peak_live;
		peak = ratio * of > peak ? ratio * of : peak;
		worst = ratio > worst && share(hour) > .25 ? ratio : worst;
		sum += ratio;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	drop_to(live_max / 10);
	sleep(wait);
	report("a tenth left", HOURS);
	drop_to(0);
	for (int i = 0; i < WORKERS; i++) {
		for (int k = 0; k < EXCHANGED; k++)
			if (exchange[i][k].p)
				drop(&workers[i], exchange[i][k]);
		for (uint32_t k = 0; k < workers[i].nold; k++)
			drop(&workers[i], workers[i].old[k]);
		workers[i].old_bytes = 0;
	}
	sleep(wait);
	report("all freed", HOURS);
	printf("operations %lu, ns %.1f each; resident / live: mean %.2f, worst %.2f, peaks %.1f / "
	       "%.1f MiB "
	       "%.2f\n",
	       ops,
	       ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
		       (double)ops,
	       sum / HOURS, worst, peak, peak_live, peak / peak_live);
	return 0;
}

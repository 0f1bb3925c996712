/* SPDX-License-Identifier: MIT */
/*
 * test_timers.c: heaps of timers against a model that searches a plain array, and with threads
 * that start, stop and run them at the same time. The timers of the second are plain memory that
 * is used again as soon as a stop has returned, so that TSan reports whoever still looks at it.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mem/heap.h"
#include "os/os.h"
#include "sched/sched_priv.h"

#ifdef __SANITIZE_THREAD__
#define ROUNDS 3000
#else
#define ROUNDS 30000
#endif

static struct rt__m *
new_m(void)
{
	struct rt__m *mp = calloc(1, sizeof *mp);

	cr_assert(mp);
	return mp;
}

static struct rt__timers *
new_heap(void)
{
	struct rt__timers *ts = calloc(1, sizeof *ts);

	cr_assert(ts);
	if (rt__os.page_size == 0) {
		rt__os.page_size = 4096;
		rt__persistent_init();
	}
	rt__timers_init(ts);
	return ts;
}

/* ---- round times ---- */

/* Never early; late by a little, which depends on how far away it was; those of a time together. */
Test(timers, round_times)
{
	const int64_t now = 123456789012345;

	for (int64_t far = 1; far < (int64_t)1 << 60; far += far / 7 + 1) {
		int64_t when = now + far, late = rt__round_when(when, now) - when;

		cr_assert_geq(late, 0);
		cr_assert_leq(late, far / 256, "%ld ns late of %ld", (long)late, (long)far);
		cr_assert_leq(late, 262144);
	}
	cr_assert_eq(rt__round_when(now + 1000000000, now), rt__round_when(now + 1000000100, now));
	cr_assert_eq(rt__round_when(now - 5, now), now - 5);
	cr_assert_eq(rt__round_when(INT64_MIN, now), INT64_MIN);
	cr_assert_eq(rt__round_when(RT_NEVER, now), RT_NEVER);
	cr_assert_eq(rt__round_when(RT_NEVER - 1, now), RT_NEVER - 1);
}

/* ---- one thread, and a model ---- */

#define MODEL_MAX 600

/* What the heap should hold: when each timer is due, RT_NEVER if it is not pending. */
struct item {
	struct rt__timer t; /* first */
	int64_t when;
	bool pending;
};
static struct item items[MODEL_MAX];
static int64_t fired_at, last_when;
static int fired;

static void
fire(struct rt__timer *t, int64_t now)
{
	struct item *it = (struct item *)t;

	cr_assert(it->pending, "a timer fires that was stopped, or twice");
	cr_assert_leq(it->when, now);
	cr_assert_eq(now, fired_at);
	cr_assert_geq(it->when, last_when, "not in order");
	last_when = it->when;
	it->pending = false;
	fired++;
}

/* Every third one is a goroutine that sleeps. Of that, too, only the address is used. */
static bool
is_g(const struct item *it)
{
	return (it - items) % 3 == 2;
}

void
rt__timers_ready(struct rt__g *const *gs, int n)
{
	for (int i = 0; i < n; i++)
		fire((struct rt__timer *)gs[i], fired_at);
}

static int
model_due(int64_t now)
{
	int n = 0;

	for (int i = 0; i < MODEL_MAX; i++)
		n += items[i].pending && items[i].when <= now;
	return n;
}

static int64_t
model_next(void)
{
	int64_t next = RT_NEVER;

	for (int i = 0; i < MODEL_MAX; i++)
		if (items[i].pending && items[i].when < next)
			next = items[i].when;
	return next;
}

static void
start(struct rt__timers *ts, struct item *it, int64_t when)
{
	bool earliest = when < model_next();

	it->when = when;
	it->pending = true;
	if (is_g(it))
		cr_assert_eq(rt__timers_add_g(ts, (struct rt__g *)it, when), earliest);
	else
		cr_assert_eq(rt__timers_add(ts, &it->t, when), earliest);
}

static void
advance(struct rt__timers *ts, struct rt__m *mp, int64_t now, int max)
{
	int due = model_due(now);

	fired_at = now;
	last_when = INT64_MIN;
	fired = 0;
	cr_assert_eq(rt__timers_fire(ts, mp, now, max), due < max ? due : max);
	cr_assert_eq(fired, due < max ? due : max);
	cr_assert_null(mp->firing);
}

/* One random operation. range: of times ahead; bias: how many of 8 are starts. */
static void
step(struct rt__timers *ts, struct rt__m *mp, int64_t *now, int range, int bias)
{
	struct item *it = &items[rand() % MODEL_MAX];
	int what = rand() % 10;

	if (what < bias && !it->pending) {
		start(ts, it, *now + rand() % range - range / 8);
	} else if (what < 8 && !is_g(it)) {
		cr_assert_eq(rt__timer_stop_by(&it->t, mp), it->pending);
		it->pending = false;
	} else if (what == 8 && !it->pending && !is_g(it)) {
		cr_assert(rt__timer_try_stop(&it->t));
	} else {
		*now += rand() % (range / 16 + 1);
		advance(ts, mp, *now, 1 + rand() % 64);
	}
	cr_assert_eq(ts->next, model_next());
}

static void
play(unsigned seed, int range, int bias)
{
	struct rt__timers *ts = new_heap();
	struct rt__m *mp = new_m();
	int64_t now = 1000000;

	srand(seed);
	for (int i = 0; i < MODEL_MAX; i++) {
		rt__timer_init(&items[i].t, fire);
		items[i].pending = false;
	}
	for (int i = 0; i < ROUNDS; i++)
		step(ts, mp, &now, range, bias);
	advance(ts, mp, INT64_MAX - 1, MODEL_MAX);
	cr_assert_eq(ts->pending, 0);
	cr_assert_eq(ts->next, RT_NEVER);
}

Test(timers, agree_with_a_model)
{
	play(1, 1000, 4);    /* about as many as are stopped */
	play(2, 1000000, 7); /* nearly all pending */
	play(3, 16, 7);      /* many of the same time */
	play(4, 100000, 2);  /* few */
}

Test(timers, move_with_what_they_hold)
{
	struct rt__timers *a = new_heap(), *b = new_heap();
	struct rt__m *mp = new_m();

	for (int i = 0; i < MODEL_MAX; i++) {
		rt__timer_init(&items[i].t, fire);
		items[i].when = i;
		items[i].pending = true;
		rt__timers_add(i % 2 ? a : b, &items[i].t, i);
	}
	for (int i = 0; i < MODEL_MAX; i += 3) {
		cr_assert(rt__timer_stop_by(&items[i].t, mp));
		items[i].pending = false;
	}
	rt__timers_move(a, b);
	cr_assert_eq(b->next, RT_NEVER);
	cr_assert_eq(b->pending, 0);
	for (int i = 1; i < MODEL_MAX; i += 3) {
		cr_assert(rt__timer_stop_by(&items[i].t, mp));
		items[i].pending = false;
	}
	advance(a, mp, MODEL_MAX, MODEL_MAX);
	cr_assert_eq(fired, MODEL_MAX / 3);
}

/* As in the child of a fork: what timers say of their heap is from another life. */
Test(timers, of_a_heap_that_was_reset_are_not_pending)
{
	struct rt__timers *ts = new_heap();
	struct rt__m *mp = new_m();

	for (int i = 0; i < 20; i++) {
		rt__timer_init(&items[i].t, fire);
		rt__timers_add(ts, &items[i].t, i);
	}
	rt__timers_init(ts);
	cr_assert_not(rt__timer_stop_by(&items[3].t, mp));
	start(ts, &items[4], 7);
	cr_assert_not(rt__timer_stop_by(&items[5].t, mp));
	cr_assert(rt__timer_try_stop(&items[0].t));
	cr_assert(rt__timer_stop_by(&items[4].t, mp));
}

/* ---- threads ---- */

#define THREADS 3

static struct rt__timers *heaps[2];
static uint32_t stop_all; /* (a) */
static int64_t the_time;  /* (a) */

struct box {
	struct rt__timer t; /* first */
	int rounds;         /* plain: of who has the timer, or of its function */
	int left;           /* it starts itself again so many times */
	int runs;
};

static void
count(struct rt__timer *t, int64_t now)
{
	struct box *b = (struct box *)t;

	b->runs++;
	if (b->left-- > 0)
		rt__timers_add(heaps[b->left & 1], t, now + 1);
}

static void *
runner(void *arg)
{
	struct rt__m *mp = arg;

	while (!rt__load_acq(&stop_all))
		for (int i = 0; i < 2; i++)
			rt__timers_fire(heaps[i], mp, rt__add_rlx(&the_time, (int64_t)1), 8);
	return NULL;
}

/* Starts timers and takes them back, each in memory that held another just before. */
static void *
owner(void *arg)
{
	struct rt__m *mp = arg;
	unsigned seed = (unsigned)(uintptr_t)mp;
	struct box boxes[4];

	for (int i = 0; i < ROUNDS; i++) {
		int n = rand_r(&seed) % 4 + 1;

		for (int j = 0; j < n; j++) {
			memset(&boxes[j], 0, sizeof boxes[j]);
			rt__timer_init(&boxes[j].t, count);
			boxes[j].left = rand_r(&seed) % 3;
			rt__timers_add(heaps[(i + j) & 1], &boxes[j].t,
				       rt__load_rlx(&the_time) + rand_r(&seed) % 6);
		}
		for (int j = 0; j < n; j++) {
			bool pending = rt__timer_stop_by(&boxes[j].t, mp);

			cr_assert(pending || boxes[j].runs > 0);
			cr_assert_leq(boxes[j].runs, 3);
		}
	}
	return NULL;
}

Test(timers, stop_returns_when_nobody_uses_them)
{
	pthread_t owners[THREADS], runners[THREADS];

	heaps[0] = new_heap();
	heaps[1] = new_heap();
	for (int i = 0; i < THREADS; i++) {
		cr_assert_eq(pthread_create(&runners[i], NULL, runner, new_m()), 0);
		cr_assert_eq(pthread_create(&owners[i], NULL, owner, new_m()), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(owners[i], NULL);
	rt__store_rel(&stop_all, 1u);
	for (int i = 0; i < THREADS; i++)
		pthread_join(runners[i], NULL);
	cr_assert_eq(heaps[0]->pending, 0);
	cr_assert_eq(heaps[1]->pending, 0);
}

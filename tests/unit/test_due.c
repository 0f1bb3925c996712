/* SPDX-License-Identifier: MIT */
/* test_due.c: the queue of what is due, against a plain array in order, over many buckets. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "mem/heap.h"
#include "os/os.h"
#include "sched/sched_priv.h"

#define MANY 40000

/* How the times of the next ones are drawn. */
enum shape { ANY, NEARLY_EQUAL, EQUAL, UP, DOWN, FAR_AND_NEAR, SAW, SHAPES };

static int64_t
draw(enum shape shape, int i)
{
	switch (shape) {
	case ANY:
		return (int64_t)rand() * rand() - ((int64_t)1 << 40);
	case NEARLY_EQUAL:
		return rand() % 3;
	case EQUAL:
		return 7;
	case UP:
		return i;
	case DOWN:
		return -i;
	case FAR_AND_NEAR:
		return i % 2 ? rand() % 1000 : INT64_MAX - rand() % 5;
	case SAW:
		return i % 1021 * 1000 + i % 7;
	default:
		return 0;
	}
}

static struct rt__due model[MANY]; /* what the queue holds, in order of time */
static int n;

static void
init(void)
{
	rt__os.page_size = 4096;
	rt__persistent_init();
	srand(1);
}

static int
by_time(const void *a, const void *b)
{
	int64_t x = ((const struct rt__due *)a)->when, y = ((const struct rt__due *)b)->when;

	return x < y ? -1 : x > y;
}

/* Each `what` is there once, with the time it was put in with. */
static struct rt__due times[MANY];

static void
check_pop(struct rt__due_queue *q, int64_t expected)
{
	cr_assert_eq(rt__due_top(q)->when, expected);
	struct rt__due e = rt__due_pop(q);
	cr_assert_eq(e.when, expected);
	cr_assert_eq(times[e.what].when, e.when);
	cr_assert_eq(times[e.what].what, 1, "comes twice, or was not to be kept");
	times[e.what].what = 0;
}

static void
fill(struct rt__due_queue *q, enum shape shape)
{
	for (n = 0; n < MANY; n++) {
		model[n] = (struct rt__due){draw(shape, n), (uintptr_t)n};
		times[n] = (struct rt__due){model[n].when, 1};
		rt__due_push(q, model[n]);
		cr_assert_eq(q->n, n + 1);
	}
	qsort(model, MANY, sizeof *model, by_time);
}

static void
drain(struct rt__due_queue *q)
{
	for (int i = 0; i < n; i++)
		check_pop(q, model[i].when);
	cr_assert_eq(q->n, 0);
	cr_assert_null(rt__due_top(q));
}

Test(due, comes_in_order, .init = init)
{
	struct rt__due_queue q = {0};

	for (int shape = 0; shape < SHAPES; shape++) {
		fill(&q, (enum shape)shape);
		drain(&q);
	}
}

static bool
is_kept(void *arg, uintptr_t what)
{
	bool kept = what % *(uintptr_t *)arg == 0;

	if (!kept)
		times[what].what = 0;
	return kept;
}

Test(due, sweep_keeps_what_is_to_be_kept, .init = init)
{
	struct rt__due_queue q = {0};

	for (int shape = 0; shape < SHAPES; shape++) {
		for (uintptr_t of = 1; of < 2 * MANY; of *= 10) {
			int kept = 0;

			fill(&q, (enum shape)shape);
			rt__due_sweep(&q, is_kept, &of);
			for (int i = 0; i < n; i++)
				if (model[i].what % of == 0)
					model[kept++] = model[i];
			n = kept;
			cr_assert_eq(q.n, kept);
			cr_assert_leq(q.nbuckets, kept / 200 + 2, "they are nearly empty");
			drain(&q);
		}
	}
}

/* What is put in while others are taken out, mostly a little later than those. */
Test(due, holds_while_time_goes_on, .init = init)
{
	struct rt__due_queue q = {0};
	int64_t now = 0;

	memset(times, 0, sizeof times);
	for (int i = 0; i < 20 * MANY; i++) {
		uintptr_t what = (uintptr_t)rand() % MANY;

		if (times[what].what == 0) {
			times[what] = (struct rt__due){now + (rand() % 64 ? rand() % MANY : 1), 1};
			rt__due_push(&q, (struct rt__due){times[what].when, what});
		} else {
			int64_t when = rt__due_top(&q)->when;

			cr_assert_geq(when, now);
			check_pop(&q, when);
			now = when;
		}
	}
	for (; q.n > 0; now = rt__due_pop(&q).when)
		cr_assert_geq(rt__due_top(&q)->when, now);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_runq.c: the local run queue, alone and with thieves. Under TSan it also shows that what was
 * written to a goroutine before it was queued is visible to whoever takes it.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "sched/sched_priv.h"

#define NEAR_WRAP (UINT32_MAX - 100)

static struct rt__g gs[600];
static struct rt__gbatch overflow;

/* A queue whose counters stand at `at`. */
static struct rt__runq *
new_queue(uint32_t at)
{
	static struct rt__runq queues[8];
	static int used;
	struct rt__runq *q = &queues[used++];

	cr_assert_leq(used, (int)RT_ARRAY_LEN(queues));
	memset(q, 0, sizeof *q);
	q->head = q->tail = at;
	return q;
}

/* Puts gs[from] ... gs[to - 1] at the tail. */
static void
fill(struct rt__runq *q, int from, int to)
{
	for (int i = from; i < to; i++)
		cr_assert_not(rt__runq_put(q, &gs[i], false, &overflow));
}

static int
get(struct rt__runq *q)
{
	bool inherit = true;
	struct rt__g *gp = rt__runq_get(q, &inherit);

	cr_assert_not(inherit);
	return gp ? (int)(gp - gs) : -1;
}

static int
get_next(struct rt__runq *q)
{
	bool inherit = false;
	struct rt__g *gp = rt__runq_get(q, &inherit);

	cr_assert(inherit);
	return (int)(gp - gs);
}

Test(runq, first_in_first_out)
{
	struct rt__runq *q = new_queue(0);

	cr_expect(rt__runq_empty(q));
	cr_expect(rt__runq_empty_owner(q));
	cr_expect_eq(get(q), -1);
	fill(q, 0, 10);
	cr_expect_not(rt__runq_empty(q));
	cr_expect_not(rt__runq_empty_owner(q));
	for (int i = 0; i < 10; i++)
		cr_expect_eq(get(q), i);
	cr_expect_eq(get(q), -1);
	cr_expect(rt__runq_empty(q));
}

Test(runq, next_comes_first_and_displaces_to_the_tail)
{
	struct rt__runq *q = new_queue(0);
	fill(q, 0, 2);
	cr_expect_not(rt__runq_put(q, &gs[2], true, &overflow));
	cr_expect_not(rt__runq_put(q, &gs[3], true, &overflow)); /* 2 goes behind 0 and 1 */
	cr_expect_eq(get_next(q), 3);
	cr_expect_eq(get(q), 0);
	cr_expect_eq(get(q), 1);
	cr_expect_eq(get(q), 2);
	cr_expect_eq(get(q), -1);
}

Test(runq, next_alone_is_not_empty)
{
	struct rt__runq *q = new_queue(0);
	rt__runq_put(q, &gs[0], true, &overflow);
	cr_expect_not(rt__runq_empty(q));
	cr_expect_not(rt__runq_empty_owner(q));
	cr_expect_eq(get_next(q), 0);
	cr_expect(rt__runq_empty(q));
}

Test(runq, kick_next_sends_it_to_the_tail)
{
	struct rt__runq *q = new_queue(0);
	cr_expect_not(rt__runq_kick_next(q, &overflow));
	fill(q, 0, 1);
	rt__runq_put(q, &gs[1], true, &overflow);
	cr_expect_not(rt__runq_kick_next(q, &overflow));
	cr_expect_null(q->next);
	cr_expect_eq(get(q), 0);
	cr_expect_eq(get(q), 1);
}

Test(runq, kick_next_overflows_a_full_ring)
{
	struct rt__runq *q = new_queue(0);
	fill(q, 0, RT_RUNQ_SIZE);
	cr_expect_not(rt__runq_put(q, &gs[RT_RUNQ_SIZE], true, &overflow));
	cr_expect(rt__runq_kick_next(q, &overflow));
	cr_expect_eq(overflow.n, (int)RT_RUNQ_SIZE / 2 + 1);
	cr_expect_eq(overflow.g[RT_RUNQ_SIZE / 2], &gs[RT_RUNQ_SIZE]);
}

/* A full ring gives up its older half and the newcomer, in this order. */
static void
expect_overflow(uint32_t at, bool next)
{
	struct rt__runq *q = new_queue(at);
	int full = RT_RUNQ_SIZE, half = full / 2;

	fill(q, 0, full);
	if (next) /* fills the slot; the second one displaces it into the full ring */
		cr_assert_not(rt__runq_put(q, &gs[full], true, &overflow));
	cr_expect(rt__runq_put(q, &gs[full + next], next, &overflow));
	cr_assert_eq(overflow.n, half + 1);
	for (int i = 0; i < half; i++)
		cr_expect_eq(overflow.g[i], &gs[i]);
	cr_expect_eq(overflow.g[half], &gs[full]);
	if (next)
		cr_expect_eq(get_next(q), full + 1);
	for (int i = half; i < full; i++)
		cr_expect_eq(get(q), i);
	cr_expect_eq(get(q), -1);
}

Test(runq, overflow_hands_over_half_in_order)
{
	expect_overflow(0, false);
	expect_overflow(NEAR_WRAP, false);
}

Test(runq, overflow_by_a_displaced_next)
{
	expect_overflow(0, true);
	expect_overflow(NEAR_WRAP, true);
}

Test(runq, counters_wrap_around)
{
	struct rt__runq *q = new_queue(UINT32_MAX - 5);

	for (int round = 0; round < 20; round++) {
		fill(q, 0, 100);
		for (int i = 0; i < 100; i++)
			cr_expect_eq(get(q), i);
		cr_expect(rt__runq_empty(q));
	}
}

/* Steals from n queued goroutines: the thief gets the older half, rounded up, runs the last. */
static void
expect_steal(uint32_t at, int n)
{
	struct rt__runq victim = {.head = at, .tail = at}, thief = {.head = at + 7, .tail = at + 7};
	int stolen = n - n / 2;

	fill(&victim, 0, n);
	struct rt__g *gp = rt__runq_steal(&thief, &victim, false);
	cr_assert_eq(gp, &gs[stolen - 1], "%d queued", n);
	for (int i = 0; i < stolen - 1; i++)
		cr_expect_eq(get(&thief), i);
	cr_expect_eq(get(&thief), -1);
	for (int i = stolen; i < n; i++)
		cr_expect_eq(get(&victim), i);
	cr_expect_eq(get(&victim), -1);
}

Test(runq, steal_takes_half_rounded_up)
{
	for (int n = 1; n <= (int)RT_RUNQ_SIZE; n++) {
		expect_steal(0, n);
		expect_steal(NEAR_WRAP, n);
	}
}

Test(runq, steal_from_the_empty)
{
	struct rt__runq *victim = new_queue(NEAR_WRAP), *thief = new_queue(0);

	cr_expect_null(rt__runq_steal(thief, victim, false));
	cr_expect_null(rt__runq_steal(thief, victim, true));
	cr_expect(rt__runq_empty(thief));
}

Test(runq, steal_takes_next_only_when_told_and_alone)
{
	struct rt__runq *victim = new_queue(0), *thief = new_queue(0);
	rt__runq_put(victim, &gs[5], true, &overflow);
	cr_expect_null(rt__runq_steal(thief, victim, false));
	fill(victim, 0, 1);
	cr_expect_eq(rt__runq_steal(thief, victim, true), &gs[0]); /* the ring first */
	cr_expect_eq(rt__runq_steal(thief, victim, true), &gs[5]);
	cr_expect(rt__runq_empty(victim));
	cr_expect(rt__runq_empty(thief));
}

/* ---- with threads ---- */

#ifdef __SANITIZE_THREAD__
#define STRESS_GS 40000
#else
#define STRESS_GS 400000
#endif
#define THIEVES 3

static struct {
	struct rt__g g[STRESS_GS];
	uint8_t taken[STRESS_GS]; /* by whoever has it off every queue: plain, so that TSan looks */
	struct rt__runq queues[1 + THIEVES]; /* the owner's, then the thieves' */
	pthread_mutex_t lock;
	struct rt__g *global[STRESS_GS]; /* what overflowed */
	uint32_t nglobal;
	uint32_t left; /* goroutines that nobody has taken */
} stress;

static void
take(struct rt__g *gp)
{
	size_t i = (size_t)(gp - stress.g);

	cr_assert_lt(i, (size_t)STRESS_GS);
	cr_assert_eq(gp->id, i + 1, "what the producer wrote is not there");
	stress.taken[i]++;
	rt__add_acqrel(&stress.left, -1u);
}

static void
take_global(void)
{
	struct rt__g *gp = NULL;

	pthread_mutex_lock(&stress.lock);
	if (stress.nglobal > 0)
		gp = stress.global[--stress.nglobal];
	pthread_mutex_unlock(&stress.lock);
	if (gp)
		take(gp);
}

static void *
steal_and_run(void *arg)
{
	struct rt__runq *q = arg;
	unsigned turn = 0;
	bool inherit;

	while (rt__load_acq(&stress.left) > 0) {
		struct rt__runq *victim = &stress.queues[turn++ % RT_ARRAY_LEN(stress.queues)];
		struct rt__g *gp = rt__runq_get(q, &inherit);

		if (!gp && victim != q)
			gp = rt__runq_steal(q, victim, turn % 4 == 0);
		if (gp)
			take(gp);
		else
			take_global();
	}
	return NULL;
}

static void
put_global(const struct rt__gbatch *batch)
{
	pthread_mutex_lock(&stress.lock);
	for (int32_t i = 0; i < batch->n; i++)
		stress.global[stress.nglobal++] = batch->g[i];
	pthread_mutex_unlock(&stress.lock);
}

/* Bursts of pushes, short and long, between bursts of pops. */
static void
produce(struct rt__runq *q)
{
	bool inherit;

	for (uint32_t i = 0; i < STRESS_GS; i++) {
		stress.g[i].id = i + 1;
		if (rt__runq_put(q, &stress.g[i], i % 3 == 0, &overflow))
			put_global(&overflow);
		if (i % 1000 == 999 && rt__runq_kick_next(q, &overflow))
			put_global(&overflow);
		for (uint32_t pops = i % 700 == 0 ? 200 : i % 5 == 0; pops > 0; pops--) {
			struct rt__g *gp = rt__runq_get(q, &inherit);

			if (!gp)
				break;
			take(gp);
		}
	}
}

Test(runq, every_goroutine_is_taken_once, .timeout = 60)
{
	pthread_t threads[THIEVES];

	stress.left = STRESS_GS;
	pthread_mutex_init(&stress.lock, NULL);
	for (size_t i = 0; i < RT_ARRAY_LEN(stress.queues); i++)
		stress.queues[i].head = stress.queues[i].tail = UINT32_MAX - 1000 * (uint32_t)i;
	for (int i = 0; i < THIEVES; i++)
		cr_assert_eq(
			pthread_create(&threads[i], NULL, steal_and_run, &stress.queues[1 + i]), 0);
	produce(&stress.queues[0]);
	steal_and_run(&stress.queues[0]); /* now the owner helps */
	for (int i = 0; i < THIEVES; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < STRESS_GS; i++)
		cr_assert_eq(stress.taken[i], 1, "goroutine %u was taken %d times", i,
			     stress.taken[i]);
	for (size_t i = 0; i < RT_ARRAY_LEN(stress.queues); i++)
		cr_expect(rt__runq_empty(&stress.queues[i]));
}

/* ---- the next slot alone ---- */

#define HANDED 1000

static void *
steal_next(void *arg)
{
	struct rt__runq *q = arg, *mine = &stress.queues[1];

	for (uint32_t i = 0; i < HANDED;) {
		struct rt__g *gp = rt__runq_steal(mine, q, true);

		if (!gp) {
			rt__os_yield();
			continue;
		}
		cr_assert_eq(gp, &stress.g[i]);
		take(gp);
		i++;
	}
	return NULL;
}

/* Nothing but the slot connects the two threads, so it must publish what it holds. */
Test(runq, next_is_published_to_thieves, .timeout = 60)
{
	struct rt__runq *q = &stress.queues[0];
	pthread_t thread;

	stress.left = HANDED;
	cr_assert_eq(pthread_create(&thread, NULL, steal_next, q), 0);
	for (uint32_t i = 0; i < HANDED; i++) {
		stress.g[i].id = i + 1;
		cr_assert_not(rt__runq_put(q, &stress.g[i], true, &overflow));
		while (rt__load_rlx(&q->next))
			rt__os_yield();
	}
	pthread_join(thread, NULL);
	cr_expect_eq(stress.left, 0u);
}

/* ---- rt__runq_empty while others push and pop ---- */

static uint32_t watching;

static void *
watch(void *arg)
{
	while (rt__load_rlx(&watching))
		cr_assert_not(rt__runq_empty(arg), "never empty, but seemed so");
	return NULL;
}

/* The queue holds one or two goroutines at any moment, in next, in the ring, or in both; the one
 * in next is displaced to the ring and the other one taken, which a careless look at head, tail
 * and next in turn takes for an empty queue. */
Test(runq, empty_is_never_true_of_a_queue_with_work, .timeout = 60)
{
	struct rt__runq *q = new_queue(NEAR_WRAP), *mine = new_queue(0);
	pthread_t thread;

	watching = 1;
	rt__runq_put(q, &gs[0], true, &overflow);
	cr_assert_eq(pthread_create(&thread, NULL, watch, q), 0);
	for (int i = 1; i < STRESS_GS; i++) {
		bool inherit;

		rt__runq_put(q, &gs[i % 2], true, &overflow);
		if (i % 3 == 0) {
			cr_assert_not_null(rt__runq_get(q, &inherit));
			rt__runq_put(q, &gs[i % 2], true, &overflow);
		}
		cr_assert_not_null(rt__runq_steal(mine, q, false));
	}
	rt__store_rlx(&watching, 0u);
	pthread_join(thread, NULL);
}

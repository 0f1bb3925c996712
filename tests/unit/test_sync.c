/* SPDX-License-Identifier: MIT */
/*
 * test_sync.c: the runtime's locks and notes with threads. What they protect is plain memory, so
 * that TSan reports it if they do not order what they should.
 */
#include <criterion/criterion.h>
#include <pthread.h>

#include "os/os.h"
#include "sync/sync.h"

#ifdef __SANITIZE_THREAD__
#define ROUNDS 5000
#else
#define ROUNDS 100000
#endif
#define THREADS 4

static struct {
	struct rt__lock lock;
	long count;
	int inside;
} shared;

static void *
increment(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		rt__lock(&shared.lock);
		cr_assert_eq(shared.inside++, 0);
		shared.count++;
		if (i % 64 == 0)
			rt__os_yield(); /* so that others find it held, and sleep */
		shared.inside--;
		rt__unlock(&shared.lock);
	}
	return NULL;
}

static void
contend(int ncpu)
{
	pthread_t threads[THREADS];

	rt__os.ncpu = ncpu;
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, increment, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(shared.count, (long)THREADS * ROUNDS);
	cr_expect_eq(shared.lock.state, 0u);
}

Test(lock, excludes_and_spins, .timeout = 60)
{
	contend(2);
}

Test(lock, excludes_and_sleeps_at_once, .timeout = 60)
{
	contend(1);
}

Test(lock, without_others)
{
	struct rt__lock l = {0};

	rt__lock(&l);
	cr_expect_eq(l.state, 1u);
	rt__unlock(&l);
	cr_expect_eq(l.state, 0u);
}

/* ---- notes ---- */

static struct {
	struct rt__note ping, pong;
	long value;
} game;

static void *
answer(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS / 10; i++) {
		if (i % 2) {
			rt__note_sleep(&game.ping);
		} else {
			while (!rt__note_timedsleep(&game.ping, 1000))
				;
		}
		rt__note_clear(&game.ping);
		game.value++;
		rt__note_wakeup(&game.pong);
	}
	return NULL;
}

Test(note, wakes_and_publishes, .timeout = 60)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, answer, NULL), 0);
	for (int i = 0; i < ROUNDS / 10; i++) {
		game.value++;
		rt__note_wakeup(&game.ping);
		rt__note_sleep(&game.pong);
		rt__note_clear(&game.pong);
		cr_assert_eq(game.value, 2 * i + 2);
	}
	pthread_join(thread, NULL);
}

Test(note, wakeup_before_sleep)
{
	struct rt__note n = {0};

	rt__note_wakeup(&n);
	rt__note_sleep(&n);
	cr_expect(rt__note_timedsleep(&n, 0));
	rt__note_clear(&n);
	cr_expect_not(rt__note_timedsleep(&n, 0));
}

Test(note, sleeps_at_least_as_long_as_it_says)
{
	struct rt__note n = {0};
	int64_t start = rt__nanotime();

	cr_expect_not(rt__note_timedsleep(&n, 2000000));
	cr_expect_geq(rt__nanotime() - start, 2000000);
}

/* A throw: exit status 2. */
Test(note, double_wakeup_is_a_throw, .exit_code = 2)
{
	struct rt__note n = {0};

	rt__note_wakeup(&n);
	rt__note_wakeup(&n);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_usync.c: mutexes and the like with threads of the host. What they protect is plain memory,
 * so that TSan reports it if they do not order what they should; so is what is in their queues.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <rt/rt.h>

#include "mem/heap.h"
#include "os/os.h"
#include "sched/sched.h"
#include "usync/usync_priv.h"
#include "usync_threads.h"

#ifdef __SANITIZE_THREAD__
#define ROUNDS 2000
#else
#define ROUNDS 20000
#endif
#define THREADS 4

/* ---- unlocking, as where the kernel has no membarrier ---- */

void
rt__mutex_unlock(rt_mutex *m)
{
	if (!rt__cas_rel(&m->rt_state, 1u, 0u)) /* pairs with locking */
		rt__mutex_unlock_slow(m);
}

void
rt__plain_unlock_forbid(uint32_t *word, uint32_t was, uint32_t pending, uint32_t forbidden)
{
	if (rt__cas_acqrel(word, was, was | pending) && (rt__load_acq(word) & pending))
		rt__add_acqrel(word, forbidden - pending);
}

bool
rt__plain_unlock_again(uint32_t n)
{
	static uint32_t count;

	return rt__add_rlx(&count, 1u) % n == 0;
}

/* ---- running ---- */

static rt_time
soon(unsigned *seed)
{
	return rt__nanotime() + rand_r(seed) % 100 * 1000 - 5000;
}

struct job {
	void (*fn)(unsigned seed);
	unsigned seed;
};

static void *
run(void *arg)
{
	const struct job *j = arg;

	usync_thread_begin();
	j->fn(j->seed);
	return NULL;
}

static void
run_all(void (*even)(unsigned), void (*odd)(unsigned))
{
	pthread_t threads[THREADS];
	struct job jobs[THREADS];

	usync_thread_begin();
	usync_start_timers();
	for (unsigned i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){i % 2 ? odd : even, i};
		cr_assert_eq(pthread_create(&threads[i], NULL, run, &jobs[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* ---- mutexes ---- */

static struct {
	rt_mutex m;
	long count, timeouts;
} locked;

static void
increment(unsigned seed)
{
	for (int i = 0; i < ROUNDS; i++) {
		bool timed = rand_r(&seed) % 4 == 0;
		bool in_time = timed && rt_mutex_lock(&locked.m, .deadline = soon(&seed));

		if (timed && !in_time)
			cr_assert_eq(errno, ETIMEDOUT);
		if (!in_time)
			rt_mutex_lock(&locked.m);
		locked.count++;
		locked.timeouts += timed && !in_time;
		if (i % 64 == 0)
			rt__os_yield();
		rt_mutex_unlock(&locked.m);
	}
}

Test(mutex, excludes, .timeout = 60)
{
	run_all(increment, increment);
	cr_expect_eq(locked.count, (long)THREADS * ROUNDS);
	cr_expect_eq(locked.m.rt_state & ~32u, 0u); /* it may be left CONTENDED */
	cr_expect_null(locked.m.rt_waiters);
}

/* ---- readers and writers ---- */

static struct {
	rt_rwmutex rw;
	long a, b;
} book;

static void
read_it(unsigned seed)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!rt_rwmutex_rlock(&book.rw, .deadline = soon(&seed)))
			rt_rwmutex_rlock(&book.rw);
		cr_assert_eq(book.a, book.b);
		rt_rwmutex_runlock(&book.rw);
	}
}

static void
write_it(unsigned seed)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!rt_rwmutex_lock(&book.rw, .deadline = soon(&seed)))
			rt_rwmutex_lock(&book.rw);
		book.a++;
		book.b++;
		rt_rwmutex_unlock(&book.rw);
	}
}

Test(rwmutex, writers_exclude, .timeout = 60)
{
	run_all(read_it, write_it);
	cr_expect_eq(book.a, THREADS / 2l * ROUNDS);
	cr_expect_eq(book.rw.rt_state, 0u);
}

/* ---- condition variables ---- */

static struct {
	rt_mutex m;
	rt_cond more, less;
	long n, put, got;
} queue;

static void
put(unsigned seed)
{
	for (int i = 0; i < ROUNDS; i++) {
		rt_mutex_lock(&queue.m);
		while (queue.n == 2)
			if (!rt_cond_wait(&queue.less, &queue.m, .deadline = soon(&seed)))
				cr_assert_eq(errno, ETIMEDOUT);
		queue.n++;
		queue.put++;
		rt_cond_signal(&queue.more);
		rt_mutex_unlock(&queue.m);
	}
}

static void
get(unsigned seed)
{
	(void)seed;
	for (int i = 0; i < ROUNDS; i++) {
		rt_mutex_lock(&queue.m);
		while (queue.n == 0)
			rt_cond_wait(&queue.more, &queue.m);
		queue.n--;
		queue.got++;
		rt_cond_broadcast(&queue.less);
		rt_mutex_unlock(&queue.m);
	}
}

Test(cond, loses_nothing, .timeout = 60)
{
	run_all(put, get);
	cr_expect_eq(queue.put, THREADS / 2l * ROUNDS);
	cr_expect_eq(queue.got, queue.put);
}

/* ---- semaphores ---- */

static struct {
	rt_sem s;
	long count;
} room = {RT_SEM_INIT(3), 0};

static void
take_all(unsigned seed)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!rt_sem_acquire(&room.s, 3, .deadline = soon(&seed)))
			rt_sem_acquire(&room.s, 3);
		room.count++; /* the others only take one at a time: they do not touch it */
		rt_sem_release(&room.s, 3);
	}
}

static void
take_one(unsigned seed)
{
	for (int i = 0; i < ROUNDS; i++)
		if (rt_sem_acquire(&room.s, 1, .deadline = soon(&seed)))
			rt_sem_release(&room.s, 1);
}

Test(sem, all_of_it_excludes, .timeout = 60)
{
	run_all(take_all, take_one);
	cr_expect_eq(room.count, THREADS / 2l * ROUNDS);
	cr_expect(rt_sem_tryacquire(&room.s, 3));
}

/* ---- wait groups ---- */

static struct {
	rt_wg go[2];
	long value;
} game = {{RT_WG_INIT, RT_WG_INIT}, 0};

/* Two in turn: each waits for its own group, and is the one to end the other's. */
static void
play(unsigned me)
{
	unsigned seed = me;

	if (me > 1)
		return;
	for (int i = 0; i < ROUNDS; i++) {
		while (!rt_wg_wait(&game.go[me], .deadline = soon(&seed)))
			cr_assert_eq(errno, ETIMEDOUT);
		cr_assert_eq(game.value++, 2l * i + me);
		rt_wg_add(&game.go[me], 1);
		rt_wg_done(&game.go[1 - me]);
	}
}

Test(waitgroup, publishes, .timeout = 60)
{
	rt_wg_add(&game.go[1], 1);
	run_all(play, play);
	cr_expect_eq(game.value, 2l * ROUNDS);
}

/* ---- pools ---- */

static rt_pool pool;

static void
use_pool(unsigned seed)
{
	for (int i = 0; i < ROUNDS; i++) {
		long *p = rt_pool_get(&pool);

		if (!p)
			p = calloc(1, sizeof *p);
		cr_assert_eq((*p)++, 0);
		if (seed % 2)
			rt__os_yield();
		(*p)--;
		rt_pool_put(&pool, p);
	}
}

Test(pool, has_one_owner_for_each, .timeout = 60)
{
	rt__os.page_size = 4096;
	rt__persistent_init();
	pool = (rt_pool)RT_POOL_INIT(NULL, free);
	run_all(use_pool, use_pool);
	rt_pool_drain(&pool);
	cr_expect_null(rt_pool_get(&pool));
}

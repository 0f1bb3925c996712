/* SPDX-License-Identifier: MIT */
/* Condition variables, semaphores, once, singleflight, pools: what Go's tests of sync and x/sync
 * check, and deadlines. */
#include <errno.h>
#include <pthread.h>

#include "guest.h"

/* ---- condition variables ---- */

static struct {
	rt_mutex m;
	rt_cond c;
	int waiting, order[1000], woken, timeouts;
	bool open;
} at;

static void
wait_and_note(int number)
{
	rt_mutex_lock(&at.m);
	at.waiting++;
	CHECK(rt_cond_wait(&at.c, &at.m));
	at.order[at.woken++] = number;
	rt_mutex_unlock(&at.m);
}

/* Starts n that wait, one after the other. */
static void
have_waiters(rt_wg *wg, int n)
{
	for (int i = 0; i < n; i++) {
		rt_wg_go(wg, wait_and_note, i);
		for (bool there = false; !there;) {
			rt_gosched();
			rt_mutex_lock(&at.m);
			there = at.waiting == i + 1;
			rt_mutex_unlock(&at.m);
		}
	}
}

static int
woken(void)
{
	rt_mutex_lock(&at.m);
	int n = at.woken;
	rt_mutex_unlock(&at.m);
	return n;
}

/* TestCondSignal, and that they come in the order in which they waited. */
static int
cond_signal(int argc, char **argv)
{
	int n = number(argc, argv, 10);
	rt_wg wg = RT_WG_INIT;

	rt_cond_signal(&at.c); /* for nobody, and kept for nobody */
	have_waiters(&wg, n);
	for (int i = 0; i < n; i++) {
		CHECK(woken() == i);
		rt_mutex_lock(&at.m);
		rt_cond_signal(&at.c);
		rt_mutex_unlock(&at.m);
		YIELD_UNTIL(woken() == i + 1);
	}
	rt_cond_signal(&at.c);
	rt_wg_wait(&wg);
	for (int i = 0; i < n; i++)
		CHECK(at.order[i] == i);
	return ok();
}

static int
cond_broadcast(int argc, char **argv)
{
	int n = number(argc, argv, 200);
	rt_wg wg = RT_WG_INIT;

	have_waiters(&wg, n);
	rt_mutex_lock(&at.m);
	rt_cond_broadcast(&at.c);
	rt_mutex_unlock(&at.m);
	rt_wg_wait(&wg);
	CHECK(at.woken == n);
	return ok();
}

static int
cond_deadline(int argc, char **argv)
{
	int64_t start = now_ns();

	(void)argc, (void)argv;
	rt_mutex_lock(&at.m);
	CHECK(!rt_cond_wait(&at.c, &at.m, .deadline = 1) && errno == ETIMEDOUT);
	CHECK(!rt_mutex_trylock(&at.m));
	CHECK(!rt_cond_wait(&at.c, &at.m, .deadline = rt_after(10 * RT_MILLISECOND)));
	CHECK(errno == ETIMEDOUT && now_ns() - start >= 10 * MS);
	CHECK(!rt_mutex_trylock(&at.m));
	rt_mutex_unlock(&at.m);
	return ok();
}

static int
cond_copied(int argc, char **argv)
{
	rt_cond c = RT_COND_INIT, copy;

	(void)argc, (void)argv;
	rt_cond_signal(&c);
	copy = c;
	rt_cond_signal(&copy);
	return ok();
}

static int
cond_unlocked(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_cond_wait(&at.c, &at.m);
	return ok();
}

/* A bounded queue, with deadlines that pass just then: what is put in comes out, once. */
static struct {
	rt_mutex m;
	rt_cond more, less;
	int n;
	long put, got;
} queue;

static void
put(int n, unsigned seed)
{
	for (int i = 1; i <= n; i++) {
		rt_mutex_lock(&queue.m);
		while (queue.n == 4)
			if (seed % 2 == 0)
				rt_cond_wait(&queue.less, &queue.m);
			else if (!rt_cond_wait(&queue.less, &queue.m, .deadline = soon(&seed)))
				CHECK(errno == ETIMEDOUT);
		queue.n++;
		queue.put++;
		rt_cond_signal(&queue.more);
		rt_mutex_unlock(&queue.m);
	}
}

static void
get(int n, unsigned seed)
{
	for (int i = 0; i < n; i++) {
		rt_mutex_lock(&queue.m);
		while (queue.n == 0)
			if (seed % 2 == 0)
				rt_cond_wait(&queue.more, &queue.m);
			else if (!rt_cond_wait(&queue.more, &queue.m, .deadline = soon(&seed)))
				CHECK(errno == ETIMEDOUT);
		queue.n--;
		queue.got++;
		rt_cond_signal(&queue.less);
		rt_mutex_unlock(&queue.m);
	}
}

static void *
get_in_thread(void *n)
{
	get(*(int *)n, 0);
	return NULL;
}

static int
cond_stress(int argc, char **argv)
{
	int n = number(argc, argv, 3000);
	rt_wg wg = RT_WG_INIT;

	pthread_t t = foreign_thread(get_in_thread, &n);
	for (unsigned i = 0; i < 4; i++)
		rt_wg_go(&wg, put, n, i);
	for (unsigned i = 0; i < 3; i++)
		rt_wg_go(&wg, get, n, i);
	rt_wg_wait(&wg);
	pthread_join(t, NULL);
	CHECK(queue.n == 0 && queue.put == 4l * n && queue.got == queue.put);
	return ok();
}

/* ---- semaphores ---- */

static int
sem_try(int argc, char **argv)
{
	rt_sem s = RT_SEM_INIT(2);

	(void)argc, (void)argv;
	CHECK(rt_sem_tryacquire(&s, 1) && rt_sem_tryacquire(&s, 1) && !rt_sem_tryacquire(&s, 1));
	rt_sem_release(&s, 2);
	CHECK(!rt_sem_tryacquire(&s, 3) && rt_sem_acquire(&s, 2));
	CHECK(!rt_sem_acquire(&s, 1, .deadline = rt_after(RT_MILLISECOND)) && errno == ETIMEDOUT);
	CHECK(!rt_sem_acquire(&s, 3) && errno == EINVAL);
	CHECK(!rt_sem_acquire(&s, -1) && errno == EINVAL);
	CHECK(rt_sem_acquire(&s, 0));
	rt_sem_release(&s, 2);
	return ok();
}

static int
sem_too_much(int argc, char **argv)
{
	rt_sem s = RT_SEM_INIT(2);

	(void)argc, (void)argv;
	CHECK(rt_sem_acquire(&s, 1));
	rt_sem_release(&s, 2);
	return ok();
}

/* TestLargeAcquireDoesntStarve. */
static void
take_one(rt_sem *s, const int *stop)
{
	CHECK(rt_sem_acquire(s, 1));
	while (!GET(*stop)) {
		rt_sleep(100 * RT_MICROSECOND);
		rt_sem_release(s, 1);
		CHECK(rt_sem_acquire(s, 1));
	}
	rt_sem_release(s, 1);
}

static int
sem_large(int argc, char **argv)
{
	rt_sem s = RT_SEM_INIT(8);
	rt_wg wg = RT_WG_INIT;
	int stop = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 8; i++)
		rt_wg_go(&wg, take_one, &s, &stop);
	YIELD_UNTIL(!rt_sem_tryacquire(&s, 1) || (rt_sem_release(&s, 1), false));
	CHECK(rt_sem_acquire(&s, 8));
	SET(stop, 1);
	rt_sem_release(&s, 8);
	rt_wg_wait(&wg);
	CHECK(rt_sem_tryacquire(&s, 8));
	return ok();
}

/* One that gives up lets those behind it in, who want less. */
static void
want(rt_sem *s, int64_t n, int *got)
{
	CHECK(rt_sem_acquire(s, n));
	ADD(*got, 1);
}

static void
want_in_vain(rt_sem *s, int64_t n)
{
	CHECK(!rt_sem_acquire(s, n, .deadline = rt_after(20 * RT_MILLISECOND)));
	CHECK(errno == ETIMEDOUT);
}

static int
sem_gives_up(int argc, char **argv)
{
	rt_sem s = RT_SEM_INIT(4);
	rt_wg wg = RT_WG_INIT;
	int got = 0;

	(void)argc, (void)argv;
	CHECK(rt_sem_acquire(&s, 2));
	rt_wg_go(&wg, want_in_vain, &s, 4l);
	YIELD_UNTIL(!rt_sem_tryacquire(&s, 1) || (rt_sem_release(&s, 1), false));
	rt_wg_go(&wg, want, &s, 1l, &got);
	CHECK(!rt_sem_acquire(&s, 1, .deadline = rt_after(RT_MILLISECOND)) && errno == ETIMEDOUT);
	rt_wg_wait(&wg); /* nothing was released */
	CHECK(got == 1 && rt_sem_tryacquire(&s, 1) && !rt_sem_tryacquire(&s, 1));
	rt_sem_release(&s, 4);
	CHECK(rt_sem_tryacquire(&s, 4));
	return ok();
}

static void
take_some(rt_sem *s, int *taken, int n, unsigned seed)
{
	for (int i = 0; i < n; i++) {
		int64_t want_n = rand_r(&seed) % 5;
		bool got = rand_r(&seed) % 2 ? rt_sem_acquire(s, want_n)
					     : rt_sem_acquire(s, want_n, .deadline = soon(&seed));

		if (!got)
			continue;
		CHECK(ADD(*taken, (int)want_n) <= 7);
		if (i % 8 == 0)
			rt_gosched();
		ADD(*taken, -(int)want_n);
		rt_sem_release(s, want_n);
	}
}

static int
sem_stress(int argc, char **argv)
{
	rt_sem s = RT_SEM_INIT(7);
	int n = number(argc, argv, 3000), taken = 0;
	rt_wg wg = RT_WG_INIT;

	for (unsigned i = 0; i < 10; i++)
		rt_wg_go(&wg, take_some, &s, &taken, n, i);
	rt_wg_wait(&wg);
	CHECK(rt_sem_tryacquire(&s, 7));
	return ok();
}

/* ---- once ---- */

static void
add_one(int *n)
{
	rt_gosched();
	ADD(*n, 1);
}

static void
do_once(rt_once *once, int *n)
{
	rt_once_do(once, add_one, n);
	CHECK(GET(*n) == 1);
}

static void
panic_once(rt_once *once, int *n)
{
	rt_once_do(once, rt_panic, "for the %dth time", ADD(*n, 1));
}

static void
exit_once(rt_once *once, int *n)
{
	ADD(*n, 1);
	rt_once_do(once, rt_goexit);
	ADD(*n, 1);
}

static int
once(int argc, char **argv)
{
	rt_once o = RT_ONCE_INIT, panics = RT_ONCE_INIT, exits = RT_ONCE_INIT;
	rt_wg wg = RT_WG_INIT;
	int n = 0, panicked = 0, left = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 10; i++)
		rt_wg_go(&wg, do_once, &o, &n);
	rt_wg_wait(&wg);
	CHECK(n == 1);
	const rt_caught *c = rt_try(panic_once, &panics, &panicked);
	CHECK(c && strcmp(c->text, "for the 1th time") == 0);
	CHECK(!rt_try(panic_once, &panics, &panicked) && panicked == 1);
	rt_wg_go(&wg, exit_once, &exits, &left);
	rt_wg_wait(&wg);
	CHECK(left == 1);
	exit_once(&exits, &left);
	CHECK(left == 3);
	return ok();
}

/* ---- singleflight ---- */

static struct {
	rt_singleflight g;
	int calls, shared, gate, asked;
} air;

static void *
look_up(void *arg)
{
	int call = ADD(air.calls, 1);

	YIELD_UNTIL(GET(air.gate));
	return (char *)arg + call;
}

static void
ask(const char *key, char *base, int expected)
{
	char copy[16];
	rt_flight r;

	snprintf(copy, sizeof copy, "%s", key);
	ADD(air.asked, 1);
	CHECK(rt_singleflight_do(&air.g, copy, look_up, base, &r));
	CHECK(r.result == base + expected);
	if (r.shared)
		ADD(air.shared, 1);
}

static int
flight(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	char base[16];
	rt_flight r;

	(void)argc, (void)argv;
	for (int i = 0; i < 10; i++)
		rt_wg_go(&wg, ask, "a key", base, 1);
	YIELD_UNTIL(GET(air.calls) == 1 && GET(air.asked) == 10);
	rt_sleep(20 * RT_MILLISECOND); /* from there to the queue */
	CHECK(!rt_singleflight_do(&air.g, "a key", look_up, base, &r,
				  .deadline = rt_after(5 * RT_MILLISECOND)));
	CHECK(errno == ETIMEDOUT);
	rt_wg_go(&wg, ask, "another", base, 2);
	YIELD_UNTIL(GET(air.calls) == 2);
	rt_singleflight_forget(&air.g, "a key");
	rt_singleflight_forget(&air.g, "no such key");
	rt_wg_go(&wg, ask, "a key", base, 3);
	YIELD_UNTIL(GET(air.calls) == 3);
	SET(air.gate, 1);
	rt_wg_wait(&wg);
	CHECK(air.calls == 3 && air.shared >= 9);
	CHECK(rt_singleflight_do(&air.g, "a key", look_up, base, &r));
	CHECK(r.result == base + 4 && !r.shared);
	return ok();
}

static void *
fail_first(void *how)
{
	int call = ADD(air.calls, 1);

	YIELD_UNTIL(GET(air.gate));
	if (call == 1 && how)
		rt_goexit();
	if (call == 1)
		rt_panic("the first fails");
	return &air;
}

static void
ask_again(void *how)
{
	rt_flight r;

	CHECK(rt_singleflight_do(&air.g, "key", fail_first, how, &r) && r.result == &air);
}

static void
ask_safely(void *how)
{
	const rt_caught *c = rt_try(ask_again, how);

	if (c)
		ADD(air.shared, 1);
}

/* Those who wait for one that fails have it done again. */
static int
flight_fails(int argc, char **argv)
{
	void *how = argc > 0 ? argv[0] : NULL;
	rt_wg wg = RT_WG_INIT;

	for (int i = 0; i < 5; i++)
		rt_wg_go(&wg, ask_safely, how);
	YIELD_UNTIL(GET(air.calls) == 1);
	rt_sleep(RT_MILLISECOND);
	SET(air.gate, 1);
	rt_wg_wait(&wg);
	CHECK(air.calls >= 2 && air.shared == (how ? 0 : 1));
	return ok();
}

/* ---- pools ---- */

static int made, freed;

static void *
make(void)
{
	ADD(made, 1);
	return calloc(1, sizeof(int));
}

static void
drop(void *p)
{
	ADD(freed, 1);
	CHECK(*(int *)p == 0);
	free(p);
}

static rt_pool ints = RT_POOL_INIT(make, drop);

static void
use_ints(int n)
{
	int *held[8] = {NULL};

	for (int i = 0; i < n; i++) {
		int k = i * 7 % 8;

		if (held[k]) {
			CHECK(*held[k] == 1); /* nobody else has it */
			*held[k] = 0;
			rt_pool_put(&ints, held[k]);
			held[k] = NULL;
		} else {
			held[k] = rt_pool_get(&ints);
			CHECK(*held[k] == 0);
			*held[k] = 1;
		}
		if (i % 32 == 0)
			rt_gosched();
	}
	for (int k = 0; k < 8; k++)
		if (held[k]) {
			*held[k] = 0;
			rt_pool_put(&ints, held[k]);
		}
}

static void *
use_ints_in_thread(void *arg)
{
	use_ints(*(int *)arg);
	return NULL;
}

static int
pool(int argc, char **argv)
{
	int n = number(argc, argv, 20000);
	rt_wg wg = RT_WG_INIT;

	pthread_t t = foreign_thread(use_ints_in_thread, &n);
	for (int i = 0; i < 10; i++)
		rt_wg_go(&wg, use_ints, n);
	for (int i = 0; i < 20; i++)
		rt_free_os_memory();
	rt_wg_wait(&wg);
	pthread_join(t, NULL);
	rt_free_os_memory();
	CHECK(GET(made) == GET(freed) && made > 0 && made < 11 * n);
	rt_pool_put(&ints, make());
	rt_pool_drain(&ints);
	CHECK(made == freed);
	rt_pool_put(&ints, make());
	rt_pool_drain(&ints);
	CHECK(made == freed);
	return ok();
}

static int
pool_of_one_p(int argc, char **argv)
{
	rt_pool p = RT_POOL_INIT(NULL, NULL);
	int a, b;

	(void)argc, (void)argv;
	CHECK(!rt_pool_get(&p));
	rt_pool_put(&p, NULL);
	rt_pool_put(&p, &a);
	rt_pool_put(&p, &b);
	void *x = rt_pool_get(&p), *y = rt_pool_get(&p);
	CHECK(((x == &a && y == &b) || (x == &b && y == &a)) && !rt_pool_get(&p));
	for (int i = 0; i < 100; i++)
		rt_pool_put(&p, &a); /* more than it keeps */
	rt_pool_drain(&p);
	CHECK(!rt_pool_get(&p));
	return ok();
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {
		{"cond-signal", cond_signal},
		{"cond-broadcast", cond_broadcast},
		{"cond-deadline", cond_deadline},
		{"cond-copied", cond_copied},
		{"cond-unlocked", cond_unlocked},
		{"cond-stress", cond_stress},
		{"sem-try", sem_try},
		{"sem-too-much", sem_too_much},
		{"sem-large", sem_large},
		{"sem-gives-up", sem_gives_up},
		{"sem-stress", sem_stress},
		{"once", once},
		{"flight", flight},
		{"flight-fails", flight_fails},
		{"pool", pool},
		{"pool-of-one-p", pool_of_one_p},
	};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

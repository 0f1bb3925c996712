/* SPDX-License-Identifier: MIT */
/* Deadlocks of which the report names the cycle, and those of which it must not. main goes away
 * first, unless it takes part: it has started the others, and knows of all that they were given. */
#include <signal.h>

#include "guest.h"

#define NOINLINE __attribute__((noinline))

struct shop {
	char padding[200];
	rt_mutex mutex;
	rt_wg wg;
	rt_chan(int) orders;
};

/* What it has still to do keeps the compiler from forgetting about it while it waits. */
NOINLINE static void
use(const void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

static int there;

/* Each has what it locks before anybody waits. */
static void
meet(int n)
{
	ADD(there, 1);
	YIELD_UNTIL(GET(there) == n);
}

/* ---- a mutex and something else ---- */

static void
lock_and_recv(rt_mutex *m, rt_chan(int) c)
{
	rt_mutex_lock(m);
	meet(2);
	rt_recv(c);
	rt_mutex_unlock(m);
}

static void
lock_then_send(rt_mutex *m, rt_chan(int) c)
{
	meet(2);
	rt_mutex_lock(m);
	rt_send(c, 1);
	rt_mutex_unlock(m);
}

static int
mutex_and_channel(int argc, char **argv)
{
	static rt_mutex m = RT_MUTEX_INIT;
	rt_chan(int) c = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	rt_go(lock_and_recv, &m, c);
	rt_go(lock_then_send, &m, c);
	rt_goexit();
}

static void
lock_and_select(rt_mutex *m, rt_chan(int) c, rt_chan(int) other)
{
	rt_mutex_lock(m);
	meet(2);
	rt_select(RT_RECV(other), RT_SEND(c, 1));
	rt_mutex_unlock(m);
}

static void
lock_then_recv(rt_mutex *m, rt_chan(int) c)
{
	meet(2);
	rt_mutex_lock(m);
	rt_recv(c);
	rt_mutex_unlock(m);
}

static int
mutex_and_select(int argc, char **argv)
{
	static rt_mutex m = RT_MUTEX_INIT;
	rt_chan(int) c = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	rt_go(lock_and_select, &m, c, rt_chan_make(int, 0));
	rt_go(lock_then_recv, &m, c);
	rt_goexit();
}

static void
lock_and_leave(rt_mutex *m)
{
	rt_mutex_lock(m);
	rt_mutex_unlock(m);
}

static int
mutex_and_group(int argc, char **argv)
{
	rt_mutex m = RT_MUTEX_INIT;
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_mutex_lock(&m);
	rt_wg_go(&wg, lock_and_leave, &m);
	rt_wg_wait(&wg);
	rt_mutex_unlock(&m);
	return ok();
}

static void
lock_and_acquire(rt_mutex *m, rt_sem *s)
{
	rt_mutex_lock(m);
	meet(2);
	rt_sem_acquire(s, 1);
	rt_mutex_unlock(m);
}

static void
acquire_and_lock(rt_mutex *m, rt_sem *s)
{
	rt_sem_acquire(s, 1);
	meet(2);
	rt_mutex_lock(m);
	rt_sem_release(s, 1);
	rt_mutex_unlock(m);
}

static int
mutex_and_semaphore(int argc, char **argv)
{
	static rt_mutex m = RT_MUTEX_INIT;
	static rt_sem s = RT_SEM_INIT(1);

	(void)argc, (void)argv;
	rt_go(lock_and_acquire, &m, &s);
	rt_go(acquire_and_lock, &m, &s);
	rt_goexit();
}

/* A group of three: who waits for the group, who is in it, and who is to send. */
static void
lock_and_wait(rt_mutex *m, rt_wg *wg)
{
	rt_mutex_lock(m);
	meet(2);
	rt_wg_wait(wg);
	rt_mutex_unlock(m);
}

static void
recv_only(rt_chan(int) c)
{
	rt_recv(c);
}

static int
three(int argc, char **argv)
{
	static rt_mutex m = RT_MUTEX_INIT;
	static rt_wg wg = RT_WG_INIT;
	rt_chan(int) c = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	rt_wg_go(&wg, recv_only, c);
	rt_go(lock_and_wait, &m, &wg);
	rt_go(lock_then_send, &m, c);
	rt_goexit();
}

/* ---- no mutex ---- */

static void
sum(rt_chan(int) jobs)
{
	for (int v; rt_recv(jobs, &v);)
		use(&v);
}

/* The one that everybody meets: nobody closes the channel. */
static int
not_closed(int argc, char **argv)
{
	rt_chan(int) jobs = rt_chan_make(int, 4);
	rt_wg wg = RT_WG_INIT;

	for (int i = 0; i < number(argc, argv, 1); i++)
		rt_wg_go(&wg, sum, jobs);
	rt_send(jobs, 1);
	rt_wg_wait(&wg);
	rt_close(jobs);
	return ok();
}

static void
recv_then_send(rt_chan(int) in, rt_chan(int) out)
{
	int v = rt_recv(in);

	rt_send(out, v);
}

static int
two_channels(int argc, char **argv)
{
	rt_chan(int) a = rt_chan_make(int, 0), b = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	rt_go(recv_then_send, a, b);
	rt_go(recv_then_send, b, a);
	rt_goexit();
}

static void
wait_for_oneself(rt_wg *wg)
{
	rt_wg_wait(wg);
}

static int
own_group(int argc, char **argv)
{
	static rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_go(&wg, wait_for_oneself, &wg);
	rt_goexit();
}

/* ---- by way of the heap ---- */

static void
serve(struct shop *s)
{
	rt_mutex_lock(&s->mutex);
	meet(2);
	rt_recv(s->orders);
	rt_mutex_unlock(&s->mutex);
}

/* Has nothing but the address of the shop. */
static void
order(struct shop *s)
{
	meet(2);
	rt_mutex_lock(&s->mutex);
	rt_send(s->orders, 1);
	rt_mutex_unlock(&s->mutex);
}

static int
in_the_heap(int argc, char **argv)
{
	struct shop *s = calloc(1, sizeof *s);

	(void)argc, (void)argv;
	CHECK(s);
	s->orders = rt_chan_make(int, 0);
	rt_go(serve, s);
	rt_go(order, s);
	rt_goexit();
}

/* ---- none ---- */

static int
alone(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	rt_recv(c);
	use(c);
	return ok();
}

/* That each knows of the channel says only that it waits for it. */
static void
recv_and_use(rt_chan(int) c)
{
	rt_recv(c);
	use(c);
}

static int
same_side(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	for (int i = 0; i < 3; i++)
		rt_go(recv_and_use, c);
	rt_goexit();
}

/* One waits for the other, and that one for a channel that nobody else knows of. */
static void
recv_own(rt_chan(int) c)
{
	rt_recv(rt_chan_make(int, 0));
	rt_send(c, 1);
}

static int
a_chain(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	rt_go(recv_and_use, c);
	rt_go(recv_own, c);
	rt_goexit();
}

static void
recv_first(rt_chan(int) c, rt_chan(int) d)
{
	rt_recv(c);
	use(d);
}

static int
too_many(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 0), d = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	for (int i = 0; i < 300; i++)
		rt_go(recv_first, i % 2 ? c : d, i % 2 ? d : c);
	rt_goexit();
}

/* While somebody runs, who may send. */
static void
spin(void)
{
	for (;;)
		rt_gosched();
}

static int
while_one_runs(int argc, char **argv)
{
	rt_chan(int) a = rt_chan_make(int, 0), b = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	rt_go(recv_then_send, a, b);
	rt_go(recv_then_send, b, a);
	rt_go(spin);
	for (int i = 0; i < 100; i++)
		rt_gosched();
	raise(SIGQUIT);
	return ok();
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {
		{"mutex-and-channel", mutex_and_channel},
		{"mutex-and-select", mutex_and_select},
		{"mutex-and-group", mutex_and_group},
		{"mutex-and-semaphore", mutex_and_semaphore},
		{"three", three},
		{"not-closed", not_closed},
		{"two-channels", two_channels},
		{"own-group", own_group},
		{"in-the-heap", in_the_heap},
		{"alone", alone},
		{"same-side", same_side},
		{"a-chain", a_chain},
		{"too-many", too_many},
		{"while-one-runs", while_one_runs},
	};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

/* SPDX-License-Identifier: MIT */
/*
 * Goroutines that wait for all there is to wait for, to be looked at from outside, with
 * GOMAXPROCS=1. When they all do, it says "ready" and reads until the end of its input; then it
 * raises SIGQUIT if it has an argument, or says "ok".
 */
#include "guest.h"

#include <signal.h>
#include <unistd.h>

static rt_chan(long) full, empty;
static rt_mutex first = RT_MUTEX_INIT, second = RT_MUTEX_INIT, mains = RT_MUTEX_INIT;
static rt_mutex of_cond = RT_MUTEX_INIT;
static rt_rwmutex written = RT_RWMUTEX_INIT, read_by_main = RT_RWMUTEX_INIT;
static rt_wg gate = RT_WG_INIT;
static rt_sem units = RT_SEM_INIT(5);
static rt_cond cond = RT_COND_INIT;
static rt_timer timer, stopped;
static rt_ctx ctx;

static void
send_to_full(void)
{
	rt_send(full, 3);
}

static void
receive(void)
{
	rt_recv(empty);
}

static void
receive_until(void)
{
	rt_recv(empty, NULL, .deadline = rt_after(RT_HOUR));
}

/* Each locks one and waits for the other's. */
static rt_wg both = RT_WG_INIT;

static void
lock_both(rt_mutex *mine, rt_mutex *other)
{
	rt_mutex_lock(mine);
	rt_wg_done(&both);
	rt_wg_wait(&both);
	rt_mutex_lock(other);
}

static void
lock_until(void)
{
	rt_mutex_lock(&mains, .deadline = rt_after(RT_HOUR), .ctx = &ctx);
}

static void
wait_for_gate(void)
{
	rt_wg_wait(&gate);
}

static void
acquire(void)
{
	rt_sem_acquire(&units, 4);
	rt_sem_acquire(&units, 3);
}

static void
lock_and_read(void)
{
	rt_rwmutex_lock(&written);
	rt_rwmutex_rlock(&written);
}

static void
write_lock(void)
{
	rt_rwmutex_lock(&read_by_main);
}

static void
wait_for_cond(void)
{
	rt_mutex_lock(&of_cond);
	rt_cond_wait(&cond, &of_cond);
}

static void
wait_for_ctx(void)
{
	rt_ctx_wait(&ctx);
}

static void
wait_for_timer(void)
{
	rt_timer_wait(&timer);
}

static void
sleep_long(void)
{
	rt_sleep(RT_HOUR);
}

static void
select_many(void)
{
	rt_select(RT_RECV(empty), RT_SEND(full, 4), RT_RECV((rt_chan(long))NULL),
		  RT_TIMER(&stopped), RT_WG(&gate), RT_DONE(&ctx), RT_AT(rt_after(RT_HOUR)));
}

static void
start_all(void)
{
	rt_go(send_to_full);
	rt_go(receive);
	rt_go(receive_until);
	rt_go(lock_both, &first, &second);
	rt_go(lock_both, &second, &first);
	rt_go(lock_until);
	rt_go(wait_for_gate);
	rt_go(acquire);
	rt_go(lock_and_read);
	rt_go(write_lock);
	rt_go(wait_for_cond);
	rt_go(wait_for_ctx);
	rt_go(wait_for_timer);
	rt_go(sleep_long);
	rt_go(select_many);
}

int
main(int argc, char **argv)
{
	char input;

	(void)argv;
	full = rt_chan_make(long, 2);
	rt_send(full, 1);
	rt_send(full, 2);
	empty = rt_chan_make(long, 0);
	rt_ctx_init(&ctx, NULL);
	rt_timer_reset(&timer, RT_HOUR);
	rt_mutex_lock(&mains);
	rt_rwmutex_rlock(&read_by_main);
	rt_wg_add(&gate, 3);
	rt_wg_add(&both, 2);
	start_all();
	for (int i = 0; i < 100; i++)
		rt_gosched(); /* with one processor, all get to where they wait */
	puts("ready");
	fflush(stdout);
	while (read(0, &input, 1) > 0)
		;
	if (argc > 1)
		raise(SIGQUIT);
	puts("ok");
	return 0;
}

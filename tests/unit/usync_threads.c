/* SPDX-License-Identifier: MIT */
/*
 * usync_threads.c: a machine for usync/ on the host, where every thread is a foreign one: it has no
 * M, and sleeps on notes. Timers are fired by a thread. What only goroutines come to ends the test.
 */
#include <asm/prctl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rt/rt.h>

#include "os/os.h"
#include "sched/sched.h"
#include "usync/usync.h"
#include "usync_threads.h"

/* ---- the M of a thread that has none: what %gs:0 reads ---- */

void
usync_thread_begin(void)
{
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, &rt__m_foreign) != 0)
		abort();
}

/* ---- timers: few, and fired late ---- */

static struct {
	struct rt__lock lock;
	struct rt__timer *pending[64];
	struct rt__timer *running;
} timers;

static struct rt__timer *
next_due(int64_t now)
{
	for (int i = 0; i < 64; i++) {
		struct rt__timer *t = timers.pending[i];

		if (t && t->when <= now) {
			timers.pending[i] = NULL;
			return t;
		}
	}
	return NULL;
}

static void *
fire(void *arg)
{
	usync_thread_begin();
	for (;;) {
		int64_t now = rt__nanotime();

		rt__lock(&timers.lock);
		struct rt__timer *t = timers.running = next_due(now);
		rt__unlock(&timers.lock);
		if (!t) {
			usleep(20);
			continue;
		}
		t->fn(t, now);
		rt__lock(&timers.lock);
		timers.running = NULL;
		rt__unlock(&timers.lock);
	}
	return arg;
}

void
usync_start_timers(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fire, NULL) != 0 || pthread_detach(thread) != 0)
		abort();
}

void
rt__timer_init(struct rt__timer *t, void (*fn)(struct rt__timer *t, int64_t now))
{
	t->fn = fn;
}

void
rt__timer_start(struct rt__timer *t, int64_t when, int64_t now)
{
	int i = 0;

	(void)now;
	rt__lock(&timers.lock);
	t->when = when;
	while (i < 64 && timers.pending[i])
		i++;
	if (i == 64)
		abort();
	timers.pending[i] = t;
	rt__unlock(&timers.lock);
}

bool
rt__timer_stop(struct rt__timer *t)
{
	bool pending = false, running;

	do {
		rt__lock(&timers.lock);
		for (int i = 0; i < 64; i++)
			if (timers.pending[i] == t) {
				timers.pending[i] = NULL;
				pending = true;
			}
		running = timers.running == t;
		rt__unlock(&timers.lock);
	} while (running);
	return pending;
}

/* ---- what threads come to ---- */

void
rt__waiter_sleep(struct rt__waiter *w, rt__unlock_fn *unlock, void *arg,
		 enum rt__wait_reason reason)
{
	(void)reason;
	if (!unlock || unlock(NULL, arg))
		rt__note_sleep(&w->note);
}

bool
rt__may_spin(void)
{
	return true;
}

void
rt_gosched(void)
{
	rt__os_yield();
}

int
rt_gomaxprocs(int n)
{
	(void)n;
	return 2;
}

/* ---- and what they do not ---- */

void
rt__park_m(struct rt__g *gp)
{
	(void)gp;
	abort();
}

void
rt__park_in_handler(void)
{
	abort();
}

void
rt__mcall(void (*fn)(struct rt__g *))
{
	(void)fn;
	abort();
}

void
rt__ready(struct rt__g *gp)
{
	(void)gp;
	abort();
}

void
rt__panic(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

bool
rt__ctx_enrol(rt_ctx *c, struct rt__ctx_waiter *n)
{
	(void)c;
	(void)n;
	abort();
}

bool
rt__ctx_leave(rt_ctx *c, struct rt__ctx_waiter *n)
{
	(void)c;
	(void)n;
	abort();
}

void
rt__fatal_here(const char *msg)
{
	(void)msg;
	abort();
}

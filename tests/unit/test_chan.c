/* SPDX-License-Identifier: MIT */
/*
 * test_chan.c: channels with threads of the host. A value that is passed on is the address of plain
 * memory, which the receiver writes to and frees; a channel is freed by who knows through it that
 * all others are done. TSan and ASan report it if either comes too early.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "chan/chan_priv.h"
#include "time/time.h"
#include "usync/usync.h"
#include "usync_threads.h"

#ifdef __SANITIZE_THREAD__
#define ROUNDS 1000
#else
#define ROUNDS 10000
#endif
#define PAIRS 3

/* ---- what channels need besides, and these tests do not ---- */

uint32_t rt__alone;

uint32_t
rt__random_below(uint32_t n)
{
	static _Thread_local uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)state * n >> 32);
}

int
rt_ctx_error(const rt_ctx *c)
{
	(void)c;
	abort();
}

bool
rt__timer_is_due(rt_timer *t)
{
	(void)t;
	abort();
}

bool
rt__timer_try(rt_timer *t)
{
	(void)t;
	abort();
}

void
rt__timer_enrol(rt_timer *t, struct rt__timer_node *node)
{
	(void)t, (void)node;
	abort();
}

void
rt__timer_leave(rt_timer *t, struct rt__timer_node *node)
{
	(void)t, (void)node;
	abort();
}

/* ---- values from many to many, by every way to send and to receive ---- */

struct parcel {
	int weight;
	char text[60];
};

static struct {
	rt_chan(struct parcel *) one, two;
	rt_chan(struct parcel) by_value;
	long sent, received; /* (a) */
	rt_wg senders;
} post;

static struct parcel *
pack(unsigned *seed)
{
	struct parcel *p = malloc(sizeof *p);

	cr_assert(p);
	p->weight = rand_r(seed) % 100 + 1;
	rt__add_rlx(&post.sent, (long)p->weight);
	return p;
}

static void
unpack(struct parcel *p)
{
	rt__add_rlx(&post.received, (long)p->weight);
	p->weight = 0;
	free(p);
}

static rt_time
soon(unsigned *seed)
{
	return rt__nanotime() + rand_r(seed) % 100 * 1000 - 5000;
}

static void
send_one(unsigned *seed)
{
	struct parcel *p = pack(seed);
	struct parcel copy;

	switch (rand_r(seed) % 4) {
	case 0:
		rt_send(post.one, p);
		break;
	case 1:
		while (!rt_send(post.two, p, .deadline = soon(seed)))
			cr_assert_eq(errno, ETIMEDOUT);
		break;
	case 2:
		rt_select(RT_SEND(post.one, p), RT_SEND(post.two, p));
		break;
	default:
		copy = *p;
		free(p);
		rt_send(post.by_value, copy);
	}
}

/* Until all three are closed: a closed one is NULL from then on, and never ready. */
static void *
receive_all(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	rt_chan(struct parcel *) one = post.one;
	rt_chan(struct parcel *) two = post.two;
	rt_chan(struct parcel) by_value = post.by_value;
	struct parcel *p, copy;
	bool more = true;

	usync_thread_begin();
	while (one || two || by_value) {
		switch (rt_select(RT_RECV(one, &p, &more), RT_RECV(two, &p, &more),
				  RT_RECV(by_value, &copy, &more), RT_AT(soon(&seed)))) {
		case 0:
			more ? unpack(p) : (void)(one = NULL);
			break;
		case 1:
			more ? unpack(p) : (void)(two = NULL);
			break;
		case 2:
			if (more)
				rt__add_rlx(&post.received, (long)copy.weight);
			else
				by_value = NULL;
			break;
		}
	}
	return NULL;
}

static void *
send_many(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	usync_thread_begin();
	for (int i = 0; i < ROUNDS; i++)
		send_one(&seed);
	rt_wg_done(&post.senders);
	return NULL;
}

static pthread_t
start(void *(*fn)(void *), uintptr_t arg)
{
	pthread_t t;

	cr_assert_eq(pthread_create(&t, NULL, fn, (void *)arg), 0);
	return t;
}

static void
deliver(int capacity)
{
	pthread_t t[2 * PAIRS];

	post.sent = post.received = 0;
	post.one = rt_chan_make(struct parcel *, capacity);
	post.two = rt_chan_make(struct parcel *, capacity / 2);
	post.by_value = rt_chan_make(struct parcel, capacity);
	rt_wg_add(&post.senders, PAIRS);
	for (uintptr_t i = 0; i < PAIRS; i++) {
		t[i] = start(send_many, i);
		t[PAIRS + i] = start(receive_all, i);
	}
	rt_wg_wait(&post.senders);
	rt_close(post.one);
	rt_close(post.two);
	rt_close(post.by_value);
	for (int i = 0; i < 2 * PAIRS; i++)
		pthread_join(t[i], NULL);
	rt_chan_free(post.one);
	rt_chan_free(post.two);
	rt_chan_free(post.by_value);
	cr_assert(post.sent > 0);
	cr_assert_eq(post.sent, post.received);
}

Test(chan, values, .timeout = 50)
{
	usync_thread_begin();
	usync_start_timers();
	for (int capacity = 0; capacity <= 8; capacity += 4)
		deliver(capacity);
}

/* ---- a channel that is freed by who learns through it that it is of no more use ---- */

static void *
answer(void *arg)
{
	rt_chan(long) c = arg;

	usync_thread_begin();
	rt_send(c, 7);
	return NULL;
}

Test(chan, freed_by_receiver, .timeout = 50)
{
	usync_thread_begin();
	for (int i = 0; i < ROUNDS / 10; i++) {
		rt_chan(long) c = rt_chan_make(long, i % 2);
		pthread_t t = start(answer, (uintptr_t)c);
		long v = 0;

		cr_assert(rt_recv(c, &v));
		cr_assert_eq(v, 7);
		rt_chan_free(c);
		pthread_join(t, NULL);
	}
}

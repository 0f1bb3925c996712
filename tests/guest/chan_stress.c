/* SPDX-License-Identifier: MIT */
/* Channels under load: many to many, storms of selects and closes, threads, and random programs. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>

#include "guest.h"

static uint32_t
random_below(uint64_t *state, uint32_t n)
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)((*state >> 32) * n >> 32);
}

/* ---- many senders, many receivers: nothing is lost, nothing comes twice, each sender's values
 * stay in order for each receiver ---- */

struct item {
	int from, n;
};

struct many {
	rt_chan(struct item) c;
	int senders, each;
	long received, sum;
	rt_wg sent, done;
};

static void
many_send(struct many *m, int me)
{
	for (int i = 0; i < m->each; i++) {
		struct item it = {me, i};

		if (me % 3 == 0)
			rt_send(m->c, it);
		else if (me % 3 == 1)
			rt_select(RT_SEND(m->c, it), RT_SEND(m->c, it));
		else
			while (!rt_try_send(m->c, it))
				rt_gosched();
	}
	rt_wg_done(&m->sent);
}

static void
many_recv(struct many *m, int me)
{
	int *last = malloc((size_t)m->senders * sizeof *last);
	struct item it;
	bool got = true;

	for (int i = 0; i < m->senders; i++)
		last[i] = -1;
	for (;;) {
		if (me % 3 == 0)
			got = rt_recv(m->c, &it);
		else if (me % 3 == 1)
			rt_select(RT_RECV(m->c, &it, &got), RT_RECV((rt_chan(int))NULL));
		else
			while (!(got = rt_try_recv(m->c, &it)) && errno == EAGAIN)
				rt_gosched();
		if (!got)
			break;
		CHECK(it.n > last[it.from]);
		last[it.from] = it.n;
		ADD(m->received, 1);
		ADD(m->sum, it.n);
	}
	free(last);
	rt_wg_done(&m->done);
}

static int
many(int argc, char **argv)
{
	int each = number(argc, argv, 300);

	for (int cap = 0; cap <= 8; cap = cap * 2 + 1) {
		struct many m = {.c = rt_chan_make(struct item, cap), .senders = 12, .each = each};

		rt_wg_add(&m.sent, m.senders);
		rt_wg_add(&m.done, 9);
		for (int i = 0; i < m.senders; i++)
			rt_go(many_send, &m, i);
		for (int i = 0; i < 9; i++)
			rt_go(many_recv, &m, i);
		rt_wg_wait(&m.sent);
		rt_close(m.c);
		rt_wg_wait(&m.done);
		CHECK(m.received == (long)m.senders * each);
		CHECK(m.sum == (long)m.senders * each * (each - 1) / 2);
		rt_chan_free(m.c);
	}
	return ok();
}

/* ---- Go's TestSelectStress: four channels, each sent to and received from by one goroutine that
 * does only that, and by one that selects over all ---- */

struct four {
	rt_chan(int) c[4];
	int n;
	rt_wg wg;
};

static void
four_send(struct four *f, int k)
{
	for (int i = 0; i < f->n; i++)
		rt_send(f->c[k], 0);
	rt_wg_done(&f->wg);
}

static void
four_recv(struct four *f, int k)
{
	for (int i = 0; i < f->n; i++)
		rt_recv(f->c[k]);
	rt_wg_done(&f->wg);
}

static void
four_select(struct four *f, bool send)
{
	rt_chan(int) c[4];
	int left[4] = {f->n, f->n, f->n, f->n};

	memcpy(c, f->c, sizeof c);
	for (int i = 0; i < 4 * f->n; i++) {
		int k = send
			? rt_select(RT_SEND(c[3], 0), RT_SEND(c[2], 0), RT_SEND(c[0], 0),
				    RT_SEND(c[1], 0))
			: rt_select(RT_RECV(c[0]), RT_RECV(c[1]), RT_RECV(c[2]), RT_RECV(c[3]));
		static const int order[] = {3, 2, 0, 1};

		if (send)
			k = order[k];
		if (--left[k] == 0)
			c[k] = NULL;
	}
	rt_wg_done(&f->wg);
}

static int
selects(int argc, char **argv)
{
	struct four f = {.n = number(argc, argv, 5000)};

	for (int k = 0; k < 4; k++)
		f.c[k] = rt_chan_make(int, k < 2 ? 0 : k);
	rt_wg_add(&f.wg, 10);
	for (int k = 0; k < 4; k++) {
		rt_go(four_send, &f, k);
		rt_go(four_recv, &f, k);
	}
	rt_go(four_select, &f, true);
	rt_go(four_select, &f, false);
	rt_wg_wait(&f.wg);
	return ok();
}

/* ---- a storm: selects over some channels, until each of these is closed under them ---- */

#define STORM 6

static void
storm_select(rt_chan(long) const *c, uint64_t seed, rt_wg *wg)
{
	rt_chan(long) open[STORM];
	int left = STORM;

	memcpy(open, c, sizeof open);
	while (left > 0) {
		rt_case cases[STORM];
		long v[STORM];
		bool got[STORM];
		int n = STORM;

		for (int i = 0; i < n; i++)
			cases[i] = RT_RECV(open[i], &v[i], &got[i]);
		if (random_below(&seed, 4) == 0)
			rt_gosched();
		int i = rt_select_n(cases, (size_t)n);
		if (!got[i]) {
			CHECK(v[i] == 0);
			open[i] = NULL;
			left--;
		} else {
			CHECK(v[i] == i + 1);
		}
	}
	rt_wg_done(wg);
}

static int
storm(int argc, char **argv)
{
	int rounds = number(argc, argv, 200);

	for (int r = 0; r < rounds; r++) {
		uint64_t seed = (uint64_t)r;
		rt_chan(long) c[STORM];
		bool closed[STORM] = {false};
		rt_wg wg = RT_WG_INIT;

		rt_wg_add(&wg, 8);
		for (int i = 0; i < STORM; i++)
			c[i] = rt_chan_make(long, i % 3);
		for (int i = 0; i < 8; i++)
			rt_go(storm_select, c, seed + (uint64_t)i, &wg);
		for (int left = STORM; left > 0;) {
			uint32_t i = random_below(&seed, STORM);

			if (closed[i])
				continue;
			if (random_below(&seed, 20) == 0) {
				rt_close(c[i]);
				closed[i] = true;
				left--;
			} else {
				rt_send(c[i], (long)i + 1);
			}
		}
		rt_wg_wait(&wg);
		for (int i = 0; i < STORM; i++)
			rt_chan_free(c[i]);
	}
	return ok();
}

/* ---- threads and goroutines on one channel, while the number of Ps changes ---- */

static rt_chan(long) shared;
static long shared_sum;

static void *
thread_send(void *arg)
{
	for (long i = 1; i <= (long)(intptr_t)arg; i++)
		rt_send(shared, i);
	return NULL;
}

static void
goroutine_send(long n, rt_wg *wg)
{
	thread_send((void *)(intptr_t)n);
	rt_wg_done(wg);
}

static void
shared_recv(rt_wg *wg)
{
	for (long v; rt_recv(shared, &v);)
		ADD(shared_sum, v);
	rt_wg_done(wg);
}

static int
procs(int argc, char **argv)
{
	long n = number(argc, argv, 20000);
	pthread_t thread[2];
	rt_wg senders = RT_WG_INIT, receivers = RT_WG_INIT;
	int turns = 1;

	shared = rt_chan_make(long, 3);
	rt_wg_add(&senders, 3);
	rt_wg_add(&receivers, 3);
	for (int i = 0; i < 3; i++) {
		rt_go(goroutine_send, n, &senders);
		rt_go(shared_recv, &receivers);
	}
	for (int i = 0; i < 50; i++)
		rt_gomaxprocs(1 + i % 4);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&thread[i], NULL, thread_send, (void *)(intptr_t)n) == 0);
	for (; turns < 50; turns++)
		rt_gomaxprocs(1 + turns % 4);
	rt_wg_wait(&senders);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	rt_close(shared);
	rt_wg_wait(&receivers);
	CHECK(shared_sum == 5 * n * (n + 1) / 2);
	return ok();
}

/* ---- random programs on one goroutine against a model: a ring, and nothing else ---- */

#define MODEL_CHANNELS 4
#define MODEL_CAP 5

struct model {
	rt_chan(long) c;
	long values[MODEL_CAP];
	uint32_t cap, first, n;
	bool closed;
};

static long
model_pop(struct model *m)
{
	long v = m->values[m->first];

	m->first = (m->first + 1) % m->cap;
	m->n--;
	return v;
}

static void
model_push(struct model *m, long v)
{
	m->values[(m->first + m->n++) % m->cap] = v;
}

static bool
model_ready(const struct model *m, bool send)
{
	return send ? m->n < m->cap : m->n > 0 || m->closed;
}

static void
model_received(struct model *m, bool got, long v)
{
	CHECK(got == (m->n > 0));
	CHECK(v == (got ? model_pop(m) : 0));
}

static void
model_select(struct model *m, uint64_t *state, long v)
{
	enum { MAX = 6 };
	rt_case cases[MAX + 1];
	bool send[MAX], got[MAX], ordered = random_below(state, 2);
	uint32_t which[MAX], n = random_below(state, MAX + 1);
	long into[MAX];
	int first = -1, i;

	for (uint32_t k = 0; k < n; k++) {
		which[k] = random_below(state, MODEL_CHANNELS);
		send[k] = !m[which[k]].closed && random_below(state, 2);
		into[k] = -1;
		cases[k] = send[k] ? RT_SEND_FROM(m[which[k]].c, &v)
				   : RT_RECV(m[which[k]].c, &into[k], &got[k]);
		if (first < 0 && model_ready(&m[which[k]], send[k]))
			first = (int)k;
	}
	cases[n] = RT_DEFAULT;
	i = ordered ? rt_select_ordered_n(cases, n + 1) : rt_select_n(cases, n + 1);
	CHECK((i == (int)n) == (first < 0));
	if (first < 0)
		return;
	CHECK(!ordered || i == first);
	CHECK(model_ready(&m[which[i]], send[i]));
	if (send[i])
		model_push(&m[which[i]], v);
	else
		model_received(&m[which[i]], got[i], into[i]);
}

static void
model_step(struct model *m, uint64_t *state, long v)
{
	struct model *one = &m[random_below(state, MODEL_CHANNELS)];
	long into = -1;
	bool got;

	switch (random_below(state, 40)) {
	case 0:
		if (!one->closed)
			rt_close(one->c);
		one->closed = true;
		return;
	case 1:
		rt_chan_free(one->c);
		*one = (struct model){.cap = random_below(state, MODEL_CAP + 1)};
		one->c = rt_chan_make(long, one->cap);
		return;
	}
	switch (random_below(state, 4)) {
	case 0:
		if (one->closed)
			return;
		got = rt_try_send(one->c, v);
		CHECK(got == (one->n < one->cap));
		if (got)
			model_push(one, v);
		return;
	case 1:
		got = rt_try_recv(one->c, &into);
		if (got || one->closed)
			model_received(one, got, into);
		else
			CHECK(one->n == 0 && errno == EAGAIN && into == -1);
		return;
	case 2:
		if (one->n > 0 || one->closed) {
			got = rt_recv(one->c, &into);
			model_received(one, got, into);
		}
		return;
	default:
		model_select(m, state, v);
	}
	CHECK(rt_chan_len(one->c) == one->n && rt_chan_cap(one->c) == one->cap);
}

static int
model(int argc, char **argv)
{
	long programs = number(argc, argv, 2000);

	for (long p = 0; p < programs; p++) {
		uint64_t state = (uint64_t)p * 0x9e3779b97f4a7c15;
		struct model m[MODEL_CHANNELS] = {0};

		for (uint32_t i = 0; i < MODEL_CHANNELS; i++) {
			m[i].cap = random_below(&state, MODEL_CAP + 1);
			m[i].c = rt_chan_make(long, m[i].cap);
		}
		for (long v = 1; v <= 200; v++)
			model_step(m, &state, v);
		for (uint32_t i = 0; i < MODEL_CHANNELS; i++)
			rt_chan_free(m[i].c);
	}
	return ok();
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {
		{"many", many},   {"selects", selects}, {"storm", storm},
		{"procs", procs}, {"model", model},
	};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

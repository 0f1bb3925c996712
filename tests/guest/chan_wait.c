/* SPDX-License-Identifier: MIT */
/* Waits on channels that other things may end: deadlines, timers, wait groups. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>

#include "guest.h"

#define SHORT (3 * RT_MILLISECOND)
#define NEVER (3600 * RT_SECOND)

static void
timeouts_on(rt_chan(int) empty, rt_chan(int) full)
{
	int v = 5;
	rt_time start = rt_now();

	errno = 0;
	CHECK(!rt_recv(empty, &v, .deadline = rt_after(SHORT)) && errno == ETIMEDOUT && v == 5);
	errno = 0;
	CHECK(!rt_send(full, 1, .deadline = rt_after(SHORT)) && errno == ETIMEDOUT);
	CHECK(rt_now() - start >= 2 * SHORT);
	CHECK(rt_select(RT_RECV(empty), RT_SEND(full, 1), RT_AT(rt_after(SHORT))) == 2);
	CHECK(rt_select(RT_AT(0), RT_AT(rt_after(NEVER)), RT_AT(rt_after(SHORT))) == 2);
	CHECK(rt_chan_len(full) == rt_chan_cap(full));
}

/* One that has passed is due after a try. */
static void
past(void)
{
	rt_chan(int) c = rt_chan_make(int, 1);
	int v = 5;

	CHECK(!rt_recv(c, &v, .deadline = 1) && errno == ETIMEDOUT && v == 5);
	CHECK(!rt_recv(c, &v, .deadline = INT64_MIN) && errno == ETIMEDOUT && v == 5);
	CHECK(rt_select(RT_RECV(c), RT_AT(-1)) == 1);
	CHECK(rt_send(c, 6, .deadline = 1));
	CHECK(!rt_send(c, 7, .deadline = 1) && errno == ETIMEDOUT);
	CHECK(rt_recv(c, &v, .deadline = 1) && v == 6);
	CHECK(rt_select(RT_AT(1), RT_DEFAULT) == 0);
	CHECK(rt_select(RT_DEFAULT, RT_AT(rt_after(NEVER))) == 0);
	CHECK(rt_select(RT_AT(1), RT_SEND(c, 8)) == 1);
	CHECK(rt_select(RT_AT(1), RT_RECV(c, &v), RT_DEFAULT) == 1 && v == 8);
	rt_close(c);
	CHECK(!rt_recv(c, &v, .deadline = 1) && errno == EPIPE && v == 0);
	CHECK(!rt_recv(c, &v, .deadline = rt_after(NEVER)) && errno == EPIPE);
	rt_chan_free(c);
}

static void *
time_out(void *arg)
{
	rt_chan(int) full = rt_chan_make(int, 1);

	(void)arg;
	rt_send(full, 0);
	timeouts_on(rt_chan_make(int, 0), full);
	timeouts_on(rt_chan_make(int, 2), full);
	timeouts_on(NULL, full);
	CHECK(!rt_send((rt_chan(int))NULL, 1, .deadline = rt_after(SHORT)) && errno == ETIMEDOUT);
	past();
	return NULL;
}

static int
deadlines(int argc, char **argv)
{

	(void)argc, (void)argv;
	time_out(NULL);
	pthread_t thread = foreign_thread(time_out, NULL);
	CHECK(pthread_join(thread, NULL) == 0);
	return ok();
}

/* ---- others ---- */

static void
send_soon(rt_chan(int) c, int v)
{
	rt_sleep(SHORT);
	rt_send(c, v);
}

static int
in_time(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 0);
	int v;

	(void)argc, (void)argv;
	rt_go(send_soon, c, 7);
	CHECK(rt_recv(c, &v, .deadline = rt_after(NEVER)) && v == 7);
	rt_go(send_soon, c, 8);
	CHECK(rt_select(RT_AT(rt_after(NEVER)), RT_RECV(c, &v)) == 1 && v == 8);
	rt_go(send_soon, c, 9); /* sums that are too large */
	CHECK(rt_recv(c, &v, .deadline = rt_after(INT64_MAX)) && v == 9);
	return ok();
}

static void
end_soon(int *ended)
{
	rt_sleep(SHORT);
	SET(*ended, 1);
}

static int
timers_and_groups(int argc, char **argv)
{
	enum { TICK, END, VALUE };
	rt_timer tick = RT_TIMER_INIT;
	rt_wg wg = RT_WG_INIT, zero = RT_WG_INIT;
	rt_chan(int) c = rt_chan_make(int, 0);
	int ended = 0, ticks = 0, v;

	(void)argc, (void)argv;
	CHECK(rt_select(RT_RECV(c), RT_WG(&zero)) == 1);
	CHECK(rt_select(RT_TIMER(&tick), RT_DEFAULT) == 1);
	rt_wg_go(&wg, end_soon, &ended);
	CHECK(rt_select(RT_WG(&wg), RT_DEFAULT) == 1);
	CHECK(rt_select(RT_RECV(c), RT_WG(&wg), RT_TIMER(&tick)) == 1 && GET(ended));
	rt_timer_every(&tick, SHORT);
	while (ticks < 5) {
		CHECK(rt_select(RT_TIMER(&tick), RT_RECV(c)) == 0);
		ticks++;
	}
	rt_wg_go(&wg, end_soon, &ended);
	for (bool running = true; running;) {
		switch (rt_select([TICK] = RT_TIMER(&tick), [END] = RT_WG(&wg),
				  [VALUE] = RT_RECV(c, &v))) {
		case TICK:
			ticks++;
			break;
		case END:
			running = false;
			break;
		case VALUE:
			return 1;
		}
	}
	rt_timer_stop(&tick);
	rt_go(send_soon, c, 9);
	CHECK(rt_select(RT_TIMER(&tick), RT_RECV(c, &v), RT_AT(rt_after(NEVER))) == 1 && v == 9);
	rt_chan_free(c);
	return ok();
}

/* ---- races of deadlines with hand-offs: each value arrives once or is told to be late ---- */

struct race {
	rt_chan(long) c;
	int turns;
	long sent, received, sum_sent, sum_received;
	rt_wg wg, senders;
};

static rt_time
about(uint64_t *state)
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return rt_after((int64_t)(*state >> 50)); /* 0 to 16 us */
}

static void
race_send(struct race *r, uint64_t seed)
{
	for (long i = 1; i <= r->turns; i++) {
		bool done = i % 2 ? rt_send(r->c, i, .deadline = about(&seed))
				  : rt_select(RT_SEND(r->c, i), RT_AT(about(&seed))) == 0;

		if (done) {
			ADD(r->sent, 1);
			ADD(r->sum_sent, i);
		}
	}
	rt_wg_done(&r->senders);
}

static void
race_recv(struct race *r, uint64_t seed)
{
	for (;;) {
		long v = -1;

		if (!rt_recv(r->c, &v, .deadline = about(&seed))) {
			if (errno == EPIPE)
				break;
			CHECK(errno == ETIMEDOUT && v == -1);
			continue;
		}
		ADD(r->received, 1);
		ADD(r->sum_received, v);
	}
	rt_wg_done(&r->wg);
}

static void *
race_recv_thread(void *arg)
{
	race_recv(arg, 99);
	return NULL;
}

static int
races(int argc, char **argv)
{
	int turns = number(argc, argv, 1500);

	for (int cap = 0; cap < 3; cap++) {
		struct race r = {.c = rt_chan_make(long, cap), .turns = turns};
		pthread_t thread;

		rt_wg_add(&r.senders, 4);
		rt_wg_add(&r.wg, 5);
		for (uint64_t i = 0; i < 4; i++) {
			rt_go(race_send, &r, i);
			rt_go(race_recv, &r, i + 10);
		}
		CHECK(pthread_create(&thread, NULL, race_recv_thread, &r) == 0);
		rt_wg_wait(&r.senders);
		rt_close(r.c);
		rt_wg_wait(&r.wg);
		CHECK(pthread_join(thread, NULL) == 0);
		CHECK(r.sent == r.received && r.sum_sent == r.sum_received);
		rt_chan_free(r.c);
	}
	return ok();
}

/* Everything at once ends the same wait. */
static void
end_now(void)
{
}

static void
send_now(rt_chan(int) c)
{
	rt_send(c, 1);
}

static int
all_at_once(int argc, char **argv)
{
	int turns = number(argc, argv, 1000), seen[4] = {0};
	rt_timer timer = RT_TIMER_INIT;
	uint64_t state = 1;

	for (int i = 0; i < turns; i++) {
		rt_chan(int) c = rt_chan_make(int, 0);
		rt_wg wg = RT_WG_INIT, sender = RT_WG_INIT;
		int v;

		rt_wg_go(&wg, end_now);
		rt_wg_go(&sender, send_now, c);
		rt_timer_reset(&timer, about(&state) - rt_now());
		seen[rt_select(RT_WG(&wg), RT_TIMER(&timer), RT_RECV(c, &v),
			       RT_AT(about(&state)))]++;
		while (rt_select(RT_WG(&sender), RT_RECV(c, &v)) != 0)
			CHECK(v == 1);
		rt_wg_wait(&wg);
		rt_chan_free(c);
	}
	rt_timer_stop(&timer);
	CHECK(seen[0] + seen[1] + seen[2] + seen[3] == turns);
	return ok();
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {
		{"deadlines", deadlines},
		{"in-time", in_time},
		{"timers-and-groups", timers_and_groups},
		{"races", races},
		{"all-at-once", all_at_once},
	};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

/* SPDX-License-Identifier: MIT */
/* Channels and select, one property each: what Go's chan_test.go asks, and what C adds. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "guest.h"

struct point {
	int x, y, z;
};
struct large {
	char bytes[65535];
};
struct nothing {
};

/* ---- one goroutine: buffers, closed, nil ---- */

#define FIFO(T, from)                                                                              \
	do {                                                                                       \
		for (int cap = 1; cap < 10; cap++) {                                               \
			rt_chan(T) c = rt_chan_make(T, cap);                                       \
			for (int i = 0; i < 30; i++) {                                             \
				for (int j = 0; j < cap; j++) {                                    \
					CHECK(rt_chan_len(c) == (size_t)j);                        \
					CHECK(rt_send(c, from(i + j)));                            \
				}                                                                  \
				errno = 0;                                                         \
				CHECK(!rt_try_send(c, from(0)) && errno == EAGAIN);                \
				for (int j = 0; j < cap; j++) {                                    \
					T v, want = from(i + j);                                   \
					memset(&v, 0xff, sizeof v);                                \
					CHECK(rt_recv(c, &v) && memcmp(&v, &want, sizeof v) == 0); \
				}                                                                  \
				errno = 0;                                                         \
				CHECK(!rt_try_recv(c, NULL) && errno == EAGAIN);                   \
			}                                                                          \
			CHECK(rt_chan_cap(c) == (size_t)cap);                                      \
			rt_chan_free(c);                                                           \
		}                                                                                  \
	} while (0)

#define PLAIN(i) (i)
#define POINTER(i) (some_text + (i))
static char some_text[64];
typedef char *text;

static struct point
point(int i)
{
	return (struct point){i, -i, i + 1};
}

static struct large
large(int i)
{
	static struct large l;

	memset(l.bytes, i, sizeof l.bytes);
	return l;
}

static int
fifo(int argc, char **argv)
{
	(void)argc, (void)argv;
	FIFO(char, (char));
	FIFO(short, (short));
	FIFO(int, PLAIN);
	FIFO(long, PLAIN);
	FIFO(float, PLAIN);
	FIFO(double, PLAIN);
	FIFO(text, POINTER);
	FIFO(struct point, point);
	FIFO(struct large, large);
	return ok();
}

static int
sizes(int argc, char **argv)
{
	rt_chan(struct nothing) none = rt_chan_make(struct nothing, 1000);
	struct nothing n = {};

	(void)argc, (void)argv;
	for (int i = 0; i < 1000; i++)
		CHECK(rt_send(none, n));
	CHECK(!rt_try_send(none, n) && rt_chan_len(none) == 1000);
	CHECK(rt_recv(none, &n) && rt_recv(none, NULL) && rt_chan_len(none) == 998);
	rt_chan(struct nothing) huge = rt_chan_make(struct nothing, PTRDIFF_MAX);
	CHECK(rt_chan_cap(huge) == PTRDIFF_MAX && rt_send(huge, n) && rt_chan_len(huge) == 1);
	rt_chan_free(huge);
	CHECK(rt_chan_len((rt_chan(int))NULL) == 0 && rt_chan_cap((rt_chan(int))NULL) == 0);
	rt_chan_free((rt_chan(int))NULL);
	return ok();
}

static int
closed(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 4);
	int v = 99;
	bool got = true;

	(void)argc, (void)argv;
	rt_send(c, 1);
	rt_send(c, 2);
	rt_close(c);
	CHECK(rt_recv(c) == 1 && rt_try_recv(c, &v) && v == 2);
	for (int i = 0; i < 3; i++) {
		v = 99, errno = 0;
		CHECK(!rt_recv(c, &v) && v == 0 && errno == EPIPE);
		v = 99, errno = 0;
		CHECK(!rt_try_recv(c, &v) && v == 0 && errno == EPIPE);
		v = 99, got = true;
		CHECK(rt_select(RT_RECV(c, &v, &got), RT_DEFAULT) == 0 && v == 0 && !got);
		CHECK(rt_recv(c) == 0 && !rt_recv(c, NULL));
	}
	rt_chan(struct point) p = rt_chan_make(struct point, 0);
	rt_close(p);
	struct point q = rt_recv(p);
	CHECK(q.x == 0 && q.y == 0 && q.z == 0);
	rt_chan(char) b = rt_chan_make(char, 0);
	rt_close(b);
	CHECK(rt_recv(b) == 0);
	return ok();
}

static int
nil(int argc, char **argv)
{
	rt_chan(int) c = NULL, d = rt_chan_make(int, 1);
	int v = 5;

	(void)argc, (void)argv;
	CHECK(!rt_try_send(c, 1) && errno == EAGAIN);
	CHECK(!rt_try_recv(c, &v) && errno == EAGAIN && v == 5);
	CHECK(rt_select(RT_RECV(c, &v), RT_SEND(c, 1), RT_DEFAULT) == 2);
	CHECK(rt_select(RT_DEFAULT) == 0);
	for (int i = 0; i < 100; i++)
		CHECK(rt_select(RT_RECV(c), RT_SEND(d, i)) == 1 && rt_recv(d) == i);
	return ok();
}

/* ---- misuse: one text each ---- */

static void
wait_on_nil_too(rt_chan(int) c)
{
	rt_recv(c);
}

static int
misuse(int argc, char **argv)
{
	const char *what = argc > 0 ? argv[0] : "";
	rt_chan(int) c = rt_chan_make(int, 1), null = NULL;
	volatile long n = -1;

	if (!strcmp(what, "close-nil"))
		rt_close(null);
	if (!strcmp(what, "range"))
		rt_chan_make(int, n);
	if (!strcmp(what, "overflow"))
		rt_chan_make(struct large, LONG_MAX / 2);
	if (!strcmp(what, "too-large"))
		rt_chan_make(long, LONG_MAX / 16);
	if (!strcmp(what, "free")) {
		rt_go(wait_on_nil_too, c);
		rt_gosched();
		rt_chan_free(c);
	}
	if (!strcmp(what, "recv-nil"))
		rt_recv(null);
	if (!strcmp(what, "send-nil"))
		rt_send(null, 1);
	if (!strcmp(what, "recv"))
		rt_recv(c);
	if (!strcmp(what, "send")) {
		rt_send(c, 1);
		rt_send(c, 2);
	}
	if (!strcmp(what, "select"))
		rt_select(RT_RECV(c), RT_RECV(null));
	if (!strcmp(what, "select-nothing"))
		rt_select_n((rt_case *)NULL, 0);
	rt_close(c);
	if (!strcmp(what, "close-closed"))
		rt_close(c);
	if (!strcmp(what, "send-closed"))
		rt_send(c, 1);
	if (!strcmp(what, "try-send-closed"))
		rt_try_send(c, 1);
	if (!strcmp(what, "select-send-closed"))
		rt_select(RT_SEND(c, 1), RT_DEFAULT);
	return 0;
}

static void
close_later(rt_chan(int) c)
{
	rt_gosched();
	rt_close(c);
}

/* Those that wait to send panic, too. */
static int
close_under_sender(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 0);

	(void)argv;
	rt_go(close_later, c);
	if (argc > 0)
		rt_select(RT_SEND(c, 1), RT_RECV((rt_chan(int))NULL));
	else
		rt_send(c, 1);
	return 0;
}

/* ---- several goroutines ---- */

static void
send_range(rt_chan(int) c, int from, int to)
{
	for (int i = from; i < to; i++)
		rt_send(c, i);
}

static void
close_it(rt_chan(int) c)
{
	rt_close(c);
}

/* Go's TestChan: who waits gets zeros at a close, values in order before. */
static void
expect_closed(rt_chan(int) c, rt_wg *wg)
{
	int v = 7;

	CHECK(!rt_recv(c, &v) && v == 0 && errno == EPIPE);
	rt_wg_done(wg);
}

static void
expect_closed_select(rt_chan(int) c, rt_chan(int) other, rt_wg *wg)
{
	int v = 7;
	bool got = true;

	CHECK(rt_select(RT_RECV(other, &v, &got), RT_RECV(c, &v, &got)) == 1 && v == 0 && !got);
	rt_wg_done(wg);
}

static int
close_wakes(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 0), other = rt_chan_make(int, 0);
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 100);
	for (int i = 0; i < 50; i++) {
		rt_go(expect_closed, c, &wg);
		rt_go(expect_closed_select, c, other, &wg);
	}
	for (int i = 0; i < 10; i++)
		rt_gosched();
	rt_close(c);
	rt_wg_wait(&wg);
	rt_chan_free(c);
	rt_chan_free(other);
	return ok();
}

static int
rendezvous(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int cap = 0; cap < 5; cap++) {
		rt_chan(int) c = rt_chan_make(int, cap);

		rt_go(send_range, c, 0, 1000);
		for (int i = 0; i < 1000; i++)
			CHECK(rt_recv(c) == i);
		rt_go(close_it, c);
		CHECK(!rt_recv(c, NULL));
		rt_chan_free(c);
	}
	return ok();
}

/* An unbuffered send is over when its receive is; the frame it copies from is the sender's. */
static void
send_point(rt_chan(struct point) c, int *sent)
{
	struct point p = point(5);

	rt_send(c, p);
	p.x = 0;
	SET(*sent, 1);
}

static int
unbuffered(int argc, char **argv)
{
	rt_chan(struct point) c = rt_chan_make(struct point, 0);
	int sent = 0;

	(void)argc, (void)argv;
	rt_go(send_point, c, &sent);
	for (int i = 0; i < 20; i++)
		rt_gosched();
	CHECK(!GET(sent) && rt_chan_len(c) == 0);
	CHECK(rt_recv(c).y == -5);
	YIELD_UNTIL(GET(sent));
	return ok();
}

/* The first to wait is the first to be served; and a full buffer is filled up in that order. */
static void
recv_nth(rt_chan(int) c, int n, rt_chan(int) done)
{
	CHECK(rt_recv(c) == n);
	rt_send(done, n);
}

static void
send_nth(rt_chan(int) c, int n)
{
	rt_send(c, n);
}

static int
fair_queues(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 0), done = rt_chan_make(int, 100);

	(void)argc, (void)argv;
	rt_gomaxprocs(1);
	for (int i = 0; i < 100; i++) {
		rt_go(recv_nth, c, i, done);
		rt_gosched();
	}
	send_range(c, 0, 100);
	for (int i = 0; i < 100; i++)
		rt_recv(done);
	rt_chan(int) b = rt_chan_make(int, 3);
	for (int i = 0; i < 10; i++) {
		rt_go(send_nth, b, i);
		rt_gosched();
	}
	for (int i = 0; i < 10; i++)
		CHECK(rt_recv(b) == i);
	return ok();
}

/* ---- select ---- */

/* Of cases that are always ready each is chosen as often: with 4 degrees of freedom, chi-squared
 * exceeds 30 once in 200,000 times. */
static int
uniform(int argc, char **argv)
{
	enum { N = 5, TURNS = 50000 };
	rt_chan(int) c[N];
	int count[N] = {0};
	double chi = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < N; i++) {
		c[i] = rt_chan_make(int, 0);
		rt_close(c[i]);
	}
	for (int i = 0; i < TURNS; i++)
		count[rt_select(RT_RECV(c[0]), RT_RECV(c[1]), RT_RECV(c[2]), RT_RECV(c[3]),
				RT_RECV(c[4]))]++;
	for (int i = 0; i < N; i++) {
		double off = count[i] - TURNS / N;

		chi += off * off / (TURNS / N);
	}
	CHECK(chi < 30);
	for (int i = 0; i < 100; i++)
		CHECK(rt_select_ordered(RT_RECV((rt_chan(int))NULL), RT_RECV(c[3]),
					RT_RECV(c[1])) == 1);
	return ok();
}

/* The same for more cases than the look without locks takes. */
static int
many_cases(int argc, char **argv)
{
	enum { N = 1000 };
	static rt_case cases[N + 1];
	static rt_chan(int) c[N];
	int seen[4] = {0}, v = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < N; i++) {
		c[i] = rt_chan_make(int, 0);
		cases[i] = RT_RECV(c[i], &v);
	}
	cases[N] = RT_DEFAULT;
	CHECK(rt_select_n(cases, N + 1) == N);
	for (int i = 0; i < N; i += N / 10) {
		rt_go(send_nth, c[i], i);
		CHECK(rt_select_n(cases, N) == i && v == i);
	}
	for (int i = 0; i < N; i++)
		rt_chan_free(c[i]); /* nobody is left on them */
	for (int i = 0; i < N; i++)
		cases[i] = (rt_case){0};
	for (int i = 0; i < 4; i++) {
		rt_chan(int) closed_one = rt_chan_make(int, 0);

		rt_close(closed_one);
		cases[i * 200] = RT_RECV(closed_one);
	}
	for (int i = 0; i < 4000; i++)
		seen[rt_select_n(cases, N) / 200]++;
	for (int i = 0; i < 4; i++)
		CHECK(seen[i] > 800 && seen[i] < 1200);
	CHECK(rt_select_ordered_n(cases, N) == 0);
	return ok();
}

/* As many as there may be: one channel in all of them, then other things; and one more. */
static int
most_cases(int argc, char **argv)
{
	enum { MOST = 65536 };
	rt_case *cases = calloc(MOST + 1, sizeof *cases);
	rt_chan(int) c = rt_chan_make(int, 0);
	int v = 0, half[2] = {0};
	rt_wg wg = RT_WG_INIT;
	rt_ctx ctx;

	(void)argc, (void)argv;
	CHECK(cases);
	for (int i = 0; i < MOST; i++)
		cases[i] = RT_RECV(c, &v);
	rt_go(send_nth, c, 5);
	rt_select_n(cases, MOST);
	CHECK(v == 5);
	rt_close(c);
	for (int i = 0; i < 200; i++)
		half[rt_select_n(cases, MOST) >= MOST / 2]++;
	CHECK(half[0] > 40 && half[1] > 40);
	CHECK(rt_select_ordered_n(cases, MOST) == 0);
	rt_ctx_init(&ctx, NULL);
	rt_wg_add(&wg, 1);
	for (int i = 0; i < MOST; i++)
		cases[i] = i == MOST - 1 ? RT_WG(&wg)
			: i % 2          ? RT_DONE(&ctx)
					 : RT_AT(rt_after(RT_HOUR));
	rt_go(rt_wg_done, &wg);
	CHECK(rt_select_n(cases, MOST) == MOST - 1);
	rt_go(rt_ctx_cancel, &ctx);
	cases[MOST - 1] = (rt_case){0};
	CHECK(rt_select_n(cases, MOST) % 2 == 1);
	rt_ctx_end(&ctx);
	const rt_caught *caught = rt_try(rt__select, cases, (size_t)MOST + 1, 0);
	CHECK(caught && strcmp(caught->text, "rt_select: more than 65536 cases") == 0);
	return ok();
}

/* Go's TestSelectDuplicateChannel: one channel in several cases leaves the others in order. */
static void
select_twice(rt_chan(int) c, rt_chan(int) d, rt_chan(int) done)
{
	rt_select(RT_RECV(c), RT_RECV(c), RT_RECV(d));
	rt_send(done, 1);
}

static int
duplicate(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 0), d = rt_chan_make(int, 0);
	rt_chan(int) done = rt_chan_make(int, 0);

	(void)argc, (void)argv;
	rt_go(select_twice, c, d, done);
	rt_go(recv_nth, c, 8, done);
	for (int i = 0; i < 10; i++)
		rt_gosched();
	rt_send(d, 7);
	rt_recv(done);
	rt_send(c, 8);
	rt_recv(done);
	return ok();
}

/* Go's TestSelfSelect: two that both send and receive on one channel; nobody meets itself. */
static void
self_select(rt_chan(int) c, int me, rt_wg *wg)
{
	for (int i = 0, v; i < 1000; i++) {
		int which = i % 2 ? rt_select(RT_SEND(c, me), RT_RECV(c, &v))
				  : !rt_select(RT_RECV(c, &v), RT_SEND(c, me));

		if (which == 1)
			CHECK(rt_chan_cap(c) > 0 || v != me);
	}
	rt_wg_done(wg);
}

static int
self(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int cap = 0; cap < 10; cap += 9) {
		rt_chan(int) c = rt_chan_make(int, cap);
		rt_wg wg = RT_WG_INIT;

		rt_wg_add(&wg, 2);
		rt_go(self_select, c, 0, &wg);
		rt_go(self_select, c, 1, &wg);
		rt_wg_wait(&wg);
	}
	return ok();
}

/* With a default, a select of channels of which one is always ready never says none is. */
static void
carry(rt_chan(int) a, rt_chan(int) b, int *stop)
{
	while (!GET(*stop)) {
		rt_send(b, 1); /* first there, */
		rt_gosched();
		rt_recv(a); /* then gone here */
		rt_gosched();
		rt_send(a, 1);
		rt_gosched();
		rt_recv(b);
	}
	SET(*stop, 2);
}

static int
at_one_moment(int argc, char **argv)
{
	rt_chan(int) a = rt_chan_make(int, 2), b = rt_chan_make(int, 2);
	int stop = 0, turns = number(argc, argv, 2000);

	rt_send(a, 1);
	rt_go(carry, a, b, &stop);
	/* Full or with room: each has one value or the other has, so one of these is ready. */
	for (int i = 0; i < turns; i++) {
		int v, which = rt_select(RT_RECV(a, &v), RT_RECV(b, &v), RT_DEFAULT);

		CHECK(which != 2);
		if (which == 0)
			rt_send(a, v);
		else
			rt_send(b, v);
		if (i % 2 == 0)
			rt_gosched();
	}
	SET(stop, 1);
	YIELD_UNTIL(GET(stop) == 2);
	return ok();
}

/* break and continue in a switch of a select mean what they mean everywhere. */
static int
control_flow(int argc, char **argv)
{
	enum { VALUES, QUIT };
	rt_chan(int) values = rt_chan_make(int, 10), quit = rt_chan_make(int, 1);
	int sum = 0, v;

	(void)argc, (void)argv;
	for (int i = 1; i <= 10; i++)
		rt_send(values, i);
	for (int i = 0; i < 20; i++) {
		switch (rt_select_ordered([QUIT] = RT_RECV(quit), [VALUES] = RT_RECV(values, &v))) {
		case VALUES:
			if (v == 10)
				rt_send(quit, 1);
			if (v % 2)
				continue;
			break;
		case QUIT:
			CHECK(sum == 30);
			return ok();
		}
		sum += v;
	}
	return 1;
}

/* ---- expressions ---- */

static int evaluated;

static rt_chan(int) once(rt_chan(int) c)
{
	evaluated++;
	return c;
}

static int
evaluation(int argc, char **argv)
{
	rt_chan(int) c = rt_chan_make(int, 2);
	rt_chan(rt_chan(int)) cc = rt_chan_make(rt_chan(int), 2);
	rt_chan(int (*)(const char *)) fns = rt_chan_make(int (*)(const char *), 1);
	rt_chan(int) several[2] = {c, c}, *at = several;
	int v, n = 0;

	(void)argc, (void)argv;
	rt_send(once(c), n++);
	rt_recv(once(c), &v);
	rt_send(*at++, n++);
	CHECK(rt_recv(once(c)) == 1 && evaluated == 3 && n == 2 && at == several + 1);
	rt_try_send(once(c), n++);
	rt_try_recv(once(c), &v);
	CHECK(evaluated == 5 && n == 3 && v == 2);
	CHECK(rt_select(RT_SEND(once(c), n++), RT_RECV(NULL ? c : (rt_chan(int))NULL)) == 0);
	CHECK(evaluated == 6 && n == 4);
	rt_send(cc, c);
	CHECK(rt_recv(rt_recv(cc)) == 3);
	rt_send(c, 1);
	rt_send(c, rt_recv(c) + 1);
	CHECK(rt_recv(c) == 2);
	rt_send(fns, atoi);
	CHECK(rt_recv(fns)("12") == 12);
	return ok();
}

/* ---- foreign threads ---- */

static void *
thread_echo(void *arg)
{
	rt_chan(long) *c = arg;

	for (long v; rt_recv(c[0], &v);)
		rt_send(c[1], v + 1);
	switch (rt_select(RT_RECV(c[2]), RT_SEND(c[1], -1))) {
	case 1:
		break;
	default:
		CHECK(false);
	}
	rt_close(c[1]);
	return NULL;
}

static int
threads(int argc, char **argv)
{
	rt_chan(long) c[3] = {rt_chan_make(long, 0), rt_chan_make(long, 0), rt_chan_make(long, 0)};

	(void)argc, (void)argv;
	pthread_t thread = foreign_thread(thread_echo, c);
	for (long i = 0; i < 1000; i++) {
		rt_send(c[0], i);
		CHECK(rt_recv(c[1]) == i + 1);
	}
	rt_close(c[0]);
	CHECK(rt_recv(c[1]) == -1);
	CHECK(!rt_recv(c[1], NULL));
	CHECK(pthread_join(thread, NULL) == 0);
	for (int i = 0; i < 3; i++)
		rt_chan_free(c[i]);
	return ok();
}

/* ---- freeing ---- */

/* The last use of a channel may be the value, or the close, by which the other side learns so. */
static void
send_and_forget(rt_chan(long) c)
{
	rt_send(c, 1);
}

static void
select_and_forget(rt_chan(long) c, rt_chan(long) never)
{
	rt_select(RT_SEND(c, 1), RT_RECV(never));
}

static void
close_and_forget(rt_chan(long) c)
{
	rt_close(c);
}

static int
free_at_once(int argc, char **argv)
{
	int turns = number(argc, argv, 20000);

	for (int i = 0; i < turns; i++) {
		rt_chan(long) c = rt_chan_make(long, i % 2), never = rt_chan_make(long, 0);

		if (i % 3 == 0)
			rt_go(send_and_forget, c);
		else if (i % 3 == 1)
			rt_go(select_and_forget, c, never);
		else
			rt_go(close_and_forget, c);
		CHECK(rt_recv(c) == (i % 3 != 2));
		rt_chan_free(c);
		rt_chan_free(never); /* waits until the select has been left */
	}
	return ok();
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {
		{"fifo", fifo},
		{"sizes", sizes},
		{"closed", closed},
		{"nil", nil},
		{"misuse", misuse},
		{"close-under-sender", close_under_sender},
		{"close-wakes", close_wakes},
		{"rendezvous", rendezvous},
		{"unbuffered", unbuffered},
		{"fair-queues", fair_queues},
		{"uniform", uniform},
		{"many-cases", many_cases},
		{"most-cases", most_cases},
		{"duplicate", duplicate},
		{"self", self},
		{"at-one-moment", at_one_moment},
		{"control-flow", control_flow},
		{"evaluation", evaluation},
		{"threads", threads},
		{"free-at-once", free_at_once},
	};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

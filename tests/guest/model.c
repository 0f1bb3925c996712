/* SPDX-License-Identifier: MIT */
/*
 * Random operations against a model that says what each of them must do.
 *
 *	channels SEED	goroutines that send, receive, select and close, waiting or not; with one
 *			processor and no preemption, so that the model has its turn between any two
 *	timers SEED	timers of both kinds that are set, stopped, asked and waited for; of time
 *			the model knows bounds
 *
 * In the model of a channel, who waits is in a queue: of those, the first is served, with the value
 * and the case that the model has named by the time that the goroutine runs again. Where several
 * cases of a select are ready, any may be taken: the model takes the same.
 */
#include "guest.h"

static uint64_t rng;

static uint32_t
below(uint32_t n)
{
	rng = rng * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)((rng >> 32) * n >> 32);
}

/* ---- channels ---- */

enum { CHANNELS = 3, WORKERS = 6, STEPS = 300, CASES = 4, CAP = 3, QUEUE = WORKERS * CASES };

struct waiter {
	int who, index; /* of the case */
	long value;     /* to send */
};

struct queue {
	struct waiter w[QUEUE];
	int n;
};

struct model {
	rt_chan(long) c;
	int cap, count;
	bool closed;
	long ring[CAP];
	struct queue senders, receivers;
};

struct operation {
	struct model *on;
	bool send;
	long value; /* to send, or what has come */
	bool got;   /* a value, not the end of a closed channel */
};

struct outcome {
	bool done;
	int index;
	bool got;
	long value;
};

static struct model models[CHANNELS];
static struct outcome outcomes[WORKERS];
static bool waits[WORKERS];
static int running = WORKERS, steps;
static long last_value;

static void
renew(struct model *m)
{
	*m = (struct model){.cap = (int)below(CAP + 1)};
	m->c = rt_chan_make(long, m->cap);
}

static void
push(struct queue *q, struct waiter w)
{
	CHECK(q->n < QUEUE);
	q->w[q->n++] = w;
}

static void
leave(struct queue *q, int who)
{
	int n = 0;

	for (int i = 0; i < q->n; i++)
		if (q->w[i].who != who)
			q->w[n++] = q->w[i];
	q->n = n;
}

/* The first of the queue has what it waits for. */
static struct waiter
serve(struct queue *q, bool got, long value)
{
	struct waiter w = q->w[0];

	for (int i = 0; i < CHANNELS; i++) {
		leave(&models[i].senders, w.who);
		leave(&models[i].receivers, w.who);
	}
	outcomes[w.who] = (struct outcome){true, w.index, got, value};
	waits[w.who] = false;
	running++;
	return w;
}

static bool
is_ready(const struct operation *o)
{
	const struct model *m = o->on;

	return o->send ? m->receivers.n > 0 || m->count < m->cap
		       : m->count > 0 || m->senders.n > 0 || m->closed;
}

static void
model_send(struct model *m, long value)
{
	if (m->receivers.n > 0)
		serve(&m->receivers, true, value);
	else
		m->ring[m->count++] = value;
}

/* False: there is nothing more to come. */
static bool
model_receive(struct model *m, long *value)
{
	*value = 0;
	if (m->count == 0) {
		if (m->senders.n > 0)
			*value = serve(&m->senders, true, 0).value;
		return *value != 0;
	}
	*value = m->ring[0];
	memmove(m->ring, m->ring + 1, (size_t)--m->count * sizeof *m->ring);
	if (m->senders.n > 0)
		m->ring[m->count++] = serve(&m->senders, true, 0).value;
	return true;
}

/* What was done is what the model does. */
static void
agree(const struct operation *o)
{
	long value;

	if (o->send) {
		model_send(o->on, o->value);
		return;
	}
	bool got = model_receive(o->on, &value);
	CHECK(got == o->got && value == o->value);
}

/* All of them, waiting or not, by the call that is for as many: the index of what was done. */
static int
perform(struct operation *o, int n, bool wait)
{
	rt_case cases[CASES + 1];

	if (n == 1 && o->send)
		return wait ? (rt_send(o->on->c, o->value), 0)
			    : rt_try_send(o->on->c, o->value) - 1;
	if (n == 1 && wait) {
		o->got = rt_recv(o->on->c, &o->value);
		return 0;
	}
	for (int i = 0; i < n; i++)
		cases[i] = o[i].send ? RT_SEND_FROM(o[i].on->c, &o[i].value)
				     : RT_RECV(o[i].on->c, &o[i].value, &o[i].got);
	cases[n] = RT_DEFAULT;
	int done = rt_select_n(cases, (size_t)(n + !wait));
	return done == n ? -1 : done;
}

static void
wait_for_one(int me, struct operation *o, int n)
{
	for (int i = 0; i < n; i++)
		push(o[i].send ? &o[i].on->senders : &o[i].on->receivers,
		     (struct waiter){me, i, o[i].value});
	outcomes[me].done = false;
	waits[me] = true;
	running--;
	int done = perform(o, n, true);
	const struct outcome *want = &outcomes[me];
	CHECK(want->done && done == want->index);
	CHECK(o[done].send || (o[done].got == want->got && o[done].value == want->value));
}

static void
try_one(struct operation *o, int n, bool wait)
{
	bool any = false;
	int step = ++steps;

	for (int i = 0; i < n; i++)
		any |= is_ready(&o[i]);
	int done = perform(o, n, wait);
	CHECK(steps == step); /* nobody came between */
	CHECK((done >= 0) == any);
	if (done >= 0) {
		CHECK(is_ready(&o[done]));
		agree(&o[done]);
	}
}

static void
communicate(int me)
{
	struct operation o[CASES];
	int n = below(2) ? 1 : 1 + (int)below(CASES);
	bool wait = below(4) != 0, any = false;

	for (int i = 0; i < n; i++) {
		struct model *m = &models[below(CHANNELS)];
		bool send = !m->closed && below(2);

		o[i] = (struct operation){m, send, send ? ++last_value : -1, false};
		any |= is_ready(&o[i]);
	}
	if (wait && !any && running > 1)
		wait_for_one(me, o, n);
	else
		try_one(o, n, wait && any);
}

/* A closed channel is replaced some time; who has it still in its frame is done with it. */
static void
close_or_renew(struct model *m)
{
	if (m->closed) {
		renew(m);
	} else if (m->senders.n == 0) { /* they would panic */
		m->closed = true;
		while (m->receivers.n > 0)
			serve(&m->receivers, false, 0);
		rt_close(m->c);
	}
}

/* The last one that runs helps those who wait. */
static void
help(struct model *m)
{
	struct operation o = {m, m->receivers.n > 0, -1, false};

	if (m->receivers.n == 0 && m->senders.n == 0)
		return;
	if (o.send)
		o.value = ++last_value;
	try_one(&o, 1, true);
}

static void
work(int me)
{
	for (int i = 0; i < STEPS; i++) {
		struct model *m = &models[below(CHANNELS)];

		if (below(30) == 0)
			close_or_renew(m);
		else
			communicate(me);
		CHECK(rt_chan_len(m->c) == (size_t)m->count && rt_chan_cap(m->c) == (size_t)m->cap);
		if (below(4) == 0)
			rt_gosched();
	}
	for (int i = 0; running == 1 && i < WORKERS; i++)
		if (waits[i])
			for (int k = 0; waits[i] && k < CHANNELS; k++)
				help(&models[k]);
	running--;
}

static int
channels(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	rng = (uint64_t)number(argc, argv, 1);
	for (int i = 0; i < CHANNELS; i++)
		renew(&models[i]);
	for (int i = 0; i < WORKERS; i++)
		rt_wg_go(&wg, work, i);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- timers ---- */

enum { TIMERS = 6, TIMER_STEPS = 2000, LONGEST = 300 * 1000 };

/* Due at a time from `from` on, and by `to`. */
struct set {
	rt_timer t;
	bool set;
	rt_time from, to;
	rt_duration period;
};

static struct set sets[TIMERS];
static rt_timer called;
static int calls, want_calls;

static void
call(void *unused)
{
	(void)unused;
	ADD(calls, 1);
}

static void
start(struct set *s, bool again)
{
	rt_duration d = (again ? 20000 : -1000) + (rt_duration)below(LONGEST);
	rt_time before = rt_now();
	bool was = again ? rt_timer_every(&s->t, d) : rt_timer_reset(&s->t, d);

	CHECK(was == s->set);
	s->set = true;
	s->from = before + d;
	s->to = rt_now() + d;
	s->period = again ? d : 0;
}

/* It has fired, at a time between these two. */
static void
fired(struct set *s, rt_time before, rt_time after)
{
	CHECK(s->set && after >= s->from);
	s->set = s->period != 0;
	s->from = before; /* the next period begins behind the one that was */
	s->to = after + s->period;
}

/* If the deadline comes at about the same time, either may win, but the event is not lost. */
static void
ask(struct set *s, rt_duration patience)
{
	rt_time before = rt_now();
	bool got = rt_timer_wait(&s->t, .deadline = before + patience);
	rt_time after = rt_now();

	if (got) {
		fired(s, before, after);
		return;
	}
	CHECK(after >= before + patience && (!s->set || s->to > before));
	if (patience > 0)
		ask(s, -1);
}

/* Stopped or set anew in time, it does not call; else it does, once. */
static void
set_call(void)
{
	switch (below(3)) {
	case 0:
		want_calls -= rt_timer_stop(&called);
		break;
	case 1:
		want_calls += 1 - rt_timer_reset(&called, below(LONGEST));
		break;
	case 2:
		rt_sleep(below(LONGEST));
		break;
	}
}

static void
timer_step(struct set *s)
{
	switch (below(8)) {
	case 0:
	case 1:
		start(s, false);
		break;
	case 2:
		start(s, true);
		break;
	case 3:
		CHECK(rt_timer_stop(&s->t) == s->set);
		s->set = false;
		break;
	case 4:
	case 5:
		ask(s, -1);
		break;
	case 6:
		ask(s, below(LONGEST));
		break;
	case 7:
		set_call();
		break;
	}
}

static int
timers(int argc, char **argv)
{
	rng = (uint64_t)number(argc, argv, 1);
	want_calls = 1;
	rt_after_func(&called, below(LONGEST), call, NULL);
	for (int i = 0; i < TIMER_STEPS; i++)
		timer_step(&sets[below(TIMERS)]);
	want_calls -= rt_timer_stop(&called);
	YIELD_UNTIL(GET(calls) >= want_calls);
	CHECK(GET(calls) == want_calls);
	return ok();
}

static const struct guest_case cases[] = {
	{"channels", channels},
	{"timers", timers},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

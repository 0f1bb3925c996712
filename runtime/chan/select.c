/* SPDX-License-Identifier: MIT */
/*
 * select. In three steps, of which most calls need the first only:
 *
 *	look	without locks, which cases are ready; of those, one is drawn, and tried with its
 *		channel's lock alone. It is as good an answer as any: it was ready at that moment.
 *	pass 1	all channels locked, in the order of their addresses: the same look, now exact. If
 *		none is ready, that was so at one moment, which a default or a wait relies on.
 *	pass 2	a queue node on each channel, the goroutine parked, the locks released on g0.
 *
 * Whoever finds a node claims its waiter first (sched/waiter.c), so one operation ends the wait;
 * who was woken takes the other nodes off their queues, each with its channel's lock. It may be
 * woken as soon as the first lock is released, but does not leave its frame before the last one
 * is: on that channel it has a node still, or has none since somebody has had that lock.
 *
 * Pass 1 releases the lock of the channel that it has used last, and wakes after that: who learns
 * of that operation may free the other channels.
 *
 * Nodes and orders lie in the frame, for many cases in memory of malloc's. While nobody runs beside
 * the caller (rt__alone), channels are neither sorted nor locked.
 *
 * Rejected: one lock at a time, with waiters that can be claimed from the first node on. Two
 * selects that meet each other then have to claim themselves and the other in one step (Reppy,
 * Russo and Xiao, "Parallel Concurrent ML", 2009, spin for that); sorting a few pointers is less.
 */
#include <errno.h>
#include <stdlib.h>

#include "chan/chan_priv.h"

#include "time/time.h"
#include "usync/usync.h"

#define MAX_CASES 65536
#define LOOK_CASES 64 /* from there on, pass 1 at once */
#define FRAME_CASES 32

/* What a case is waited for with. */
union node {
	struct rt__sudog sudog;
	struct rt__timer_node timer;
	struct rt__node wg;
	struct rt__ctx_waiter ctx;
};

struct select {
	rt_case *cases;
	size_t n;
	bool ordered, passive;   /* passive: there are cases that are no operation on a channel */
	int late;                /* the case with the earliest deadline, or -1 */
	uint32_t nlocked;        /* entries of `order` */
	uint32_t enrolled;       /* cases below this index, if passive, are enrolled */
	uint16_t *order;         /* indices of cases on channels, as these are locked */
	union node *nodes;       /* by index of the case */
	rt_wait_options options; /* the earliest deadline */
	struct rt__waiter waiter;
};

static struct rt__chan *
chan_of(const rt_case *k)
{
	return k->rt_object;
}

static bool
on_channel(const rt_case *k)
{
	return (k->rt_kind == RT__CASE_RECV || k->rt_kind == RT__CASE_SEND) && k->rt_object;
}

/* Not of deadlines, which come last. */
static bool
looks_ready(const rt_case *k)
{
	if (!k->rt_object)
		return false;
	switch (k->rt_kind) {
	case RT__CASE_RECV:
		return rt__recv_looks_ready(chan_of(k));
	case RT__CASE_SEND:
		return rt__send_looks_ready(chan_of(k));
	case RT__CASE_TIMER:
		return rt__timer_is_due(k->rt_object);
	case RT__CASE_WG:
		return rt__wg_is_done(k->rt_object);
	case RT__CASE_DONE:
		return rt_ctx_error(k->rt_object) != 0;
	default:
		return false;
	}
}

/* ---- one case ---- */

enum tried { NOT_READY, DONE, SEND_ON_CLOSED };

/* Does what k says; with the lock, if it is on a channel. */
static enum tried
try_locked(rt_case *k, struct rt__sudog **wake)
{
	struct rt__chan *c = chan_of(k);
	bool ok = true;

	*wake = NULL;
	if (k->rt_kind == RT__CASE_TIMER)
		return rt__timer_try(k->rt_object) ? DONE : NOT_READY;
	if (k->rt_kind == RT__CASE_WG || k->rt_kind == RT__CASE_DONE)
		return DONE;

	if (k->rt_kind == RT__CASE_SEND) {
		if (rt__send_locked(c, k->rt_elem, c->elem_size, wake))
			return DONE;
		return c->closed ? SEND_ON_CLOSED : NOT_READY;
	}
	if (!rt__recv_locked(c, k->rt_elem, c->elem_size, wake)) {
		if (!c->closed)
			return NOT_READY;
		rt__recv_nothing(c, k->rt_elem);
		ok = false;
	}
	if (k->rt_ok)
		*k->rt_ok = ok;
	return DONE;
}

/* After the locks are released. */
static void
finish(enum tried tried, struct rt__sudog *wake)
{
	if (wake)
		rt__sudog_wake(wake);
	if (rt__unlikely(tried == SEND_ON_CLOSED))
		rt__panic("send on closed channel");
}

/* ---- the look ---- */

/* The index of a case that was ready and is done now, or -1; *looked: how many are on channels. */
static int
look(rt_case *cases, size_t n, bool ordered, uint32_t *looked)
{
	uint8_t ready[LOOK_CASES];
	uint32_t found = 0;

	*looked = 0;
	for (uint32_t i = 0; i < n; i++) {
		ready[found] = (uint8_t)i;
		found += looks_ready(&cases[i]);
		*looked += on_channel(&cases[i]);
	}
	while (found > 0) {
		uint32_t at = ordered || found == 1 ? 0 : rt__random_below(found);
		uint32_t i = ready[at];
		struct rt__chan *c = on_channel(&cases[i]) ? chan_of(&cases[i]) : NULL;
		struct rt__sudog *wake;

		if (c)
			rt__chan_lock(c);
		enum tried tried = try_locked(&cases[i], &wake);
		if (c)
			rt__chan_unlock(c);
		if (rt__likely(tried != NOT_READY)) {
			finish(tried, wake);
			return (int)i;
		}
		if (ordered) /* another one may have come before those that are left */
			return -1;
		ready[at] = ready[--found];
	}
	return -1;
}

/* ---- all locks ---- */

static void
sift_down(const rt_case *cases, uint16_t *order, uint32_t at, uint32_t n)
{
	uint16_t moved = order[at];

	for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n &&
		    cases[order[child]].rt_object < cases[order[child + 1]].rt_object)
			child++;
		if (cases[moved].rt_object >= cases[order[child]].rt_object)
			break;
		order[at] = order[child];
	}
	order[at] = moved;
}

/* By address. Mostly the cases come sorted: channels that were made in a row. */
static void
sort(const rt_case *cases, uint16_t *order, uint32_t n)
{
	uint32_t i = 1;

	while (i < n && cases[order[i - 1]].rt_object <= cases[order[i]].rt_object)
		i++;
	if (i >= n)
		return;
	for (i = n / 2; i-- > 0;)
		sift_down(cases, order, i, n);
	for (i = n; i-- > 1;) {
		uint16_t last = order[i];

		order[i] = order[0];
		order[0] = last;
		sift_down(cases, order, 0, i);
	}
}

static struct rt__chan *
chan_at(const struct select *s, uint32_t i)
{
	return chan_of(&s->cases[s->order[i]]);
}

static void
lock_all(struct select *s)
{
	struct rt__chan *last = NULL;

	s->nlocked = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (on_channel(&s->cases[i]))
			s->order[s->nlocked++] = (uint16_t)i;
	}
	if (rt__load_rlx(&rt__alone))
		return;
	sort(s->cases, s->order, s->nlocked);
	for (uint32_t i = 0; i < s->nlocked; i++) {
		struct rt__chan *c = chan_at(s, i);

		if (c != last)
			rt__chan_lock(c);
		last = c;
	}
}

/* All but `except`, which may be NULL. Nothing is read once the last one is released. */
static void
unlock_all(const struct select *s, const struct rt__chan *except)
{
	uint32_t n = s->nlocked;

	if (rt__load_rlx(&rt__alone))
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct rt__chan *c = chan_at(s, i);
		bool again = i + 1 < n && c == chan_at(s, i + 1);

		if (!again && c != except)
			rt__chan_unlock(c);
	}
}

/* ---- pass 1 ---- */

static int32_t
pick_locked(const struct select *s)
{
	uint32_t found = 0;

	/* The nth of those that are ready has replaced the ones before with probability 1/n. */
	int32_t picked = -1;
	for (size_t i = 0; i < s->n; i++) {
		if (!looks_ready(&s->cases[i]))
			continue;
		found++;
		if (found == 1 || (!s->ordered && rt__random_below(found) == 0))
			picked = (int32_t)i;
		if (s->ordered)
			break;
	}
	return picked;
}

/* The index of a case that is done, and all locks released; or -1, and they are not. What looked
 * ready is not if all who waited there have been claimed by others; then it does not look so any
 * more. */
static int
pass1(struct select *s)
{
	for (;;) {
		int32_t i = pick_locked(s);
		struct rt__sudog *wake;

		if (i < 0)
			return -1;
		enum tried tried = try_locked(&s->cases[i], &wake);
		if (tried == NOT_READY)
			continue;
		struct rt__chan *c = on_channel(&s->cases[i]) ? chan_of(&s->cases[i]) : NULL;
		unlock_all(s, c);
		if (c)
			rt__chan_unlock(c);
		finish(tried, wake);
		return i;
	}
}

/* ---- pass 2 ---- */

static struct rt__waitq *
queue_of(const rt_case *k)
{
	return k->rt_kind == RT__CASE_RECV ? &chan_of(k)->recvq : &chan_of(k)->sendq;
}

static void
enqueue(struct select *s)
{
	for (uint32_t i = 0; i < s->nlocked; i++) {
		rt_case *k = &s->cases[s->order[i]];
		struct rt__sudog *sg = &s->nodes[s->order[i]].sudog;

		sg->gp = NULL;
		sg->w = &s->waiter;
		sg->elem = k->rt_elem;
		rt__waitq_push(queue_of(k), sg);
	}
}

/* Each but that of the winner, who has taken it off; NULL: no channel has won. */
static void
dequeue(struct select *s, const union node *winner)
{
	for (uint32_t i = 0; i < s->nlocked; i++) {
		rt_case *k = &s->cases[s->order[i]];
		union node *n = &s->nodes[s->order[i]];
		struct rt__chan *c = chan_of(k);

		if (n == winner)
			continue;
		rt__chan_lock(c);
		if (n->sudog.queued)
			rt__waitq_remove(queue_of(k), &n->sudog);
		else
			c->leaving--;
		rt__chan_unlock(c);
	}
}

/* False: what it would wait for is so already. */
static bool
enrol(struct select *s, uint32_t i)
{
	rt_case *k = &s->cases[i];
	union node *n = &s->nodes[i];

	switch (k->rt_kind) {
	case RT__CASE_TIMER:
		n->timer = (struct rt__timer_node){.waiter = &s->waiter, .winner = n};
		rt__timer_enrol(k->rt_object, &n->timer);
		return true;
	case RT__CASE_WG:
		n->wg = (struct rt__node){.waiter = &s->waiter};
		return rt__wg_enrol(k->rt_object, &n->wg);
	case RT__CASE_DONE:
		n->ctx = (struct rt__ctx_waiter){.waiter = &s->waiter, .winner = n};
		return rt__ctx_enrol(k->rt_object, &n->ctx);
	default:
		return true;
	}
}

static void
leave(struct select *s)
{
	for (uint32_t i = 0; i < s->enrolled; i++) {
		rt_case *k = &s->cases[i];

		if (k->rt_object && k->rt_kind == RT__CASE_TIMER)
			rt__timer_leave(k->rt_object, &s->nodes[i].timer);
		else if (k->rt_object && k->rt_kind == RT__CASE_WG)
			rt__wg_leave(k->rt_object, &s->nodes[i].wg);
		else if (k->rt_object && k->rt_kind == RT__CASE_DONE)
			rt__ctx_leave(k->rt_object, &s->nodes[i].ctx);
	}
}

static bool
unlock_select(struct rt__g *gp, void *s)
{
	(void)gp;
	unlock_all(s, NULL);
	return true;
}

/* The same if there is more than channels: rt__wait keeps the frame until this has returned. */
static bool
unlock_and_enrol(struct rt__g *gp, void *arg)
{
	struct select *s = arg;

	(void)gp;
	unlock_all(s, NULL);
	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->cases[i].rt_object || enrol(s, i)) {
			s->enrolled = i + 1;
			continue;
		}
		if (!rt__waiter_claim(&s->waiter))
			return true; /* somebody else has, and wakes us */
		s->waiter.winner = &s->nodes[i];
		return false;
	}
	return true;
}

const struct rt__wait_kind rt__wait_kind_select = {
	RT_WAIT_KIND(unlock_select, RT_ON_SELECT),
	.object = RT_WAIT_ARG,
	.value = {RT_FIELD(struct select, cases), RT_FIELD(struct select, n)},
};

const struct rt__wait_kind rt__wait_kind_select_more = {
	RT_WAIT_KIND(unlock_and_enrol, RT_ON_SELECT),
	.object = RT_WAIT_ARG,
};
RT_WAIT_WITHOUT_OWNER;

/* Which case has ended the wait; *ok: whether an operation on a channel was done. */
static int
wait_for_one(struct select *s, bool *ok)
{
	int outcome = 0;

	*ok = true;
	rt__waiter_init(&s->waiter);
	enqueue(s);
	if (rt__likely(!s->passive))
		rt__waiter_park(&s->waiter, unlock_select, s,
				s->n ? RT_WAIT_SELECT : RT_WAIT_SELECT_NO_CASES);
	else
		outcome = rt__wait(&s->waiter, unlock_and_enrol, s, &s->options, RT_WAIT_SELECT);
	dequeue(s, outcome == 0 ? s->waiter.winner : NULL);
	if (s->passive)
		leave(s);
	if (outcome == ETIMEDOUT)
		return s->late;
	const union node *winner = s->waiter.winner;
	int i = (int)(winner - s->nodes);
	if (on_channel(&s->cases[i]))
		*ok = winner->sudog.ok; /* NOLINT(clang-analyzer-core.NullDereference): set by it */
	return i;
}

static int
wait_and_finish(struct select *s)
{
	bool ok;
	int i = wait_for_one(s, &ok);
	rt_case *k = &s->cases[i];

	if (k->rt_kind == RT__CASE_SEND && !ok)
		rt__panic("send on closed channel");
	if (k->rt_kind == RT__CASE_RECV && k->rt_ok)
		*k->rt_ok = ok;
	return i;
}

/* With the memory that a wait needs: for each case an index and a node. */
static int
select_in(struct select *s, void *memory, int otherwise)
{
	s->nodes = memory;
	s->order = (void *)(s->nodes + s->n);
	lock_all(s);
	int i = pass1(s);
	if (i >= 0)
		return i;
	if (otherwise >= 0) {
		unlock_all(s, NULL);
		return otherwise;
	}
	return wait_and_finish(s);
}

#define CASE_MEMORY (sizeof(union node) + sizeof(uint16_t))

static RT_NOINLINE int
select_slowly(struct select *s, int otherwise)
{
	_Alignas(union node) char frame[FRAME_CASES * CASE_MEMORY];

	if (s->n <= FRAME_CASES) {
		/* NOLINTNEXTLINE(clang-analyzer-core.StackAddressEscape): *s goes as well */
		return select_in(s, frame, otherwise);
	}
	void *memory = malloc(s->n * CASE_MEMORY);
	if (!memory)
		rt__out_of_memory("a select", s->n * CASE_MEMORY);
	int i = select_in(s, memory, otherwise);
	free(memory);
	return i;
}

/* What the cases say besides channels. */
struct others {
	int late;      /* the case with the earliest deadline, or -1 */
	int otherwise; /* the default, or -1 */
	bool passive;
};

static struct others
find_others(const rt_case *cases, size_t n)
{
	struct others o = {-1, -1, false};

	for (size_t i = 0; i < n; i++) {
		const rt_case *k = &cases[i];

		if (rt__likely(k->rt_kind <= RT__CASE_SEND))
			continue;
		if (k->rt_kind == RT__CASE_DEFAULT)
			o.otherwise = (int)i;
		else
			o.passive = true;
		if (k->rt_kind == RT__CASE_AT && k->rt_when != 0 &&
		    (o.late < 0 || k->rt_when < cases[o.late].rt_when))
			o.late = (int)i;
	}
	if (o.late >= 0 && cases[o.late].rt_when <= rt__nanotime())
		o.otherwise = o.late; /* it has passed: no need to wait for that */
	return o;
}

int
rt__select(rt_case *cases, size_t n, int ordered)
{
	uint32_t looked = UINT32_MAX;

	if (rt__likely(n <= LOOK_CASES)) {
		int i = look(cases, n, ordered, &looked);

		if (i >= 0)
			return i;
	} else if (n > MAX_CASES) {
		rt__panic("rt_select: more than 65536 cases");
	}
	struct others o = find_others(cases, n);
	if (o.otherwise >= 0 && looked <= 1)
		return o.otherwise; /* one channel: the look was of one moment */
	struct select s = {
		.cases = cases, .n = n, .ordered = ordered, .passive = o.passive, .late = o.late};
	if (o.late >= 0)
		s.options.deadline = cases[o.late].rt_when;
	return select_slowly(&s, o.otherwise);
}

/* ---- send and receive with options: a select of one operation, then of these ---- */

/* False: it was too late, or nobody wants it any more. */
static bool
select_until(rt_case *operation, const rt_wait_options *o)
{
	rt_case cases[] = {*operation, RT_AT(o->deadline), RT_DONE(o->ctx)};
	int i = rt__select(cases, o->ctx ? 3 : 2, true);

	return i == 0 || rt__failed(i == 1 ? ETIMEDOUT : ECANCELED);
}

bool
rt__chan_send_until(struct rt__chan *c, const void *elem, const rt_wait_options *o)
{
	rt_case k = {.rt_kind = RT__CASE_SEND, .rt_object = c, .rt_elem = (void *)(uintptr_t)elem};

	return select_until(&k, o);
}

bool
rt__chan_recv_until(struct rt__chan *c, void *elem, const rt_wait_options *o)
{
	bool ok = true;
	rt_case k = {.rt_kind = RT__CASE_RECV, .rt_object = c, .rt_elem = elem, .rt_ok = &ok};

	if (!select_until(&k, o))
		return false;
	if (!ok)
		errno = EPIPE;
	return ok;
}

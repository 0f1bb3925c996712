/* SPDX-License-Identifier: MIT */
/*
 * The timers of a P: a queue in order of time (due.c), with a lock of its own. Runs on any stack;
 * takes no lock but that, and that of the runtime's tables when one grows.
 *
 * Most of what waits for the time is goroutines that sleep. Nobody takes that back, so an entry of
 * the queue names the goroutine, and that is all there is of it: those that are due are taken off
 * together.
 *
 * Anything else is a timer with a function. It lies anywhere, mostly in the frame of who waits, so
 * when it was stopped nothing may point to it any more. But its entry is deep in the queue, at a
 * place that changes with every other entry, and to note that place in the timer would touch ten
 * frames, which are ten pages, for each timer that is due. So an entry names a slot, which never
 * moves, and the slot the timer. Stopping one empties its slot; the entry goes when it gets to the
 * top, or when every other one is empty. The top itself is never empty, so that nobody wakes up for
 * nothing.
 *
 * A timer's function runs without the lock, on the M that found it due, which says so in M.firing
 * before it lets go of the lock. Who stops the timer finds it either in the queue or there, and in
 * the second case waits until the function has returned: it is short and does not block, but the
 * kernel may have put its thread aside. After it, the M does not touch the timer: if nobody has to
 * stop it, a frame may be left as soon as the function has woken whose it is.
 *
 * The function may start its timer again, in another queue than before. So a stop looks at firing
 * first and at the queue second, both with the lock of the queue that the timer says it is in: what
 * does not fire then, and is not there, will not.
 *
 * Rejected: removing an entry at once, by an index in the timer (above); Go's lazy change of the
 * time, which needs a state machine for each timer, and a timer that outlives its frame.
 */
#include "sched/sched_priv.h"

#include "mem/mem.h"

#define FIRST_SLOTS 16u
#define STOP_SPINS 100
#define NO_SLOT UINT32_MAX
#define TOGETHER 64      /* goroutines that are taken off at once */
#define PRECISION 8      /* what is far away may be late by a 256th of that, ... */
#define ROUND_MAX 262144 /* ... or so many ns; powers of two */

union rt__timer_slot {
	struct rt__timer *t; /* NULL: stopped, and the entry is still there */
	uintptr_t next_free; /* no entry: twice the next free slot, and 1 */
};

void
rt__timers_init(struct rt__timers *ts)
{
	*ts = (struct rt__timers){.next = RT_NEVER, .free = NO_SLOT};
}

/*
 * Those that come close together come at the same time, on all Ps: a wake-up takes a thousand times
 * as long as a timer. So what is far away is put off to a round time, as the kernel puts off
 * poll(2) by 0.1 to 0.5 %, and no more than a quarter of a millisecond; short sleeps are as exact
 * as the clock. (Rejected: to wait with the first of a queue for those that follow closely, however
 * near they are, which makes short sleeps late as soon as there are two.)
 */
int64_t
rt__round_when(int64_t when, int64_t now)
{
	if (when <= now || when > RT_NEVER - ROUND_MAX)
		return when;
	int64_t far = when - now;
	if (far >> PRECISION == 0)
		return when;
	int64_t round = (int64_t)1 << (63 - __builtin_clzll((uint64_t)far) - PRECISION);
	round = round < ROUND_MAX ? round : ROUND_MAX;
	return (when + round - 1) & -round;
}

/* ---- entries: a goroutine, or twice a slot and 1 ---- */

static inline uintptr_t
of_slot(uint32_t slot)
{
	return (uintptr_t)slot * 2 + 1;
}

static inline bool
is_slot(uintptr_t what)
{
	return what & 1;
}

static inline uint32_t
slot_of(uintptr_t what)
{
	return (uint32_t)(what / 2);
}

static bool
is_live(const struct rt__timers *ts, uintptr_t what)
{
	return !is_slot(what) || ts->slots[slot_of(what)].t;
}

/* ---- slots; with the lock ---- */

static void
free_slot(struct rt__timers *ts, uint32_t slot)
{
	ts->slots[slot].next_free = (uintptr_t)ts->free * 2 + 1;
	ts->free = slot;
}

/* Twice as many. Outgrown arrays are not freed: see gdeque.c. */
static void
grow(struct rt__timers *ts)
{
	uint32_t cap = ts->cap ? ts->cap * 2 : FIRST_SLOTS;
	union rt__timer_slot *slots = rt__persistent_alloc(cap * sizeof *slots, RT_CACHE_LINE);

	if (ts->cap > 0)
		__builtin_memcpy(slots, ts->slots, ts->cap * sizeof *slots);
	ts->slots = slots;
	for (uint32_t i = cap; i-- > ts->cap;)
		free_slot(ts, i);
	ts->cap = cap;
}

static uint32_t
take_slot(struct rt__timers *ts, struct rt__timer *t)
{
	if (ts->free == NO_SLOT)
		grow(ts);
	uint32_t slot = ts->free;
	ts->free = (uint32_t)(ts->slots[slot].next_free / 2);
	ts->slots[slot].t = t;
	return slot;
}

/* ---- the queue; with the lock ---- */

static bool
keep_live(void *arg, uintptr_t what)
{
	struct rt__timers *ts = arg;

	if (is_live(ts, what))
		return true;
	free_slot(ts, slot_of(what));
	return false;
}

/* The top is nothing that was stopped. */
static void
drop_stopped(struct rt__timers *ts)
{
	const struct rt__due *top;

	while ((top = rt__due_top(&ts->queue)) != NULL && !is_live(ts, top->what))
		free_slot(ts, slot_of(rt__due_pop(&ts->queue).what));
}

/* After every change. */
static void
settle(struct rt__timers *ts)
{
	if (ts->pending < ts->queue.n / 2)
		rt__due_sweep(&ts->queue, keep_live, ts);
	drop_stopped(ts);
	const struct rt__due *top = rt__due_top(&ts->queue);
	int64_t next = top ? top->when : RT_NEVER;

	if (next != ts->next)
		rt__store_rlx(&ts->next, next);
}

static void
push(struct rt__timers *ts, int64_t when, uintptr_t what)
{
	rt__due_push(&ts->queue, (struct rt__due){when, what});
	rt__store_rlx(&ts->pending, ts->pending + 1);
}

static void
insert(struct rt__timers *ts, struct rt__timer *t)
{
	uint32_t slot = take_slot(ts, t);

	rt__store_rlx(&t->slot, slot);
	rt__store_rlx(&t->at, ts);
	push(ts, t->when, of_slot(slot));
}

/* Whether t is in the queue. What it says of its slot may be from before a fork. */
static bool
holds(const struct rt__timers *ts, const struct rt__timer *t)
{
	uint32_t slot = rt__load_rlx(&t->slot); /* in a new one already, perhaps */

	return slot < ts->cap && ts->slots[slot].t == t;
}

/* Takes the top off, which was not stopped: the timer, or a goroutine. */
static struct rt__timer *
pop(struct rt__timers *ts, struct rt__g **ret_g)
{
	uintptr_t what = rt__due_pop(&ts->queue).what;

	rt__store_rlx(&ts->pending, ts->pending - 1);
	*ret_g = NULL;
	if (!is_slot(what)) {
		*ret_g = (struct rt__g *)what;
		return NULL;
	}
	struct rt__timer *t = ts->slots[slot_of(what)].t;
	free_slot(ts, slot_of(what));
	return t;
}

static bool
is_due(const struct rt__timers *ts, int64_t now)
{
	const struct rt__due *top = rt__due_top(&ts->queue);

	return top && top->when <= now;
}

/* ---- timers ---- */

void
rt__timer_init(struct rt__timer *t, void (*fn)(struct rt__timer *t, int64_t now))
{
	*t = (struct rt__timer){.fn = fn};
}

bool
rt__timers_add(struct rt__timers *ts, struct rt__timer *t, int64_t when)
{
	rt__lock(&ts->lock);
	int64_t next = ts->next;
	t->when = when;
	insert(ts, t);
	settle(ts);
	rt__unlock(&ts->lock);
	return when < next;
}

bool
rt__timers_add_g(struct rt__timers *ts, struct rt__g *gp, int64_t when)
{
	rt__lock(&ts->lock);
	int64_t next = ts->next;
	push(ts, when, (uintptr_t)gp);
	settle(ts);
	rt__unlock(&ts->lock);
	return when < next;
}

struct batch {
	struct rt__g *gs[TOGETHER];
	int n, max;
};

/* Takes goroutines that are due off the queue, until there are enough, or a timer comes: that. */
static struct rt__timer *
take_due(struct rt__timers *ts, int64_t now, struct batch *b)
{
	struct rt__timer *t = NULL;

	for (b->n = 0; !t && b->n < b->max && is_due(ts, now);) {
		t = pop(ts, &b->gs[b->n]);
		b->n += !t;
		drop_stopped(ts);
	}
	settle(ts);
	return t;
}

int
rt__timers_fire(struct rt__timers *ts, struct rt__m *mp, int64_t now, int max)
{
	struct batch b;
	int n = 0;

	while (n < max && rt__load_rlx(&ts->next) <= now) {
		b.max = max - n < TOGETHER ? max - n : TOGETHER;
		rt__lock(&ts->lock);
		struct rt__timer *t = take_due(ts, now, &b);
		void (*fn)(struct rt__timer *, int64_t) = t ? t->fn : NULL;
		if (t) {
			rt__store_rlx(&t->runner, mp);
			rt__store_rlx(&mp->firing, t);
		}
		rt__unlock(&ts->lock);
		rt__timers_ready(b.gs, b.n); /* they were due before it */
		if (t) {
			fn(t, now);
			/* rel: what it did, a new start above all. Pairs with is_firing. */
			rt__store_rel(&mp->firing, (struct rt__timer *)NULL);
		}
		n += b.n + (t != NULL);
	}
	return n;
}

/* Whether its function runs, on another M than self: one that stops itself does not wait. */
static bool
is_firing(const struct rt__timer *t, const struct rt__m *self)
{
	struct rt__m *runner = rt__load_rlx(&t->runner);

	return runner && runner != self && rt__load_acq(&runner->firing) == t;
}

/* Takes t out of ts, if it is there. With the lock. */
static bool
remove(struct rt__timers *ts, struct rt__timer *t)
{
	if (!holds(ts, t))
		return false;
	ts->slots[t->slot].t = NULL;
	rt__store_rlx(&ts->pending, ts->pending - 1);
	settle(ts);
	return true;
}

/* One try: false if it fires, or has changed heaps. */
static bool
try_stop(struct rt__timers *ts, struct rt__timer *t, const struct rt__m *self, bool *was_pending)
{
	rt__lock(&ts->lock);
	bool firing = is_firing(t, self), there = rt__load_rlx(&t->at) == ts;
	if (there && remove(ts, t))
		*was_pending = true;
	rt__unlock(&ts->lock);
	return there && !firing;
}

bool
rt__timer_stop_by(struct rt__timer *t, const struct rt__m *self)
{
	struct rt__timers *ts;
	bool was_pending = false;

	for (int i = 0; (ts = rt__load_rlx(&t->at)) != NULL; i++) {
		if (try_stop(ts, t, self, &was_pending))
			break;
		if (i < STOP_SPINS)
			rt__cpu_relax();
		else
			rt__os_yield();
	}
	return was_pending;
}

bool
rt__timer_try_stop(struct rt__timer *t)
{
	bool done = false, there = false;

	while (!there) {
		struct rt__timers *ts = rt__load_rlx(&t->at);

		if (!ts)
			return true;
		rt__lock(&ts->lock);
		bool firing = is_firing(t, NULL);
		there = rt__load_rlx(&t->at) == ts;
		/* Removed, it is of a start after what fires still, which has been seen to. */
		done = there && (remove(ts, t) || !firing);
		rt__unlock(&ts->lock);
	}
	return done;
}

/* One after the other, which with millions takes a while: when the number of Ps changes. */
void
rt__timers_move(struct rt__timers *to, struct rt__timers *from)
{
	rt__timers_move_due(to, from, RT_NEVER, INT32_MAX);
}

void
rt__timers_move_due(struct rt__timers *to, struct rt__timers *from, int64_t now, int max)
{
	struct rt__g *gp;

	rt__lock(&to->lock);
	rt__lock(&from->lock);
	for (; max > 0 && is_due(from, now); max--) {
		int64_t when = rt__due_top(&from->queue)->when;
		struct rt__timer *t = pop(from, &gp);

		if (t)
			insert(to, t);
		else
			push(to, when, (uintptr_t)gp);
		drop_stopped(from);
	}
	settle(from);
	settle(to);
	rt__unlock(&from->lock);
	rt__unlock(&to->lock);
}

/* SPDX-License-Identifier: MIT */
/*
 * Heaps of timers: one for each P, 4-ary, ordered by when, each with a lock of its own. Runs on
 * any stack; takes no lock but the heap's, and that of the runtime's tables when one grows.
 *
 * A timer lies anywhere, mostly in the frame of who waits, so when it was stopped nothing may point
 * to it any more. But its entry is deep in the heap, at a place that changes with every other
 * entry, and to note that place in the timer would touch ten frames, which are ten pages, for each
 * timer that is due. So an entry names a slot, which never moves, and the slot the timer. Stopping
 * one empties its slot; the entry goes when it gets to the top, or when every other one is empty.
 * The top itself is never empty, so that nobody wakes up for nothing.
 *
 * A timer's function runs without the lock, on the M that found it due, which says so in M.firing
 * before it lets go of the lock. Who stops the timer finds it either in the heap or there, and in
 * the second case waits until the function has returned: it is short and does not block, but the
 * kernel may have put its thread aside. After it, the M does not touch the timer: if nobody has to
 * stop it, a frame may be left as soon as the function has woken whose it is.
 *
 * The function may start its timer again, in another heap than before. So a stop looks at firing
 * first and at the heap second, both with the lock of the heap that the timer says it is in: what
 * does not fire then, and is not there, will not.
 *
 * Rejected: removing an entry at once, by an index in the timer (above); Go's lazy change of the
 * time, which needs a state machine for each timer, and a timer that outlives its frame; a timer
 * wheel, which is as fast only with a resolution of its own.
 */
#include "sched/sched_priv.h"

#include "mem/mem.h"

#define FIRST_CAP 16u
#define STOP_SPINS 100

/* Four of them, the children of one, are a cache line. */
struct rt__timer_entry {
	int64_t when;
	uint32_t slot;
};
_Static_assert(4 * sizeof(struct rt__timer_entry) == RT_CACHE_LINE, "siblings share a line");

union rt__timer_slot {
	struct rt__timer *t; /* NULL: stopped, and the entry is still there */
	uintptr_t next_free; /* no entry: twice the next free slot, and 1 */
};

void
rt__timers_init(struct rt__timers *ts)
{
	*ts = (struct rt__timers){.next = RT_NEVER, .second = RT_NEVER};
}

/* ---- the heap; with its lock ---- */

static void
up(struct rt__timer_entry *heap, int32_t i, struct rt__timer_entry e)
{
	while (i > 0) {
		int32_t parent = (i - 1) / 4;

		if (heap[parent].when <= e.when)
			break;
		heap[i] = heap[parent];
		i = parent;
	}
	heap[i] = e;
}

static inline int32_t
earliest_child(const struct rt__timer_entry *heap, int32_t n, int32_t i)
{
	int32_t first = 4 * i + 1, end = first + 4 < n ? first + 4 : n, min = first;

	for (int32_t c = first + 1; c < end; c++)
		if (heap[c].when < heap[min].when)
			min = c;
	return min;
}

static void
down(struct rt__timer_entry *heap, int32_t n, int32_t i, struct rt__timer_entry e)
{
	while (4 * i + 1 < n) {
		int32_t child = earliest_child(heap, n, i);

		if (e.when <= heap[child].when)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = e;
}

static void
free_slot(struct rt__timers *ts, uint32_t slot)
{
	ts->slots[slot].next_free = (uintptr_t)ts->free * 2 + 1;
	ts->free = slot;
}

/* Twice the size. Outgrown arrays are not freed: see gdeque.c. */
static void
grow(struct rt__timers *ts)
{
	uint32_t cap = ts->cap ? ts->cap * 2 : FIRST_CAP;
	struct rt__timer_entry *heap =
		rt__persistent_alloc((cap + 3) * sizeof *heap, RT_CACHE_LINE);
	union rt__timer_slot *slots = rt__persistent_alloc(cap * sizeof *slots, RT_CACHE_LINE);

	heap += 3; /* its children begin a line, then, and all siblings do */
	if (ts->n > 0) {
		__builtin_memcpy(heap, ts->heap, (size_t)ts->n * sizeof *heap);
		__builtin_memcpy(slots, ts->slots, ts->cap * sizeof *slots);
	}
	ts->heap = heap;
	ts->slots = slots;
	for (uint32_t i = cap; i-- > ts->cap;)
		free_slot(ts, i);
	ts->cap = cap;
}

static void
pop(struct rt__timers *ts)
{
	free_slot(ts, ts->heap[0].slot);
	if (--ts->n > 0)
		down(ts->heap, ts->n, 0, ts->heap[ts->n]);
}

/* Drops the entries whose timers were stopped. */
static void
compact(struct rt__timers *ts)
{
	int32_t n = 0;

	for (int32_t i = 0; i < ts->n; i++) {
		if (ts->slots[ts->heap[i].slot].t)
			ts->heap[n++] = ts->heap[i];
		else
			free_slot(ts, ts->heap[i].slot);
	}
	ts->n = n;
	for (int32_t i = (n - 2) / 4; n > 1 && i >= 0; i--)
		down(ts->heap, n, i, ts->heap[i]);
}

/* After every change: the top is a timer that was not stopped. */
static void
settle(struct rt__timers *ts)
{
	if (ts->pending < ts->n / 2)
		compact(ts);
	while (ts->n > 0 && !ts->slots[ts->heap[0].slot].t)
		pop(ts);
	int64_t next = ts->n > 0 ? ts->heap[0].when : RT_NEVER;
	int64_t second = ts->n > 1 ? ts->heap[earliest_child(ts->heap, ts->n, 0)].when : RT_NEVER;
	if (next != ts->next)
		rt__store_rlx(&ts->next, next);
	if (second != ts->second)
		rt__store_rlx(&ts->second, second);
}

static void
insert(struct rt__timers *ts, struct rt__timer *t)
{
	if ((uint32_t)ts->n == ts->cap)
		grow(ts);
	uint32_t slot = ts->free;
	ts->free = (uint32_t)(ts->slots[slot].next_free / 2);
	ts->slots[slot].t = t;
	rt__store_rlx(&t->slot, slot);
	rt__store_rlx(&t->at, ts);
	up(ts->heap, ts->n++, (struct rt__timer_entry){t->when, slot});
	rt__store_rlx(&ts->pending, ts->pending + 1);
}

/* Whether t is in the heap. What it says of its slot may be from before a fork. */
static bool
holds(const struct rt__timers *ts, const struct rt__timer *t)
{
	uint32_t slot = rt__load_rlx(&t->slot); /* in a new one already, perhaps */

	return slot < ts->cap && ts->slots[slot].t == t;
}

static struct rt__timer *
take_due(struct rt__timers *ts, int64_t now)
{
	if (ts->n == 0 || ts->heap[0].when > now)
		return NULL;
	struct rt__timer *t = ts->slots[ts->heap[0].slot].t;
	rt__store_rlx(&ts->pending, ts->pending - 1);
	pop(ts);
	settle(ts);
	if (ts->n > 0)
		__builtin_prefetch(ts->slots[ts->heap[0].slot].t);
	return t;
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

int
rt__timers_fire(struct rt__timers *ts, struct rt__m *mp, int64_t now, int max)
{
	struct rt__timer *t;
	int n = 0;

	if (rt__load_rlx(&ts->next) > now)
		return 0;
	rt__lock(&ts->lock);
	while (n < max && (t = take_due(ts, now)) != NULL) {
		void (*fn)(struct rt__timer *, int64_t) = t->fn;

		rt__store_rlx(&t->runner, mp);
		rt__store_rlx(&mp->firing, t);
		rt__unlock(&ts->lock);
		fn(t, now);
		/* rel: what it did, a new start above all. Pairs with is_firing. */
		rt__store_rel(&mp->firing, (struct rt__timer *)NULL);
		n++;
		rt__lock(&ts->lock);
	}
	rt__unlock(&ts->lock);
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

/* All of from's go to to; both may be in use. With sched.lock: nobody else holds two of these. */
void
rt__timers_move(struct rt__timers *to, struct rt__timers *from)
{
	rt__lock(&to->lock);
	rt__lock(&from->lock);
	for (int32_t i = 0; i < from->n; i++) {
		struct rt__timer *t = from->slots[from->heap[i].slot].t;

		if (t)
			insert(to, t);
		free_slot(from, from->heap[i].slot);
	}
	from->n = 0;
	rt__store_rlx(&from->pending, 0);
	settle(from);
	settle(to);
	rt__unlock(&from->lock);
	rt__unlock(&to->lock);
}

/* The same for those that are due, at most max. */
void
rt__timers_move_due(struct rt__timers *to, struct rt__timers *from, int64_t now, int max)
{
	struct rt__timer *t;

	rt__lock(&to->lock);
	rt__lock(&from->lock);
	while (max-- > 0 && (t = take_due(from, now)) != NULL)
		insert(to, t);
	settle(to);
	rt__unlock(&from->lock);
	rt__unlock(&to->lock);
}

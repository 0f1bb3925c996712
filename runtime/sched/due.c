/* SPDX-License-Identifier: MIT */
/*
 * What is due when: a priority queue for one P's timers, of up to millions of entries, which knows
 * nothing of timers. With the lock of whose queue it is; takes none but that of the runtime's
 * tables, for memory.
 *
 * A heap of a million entries is 16 MB, and each one that is taken out of it visits ten lines
 * all over it: most of what a timer costs then is waiting for memory. So the queue is a row of
 * buckets of up to a thousand entries, which fit the first-level cache, and only the earliest one
 * is a heap (4-ary). The others are in no order inside; but all in one come before all in the next.
 * An entry is appended to the bucket in whose range it is: a binary search over the bounds, and one
 * line. A bucket that is full is split in two about a median, as the leaf of a B-tree. When the
 * earliest is empty, the next becomes the heap, in place. So an entry is moved three or four times
 * in its life, mostly in a row with others, and the longest that anybody waits for the lock is
 * the 5 us of a split. The last digits of a time count as much as the first: nothing is rounded.
 *
 * Memory: 16 bytes for an entry, in buckets that are half full at least when they are split.
 * Buckets that are empty are kept for reuse.
 *
 * Rejected: one heap (above); a timer wheel, also one that only sorts out the far future for a
 * near heap: its slots are of widths that suit some programs, it touches all entries of a slot at
 * once, however many they are, and with few timers it has to look for the next slot that is not
 * empty; a calendar or ladder queue, which is the same with widths found at run time, and rebuilds;
 * a skip list or pairing heap through the timers themselves, whose links are on pages of their own,
 * each in the frame of a goroutine.
 */
#include "sched/sched_priv.h"

#include "mem/mem.h"

#define BUCKET 1021
#define FIRST_INDEX 16

/* 16 KiB with the head, so that the children of an entry, four, are a line of the cache. */
struct rt__due_bucket {
	_Alignas(RT_CACHE_LINE) struct rt__due_bucket *next; /* of a free one */
	int32_t n;
	char pad[36];
	struct rt__due e[BUCKET];
};
_Static_assert(offsetof(struct rt__due_bucket, e[1]) % RT_CACHE_LINE == 0, "siblings share a line");
_Static_assert(sizeof(struct rt__due_bucket) == 16384, "as large as it can be in whole pages");

static inline struct rt__due_bucket *
earliest(const struct rt__due_queue *q)
{
	return q->index[q->nbuckets - 1].b;
}

/* ---- the earliest bucket: a heap ---- */

static void
up(struct rt__due *heap, int32_t i, struct rt__due e)
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
min_of(const struct rt__due *heap, int32_t i, int32_t j)
{
	return heap[j].when < heap[i].when ? j : i;
}

/* Which of i's children is the first; it has one. */
static inline int32_t
first_child(const struct rt__due *heap, int32_t n, int32_t i)
{
	int32_t c = 4 * i + 1;

	if (rt__likely(c + 3 < n))
		return min_of(heap, min_of(heap, c, c + 1), min_of(heap, c + 2, c + 3));
	int32_t min = c;
	while (++c < n)
		min = min_of(heap, min, c);
	return min;
}

static void
down(struct rt__due *heap, int32_t n, int32_t i, struct rt__due e)
{
	while (4 * i + 1 < n) {
		int32_t child = first_child(heap, n, i);

		if (e.when <= heap[child].when)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = e;
}

static void
make_heap(struct rt__due_bucket *b)
{
	for (int32_t i = (b->n - 2) / 4; b->n > 1 && i >= 0; i--)
		down(b->e, b->n, i, b->e[i]);
}

/* ---- the row of buckets, the latest first ---- */

static struct rt__due_bucket *
new_bucket(struct rt__due_queue *q)
{
	struct rt__due_bucket *b = q->free;

	if (b)
		q->free = b->next;
	else
		b = rt__persistent_alloc(sizeof *b, RT_CACHE_LINE);
	b->n = 0;
	return b;
}

static void
free_bucket(struct rt__due_queue *q, struct rt__due_bucket *b)
{
	b->next = q->free;
	q->free = b;
}

/* Makes room for one more. An outgrown index is not freed: see gdeque.c. */
static void
grow_index(struct rt__due_queue *q)
{
	if (q->nbuckets < q->cap)
		return;
	q->cap = q->cap ? 2 * q->cap : FIRST_INDEX;
	struct rt__due_range *index;

	index = rt__persistent_alloc((size_t)q->cap * sizeof *index, RT_CACHE_LINE);
	for (int32_t i = 0; i < q->nbuckets; i++)
		index[i] = q->index[i];
	q->index = index;
}

/* The bucket for what is due then: the first that begins no later. The earliest one's bound is the
 * least time there is, so there is one. */
static int32_t
find(const struct rt__due_queue *q, int64_t when)
{
	int32_t at = 0;

	for (int32_t n = q->nbuckets; n > 1;) {
		int32_t half = n / 2;

		at += q->index[at + half - 1].from > when ? half : 0;
		n -= half;
	}
	return at;
}

/* A time about in the middle of a full bucket's: the median of nine. */
static int64_t
pivot_of(const struct rt__due *e)
{
	int64_t when[9];

	for (size_t i = 0; i < 9; i++)
		when[i] = e[i * (BUCKET / 9)].when;
	for (int i = 1; i < 9; i++) {
		int64_t w = when[i];
		int j = i;

		for (; j > 0 && when[j - 1] > w; j--)
			when[j] = when[j - 1];
		when[j] = w;
	}
	return when[4];
}

/*
 * Hoare's: afterwards the first so many, which is the result, are no later than the pivot, and the
 * others no earlier. Equal ones are shared out evenly. Neither part is empty: five of the nine are
 * no earlier than the pivot, and five no later.
 */
static int32_t
partition(struct rt__due *e, int32_t n, int64_t pivot)
{
	int32_t i = -1, j = n;

	for (;;) {
		do
			i++;
		while (e[i].when < pivot);
		do
			j--;
		while (e[j].when > pivot);
		if (i >= j)
			return j + 1;
		struct rt__due late = e[i];
		e[i] = e[j];
		e[j] = late;
	}
}

/* The later half of a full bucket becomes the i-th; itself it is the next one then. */
static void
split(struct rt__due_queue *q, int32_t i)
{
	struct rt__due_bucket *low = q->index[i].b, *high = new_bucket(q);
	int64_t pivot = pivot_of(low->e);

	grow_index(q);
	low->n = partition(low->e, BUCKET, pivot);
	high->n = BUCKET - low->n;
	__builtin_memcpy(high->e, low->e + low->n, (size_t)high->n * sizeof *high->e);
	for (int32_t j = q->nbuckets++; j > i; j--)
		q->index[j] = q->index[j - 1];
	q->index[i] = (struct rt__due_range){pivot, high};
	if (low == earliest(q))
		make_heap(low);
}

/* The earliest one goes, which is empty. */
static void
drop_earliest(struct rt__due_queue *q)
{
	free_bucket(q, earliest(q));
	q->nbuckets--;
	q->index[q->nbuckets - 1].from = INT64_MIN;
	make_heap(earliest(q));
}

/* ---- what others use ---- */

static void
first_bucket(struct rt__due_queue *q)
{
	grow_index(q);
	q->index[q->nbuckets++] = (struct rt__due_range){INT64_MIN, new_bucket(q)};
}

void
rt__due_push(struct rt__due_queue *q, struct rt__due e)
{
	if (rt__unlikely(q->nbuckets == 0))
		first_bucket(q);
	int32_t i = find(q, e.when);
	if (rt__unlikely(q->index[i].b->n == BUCKET)) {
		split(q, i);
		i += e.when < q->index[i].from;
	}
	struct rt__due_bucket *b = q->index[i].b;
	int32_t at = b->n++;
	if (i == q->nbuckets - 1)
		up(b->e, at, e);
	else
		b->e[at] = e;
	q->n++;
}

struct rt__due
rt__due_pop(struct rt__due_queue *q)
{
	struct rt__due_bucket *b = earliest(q);
	struct rt__due first = b->e[0];

	q->n--;
	if (--b->n > 0)
		down(b->e, b->n, 0, b->e[b->n]);
	else if (q->nbuckets > 1)
		drop_earliest(q);
	return first;
}

const struct rt__due *
rt__due_top(const struct rt__due_queue *q)
{
	return q->n > 0 ? earliest(q)->e : NULL;
}

/* Only what is to be kept stays in b. */
static void
sift(struct rt__due_bucket *b, rt__due_keep_fn *keep, void *arg)
{
	int32_t n = 0;

	for (int32_t i = 0; i < b->n; i++)
		if (keep(arg, b->e[i].what))
			b->e[n++] = b->e[i];
	b->n = n;
}

/* From the earliest on; a bucket goes whose entries the one before it can take, and stays half
 * empty at least. */
void
rt__due_sweep(struct rt__due_queue *q, rt__due_keep_fn *keep, void *arg)
{
	int32_t to = q->nbuckets; /* those from here on are kept */

	q->n = 0;
	for (int32_t i = q->nbuckets - 1; i >= 0; i--) {
		struct rt__due_bucket *b = q->index[i].b;
		struct rt__due_bucket *before = to < q->nbuckets ? q->index[to].b : NULL;

		sift(b, keep, arg);
		q->n += b->n;
		if (before && (b->n == 0 || before->n + b->n <= BUCKET / 2)) {
			__builtin_memcpy(before->e + before->n, b->e, (size_t)b->n * sizeof *b->e);
			before->n += b->n;
			free_bucket(q, b);
		} else {
			q->index[--to] = q->index[i];
		}
	}
	for (int32_t i = to; i < q->nbuckets; i++)
		q->index[i - to] = q->index[i];
	q->nbuckets -= to;
	if (q->nbuckets == 0)
		return;
	if (earliest(q)->n == 0 && q->nbuckets > 1)
		drop_earliest(q);
	else
		make_heap(earliest(q));
}

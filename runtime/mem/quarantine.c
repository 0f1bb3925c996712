/* SPDX-License-Identifier: MIT */
/*
 * What was freed is not given out again for a while: small blocks full of poison, and looked at
 * when they leave; those on pages of their own without access. First in, first out, so that each
 * stays for as long as possible; bounded by bytes and by number. Of the second kind it is addresses
 * that are bounded: they have no memory. Where there is a limit of memory, each is a 16th of that
 * at most, since the heap counts the places as used.
 *
 * With hard.lock.
 */
#include "mem/hard.h"
#include "mem/mem.h"

struct queue {
	struct rt__record **ring;
	uint32_t cap, head, n; /* cap: a power of two */
	size_t bytes, max;
};

static struct queue small = {.cap = 1u << 16, .max = 16ul << 20};
static struct queue guarded = {.cap = 1u << 12, .max = 256ul << 20};

static size_t
place_size(const struct rt__record *r)
{
	return r->class < RT_CLASSES ? rt__class_size[r->class]
				     : rt__unit_of(r->place.p)->pages * 4096ul;
}

static size_t
most(const struct queue *q)
{
	const struct rt__heap *h = &rt__heap;

	if (h->limit_known && h->limit != SIZE_MAX && h->limit * RT_UNIT / 16 < q->max)
		return h->limit * RT_UNIT / 16;
	return q->max;
}

static void
let_go(struct rt__record *r)
{
	r->life = RT_LIFE_GONE;
	if (r->guarded)
		rt__guarded_free(r);
	else
		rt__central_free(r->class, &r->place, 1);
}

void
rt__quarantine_put(struct rt__record *r)
{
	struct queue *q = r->guarded ? &guarded : &small;

	if (!q->ring)
		q->ring = rt__persistent_try(q->cap * sizeof(struct rt__record *), RT_CACHE_LINE);
	r->life = RT_LIFE_HELD;
	rt__store_rlx(r->place.state, (uint8_t)RT_BLOCK_CACHED);
	if (!r->guarded)
		rt__redzone_poison(r);
	if (!q->ring || (r->guarded && !rt__guarded_hold(r))) {
		let_go(r);
		return;
	}
	q->ring[(q->head + q->n++) % q->cap] = r;
	q->bytes += place_size(r);
}

static struct rt__record *
oldest(struct queue *q)
{
	struct rt__record *r = q->ring[q->head++ % q->cap];

	q->n--;
	q->bytes -= place_size(r);
	return r;
}

static bool
settle(struct queue *q, bool all, struct rt__record **ret, struct rt__damage *damage)
{
	while (q->n > 0 && (all || q->n == q->cap || q->bytes > most(q))) {
		struct rt__record *r = oldest(q);

		if (!r->guarded && !rt__redzone_check(r, damage)) {
			*ret = r;
			return false;
		}
		let_go(r);
	}
	return true;
}

bool
rt__quarantine_settle(bool all, struct rt__record **ret, struct rt__damage *damage)
{
	return settle(&small, all, ret, damage) && settle(&guarded, all, ret, damage);
}

uint32_t
rt__quarantine_held(void)
{
	return guarded.n;
}

struct rt__record *
rt__quarantine_take(void)
{
	return guarded.n > 0 ? oldest(&guarded) : NULL;
}

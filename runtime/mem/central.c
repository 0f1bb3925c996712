/* SPDX-License-Identifier: MIT */
/*
 * For each class, what lies between caches and spans: the list of spans with free blocks, and a
 * stock of blocks that caches have handed back. Blocks that one thread allocates and another one
 * frees go from cache to cache through the stock, an array copied under a lock for every so many
 * blocks, and no span is looked at. What a stock does not need for a period goes to its spans
 * (rt__central_trim), whose memory goes back once all of their blocks are free.
 *
 * Each cache takes from spans of its own as far as possible: states of neighbouring blocks share a
 * line of the CPU's cache, which two processors that write to it would take from each other (23 ns
 * of processor time for each op of larson on two threads, and 31 without this). Blocks that wander
 * still bring it about: larson's threads leave their caches to each other's successors.
 *
 * A class's lock is held for a batch; it comes before heap.lock. Medium blocks are spans
 * themselves: they have no stock.
 */
#include "mem/heap.h"
#include "mem/mem.h"

struct central {
	_Alignas(RT_CACHE_LINE) struct rt__lock lock;
	uint32_t first, last; /* spans with free blocks: unit numbers + 1 */
	uint32_t nspans;
	uint32_t n, low;         /* in stock; and at least, in this period */
	struct rt__block *stock; /* of STOCK * the cap of a cache's bin */
	uint64_t out;            /* blocks that are in no span: used or in a cache or in stock */
};

#define STOCK 2u
#define LOOK_AT 16 /* spans, for one that the cache has used before */

static struct central centrals[RT_CLASSES] RT_COLD_BSS;

void
rt__central_init(void)
{
	rt__lock_rank_many(&centrals[0].lock, RT_CLASSES, sizeof centrals[0], RT_RANK_CENTRAL);
}

/* ---- spans with free blocks; with the class's lock ---- */

static struct rt__span *
span_at(uint32_t link)
{
	return link ? rt__span_at(link - 1) : NULL;
}

static void
list_append(struct central *ce, struct rt__span *sp)
{
	uint32_t link = rt__span_unit(sp) + 1;

	sp->listed = true;
	sp->next = 0;
	sp->prev = ce->last;
	if (ce->last)
		span_at(ce->last)->next = link;
	else
		ce->first = link;
	ce->last = link;
}

static void
list_remove(struct central *ce, struct rt__span *sp)
{
	sp->listed = false;
	if (sp->prev)
		span_at(sp->prev)->next = sp->next;
	else
		ce->first = sp->next;
	if (sp->next)
		span_at(sp->next)->prev = sp->prev;
	else
		ce->last = sp->prev;
}

/* A span for the cache: one of its own, one that is nobody's, or, if many lie about, any. */
static struct rt__span *
find_span(const struct central *ce, uint16_t owner)
{
	struct rt__span *sp = span_at(ce->first);

	for (int i = 0; sp && i < LOOK_AT; i++) {
		if (sp->owner == owner || sp->owner == 0 || owner == 0)
			return sp;
		sp = span_at(sp->next);
	}
	return sp ? span_at(ce->first) : NULL;
}

static uint32_t
take_from_spans(struct central *ce, unsigned class, struct rt__block *out, uint32_t n,
		uint16_t owner)
{
	uint32_t got = 0;

	while (got < n) {
		struct rt__span *sp = find_span(ce, owner);

		if (!sp) {
			sp = rt__span_new(class);
			if (sp) {
				ce->nspans++;
				list_append(ce, sp);
			} else if (!(sp = span_at(ce->first))) {
				break; /* not even somebody else's */
			}
		}
		sp->owner = owner;
		got += rt__span_take(sp, out + got, n - got);
		if (sp->nfree == 0 && sp->carved == sp->nblocks)
			list_remove(ce, sp);
	}
	ce->out += got;
	return got;
}

/* A span whose blocks are all free goes, unless it is the only one with free blocks: the next
 * request would want it back. */
static void
give_to_span(struct central *ce, struct rt__block b)
{
	struct rt__span *sp = rt__unit_of(b.p);

	rt__span_give(sp, b);
	ce->out--;
	if (!sp->listed) {
		list_append(ce, sp);
	} else if (sp->nfree == sp->carved && ce->first != ce->last) {
		list_remove(ce, sp);
		ce->nspans--;
		rt__span_delete(sp);
	}
}

/* ---- medium blocks ---- */

static uint32_t
take_medium(unsigned class, struct rt__block *out)
{
	uint32_t units = class - RT_CLASS_MEDIUM;
	bool zero;

	rt__lock(&rt__heap.lock);
	uint32_t unit = rt__units_alloc(units, &zero);
	rt__unlock(&rt__heap.lock);
	if (unit == RT_NO_UNIT)
		return 0;
	struct rt__span *sp = rt__span_at(unit);
	rt__store_rlx(&sp->own_state[0], (uint8_t)(zero ? RT_BLOCK_ZERO : RT_BLOCK_CACHED));
	rt__span_make_single(unit, class, units, 0);
	out[0] = (struct rt__block){(void *)rt__unit_address(unit), sp->own_state};
	return 1;
}

static void
give_medium(unsigned class, const struct rt__block *in, uint32_t n)
{
	rt__lock(&rt__heap.lock);
	for (uint32_t i = 0; i < n; i++) {
		struct rt__span *sp = rt__unit_of(in[i].p);

		rt__store_rlx(&sp->magic, 0u);
		rt__units_free(rt__span_unit(sp), class - RT_CLASS_MEDIUM);
	}
	rt__unlock(&rt__heap.lock);
}

/* ---- batches ---- */

static void
copy(struct rt__block *to, const struct rt__block *from, uint32_t n)
{
	__builtin_memcpy(to, from, n * sizeof *to);
}

static void
reverse(struct rt__block *a, uint32_t n)
{
	for (uint32_t i = 0; i < n / 2; i++) {
		struct rt__block b = a[i];

		a[i] = a[n - 1 - i];
		a[n - 1 - i] = b;
	}
}

uint32_t
rt__central_take(unsigned class, struct rt__block *out, uint32_t n, uint16_t owner)
{
	struct central *ce = &centrals[class];

	if (class > RT_CLASS_MEDIUM)
		return take_medium(class, out);
	rt__lock(&ce->lock);
	if (ce->n > 0) {
		n = n < ce->n ? n : ce->n;
		ce->n -= n;
		copy(out, ce->stock + ce->n, n);
		if (ce->n < ce->low)
			ce->low = ce->n;
	} else {
		n = take_from_spans(ce, class, out, n, owner);
		reverse(out, n);
	}
	rt__unlock(&ce->lock);
	return n;
}

static struct rt__block *
stock_of(struct central *ce, unsigned class)
{
	if (!ce->stock)
		ce->stock = rt__persistent_try(
			(size_t)STOCK * rt__class_cap[class] * sizeof *ce->stock, RT_CACHE_LINE);
	return ce->stock;
}

void
rt__central_give(unsigned class, const struct rt__block *in, uint32_t n)
{
	struct central *ce = &centrals[class];

	if (class > RT_CLASS_MEDIUM) {
		give_medium(class, in, n);
		return;
	}
	rt__lock(&ce->lock);
	if (ce->n + n <= STOCK * rt__class_cap[class] && stock_of(ce, class)) {
		copy(ce->stock + ce->n, in, n);
		ce->n += n;
	} else {
		for (uint32_t i = 0; i < n; i++)
			give_to_span(ce, in[i]);
	}
	rt__unlock(&ce->lock);
}

void
rt__central_trim(bool all)
{
	for (unsigned class = 1; class <= RT_CLASS_MEDIUM; class ++) {
		struct central *ce = &centrals[class];

		if (rt__load_rlx(&ce->n) == 0)
			continue;
		rt__lock(&ce->lock);
		uint32_t go = all ? ce->n : ce->low;
		for (uint32_t i = 0; i < go; i++)
			give_to_span(ce, ce->stock[i]);
		ce->n -= go;
		__builtin_memmove(ce->stock, ce->stock + go, ce->n * sizeof *ce->stock);
		ce->low = ce->n;
		rt__unlock(&ce->lock);
	}
}

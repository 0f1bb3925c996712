/* SPDX-License-Identifier: MIT */
/*
 * What lies between caches and spans: for each class and cache, the list of its spans with free
 * blocks, and a shelf, of blocks that have come back to it. Blocks that one thread allocates and
 * another one frees go by the shelf of the first, an array copied under a lock for every so many
 * blocks, and back into its hands: no span is looked at but for its owner. What a shelf does not
 * need for a period goes to the spans (rt__central_trim), whose memory goes back by pages
 * (sparse.c), or once all of their blocks are free.
 *
 * Each cache takes from spans of its own as long as there are any (cache.c says why), the one first
 * that has been on its list for longest: others of its blocks were freed meanwhile. Then it becomes
 * the owner of one that is nobody's, or another's who has more than one, if there is enough in it
 * to be worth that, rather than take more memory. The spans of a cache that goes are nobody's: of
 * rt__cache_none, or its twin.
 *
 * A class's lock is held for a batch; it comes before heap.lock. Medium blocks are spans
 * themselves: they have no shelf.
 */
#include "mem/heap.h"
#include "mem/mem.h"

struct central {
	_Alignas(RT_CACHE_LINE) struct rt__lock lock;
	void *spare;            /* states for a span; the first word leads to the next */
	struct rt__cache *turn; /* was looked at last, for a span to take over; NULL: none yet */
};

#define LOOK_AT 16      /* caches, for such a span, */
#define LOOK_AT_SPANS 4 /* and so many of each */
#define WORTH 4         /* ... of which one in so many blocks is free */

static struct central *centrals; /* (c) of all classes, then of blocks without pointers */

void
rt__central_init(void)
{
	int n = 2 * RT_CLASSES;

	centrals = rt__persistent_alloc((size_t)n * sizeof *centrals, RT_CACHE_LINE);
	rt__lock_rank_many(&centrals[0].lock, n, sizeof centrals[0], RT_RANK_CENTRAL);
}

static struct central *
central_of(unsigned class, bool noscan)
{
	return &centrals[class + (noscan ? RT_CLASSES : 0)];
}

/* Who owns what is nobody's. */
static struct rt__cache *
none_like(const struct rt__cache *c)
{
	return c->noscan ? &rt__cache_none_noscan : &rt__cache_none;
}

/* Blocks of one class come from one kind of cache, which holds one kind of them. */
static struct central *
central_of_blocks(unsigned class, const struct rt__block *b)
{
	return central_of(class, rt__unit_of(b->p)->noscan);
}

/* ---- spans with free blocks; with the class's lock ---- */

static struct rt__span *
span_at(uint32_t link)
{
	return link ? rt__span_at(link - 1) : NULL;
}

static struct rt__span *
first_of(const struct rt__cache *c, unsigned class)
{
	return span_at(c->spans[class].first);
}

/* Its owner's. */
static struct rt__span_list *
list_of(const struct rt__span *sp)
{
	return &sp->owner->spans[sp->class];
}

static void
list_append(struct rt__span *sp)
{
	struct rt__span_list *l = list_of(sp);
	uint32_t link = rt__span_unit(sp) + 1;

	sp->listed = true;
	sp->next = 0;
	sp->prev = l->last;
	if (l->last)
		span_at(l->last)->next = link;
	else
		rt__store_rlx(&l->first, link);
	l->last = link;
}

static void
list_remove(struct rt__span *sp)
{
	struct rt__span_list *l = list_of(sp);

	sp->listed = false;
	if (sp->prev)
		span_at(sp->prev)->next = sp->next;
	else
		rt__store_rlx(&l->first, sp->next);
	if (sp->next)
		span_at(sp->next)->prev = sp->prev;
	else
		l->last = sp->prev;
}

static void
change_owner(struct rt__span *sp, struct rt__cache *to)
{
	list_remove(sp);
	rt__store_rlx(&sp->owner, to);
	list_append(sp);
}

static uint32_t
left_in(const struct rt__span *sp)
{
	return sp->nfree + (uint32_t)(sp->nblocks - sp->carved);
}

/* What another one may take over of a cache's: one of the next to come. From the first it takes
 * itself. */
static struct rt__span *
spare_of(const struct rt__cache *c, unsigned class)
{
	struct rt__span *sp = first_of(c, class);

	for (int i = 0; sp && i < LOOK_AT_SPANS; i++) {
		sp = span_at(sp->next);
		if (sp && left_in(sp) >= sp->nblocks / WORTH)
			return sp;
	}
	return NULL;
}

/* One of another owner's, of the next few caches: for who is to be its owner, or only wants a
 * block, wherever it is. */
static struct rt__span *
find_other(struct central *ce, const struct rt__cache *c, unsigned class, bool any)
{
	/* acq: pairs with who has published the newest one */
	struct rt__cache *newest = rt__load_acq(&rt__caches), *at = ce->turn;
	struct rt__span *sp = NULL;
	bool round = newest == NULL;

	for (int i = 0; !sp && !round && (any || i < LOOK_AT); i++) {
		at = at && at->next ? at->next : newest;
		if (at->noscan == c->noscan)
			sp = any ? first_of(at, class) : spare_of(at, class);
		round = at == ce->turn || (!ce->turn && !at->next);
	}
	ce->turn = at;
	return sp;
}

/* Its own, nobody's, or another's. */
static struct rt__span *
find_span(struct central *ce, struct rt__cache *c, unsigned class)
{
	struct rt__span *sp = first_of(c, class);

	if (sp)
		return sp;
	sp = first_of(none_like(c), class);
	if (!sp)
		sp = find_other(ce, c, class, c->none);
	if (sp && !c->none)
		change_owner(sp, c);
	return sp;
}

static struct rt__span *
new_span(struct central *ce, struct rt__cache *c, unsigned class)
{
	struct rt__span *sp = rt__span_new(class, c, &ce->spare);

	if (sp)
		list_append(sp);
	return sp;
}

static uint32_t
take_from_spans(struct central *ce, struct rt__cache *c, unsigned class, struct rt__block *end,
		uint32_t n)
{
	uint32_t got = 0;

	while (got < n) {
		struct rt__span *sp = find_span(ce, c, class);

		if (!sp)
			sp = new_span(ce, c, class);
		if (!sp)
			sp = find_other(ce, c, class, true);
		if (!sp)
			break;
		got += rt__span_take(sp, end - got, n - got);
		if (left_in(sp) == 0)
			list_remove(sp);
	}
	return got;
}

/* Whether its blocks are all free. */
static bool
is_free(const struct rt__span *sp)
{
	return sp->nfree == sp->carved;
}

static void
delete_span(struct central *ce, struct rt__span *sp)
{
	list_remove(sp);
	rt__span_delete(sp, &ce->spare);
}

/* A span whose blocks are all free goes, unless it is its owner's only one with free blocks: the
 * next request would want it back, or sparse.c deletes it. */
static void
give_to_spans(struct central *ce, const struct rt__block *in, uint32_t n)
{
	for (uint32_t i = 0; i < n;) {
		struct rt__span *sp = rt__unit_of(in[i].p);

		i += rt__span_give(in + i, n - i);
		if (!sp->listed)
			list_append(sp);
		const struct rt__span_list *l = list_of(sp);
		if (is_free(sp) && (l->first != l->last || sp->owner->none))
			delete_span(ce, sp);
	}
}

/* ---- medium blocks ---- */

static uint32_t
take_medium(struct rt__cache *c, unsigned class, struct rt__block *out)
{
	uint32_t units = class - RT_CLASS_MEDIUM;
	bool zero;

	rt__lock(&rt__heap.lock);
	uint32_t unit = rt__units_alloc(units, &zero);
	if (unit != RT_NO_UNIT) {
		struct rt__span *sp = rt__span_at(unit);

		rt__store_rlx(&sp->own_state[0], (uint8_t)(zero ? RT_BLOCK_ZERO : RT_BLOCK_CACHED));
		rt__store_rlx(&sp->owner, c);
		rt__store_rlx(&sp->noscan, c->noscan);
		rt__span_make_single(unit, class, units);
		out[0] = (struct rt__block){(void *)rt__unit_address(unit), sp->own_state};
	}
	rt__unlock(&rt__heap.lock);
	return unit != RT_NO_UNIT;
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

/* ---- shelves ---- */

static void
copy(struct rt__block *to, const struct rt__block *from, uint32_t n)
{
	__builtin_memcpy(to, from, n * sizeof *to);
}

/* Where n more blocks go on the cache's shelf; NULL: there is no room. */
static struct rt__block *
shelve(struct rt__cache *c, unsigned class, uint32_t n)
{
	uint32_t most = RT_SHELF * rt__class_cap[class];

	if (c->none)
		return NULL;
	struct rt__shelf *s = &c->shelves[class];
	if (s->n + n > most)
		return NULL;
	if (!s->blocks) {
		s->blocks = rt__persistent_try(most * sizeof *s->blocks, RT_CACHE_LINE);
		if (!s->blocks)
			return NULL;
		rt__store_rlx(&c->shelved, true);
	}
	rt__store_rlx(&s->n, s->n + n);
	return s->blocks + s->n - n;
}

static uint32_t
take_from_shelf(const struct rt__cache *c, unsigned class, struct rt__block *out, uint32_t n)
{
	struct rt__shelf *s = &c->shelves[class];

	if (n > s->n)
		n = s->n;
	rt__store_rlx(&s->n, s->n - n);
	if (n > 0)
		copy(out, s->blocks + s->n, n);
	if (s->n < s->low)
		s->low = s->n;
	return n;
}

/* The oldest go. */
static void
clear_shelf(struct central *ce, struct rt__shelf *s, uint32_t n)
{
	give_to_spans(ce, s->blocks, n);
	rt__store_rlx(&s->n, s->n - n);
	if (s->n > 0)
		__builtin_memmove(s->blocks, s->blocks + n, s->n * sizeof *s->blocks);
	s->low = s->n;
}

/* ---- what spans need no memory for ---- */

/* With the lock of its class, if a small span with free blocks begins there. */
static struct central *
lock_listed(const struct rt__span *sp)
{
	/* acq: pairs with the release of who made it */
	bool any = rt__load_acq(&sp->magic) != 0;
	unsigned class = rt__load_rlx(&sp->class);

	if (!any || class >= RT_CLASS_SMALL_END)
		return NULL;
	struct central *ce = central_of(class, rt__load_rlx(&sp->noscan));
	rt__lock(&ce->lock);
	if (sp->magic && sp->class == class && ce == central_of(class, sp->noscan) && sp->listed)
		return ce;
	rt__unlock(&ce->lock);
	return NULL;
}

uint32_t
rt__central_sparse(uint32_t unit, bool any)
{
	struct rt__span *sp = rt__span_at(unit);
	struct central *ce = lock_listed(sp);
	uint32_t pages = 0;

	if (!ce)
		return 0;
	bool idle = any || !sp->taken;
	sp->taken = false;
	if (idle && is_free(sp))
		delete_span(ce, sp);
	else if (idle && sp->given)
		sp->given = (pages = rt__sparse_find(sp)) != 0;
	rt__unlock(&ce->lock);
	return (uint32_t)__builtin_popcount(pages);
}

void
rt__central_sparse_release(uint32_t unit)
{
	struct rt__span *sp = rt__span_at(unit);
	struct central *ce = lock_listed(sp);

	if (!ce)
		return;
	rt__sparse_release(sp);
	rt__unlock(&ce->lock);
}

/* ---- for caches ---- */

uint32_t
rt__central_take(struct rt__cache *c, unsigned class, struct rt__block *out, uint32_t n)
{
	struct central *ce = central_of(class, c->noscan);
	uint32_t got = 0;

	if (class > RT_CLASS_MEDIUM)
		return take_medium(c, class, out);
	rt__lock(&ce->lock);
	if (rt__load_rlx(&c->shelved))
		got = take_from_shelf(c, class, out, n);
	if (got == 0) {
		got = take_from_spans(ce, c, class, out + n, n);
		if (got < n)
			__builtin_memmove(out, out + n - got, got * sizeof *out);
	}
	rt__unlock(&ce->lock);
	return got;
}

void
rt__central_keep(struct rt__cache *c, unsigned class, const struct rt__block *in, uint32_t n)
{
	struct central *ce = central_of_blocks(class, in);

	if (class > RT_CLASS_MEDIUM) {
		give_medium(class, in, n);
		return;
	}
	rt__lock(&ce->lock);
	struct rt__block *at = shelve(c, class, n);
	if (at)
		copy(at, in, n);
	else
		give_to_spans(ce, in, n);
	rt__unlock(&ce->lock);
}

void
rt__central_return(unsigned class, const struct rt__block *in, uint32_t n)
{
	struct central *ce = central_of_blocks(class, in);

	if (class > RT_CLASS_MEDIUM) {
		give_medium(class, in, n);
		return;
	}
	rt__lock(&ce->lock);
	for (uint32_t i = 0; i < n; i++) {
		struct rt__block *at = shelve(rt__unit_of(in[i].p)->owner, class, 1);

		if (at)
			*at = in[i];
		else
			give_to_spans(ce, &in[i], 1);
	}
	rt__unlock(&ce->lock);
}

void
rt__central_free(unsigned class, const struct rt__block *in, uint32_t n)
{
	rt__central_keep(&rt__cache_none, class, in, n);
}

static void
trim(struct rt__cache *c, bool all)
{
	if (!rt__load_rlx(&c->shelved))
		return;
	for (unsigned class = 1; class <= RT_CLASS_MEDIUM; class ++) {
		struct rt__shelf *s = &c->shelves[class];
		struct central *ce = central_of(class, c->noscan);

		if (rt__load_rlx(&s->n) == 0)
			continue;
		rt__lock(&ce->lock);
		clear_shelf(ce, s, all ? s->n : s->low);
		rt__unlock(&ce->lock);
	}
}

void
rt__central_clear(struct rt__cache *c)
{
	trim(c, true);
	for (unsigned class = 1; class < RT_CLASS_SMALL_END; class ++) {
		struct central *ce = central_of(class, c->noscan);

		if (!rt__load_rlx(&c->spans[class].first))
			continue;
		rt__lock(&ce->lock);
		for (struct rt__span *sp; (sp = first_of(c, class));)
			if (is_free(sp))
				delete_span(ce, sp);
			else
				change_owner(sp, none_like(c));
		rt__unlock(&ce->lock);
	}
}

void
rt__central_trim(bool all)
{
	/* acq: pairs with who has published the newest one */
	for (struct rt__cache *c = rt__load_acq(&rt__caches); c; c = c->next)
		trim(c, all);
}

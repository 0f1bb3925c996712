/* SPDX-License-Identifier: MIT */
/*
 * Caches: for each class a place for free blocks. malloc takes from it and free puts there without
 * a lock or an atomic operation; many at a time come from central and go there. At first the places
 * are small and lie side by side, so that a small program touches one page, or two.
 *
 * A block goes back to the cache that owns its span: what a cache hands out again are blocks of its
 * own spans only, since states of neighbouring blocks share lines of the CPU's cache, and small
 * blocks themselves do. If each handed out what it happened to free, the blocks of a span would
 * end up with all processors, and nearly every malloc and free would take a line from another one:
 * larson on two threads took two to three times the processor time. The others' blocks wait in the
 * same place, and are returned when that is full.
 *
 * Blocks without pointers have spans of their own, and caches: the twin of an ordinary one, made
 * when it is first asked for.
 *
 * A P has a cache, made when it first allocates. Who has none, for the moment or at all, has
 * rt__cache_none, whose places are empty and full at once, so that the fast paths need not ask.
 */
#include "mem/heap.h"
#include "mem/mem.h"

#define FEW 4ul /* blocks, that a place is for at first */

static struct rt__block none[1];

struct rt__cache rt__cache_none, rt__cache_none_noscan;
struct rt__cache *rt__caches;

void
rt__cache_open(struct rt__cache *c, bool open)
{
	for (size_t i = 0; i < RT_ARRAY_LEN(c->bin_of); i++)
		rt__store_rlx(&c->bin_of[i], &c->bins[open ? rt__class_of_16[i] : 0]);
}

static void
none_init(struct rt__cache *c)
{
	for (int i = 0; i < RT_CLASS_END; i++)
		c->bins[i] = (struct rt__bin){none, none, none, none};
	rt__cache_open(c, false);
	c->none = true;
	c->twin = &rt__cache_none_noscan;
}

/* Not constants: they would be 7 KB of the file. */
void
rt__cache_none_init(void)
{
	none_init(&rt__cache_none);
	none_init(&rt__cache_none_noscan);
	rt__cache_none.real = rt__cache_none.seen = &rt__cache_none;
	rt__cache_none_noscan.noscan = true;
}

/* Places follow the cache: small ones for all classes, then large ones. Each takes one more than it
 * holds, the one at NULL. */
static struct rt__block *
small_place(struct rt__cache *c, unsigned class)
{
	return (struct rt__block *)(c + 1) + class * (FEW + 1);
}

static size_t
slots_before(unsigned class)
{
	size_t n = 0;

	for (unsigned i = 0; i < class; i++)
		n += rt__class_cap[i] + 1u;
	return n;
}

static struct rt__block *
large_place(struct rt__cache *c, unsigned class)
{
	return small_place(c, RT_CLASS_END) + slots_before(class);
}

static void
publish(struct rt__cache *c)
{
	do
		c->next = rt__load_rlx(&rt__caches);
	while (!rt__cas_rel(&rt__caches, c->next, c)); /* pairs with the acquires of walkers */
}

/* Classes without a cap are full. */
static struct rt__cache *
new_cache(bool foreign, bool noscan)
{
	size_t slots = RT_CLASS_END * (FEW + 1) + slots_before(RT_CLASS_END);
	size_t size = sizeof(struct rt__cache) + slots * sizeof(struct rt__block);
	struct rt__cache *c = rt__persistent_try(
		size + RT_CLASS_SMALL_END * sizeof(struct rt__shelf), rt__os.page_size);

	if (!c)
		return NULL;
	c->shelves = (struct rt__shelf *)(void *)((char *)c + size);
	rt__cache_reset(c);
	rt__cache_open(c, false);
	c->sampler.turned = true;
	c->foreign = foreign;
	c->real = c->seen = c;
	c->noscan = noscan;
	c->twin = noscan ? c : &rt__cache_none_noscan;
	publish(c);
	return c;
}

struct rt__cache *
rt__cache_new(bool foreign)
{
	return new_cache(foreign, false);
}

struct rt__cache *
rt__cache_twin(struct rt__cache *c, bool noscan)
{
	if (!noscan)
		return c;
	if (!c->none && c->twin->none) {
		struct rt__cache *twin = new_cache(false, true);

		if (twin)
			c->twin = twin;
	}
	return c->twin;
}

struct rt__cache *
rt__cache_front(struct rt__cache *c)
{
	struct rt__cache *front = rt__persistent_try(sizeof *front, RT_CACHE_LINE);

	if (front) {
		*front = rt__cache_none;
		front->real = c;
	}
	return front;
}

static uint32_t
own(const struct rt__bin *b)
{
	return (uint32_t)(b->top - b->lo);
}

static uint32_t
others(const struct rt__bin *b)
{
	return (uint32_t)(b->end - b->hi);
}

static uint32_t
room(const struct rt__bin *b)
{
	return (uint32_t)(b->end - b->lo);
}

static bool
is_small(const struct rt__bin *b, unsigned class)
{
	return room(b) < rt__class_cap[class];
}

/* A class that is in use again and again gets its large place. */
static void
enlarge(struct rt__cache *c, unsigned class)
{
	struct rt__bin *b = &c->bins[class];
	struct rt__block *lo = large_place(c, class), *end = lo + rt__class_cap[class];
	uint32_t n = own(b), m = others(b);

	__builtin_memcpy(lo + 1, b->lo + 1, n * sizeof *lo);
	__builtin_memcpy(end - m + 1, b->hi + 1, m * sizeof *lo);
	*b = (struct rt__bin){lo + n, end - m, lo, end};
}

/* For the second time: one block is still there, below, from the first. */
static bool
used_before(const struct rt__bin *b)
{
	return b->lo[1].p != NULL;
}

static void
return_others(struct rt__bin *b, unsigned class)
{
	if (others(b) > 0)
		rt__central_return(class, b->hi + 1, others(b));
	b->hi = b->end;
}

bool
rt__bin_push(struct rt__cache *c, struct rt__span *sp, void *p, uint8_t *state)
{
	if (sp->class >= RT_CLASSES)
		return false;
	if (sp->noscan)
		c = c->twin;
	struct rt__bin *b = &c->bins[sp->class];
	if (rt__bin_full(b))
		return false;
	rt__store_rlx(state, (uint8_t)RT_BLOCK_CACHED);
	if (sp->class > RT_CLASS_MEDIUM) {
		rt__store_rlx(&sp->owner, c); /* a medium block has no neighbours */
	} else if (rt__load_rlx(&sp->owner) != c) {
		*b->hi-- = (struct rt__block){p, state};
		return true;
	}
	*++b->top = (struct rt__block){p, state};
	return true;
}

static void
empty(struct rt__bin *b, unsigned class)
{
	return_others(b, class);
	if (own(b) > 0)
		rt__central_free(class, b->lo + 1, own(b));
	b->top = b->lo;
}

/* Once in a period of the scavenger's, for who is here anyway: of a class that has as many blocks
 * as a period ago, the program does not ask any more, or little. They go to their spans. */
static void
trim(struct rt__cache *c)
{
	uint32_t period = rt__load_rlx(&rt__heap.period);

	if (rt__likely(c->period == period))
		return;
	c->period = period;
	for (unsigned i = 1; i < RT_CLASSES; i++) {
		struct rt__bin *b = &c->bins[i];

		if (own(b) + others(b) == c->had[i])
			empty(b, i);
		c->had[i] = (uint8_t)(own(b) + others(b));
	}
}

bool
rt__cache_refill(struct rt__cache *c, unsigned class)
{
	struct rt__bin *b = &c->bins[class];

	trim(c);
	rt__limit_relieve(RT_UNIT);
	if (is_small(b, class) && used_before(b))
		enlarge(c, class);
	uint32_t half = (room(b) + 1) / 2;
	if (b->hi - b->lo < (ptrdiff_t)half)
		return_others(b, class);
	b->top += rt__central_take(c, class, b->lo + 1, half);
	return b->top->p != NULL;
}

/* Of the cache's own, the oldest go: the newest may still be in the CPU's cache. */
void
rt__cache_spill(struct rt__cache *c, unsigned class)
{
	struct rt__bin *b = &c->bins[class];

	trim(c);
	if (is_small(b, class)) {
		enlarge(c, class);
		return;
	}
	return_others(b, class);
	uint32_t have = own(b), keep = room(b) / 2;
	if (have > keep) {
		rt__central_keep(c, class, b->lo + 1, have - keep);
		__builtin_memmove(b->lo + 1, b->top - keep + 1, keep * sizeof *b->lo);
		b->top = b->lo + keep;
	}
}

void
rt__cache_flush(struct rt__cache *c)
{
	if (c->none)
		return;
	if (c->twin != c)
		rt__cache_flush(c->twin);
	for (unsigned i = 1; i < RT_CLASSES; i++)
		empty(&c->bins[i], i);
	rt__central_clear(c);
}

/* ---- in the child of a fork ---- */

/* The block of a slot, if it is free and no span has it. */
static void
recover_slot(const struct rt__block *slot)
{
	uint8_t *state;
	struct rt__span *sp = rt__span_of_block(slot->p, &state);

	if (sp && sp->class < RT_CLASSES && (*state == RT_BLOCK_CACHED || *state == RT_BLOCK_ZERO))
		rt__central_free(sp->class, &(struct rt__block){slot->p, state}, 1);
}

static void
recover_place(const struct rt__block *lo, size_t n)
{
	if (!lo[1].p && !lo[n].p)
		return; /* never used */
	for (size_t i = 1; i <= n; i++)
		recover_slot(&lo[i]);
}

/*
 * Its thread is not there any more, and may have been caught anywhere on the fast paths, so what
 * the bins say counts for nothing. But a block that is free, and that nobody else has, is in a slot
 * of either place: what was taken out is still there until something else is put in. The only
 * exception is one whose free was half done.
 */
void
rt__cache_recover(struct rt__cache *c)
{
	for (unsigned i = 1; i < RT_CLASSES; i++) {
		recover_place(small_place(c, i), FEW);
		recover_place(large_place(c, i), rt__class_cap[i]);
	}
	rt__cache_reset(c);
}

/* Without its blocks, which are lost. */
void
rt__cache_reset(struct rt__cache *c)
{
	for (unsigned i = 0; i < RT_CLASS_END; i++) {
		struct rt__block *lo = small_place(c, i);
		struct rt__block *end = lo + (rt__class_cap[i] < FEW ? rt__class_cap[i] : FEW);

		c->bins[i] = (struct rt__bin){lo, end, lo, end};
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Caches: for each class a stack of free blocks. malloc takes from it and free puts on it without a
 * lock or an atomic operation; half a stack at a time comes from central and goes there. Whose
 * block it was does not matter: one that another P allocated is a block like others. At first the
 * stacks are small and lie side by side, so that a small program touches few pages.
 *
 * A P has one, made when it first allocates. Who has none, for the moment or at all, has
 * rt__cache_none, whose stacks are empty and full at once, so that the fast paths need not ask.
 */
#include "mem/heap.h"
#include "mem/mem.h"

#define FEW 4u /* blocks, that a stack is for at first */

static struct rt__block none[1];
static uint32_t last_id;

struct rt__cache rt__cache_none = {
	.bins = {[0 ... RT_CLASS_END - 1] = {none, none, none, NULL}},
	.real = &rt__cache_none,
	.seen = &rt__cache_none,
};

/* A stack with its NULL takes one more than it holds. Those of classes without a cap are full. */
struct rt__cache *
rt__cache_new(void)
{
	uint32_t few = 0, many = 0;

	for (unsigned i = 0; i < RT_CLASS_END; i++) {
		few += FEW + 1;
		many += rt__class_cap[i] + 1u;
	}
	struct rt__cache *c = rt__persistent_try(
		sizeof *c + (few + many) * sizeof(struct rt__block), RT_CACHE_LINE);
	if (!c)
		return NULL;
	c->id = (uint16_t)(rt__add_rlx(&last_id, 1u) % UINT16_MAX + 1);
	c->real = c->seen = c;
	struct rt__block *at = (struct rt__block *)(c + 1), *more = at + few;
	for (unsigned i = 0; i < RT_CLASS_END; i++) {
		uint32_t n = rt__class_cap[i] < FEW ? rt__class_cap[i] : FEW;

		c->bins[i] = (struct rt__bin){at, at + n, at, n ? more : NULL};
		at += FEW + 1;
		more += rt__class_cap[i] + 1;
	}
	return c;
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
count(const struct rt__bin *b)
{
	return (uint32_t)(b->top - b->lo);
}

/* The stack of a class that is in use again and again gets its full size. */
static void
enlarge(struct rt__bin *b, unsigned class)
{
	uint32_t n = count(b);

	__builtin_memcpy(b->more + 1, b->lo + 1, n * sizeof *b->lo);
	*b = (struct rt__bin){b->more + n, b->more + rt__class_cap[class], b->more, NULL};
}

static uint32_t
half(const struct rt__bin *b)
{
	return (uint32_t)(b->hi - b->lo + 1) / 2;
}

/* For the second time: one block is still there, below, from the first. */
static bool
used_before(const struct rt__bin *b)
{
	return b->lo[1].p != NULL;
}

bool
rt__cache_refill(struct rt__cache *c, unsigned class)
{
	struct rt__bin *b = &c->bins[class];

	if (b->more && used_before(b))
		enlarge(b, class);
	b->top += rt__central_take(class, b->lo + 1, half(b), c->id);
	return b->top->p != NULL;
}

/* The oldest go: the newest may still be in the CPU's cache. */
static void
spill(struct rt__bin *b, unsigned class, uint32_t n)
{
	rt__central_give(class, b->lo + 1, n);
	__builtin_memmove(b->lo + 1, b->lo + 1 + n, (count(b) - n) * sizeof *b->lo);
	b->top -= n;
}

void
rt__cache_spill(struct rt__cache *c, unsigned class)
{
	struct rt__bin *b = &c->bins[class];

	if (b->more)
		enlarge(b, class);
	if (rt__bin_full(b))
		spill(b, class, half(b));
}

void
rt__cache_flush(struct rt__cache *c)
{
	if (c == &rt__cache_none)
		return;
	for (unsigned i = 1; i < RT_CLASSES; i++)
		if (count(&c->bins[i]) > 0)
			spill(&c->bins[i], i, count(&c->bins[i]));
}

void
rt__cache_lose(struct rt__cache *c)
{
	if (c == &rt__cache_none)
		return;
	for (unsigned i = 0; i < RT_CLASSES; i++)
		c->bins[i].top = c->bins[i].lo;
}

/* SPDX-License-Identifier: MIT */
/*
 * Caches: for each class a stack of free blocks. malloc takes from it and free puts
 * on it without a lock or an atomic operation; half a stack at a time comes from central and goes
 * there. Whose block it was does not matter: one that another P allocated is a block like others.
 *
 * A P has one, made when it first allocates. Who has none, for the moment or at all, has
 * rt__cache_none, whose stacks are empty and full at once, so that the fast paths need not ask.
 */
#include "mem/heap.h"
#include "mem/mem.h"

static struct rt__block none[1];

struct rt__cache rt__cache_none = {
	.bins = {[0 ... RT_CLASS_END - 1] = {none, none}},
};

/* How many blocks are on a stack, and the first of them. */
static uint32_t
count(const struct rt__bin *b, unsigned class)
{
	return rt__class_cap[class] - (uint32_t)(b->hi - b->top);
}

static struct rt__block *
first(const struct rt__bin *b, unsigned class)
{
	return b->hi - rt__class_cap[class] + 1;
}

/* The bins of classes without a cap have no place for a block, and are full. */
struct rt__cache *
rt__cache_new(void)
{
	uint32_t total = 0;

	for (unsigned i = 0; i < RT_CLASS_END; i++)
		total += rt__class_cap[i] + 1u;
	struct rt__cache *c =
		rt__persistent_try(sizeof *c + total * sizeof(struct rt__block), RT_CACHE_LINE);
	if (!c)
		return NULL;
	struct rt__block *slots = (struct rt__block *)(c + 1);
	for (unsigned i = 0; i < RT_CLASS_END; i++) {
		c->bins[i] = (struct rt__bin){slots, slots + rt__class_cap[i]};
		slots += rt__class_cap[i] + 1;
	}
	return c;
}

bool
rt__cache_refill(struct rt__cache *c, unsigned class)
{
	struct rt__bin *b = &c->bins[class];

	b->top += rt__central_take(class, first(b, class), (rt__class_cap[class] + 1u) / 2);
	return b->top->p != NULL;
}

/* The oldest go: the newest may still be in the CPU's cache. */
static void
spill(struct rt__bin *b, unsigned class, uint32_t n)
{
	struct rt__block *at = first(b, class);

	rt__central_give(class, at, n);
	__builtin_memmove(at, at + n, (count(b, class) - n) * sizeof *at);
	b->top -= n;
}

void
rt__cache_spill(struct rt__cache *c, unsigned class)
{
	spill(&c->bins[class], class, (rt__class_cap[class] + 1u) / 2);
}

void
rt__cache_flush(struct rt__cache *c)
{
	if (c == &rt__cache_none)
		return;
	for (unsigned i = 1; i < RT_CLASSES; i++)
		if (count(&c->bins[i], i) > 0)
			spill(&c->bins[i], i, count(&c->bins[i], i));
}

void
rt__cache_lose(struct rt__cache *c)
{
	if (c == &rt__cache_none)
		return;
	for (unsigned i = 0; i < RT_CLASSES; i++)
		c->bins[i].top = first(&c->bins[i], i) - 1;
}

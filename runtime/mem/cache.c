/* SPDX-License-Identifier: MIT */
/*
 * Caches: for each class a stack of addresses of free blocks. malloc takes from it and free puts
 * on it without a lock or an atomic operation; half a stack at a time comes from central and goes
 * there. Whose block it was does not matter: one that another P allocated is a block like others.
 *
 * A P has one, made when it first allocates. Who has none, for the moment or at all, has
 * rt__cache_none, whose stacks are empty and full at once, so that the fast paths need not ask.
 */
#include "mem/heap.h"
#include "mem/mem.h"

struct rt__cache rt__cache_none;

struct rt__cache *
rt__cache_new(void)
{
	uint32_t total = 0;

	for (unsigned i = 0; i < RT_CLASSES; i++)
		total += rt__class_cap[i];
	struct rt__cache *c =
		rt__persistent_alloc(sizeof *c + total * sizeof(void *), RT_CACHE_LINE);
	void **slots = (void **)(c + 1);
	for (unsigned i = 0; i < RT_CLASSES; i++) {
		c->bins[i] = (struct rt__bin){slots, slots + rt__class_cap[i], slots};
		slots += rt__class_cap[i];
	}
	return c;
}

void *
rt__cache_refill(struct rt__cache *c, unsigned class)
{
	struct rt__bin *b = &c->bins[class];

	b->top += rt__central_take(class, b->lo, (rt__class_cap[class] + 1u) / 2);
	return rt__bin_empty(b) ? NULL : *--b->top;
}

/* The oldest go: the newest may still be in the CPU's cache. */
static void
spill(struct rt__bin *b, unsigned class, uint32_t n)
{
	rt__central_give(class, b->lo, n);
	b->top -= n;
	__builtin_memmove(b->lo, b->lo + n, (size_t)((char *)b->top - (char *)b->lo));
}

void
rt__cache_spill(struct rt__cache *c, unsigned class)
{
	spill(&c->bins[class], class, (rt__class_cap[class] + 1u) / 2);
}

void
rt__cache_flush(struct rt__cache *c)
{
	for (unsigned i = 1; i < RT_CLASSES; i++)
		if (!rt__bin_empty(&c->bins[i]))
			spill(&c->bins[i], i, (uint32_t)(c->bins[i].top - c->bins[i].lo));
}

void
rt__cache_lose(struct rt__cache *c)
{
	for (unsigned i = 0; i < RT_CLASSES; i++)
		c->bins[i].top = c->bins[i].lo;
}

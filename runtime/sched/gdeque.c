/* SPDX-License-Identifier: MIT */
/*
 * Queues of Gs as growing rings. Grown from memory that is never freed: a queue that was long once
 * may be again, and all outgrown rings together are smaller than the present one.
 */
#include "sched/sched_priv.h"

#include "mem/mem.h"

#define FIRST_CAP 512u

static void
grow(struct rt__gdeque *d, uint32_t at_least)
{
	uint32_t cap = d->cap ? d->cap * 2 : FIRST_CAP;

	while (cap < at_least)
		cap *= 2;
	struct rt__g **ring = rt__persistent_alloc(cap * sizeof(void *), RT_CACHE_LINE);
	for (int32_t i = 0; i < d->n; i++)
		ring[i] = d->ring[(d->head + (uint32_t)i) & (d->cap - 1)];
	d->ring = ring;
	d->cap = cap;
	d->head = 0;
}

void
rt__gd_push_back(struct rt__gdeque *d, struct rt__g *const *gs, int32_t n)
{
	if ((uint32_t)(d->n + n) > d->cap)
		grow(d, (uint32_t)(d->n + n));
	for (int32_t i = 0; i < n; i++)
		d->ring[(d->head + (uint32_t)(d->n + i)) & (d->cap - 1)] = gs[i];
	rt__store_rlx(&d->n, d->n + n);
}

void
rt__gd_push_front(struct rt__gdeque *d, struct rt__g *gp)
{
	if ((uint32_t)d->n == d->cap)
		grow(d, d->cap + 1);
	d->head = (d->head - 1) & (d->cap - 1);
	d->ring[d->head] = gp;
	rt__store_rlx(&d->n, d->n + 1);
}

struct rt__g *
rt__gd_front(const struct rt__gdeque *d)
{
	return d->n > 0 ? d->ring[d->head] : NULL;
}

struct rt__g *
rt__gd_pop_front(struct rt__gdeque *d)
{
	if (d->n == 0)
		return NULL;
	struct rt__g *gp = d->ring[d->head];
	d->head = (d->head + 1) & (d->cap - 1);
	rt__store_rlx(&d->n, d->n - 1);
	return gp;
}

struct rt__g *
rt__gd_pop_back(struct rt__gdeque *d)
{
	if (d->n == 0)
		return NULL;
	rt__store_rlx(&d->n, d->n - 1);
	return d->ring[(d->head + (uint32_t)d->n) & (d->cap - 1)];
}

void
rt__gd_swap_front(struct rt__gdeque *d, int32_t i)
{
	uint32_t at = (d->head + (uint32_t)i) & (d->cap - 1);
	struct rt__g *gp = d->ring[at];

	d->ring[at] = d->ring[d->head];
	d->ring[d->head] = gp;
}

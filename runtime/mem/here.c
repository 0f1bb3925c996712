/* SPDX-License-Identifier: MIT */
/*
 * Whose cache the caller allocates from. The fast paths take what the M says, rt__m.cache, and come
 * here when that is empty or full:
 *
 * - A goroutine: its P's. Code in malloc is the runtime's, so it is not preempted, and keeps its
 *   P until it returns.
 * - A foreign thread: one of its own, which it leaves to the next thread when it ends. Its %gs
 *   leads to the head in there, so that the fast paths find it as they find a P's.
 * - A handler of the program: none, since it may have interrupted malloc. Nor has who holds no P:
 *   the scheduler, a thread in a system call, initializers while their allocations are counted.
 *   These go to central, under its locks, for each block.
 *
 * A handler that has interrupted malloc while that was at central cannot wait for the locks: they
 * are held beneath it. rt__heap_enter tells; malloc ends the program then, and free does nothing.
 */
#include "mem/heap.h"
#include "mem/mem.h"

struct rt__malloc_count rt__malloc_count;

/* Of a foreign thread. */
static _Thread_local struct {
	struct rt__cache *cache;
	uint8_t hidden; /* by so many handlers; or for good, at the end */
	bool busy;
} self;

static struct {
	struct rt__lock lock;
	struct rt__cache *all;
} foreign;

/* How the heap begins; it reserves nothing before somebody allocates. */
void
rt__mallocinit(void)
{
	rt__persistent_init();
	rt__heap_init();
	rt__central_init();
	rt__hard_init();
	rt__lock_rank(&foreign.lock, RT_RANK_CACHES);
	rt__malloc_count.on = rt__debug.inittrace != 0;
	rt__m0.cache = rt__m_foreign.cache = &rt__cache_none;
}

static struct rt__cache *
new_cache(void)
{
	struct rt__cache *c = rt__cache_new();

	if (c && rt__debug.malloc && !(c->seen = rt__cache_front(c)))
		c->seen = c;
	return c;
}

static struct rt__cache *
foreign_new(void)
{
	rt__lock(&foreign.lock);
	struct rt__cache *c = foreign.all;
	while (c && c->in_use)
		c = c->next;
	if (!c) {
		c = new_cache();
		if (c) {
			c->head.self = &rt__m_foreign;
			c->next = foreign.all;
			foreign.all = c;
		}
	}
	if (c)
		c->in_use = true;
	rt__unlock(&foreign.lock);
	return c;
}

static struct rt__cache *
foreign_cache(void)
{
	if (self.hidden || rt__debug.malloc == RT_MALLOC_HARD)
		return &rt__cache_none;
	if (!self.cache && rt__heap_enter()) {
		self.cache = foreign_new();
		if (self.cache) {
			self.cache->head.cache = self.cache->seen;
			rt__setm_raw(&self.cache->head);
		}
		rt__heap_leave();
	}
	return self.cache ? self.cache : &rt__cache_none;
}

void
rt__cache_hide(void)
{
	if (self.hidden++ == 0 && self.cache)
		self.cache->head.cache = &rt__cache_none;
}

void
rt__cache_unhide(void)
{
	if (--self.hidden == 0 && self.cache)
		self.cache->head.cache = self.cache->seen;
}

void
rt__cache_leave(void)
{
	struct rt__cache *c = self.cache;

	self.hidden = 1;
	self.cache = NULL;
	rt__setm_raw(&rt__m_foreign);
	if (!c)
		return;
	rt__lock(&foreign.lock);
	c->in_use = false;
	rt__unlock(&foreign.lock);
}

struct rt__cache *
rt__cache_here(void)
{
	struct rt__m *mp = rt__getm();

	if (mp == &rt__m_foreign)
		return foreign_cache();
	if (mp->cache != &rt__cache_none)
		return mp->cache->real;
	struct rt__p *pp = mp->p;
	if (!pp || mp->handler_sp || rt__malloc_count.on || rt__debug.malloc == RT_MALLOC_HARD)
		return &rt__cache_none;
	if (pp->cache == &rt__cache_none && rt__heap_enter()) {
		struct rt__cache *c = new_cache();

		if (c)
			pp->cache = c;
		rt__heap_leave();
	}
	mp->cache = pp->fast_cache = pp->cache->seen;
	return pp->cache;
}

static bool *
busy_here(void)
{
	struct rt__m *mp = rt__getm();

	return mp == &rt__m_foreign ? &self.busy : &mp->in_heap;
}

bool
rt__heap_enter(void)
{
	bool *busy = busy_here();

	if (*busy)
		return false;
	rt__store_rlx(busy, true);
	return true;
}

void
rt__heap_leave(void)
{
	rt__store_rlx(busy_here(), false);
}

/* ---- of foreign threads that have ended ---- */

void
rt__caches_trim(void)
{
	rt__lock(&foreign.lock);
	for (struct rt__cache *c = foreign.all; c; c = c->next)
		if (!c->in_use)
			rt__cache_flush(c);
	rt__unlock(&foreign.lock);
}

void
rt__caches_lose_others(void)
{
	for (struct rt__cache *c = foreign.all; c; c = c->next)
		if (c != self.cache) {
			rt__cache_lose(c);
			c->in_use = false;
		}
}

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
 * A handler that interrupted malloc while that was at central could not wait for the locks: they
 * would be held beneath it, and a fork there would wait for them as well. So between rt__heap_enter
 * and rt__heap_leave handlers do not run: libc/sigaction.c puts them off until then. What is left
 * are faults in the heap itself, and handlers that libc does not know of: malloc ends the program
 * there, and free does nothing.
 */
#include "mem/heap.h"
#include "mem/mem.h"
#include "mem/profile.h"
#include "mem/stacks.h"
#include "os/os.h"

struct rt__malloc_count rt__malloc_count;

/* Of a foreign thread. */
static _Thread_local struct {
	struct rt__cache *cache;
	uint8_t hidden; /* by so many handlers; or for good, at the end */
	struct rt__in_heap in_heap;
} self;

static struct rt__lock foreign_lock; /* of their caches' in_use */

/* How the heap begins; it reserves nothing before somebody allocates. */
void
rt__mallocinit(void)
{
	rt__persistent_init();
	rt__heap_init();
	rt__central_init();
	rt__cache_none_init();
	rt__hard_init();
	rt__profile_init();
	rt__persistent_rank();
	rt__lock_rank(&foreign_lock, RT_RANK_CACHES);
	rt__malloc_count.on = rt__debug.inittrace != 0;
	rt__m0.cache = rt__m_foreign.cache = &rt__cache_none;
}

/* The first of a foreign thread's, from c on. */
static struct rt__cache *
next_foreign(struct rt__cache *c)
{
	while (c && !c->foreign)
		c = c->next;
	return c;
}

static struct rt__cache *
new_cache(bool foreign)
{
	struct rt__cache *c = rt__cache_new(foreign);

	if (c && rt__debug.malloc && !(c->seen = rt__cache_front(c)))
		c->seen = c;
	return c;
}

static struct rt__cache *
foreign_new(void)
{
	rt__lock(&foreign_lock);
	struct rt__cache *c = next_foreign(rt__load_acq(&rt__caches)); /* with rt__cache_new */
	while (c && c->in_use)
		c = next_foreign(c->next);
	if (!c)
		c = new_cache(true);
	if (c)
		c->in_use = true;
	rt__unlock(&foreign_lock);
	return c;
}

static struct rt__cache *
foreign_cache(void)
{
	if (self.hidden || rt__debug.malloc == RT_MALLOC_HARD)
		return &rt__cache_none;
	if (!self.cache && rt__heap_try_enter()) {
		self.cache = foreign_new();
		if (self.cache) {
			self.cache->head.self = &rt__m_foreign;
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
	rt__lock(&foreign_lock);
	c->in_use = false;
	rt__unlock(&foreign_lock);
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
	if (pp->cache == &rt__cache_none && rt__heap_try_enter()) {
		struct rt__cache *c = new_cache(false);

		if (c)
			pp->cache = c;
		rt__heap_leave();
	}
	mp->cache = pp->fast_cache = pp->cache->seen;
	return pp->cache;
}

/* ---- in the shared part ---- */

static struct rt__in_heap *
in_heap_here(void)
{
	struct rt__m *mp = rt__getm();

	return mp == &rt__m_foreign ? &self.in_heap : &mp->in_heap;
}

/* Against handlers of the same thread, which is all that looks. */
static void
set_depth(struct rt__in_heap *h, uint32_t depth)
{
	rt__fence_signal();
	rt__store_rlx(&h->depth, depth);
	rt__fence_signal();
}

bool
rt__heap_go_in(bool deeper)
{
	struct rt__in_heap *h = in_heap_here();

	if (h->depth > 0 && !deeper)
		return false;
	set_depth(h, h->depth + 1);
	return true;
}

void
rt__heap_must_enter(void)
{
	if (!rt__heap_try_enter())
		rt__throw("malloc: called by a signal handler that has interrupted malloc");
}

void
rt__heap_leave(void)
{
	struct rt__in_heap *h = in_heap_here();

	set_depth(h, h->depth - 1);
	uint64_t signals = rt__load_rlx(&h->put_off);
	if (rt__unlikely(signals) && h->depth == 0) {
		h->put_off = 0;
		rt__os_remove_sigmask(signals); /* they come here */
	}
}

bool
rt__heap_put_off(int sig)
{
	struct rt__in_heap *h = in_heap_here();

	if (h->depth > 0)
		h->put_off |= 1ul << (sig - 1);
	return h->depth > 0;
}

/* ---- of foreign threads that have ended ---- */

void
rt__caches_trim(void)
{
	rt__lock(&foreign_lock);
	struct rt__cache *c = next_foreign(rt__load_acq(&rt__caches)); /* with rt__cache_new */
	for (; c; c = next_foreign(c->next))
		if (!c->in_use)
			rt__cache_flush(c);
	rt__unlock(&foreign_lock);
}

/* ---- in the child of a fork ---- */

/* Of the only thread there is. */
static struct rt__cache *
own_cache(const struct rt__m *mp)
{
	if (mp == &rt__m_foreign)
		return self.cache ? self.cache : &rt__cache_none;
	return mp->p ? mp->p->cache : &rt__cache_none;
}

/* When a handler forks, the cache that it has interrupted may be in the middle of anything, and who
 * looks for blocks that nobody has would find its: then those of others are lost. */
void
rt__caches_recover(void)
{
	const struct rt__m *mp = rt__getm();
	struct rt__cache *own = own_cache(mp);
	bool whole = mp == &rt__m_foreign ? self.hidden == 0 : mp->handler_sp == 0;

	rt__scavenge_forget();
	if (whole) {
		rt__cache_flush(own);
		rt__central_trim(true);
	}
	for (struct rt__cache *c = rt__caches; c; c = c->next) {
		if (c == own || c == own->twin)
			continue;
		c->in_use = false;
		if (whole)
			rt__cache_recover(c);
		else
			rt__cache_reset(c);
		rt__central_clear(c);
	}
}

/* SPDX-License-Identifier: MIT */
/* What the heap holds. */
#include <rt/rt.h>

#include "mem/heap.h"
#include "mem/mem.h"

static struct rt__class_figures
look_at_span(const struct rt__span *sp)
{
	struct rt__class_figures f = {.spans = 1};

	for (uint32_t i = 0; i < sp->carved; i++) {
		uint8_t state = rt__load_rlx(&sp->state[i]);

		f.used += rt__is_in_use(state);
		f.cached += state == RT_BLOCK_CACHED || state == RT_BLOCK_ZERO;
		f.free += state == RT_BLOCK_FREE;
	}
	f.free += sp->nblocks - sp->carved;
	size_t size = rt__usable(sp);
	f.bytes = f.used * size;
	f.cached_bytes = f.cached * size;
	f.free_bytes = f.free * size;
	return f;
}

void
rt__read_class_figures(struct rt__class_figures *ret)
{
	size_t units = rt__load_acq(&rt__heap.size) >> RT_UNIT_SHIFT; /* pairs with commit's */

	__builtin_memset(ret, 0, RT_CLASS_END * sizeof *ret);
	for (uint32_t unit = 0; unit < units; unit++) {
		const struct rt__span *sp = rt__span_at(unit);

		if (rt__load_acq(&sp->magic) == 0) /* pairs with the release of who made it */
			continue;
		struct rt__class_figures f = look_at_span(sp), *sum = &ret[sp->class];
		sum->spans += f.spans;
		sum->used += f.used;
		sum->bytes += f.bytes;
		sum->cached += f.cached;
		sum->cached_bytes += f.cached_bytes;
		sum->free += f.free;
		sum->free_bytes += f.free_bytes;
	}
}

static void
read_totals(rt_mem_stats *ret)
{
	struct rt__heap *h = &rt__heap;

	*ret = (rt_mem_stats){0};
	rt__heap_enter();
	rt__lock(&h->lock);
	ret->committed = (h->nchunks - h->holes) * RT_CHUNK;
	ret->reserved = ret->committed + (h->base - h->table);
	ret->gaps = rt__load_rlx(&h->gone) * (RT_UNIT / RT_UNIT_PAGES);
	ret->in_use = h->used * RT_UNIT - ret->gaps;
	ret->idle = h->dirty * RT_UNIT;
	ret->released = rt__load_rlx(&h->released);
	ret->limit = h->limit_known && h->limit != SIZE_MAX ? h->limit * RT_UNIT : SIZE_MAX;
	rt__unlock(&h->lock);
	rt__heap_leave();
}

void
rt_read_mem_stats(rt_mem_stats *ret)
{
	struct rt__class_figures f[RT_CLASS_END];

	read_totals(ret);
	rt__read_class_figures(f);
	for (unsigned i = 0; i < RT_CLASS_END; i++) {
		ret->blocks += f[i].used;
		ret->bytes += f[i].bytes;
		ret->cached += f[i].cached_bytes;
	}
}

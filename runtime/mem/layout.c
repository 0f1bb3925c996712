/* SPDX-License-Identifier: MIT */
/* rt__heap_layout, what debuggers read of the heap; see sched/layout.c. */
#include "mem/heap.h"
#include "mem/heap_layout.h"
#include "mem/mem.h"

#define AT(x) ((uintptr_t)(x))
#define FIELD(field)                                                                               \
	{                                                                                          \
		offsetof(struct rt__span, field),                                                  \
			sizeof(__typeof__(((struct rt__span *)0)->field))                          \
	}

const struct rt__heap_layout rt__heap_layout = {
	.size = sizeof(struct rt__heap_layout),
	.unit_shift = RT_UNIT_SHIFT,
	.entry_size = sizeof(struct rt__span),
	.nclasses = RT_CLASS_END,
	.committed = AT(&rt__heap.size),
	.entries = AT(&rt__heap.spans),
	.in_use = AT(&rt__heap.used),
	.idle = AT(&rt__heap.dirty),
	.released = AT(&rt__heap.released),
	.class_sizes = AT(rt__class_size),
	.entry.state = FIELD(state),
	.entry.magic = FIELD(magic),
	.entry.class_ = FIELD(class),
	.entry.nblocks = FIELD(nblocks),
	.entry.carved = FIELD(carved),
	.entry.pages = FIELD(pages),
	.used_states = 1u << RT_BLOCK_USED | 1u << RT_BLOCK_WATCHED,
	.cached_states = 1u << RT_BLOCK_CACHED | 1u << RT_BLOCK_ZERO,
	.gaps = AT(&rt__heap.gone),
};

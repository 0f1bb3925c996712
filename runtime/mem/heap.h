/* SPDX-License-Identifier: MIT */
/*
 * The heap's insides.
 *
 *	unit	64 KiB of the heap; what spans are made of
 *	chunk	32 units, 2 MiB, aligned: a huge page
 *	span	one or more units in a row: blocks of one size, or one block
 *	cache	what a P, or a foreign thread, allocates from and frees to without a lock
 *	central	one for each size class: spans with free blocks, shelves of the caches
 *	owner	of a span, the cache that takes blocks from it: freed ones go back there
 *
 * The heap is one range of addresses, which grows at its high end; a table below it, which grows
 * downwards, has an entry for each unit. So any address leads to its span, block and state in
 * constant time, without a lock: rt__mem_find.
 *
 * Nothing is ever written into a block that is not in use: lists are arrays of addresses, and the
 * state of each block is a byte outside of it. Freed memory keeps nobody's pointers to damage, and
 * a collector that watches pages for writes sees the program's only.
 */
#ifndef RT_MEM_HEAP_H
#define RT_MEM_HEAP_H

#include "mem/sizeclass.h"
#include "os/os.h"
#include "sync/sync.h"

#define RT_UNIT_PAGES (RT_UNIT / 4096)
#define RT_CHUNK_UNITS 32u
#define RT_CHUNK (RT_CHUNK_UNITS * RT_UNIT)
#define RT_NO_UNIT UINT32_MAX
#define RT_HEAP_MAX (1ul << 40) /* bytes */

/*
 * The state of a block. Only who has the block writes it: the program's malloc and free, by way of
 * the cache that it is in; or who holds its central's lock, while it is free or goes to or from
 * there. So plain byte stores do, and two threads that free one block at the same time are the
 * one case of a double free that may go unnoticed.
 */
enum rt__block_state {
	RT_BLOCK_FREE,    /* its span has it */
	RT_BLOCK_USED,    /* the program has it */
	RT_BLOCK_CACHED,  /* a cache has it, or central in a batch */
	RT_BLOCK_ZERO,    /* ... and it is known to be all zeros */
	RT_BLOCK_WATCHED, /* the program has it, and free is to look closer: not on its fast path */
};

static inline bool
rt__is_in_use(uint8_t state)
{
	return state == RT_BLOCK_USED || state == RT_BLOCK_WATCHED;
}

/* A block and where its state is: what goes between spans and caches. */
struct rt__block {
	void *p;
	uint8_t *state;
};

/* What is known of a unit: of the first one of a span, all; of its others, where that is. */
struct rt__span {
	uint8_t *state; /* of each block */
	uint32_t magic; /* rt__magic of the block size; 0: no span begins here */
	uint8_t class;
	uint8_t back;        /* units to the first one of the span, or of the huge one's chunk */
	uint16_t nblocks;    /* of the rest, (L): the class's central.lock */
	uint16_t carved;     /* blocks from here on have never been used */
	uint16_t nfree;      /* below carved, in state RT_BLOCK_FREE */
	uint16_t low;        /* below it, none is free */
	bool zeroed : 1;     /* what is not carved is all zeros */
	bool listed : 1;     /* on the list of spans with free blocks */
	bool taken : 1;      /* from, since sparse.c looked last */
	bool given : 1;      /* back to, since its memory was given back */
	bool noscan;         /* no block holds pointers */
	uint32_t next, prev; /* there: unit numbers + 1 */
	union {
		struct rt__cache *owner; /* (a) the cache that takes from it: central.c */
		uint32_t pages;          /* of a large or huge block: usable, of 4 KiB */
	};
	uint8_t own_state[16];
	uint16_t gone; /* (L): pages whose memory was given back, by bits: sparse.c */
};
_Static_assert(sizeof(struct rt__span) == RT_CACHE_LINE, "a span is one line");

#define RT_HOLE UINT32_MAX

struct rt__chunk {
	uint32_t free; /* units that are in no span */
	uint32_t zero; /* of those: without memory, and all zeros */
	uint32_t cold; /* of the others: free since the scavenger's last period began */
	uint32_t due;  /* ... for all of one: their memory is to go */
	uint32_t huge; /* of a huge block: its first chunk + 1; or RT_HOLE */
	uint8_t pages; /* enum rt__chunk_pages */
};

/* Of what pages its memory is to be. */
enum rt__chunk_pages {
	RT_PAGES_SMALL,
	RT_PAGES_HUGE,
	RT_PAGES_SPLIT, /* it was huge, and will be again once it has been free as a whole */
};

struct rt__heap {
	uintptr_t base;         /* (c) a multiple of RT_CHUNK */
	size_t size;            /* (a) bytes, with holes; only grows */
	struct rt__span *spans; /* (c) of unit 0; those of others lie below it */
	uintptr_t spans_at_0;   /* (c) where the entry of address 0 would be */

	/* The rest is for who holds the lock. */
	_Alignas(RT_CACHE_LINE) struct rt__lock lock;
	uint32_t nchunks, max_chunks;      /* there are, and at most; (a) reads of nchunks */
	uint32_t holes;                    /* of those, somebody else's */
	uintptr_t table;                   /* the entries of units are mapped from here on */
	bool reserved;                     /* all addresses are, without access: for tests */
	uint32_t step;                     /* chunks to commit next time */
	uint32_t nsplit;                   /* chunks that are RT_PAGES_SPLIT */
	uint32_t table_cap;                /* chunks that the next two have room for */
	struct rt__chunk *chunks;          /* (a) for rt__mem_find */
	uint8_t *longest;                  /* of each chunk: the most free units in a row */
	uint32_t hint[RT_CHUNK_UNITS + 1]; /* [n]: no chunk before has n free units in a row */
	size_t used, dirty;                /* (a) units in spans; free ones that have memory */
	size_t gone;                       /* (a) pages of spans, given back: sparse.c */
	size_t released;                   /* (a) bytes given back, ever */
	bool freed;                        /* (a) units or blocks, for the scavenger */
	uint32_t period;                   /* (a) of the scavenger's */
	size_t limit;     /* units: $RTMEMLIMIT, or the cgroup's; SIZE_MAX: none, */
	bool limit_known; /* (a) once this is set */
	uint32_t kept;    /* (a) freed huge blocks that the kernel has not unguarded: unit + 1 */
};
extern struct rt__heap rt__heap;

/* What spans have memory for, in units. */
static inline size_t
rt__heap_needed(void)
{
	const struct rt__heap *h = &rt__heap;

	return rt__load_rlx(&h->used) - rt__load_rlx(&h->gone) / RT_UNIT_PAGES;
}

/* The scavenger is to come, if it does not know yet. */
static inline void
rt__heap_freed(void)
{
	if (!rt__load_rlx(&rt__heap.freed))
		rt__store_rlx(&rt__heap.freed, true);
}

static inline uintptr_t
rt__unit_address(uint32_t unit)
{
	return rt__heap.base + ((uintptr_t)unit << RT_UNIT_SHIFT);
}

static inline uint32_t
rt__span_unit(const struct rt__span *sp)
{
	return (uint32_t)(rt__heap.spans - sp);
}

static inline struct rt__span *
rt__span_at(uint32_t unit)
{
	return rt__heap.spans - unit;
}

/* The entry of the unit that an address of the heap lies in. */
static inline struct rt__span *
rt__unit_of(const void *p)
{
	return (struct rt__span *)(rt__heap.spans_at_0 -
				   ((uintptr_t)p >> RT_UNIT_SHIFT) * sizeof(struct rt__span));
}

/* Bytes of each of its blocks. */
static inline size_t
rt__usable(const struct rt__span *sp)
{
	return sp->class < RT_CLASSES ? rt__class_size[sp->class] : sp->pages * 4096ul;
}

/* The span of the block that begins at p, and where its state is; NULL if none does. */
static inline struct rt__span *
rt__span_of_block(const void *p, uint8_t **state)
{
	if (rt__unlikely((uintptr_t)p - rt__heap.base >= rt__load_rlx(&rt__heap.size)))
		return NULL;
	struct rt__span *sp = rt__unit_of(p);
	uint32_t magic = rt__load_rlx(&sp->magic);
	uint64_t at = ((uintptr_t)p & (RT_UNIT - 1)) * magic;
	if (rt__unlikely((uint32_t)at >= magic))
		return NULL;
	*state = sp->state + (at >> 32);
	return sp;
}

/* The span of a block in use; NULL for NULL itself, misuse, and what is watched. */
static inline struct rt__span *
rt__span_in_use(const void *p, uint8_t **state)
{
	struct rt__span *sp = rt__span_of_block(p, state);

	return rt__likely(sp && rt__load_rlx(*state) == RT_BLOCK_USED) ? sp : NULL;
}

static inline struct rt__span *
rt__span_watched(const void *p, uint8_t **state)
{
	struct rt__span *sp = rt__span_of_block(p, state);

	return sp && rt__load_rlx(*state) == RT_BLOCK_WATCHED ? sp : NULL;
}

/* The heap's own tables contradict each other at p. */
RT_NORETURN void rt__heap_corrupt(const char *what, const void *p);

/* ---- persistent.c ---- */

void rt__persistent_init(void);
void rt__persistent_rank(void); /* once mallocinit needs no memory any more */
/* rt__persistent_alloc, but NULL without memory. */
void *rt__persistent_try(size_t size, size_t align);

/* ---- pages.c: units and chunks, from the kernel and back ---- */

void rt__heap_init(void);
/* For tests: with that many chunks at most, and wherever the kernel likes. */
void rt__heap_reserve(uint32_t max_chunks);

/* With heap.lock: n units in a row, at most RT_CHUNK_UNITS and in one chunk; or n whole chunks, by
 * their first unit. RT_NO_UNIT: there is no memory. *zero: whether they are all zeros. */
uint32_t rt__units_alloc(uint32_t n, bool *zero);
uint32_t rt__chunks_alloc(uint32_t n, bool *zero);
void rt__units_free(uint32_t unit, uint32_t n);
/* zero: their memory is gone. */
void rt__chunks_free(uint32_t unit, uint32_t n, bool zero);
/* Takes the n units from `unit` on, or n chunks, if they are all free. */
bool rt__units_claim(uint32_t unit, uint32_t n);
bool rt__chunks_claim(uint32_t unit, uint32_t n);
/* A period of the scavenger's: units that were free throughout the last one are due. */
void rt__units_age(void);
/* Gives memory of free units back to the kernel, of about so many: those that are due, or any. How
 * many it was. */
size_t rt__units_release(size_t max, bool any);
/* The memory of runs of bits, each of so many bytes from p on: of those that are given back. */
uint32_t rt__release_bits(uintptr_t p, uint32_t bits, size_t size);
/* So many pages of a chunk could be given back, one by one: whether that is worth it, or to be in
 * any case. A huge page is none any more then. */
bool rt__chunk_split(uint32_t c, uint32_t pages, bool any);

/* ---- scavenge.c ---- */

/* For who frees, between rt__heap_enter and _leave, every RT_POLL_FREES times where free is slow:
 * does a bit of giving back while there is no sysmon. */
void rt__scavenge_poll(void);
#define RT_POLL_FREES 64u
/* The scavenger, whoever does its work, does none until it is let go. */
void rt__scavenge_hold(void);
void rt__scavenge_let_go(void);

/* With heap.lock: */
/* Gives memory back at once when there is more of it free than in use, and not just a little. */
void rt__dirty_trim(void);

/* Gives memory back so that so many units more do not go over the limit, if that can be helped. */
void rt__limit_keep(size_t units);

/* Without: for who wants so many bytes more. When free units are not enough to keep the limit, what
 * lies in spans goes as well. */
void rt__limit_relieve(size_t size);

/* ---- sparse.c: pages of spans that no block in use lies in ---- */

/* With the class's central.lock: */
/* Of a page that a block of the span lies in, a bit; of all of them. */
uint32_t rt__sparse_pages(const struct rt__span *sp, const void *block);
/* These pages may have memory again. */
void rt__sparse_taken(struct rt__span *sp, uint32_t pages);
/* Pages that have memory, and need none. */
uint32_t rt__sparse_find(const struct rt__span *sp);
/* Gives the memory of those back. */
void rt__sparse_release(struct rt__span *sp);

/* For the scavenger: begins to look at all spans, once in a period; looks at so many chunks more,
 * or none: whether that was not all. */
void rt__sparse_begin(void);
bool rt__sparse_step(uint32_t chunks);
/* What can be had, at once, until all spans need no more than so many units; looks at no more than
 * so many chunks, the next ones each time. */
void rt__sparse_to(size_t units, uint32_t most);

/* ---- span.c ---- */

/* Makes units the span of one block, whose size or owner is there already. */
void rt__span_make_single(uint32_t unit, unsigned class, uint32_t units);
/* A span of small blocks for that cache; NULL without memory. *spare: states of former ones. */
struct rt__span *rt__span_new(unsigned class, struct rt__cache *owner, void **spare);
void rt__span_delete(struct rt__span *sp, void **spare);
/* Takes up to n free blocks, the lowest first, and puts them before `end`, downwards. */
uint32_t rt__span_take(struct rt__span *sp, struct rt__block *end, uint32_t n);
/* Takes back the first blocks of n that are of one span: how many. */
uint32_t rt__span_give(const struct rt__block *in, uint32_t n);

/* ---- central.c ---- */

void rt__central_init(void);
/* Up to n blocks of a class for a cache, the lowest last: how many. */
uint32_t rt__central_take(struct rt__cache *c, unsigned class, struct rt__block *out, uint32_t n);
/* Blocks of a cache's own spans, for its shelf. */
void rt__central_keep(struct rt__cache *c, unsigned class, const struct rt__block *in, uint32_t n);
/* Blocks of anybody's spans: to their owners' shelves, or to the spans. */
void rt__central_return(unsigned class, const struct rt__block *in, uint32_t n);
void rt__central_free(unsigned class, const struct rt__block *in, uint32_t n);
/* To the spans: what the shelves of a cache have, and its spans to whoever wants them; of all
 * shelves, what they have not needed, */
void rt__central_clear(struct rt__cache *c);
void rt__central_trim(bool all); /* or all that they have */
/* Of the small span at a unit, if there is one and nothing was taken from it since this was asked
 * last, or of any: how many pages could be given back. One that is all free goes. */
uint32_t rt__central_sparse(uint32_t unit, bool any);
/* Gives them back. */
void rt__central_sparse_release(uint32_t unit);

/* ---- cache.c ---- */

/*
 * Free blocks of a class, in one place for two stacks. One grows up: blocks of spans that the cache
 * owns; below the first is one at NULL, which tells that it is empty. The other one grows down from
 * the end: blocks of others' spans, which are to go back to their owners.
 */
struct rt__bin {
	struct rt__block *top; /* the topmost of the cache's own, or the one at NULL */
	struct rt__block *hi;  /* where that is when there is no room; others' are above it */
	struct rt__block *lo;  /* the one at NULL */
	struct rt__block *end; /* the last one that there is room for */
};

/* When the next block is to be sampled: profile.c. */
struct rt__sampler {
	int64_t left;    /* what may be allocated before that, in units of 16 bytes */
	bool turned;     /* (a) there is a new rate; for who has profile.lock, as is the rest */
	size_t rate;     /* that `left` was drawn for */
	uint64_t random; /* state */
};

/* What a cache's spans of a class get back, from others or from the cache itself: with the class's
 * central.lock. */
struct rt__shelf {
	struct rt__block *blocks; /* room for RT_SHELF times the cap of a bin; NULL: not yet */
	uint32_t n, low;          /* how many; and at least, in this period */
};
#define RT_SHELF 2u

struct rt__span_list {
	uint32_t first, last; /* unit numbers + 1; (a) reads of first */
};

struct rt__cache {
	/* (a) That of requests of up to n times 16 bytes: of class 0 for none, and for all when
	 * there is a new rate. First, for what gcc makes of it. */
	struct rt__bin *bin_of[RT_FAST_MAX / 16 + 1];
	/* Those of large and huge blocks, and of class 0, are always empty, and full. */
	_Alignas(32) struct rt__bin bins[RT_CLASS_END];
	struct rt__sampler sampler;
	/* Of a foreign thread's: */
	struct rt__foreign_head head;
	bool foreign, in_use;

	bool none, noscan;      /* (c) rt__cache_none; of blocks without pointers */
	struct rt__cache *twin; /* for those, who has this one: itself, or none yet */

	/* With central.lock of the class: its spans with free blocks. */
	struct rt__span_list spans[RT_CLASS_SMALL_END];
	bool shelved;              /* (a) there has been something on one of its */
	struct rt__shelf *shelves; /* (c) one for each class of small blocks */
	struct rt__cache *next;    /* (c) of all caches */

	struct rt__cache *real;  /* (c) this one; of an empty one that fast paths see, the other */
	struct rt__cache *seen;  /* (c) what fast paths see of it: this one, or such a one */
	uint32_t slow_frees;     /* for rt__scavenge_poll */
	uint32_t period;         /* of the scavenger's, that the next is of: */
	uint8_t had[RT_CLASSES]; /* so many blocks in a bin when it began */
	uint32_t until_sample;   /* RTDEBUG=malloc=sample: mallocs until that is the next one */
};

static inline bool
rt__bin_full(const struct rt__bin *b)
{
	return b->top == b->hi;
}

/* The block on top, which is the caller's now; NULL if there is none. */
static inline void *
rt__bin_pop(struct rt__bin *b)
{
	struct rt__block *top = b->top;
	void *p = top->p;

	if (rt__unlikely(!p))
		return NULL;
	b->top = top - 1;
	rt__store_rlx(top->state, (uint8_t)RT_BLOCK_USED);
	return p;
}

/* The same for who wants to know whether it is all zeros. */
static inline void *
rt__bin_pop_zero(struct rt__bin *b, bool *zero)
{
	*zero = b->top->p && rt__load_rlx(b->top->state) == RT_BLOCK_ZERO;
	return rt__bin_pop(b);
}

/* Where malloc's fast path looks for a block of n times 16 bytes, up to RT_FAST_MAX. */
static inline struct rt__bin *
rt__bin_of(const struct rt__cache *c, size_t n)
{
	return rt__load_rlx(&c->bin_of[n]);
}

/* A block that was in use, of one of the cache's own spans: false if it is none, or there is no
 * room. */
static inline bool
rt__bin_push_own(struct rt__cache *c, const struct rt__span *sp, void *p, uint8_t *state)
{
	struct rt__bin *b = &c->bins[sp->class];
	struct rt__block *top = b->top;

	if (rt__unlikely(rt__load_rlx(&sp->owner) != c || top == b->hi))
		return false;
	rt__store_rlx(state, (uint8_t)RT_BLOCK_CACHED);
	b->top = top + 1;
	top[1] = (struct rt__block){p, state};
	return true;
}

/* Any block that was in use: false if there is no room, as for large ones. */
bool rt__bin_push(struct rt__cache *c, struct rt__span *sp, void *p, uint8_t *state);

/* What all have that have none: it is empty, and full. And its twin. */
extern struct rt__cache rt__cache_none, rt__cache_none_noscan;
void rt__cache_none_init(void);
/* All others, the newest first. */
extern struct rt__cache *rt__caches;

struct rt__cache *rt__cache_new(bool foreign); /* NULL without memory */
/* The one for blocks with pointers or for those without, of who has c; made if need be, and none
 * without memory. */
struct rt__cache *rt__cache_twin(struct rt__cache *c, bool noscan);
/* One that is always empty and full, for fast paths to see in place of c. */
struct rt__cache *rt__cache_front(struct rt__cache *c);
/* Fetches blocks of a class, of which there are none: false without memory. */
bool rt__cache_refill(struct rt__cache *c, unsigned class);
/* Makes room in a bin that is full. */
void rt__cache_spill(struct rt__cache *c, unsigned class);
/* In the child of a fork, of a thread that is not there: its blocks go back to their spans. No
 * other cache may have any, nor a shelf. */
void rt__cache_recover(struct rt__cache *c);
void rt__cache_reset(struct rt__cache *c);
/* Whether its fast paths find what there is, or nothing. */
void rt__cache_open(struct rt__cache *c, bool open);

/* ---- here.c ---- */

void rt__caches_trim(void); /* of foreign threads that have ended */
/* Whose cache the caller allocates from; perhaps rt__cache_none. That of blocks without pointers:
 * see rt__cache_twin. */
struct rt__cache *rt__cache_here(void);
/* Before and after locks of the heap are taken: handlers wait meanwhile. Who is inside may go in
 * deeper; false if that is not wanted. */
bool rt__heap_go_in(bool deeper);
void rt__heap_leave(void);

static inline void
rt__heap_enter(void)
{
	rt__heap_go_in(true);
}

/* For who has nothing else to do: throws where rt__heap_try_enter says no. */
void rt__heap_must_enter(void);

/* For who would have to wait for itself there: false in a handler that did not wait. */
static inline bool
rt__heap_try_enter(void)
{
	return rt__heap_go_in(false);
}

/* ---- large.c: blocks of more than RT_MEDIUM_MAX ---- */

void *rt__large_alloc(size_t size, size_t align, bool noscan, bool *zero);
void rt__large_free(struct rt__span *sp);
/* Whether a new block of that size would have as many bytes. */
bool rt__large_fits(const struct rt__span *sp, size_t size);
/* Makes the block of a large size larger or smaller, perhaps elsewhere; NULL: it is what it was. */
void *rt__large_realloc(struct rt__span *sp, size_t size);

/* ---- stats.c ---- */

/* What there is of a class. */
struct rt__class_figures {
	size_t spans;
	size_t used, bytes;          /* blocks of the program */
	size_t cached, cached_bytes; /* free, in some cache or in stock */
	size_t free, free_bytes;     /* free in their spans, used before or not */
};
/* Of all classes. Without locks: what changes meanwhile is counted as one or the other. */
void rt__read_class_figures(struct rt__class_figures *ret);
/* ---- hard.c ---- */

void rt__hard_init(void);

/* ---- malloc.c ---- */

/* A class whose blocks are so aligned: its size is a multiple of align, and a unit is. */
unsigned rt__aligned_class(size_t size, size_t align);

/* ---- report.c ---- */

/* "fatal error: WHAT: WHY" */
RT_NORETURN void rt__misuse(const char *what, const char *why);
/* p, handed to `what`, is no block in use: says why, and ends the program. Or it is, but has not
 * got so many bytes. */
RT_NORETURN void rt__bad_pointer(const char *what, const void *p);
RT_NORETURN void rt__bad_size(const void *p, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * RTDEBUG=malloc=hard and malloc=sample: blocks about which more is known, and whose surroundings
 * are watched.
 *
 *	origin.c	who allocated and who freed, by call stacks (stacks.h)
 *	record.c	what is known of each such block
 *	redzone.c	bytes before and behind a block, and in one that is free
 *	guarded.c	blocks on pages of their own, between pages that nobody may touch
 *	quarantine.c	blocks that were freed and are not yet given out again
 *	hard.c		malloc and free by these means
 *	sample.c	which allocations are sampled
 *	blame.c		what is said of a block, and of an address near one
 *
 * A block of these begins behind the start of its place in the heap, so that the fast paths take it
 * for no block at all, and leave it to who knows.
 */
#ifndef RT_MEM_HARD_H
#define RT_MEM_HARD_H

#include "mem/heap.h"

/* ---- origin.c ---- */

struct rt__origin {
	uint64_t who;   /* a goroutine; a foreign thread's id + RT_WHO_THREAD; 0: the runtime */
	uint32_t stack; /* number of a call stack, 0: not known */
} __attribute__((packed, aligned(4)));
#define RT_WHO_THREAD (1ul << 63)

/* The caller's. Takes no lock. */
struct rt__origin rt__origin_here(void);
/* "runtime: VERB by goroutine N at\n" and the frames. */
void rt__origin_print(const char *verb, struct rt__origin o);

/* ---- record.c; with hard.lock, or for a report ---- */

enum rt__life { RT_LIFE_NONE, RT_LIFE_USED, RT_LIFE_HELD, RT_LIFE_GONE };

struct rt__record {
	struct rt__block place; /* in the heap */
	uintptr_t p;            /* what the program has got */
	size_t size;            /* what it has asked for */
	struct rt__origin allocated, freed;
	uint8_t life;  /* enum rt__life: given out, in quarantine, or it was */
	uint8_t class; /* of its place */
	bool guarded;  /* on pages of its own */
};
_Static_assert(sizeof(struct rt__record) == 64, "a line for each block");

/* That of a place, which may be its first: NULL without memory. */
struct rt__record *rt__record_make(struct rt__block b, unsigned class);
/* That of the place that an address lies in; NULL if it has none, or was never given out. */
struct rt__record *rt__record_find(uintptr_t p);
/* Calls fn for each, until it returns false. */
void rt__record_each(bool (*fn)(struct rt__record *r, void *arg), void *arg);

/* ---- redzone.c ---- */

#define RT_ZONE_FRONT 16u /* bytes before a small block, at least; */
#define RT_ZONE_BEHIND 8u /* and behind it */

/* What was written where nobody may write. */
struct rt__damage {
	enum { RT_DAMAGE_NONE, RT_DAMAGE_BEHIND, RT_DAMAGE_BEFORE, RT_DAMAGE_FREE } kind;
	uintptr_t first, last; /* bytes, the first and last that have changed */
	bool more;             /* and perhaps so have others that cannot be told */
};

void rt__redzone_init(void);
/* Writes the zones on both sides of a block; fills one that is free. */
void rt__redzone_surround(const struct rt__record *r);
void rt__redzone_poison(const struct rt__record *r);
/* Whether both are what they were; of a block on pages of its own, while it is in use. */
bool rt__redzone_check(const struct rt__record *r, struct rt__damage *ret);

/* ---- guarded.c; with hard.lock ---- */

/* A block with no access before and behind it: at the end of its pages, or at their start. */
struct rt__record *rt__guarded_alloc(size_t size, size_t align, bool at_end, bool *zero);
/* The same in a place of one unit that the quarantine has held; false: it is lost. */
bool rt__guarded_reuse(struct rt__record *r, size_t size, size_t align, bool at_end);
/* No access any more, and no memory; false: it is as it was. */
bool rt__guarded_hold(struct rt__record *r);
/* Gives the place back to the heap. */
void rt__guarded_free(struct rt__record *r);
/* The pages that the block itself lies on. */
void rt__guarded_pages(const struct rt__record *r, uintptr_t *from, uintptr_t *to);

/* ---- quarantine.c; with hard.lock ---- */

/* Takes what was freed. */
void rt__quarantine_put(struct rt__record *r);
/* While there is too much in it, or for `all`: gives the oldest back, and stops at one that was
 * written to: false. */
bool rt__quarantine_settle(bool all, struct rt__record **ret, struct rt__damage *damage);

/* Of blocks on pages of their own: how many are in it; takes the oldest out, if there is one. */
uint32_t rt__quarantine_held(void);
struct rt__record *rt__quarantine_take(void);

/* ---- sample.c; with hard.lock ---- */

#define RT_SAMPLE_MAX (RT_UNIT / 2)

/* Which allocation from here on is to be sampled: from 1 on. */
uint32_t rt__sample_next(void);
/* A block for one; NULL: there is no place. One was freed. */
struct rt__record *rt__sample_take(size_t size, size_t align, bool *zero);
void rt__sample_freed(void);

/* ---- hard.c ---- */

uint32_t rt__hard_draw(uint32_t n);

/* What malloc.c asks for where its fast paths end, in these modes. */
void *rt__hard_alloc(size_t size, size_t align, bool *zero);

/* An allocation by who has this cache: the block, if it is a sampled one. */
void *rt__sample_alloc(struct rt__cache *c, size_t size, size_t align, bool *zero);

static inline void *
rt__sample(struct rt__cache *c, size_t size, size_t align, bool *zero)
{
	return rt__likely(c->until_sample > 1) ? (c->until_sample--, NULL)
					       : rt__sample_alloc(c, size, align, zero);
}

/* Frees the block at p; how large it is. False: p is none of these modes' blocks in use. */
bool rt__hard_free(const char *what, void *p);
bool rt__hard_size(const void *p, size_t *ret);

/* ---- blame.c ---- */

/* Says what was written where, and what is known of the block; and ends the program. */
void rt__blame_print(const char *what, const struct rt__record *r, const struct rt__damage *d);
RT_NORETURN void rt__blame(const char *what, const struct rt__record *r,
			   const struct rt__damage *d);
/* Says what p is, which is no block in use; that it is one of another size. */
RT_NORETURN void rt__blame_pointer(const char *what, const void *p);
RT_NORETURN void rt__blame_size(const void *p, size_t size);

#endif

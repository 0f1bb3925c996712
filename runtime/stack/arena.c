/* SPDX-License-Identifier: MIT */
/*
 * Where stacks lie: slots of one size in arenas, side by side, so that a page of page tables serves
 * seven ordinary ones or eight, with a guard at the low end of each. It is markers in the page
 * table (MADV_GUARD_INSTALL, Linux 6.13), which split no mapping; before, it is mprotect, of which
 * a process has about 32,000 (vm.max_map_count).
 *
 * A guard is larger than any frame of libc, which does not touch the pages of a frame in turn:
 * musl's printf of a double has one of 7.5 KB, strtod and realpath have 8.3, and may leave most of
 * them untouched. The program's own frames may be larger, but rt0-cc builds those so that they
 * touch each page (-fstack-clash-protection).
 *
 * A slot is a power of two and the guard, an odd number of pages. Were it a power of two, the page
 * that each goroutine starts on would have the same low bits in all of them, and would compete for
 * the same few entries of the TLB: with 1000 goroutines, each switch would walk the page tables.
 *
 * A slot is, in this order, not carved; carved, while its guard is installed; then either bare,
 * which is guarded and without memory, or in use. Slots are carved and guarded several at a time,
 * since half of what a guard costs is the system call; the more there are, the more at a time. When
 * all that is carved of an arena is bare again, its page tables are given back, too.
 *
 * An arena is never unmapped: a stale pointer to a G reads zeros, or another G in the same place,
 * but never faults. When address space is short, a free slot of a larger class will do.
 *
 * Transparent huge pages are off: with them, the first touch would commit 2 MiB.
 *
 * Rejected: populating the first pages of new slots ahead in one call (they are 268 KiB apart: it
 * saves a tenth of a fault, measured, and wastes pages of who never needs them); one guard of many
 * pages for several stacks (each stack needs its own below it); guard pages that are simply not
 * mapped (the kernel would put somebody's one-page mapping there).
 */
#include "stack/stack_priv.h"

#include "mem/mem.h"
#include "sync/sync.h"

#define ARENA_SIZE (64ul << 20)
#define FIRST_NUMBER 2u /* 1 is the main goroutine's */

struct rt__arena {
	struct rt__arena *next_fresh, *next_bare;
	uintptr_t lo;    /* (c) of the first slot's guard */
	uint32_t first;  /* (c) number of the first slot */
	uint32_t nslots; /* (c) */
	uint8_t class;   /* (c) */
	bool on_bare;    /* the rest is (L): stacks.lock */
	uint32_t ncarved, nbare;
	uint64_t bare[]; /* a bit for each slot */
};

struct class
{
	struct rt__arena *fresh; /* arenas with slots that are not carved */
	struct rt__arena *bare;  /* arenas with bare slots, and some that have no longer any */
	size_t arena_size;       /* of the next one; 0: ARENA_SIZE */
	uint32_t ncarved;        /* in all arenas */
};

static struct {
	struct rt__lock lock;
	uint32_t next_number;
	struct class classes[RT_STACK_CLASSES];
} stacks;

void
rt__arena_init(void)
{
	rt__lock_rank(&stacks.lock, RT_RANK_STACK);
}

static size_t
slot_size(int class)
{
	return rt__stack_size(class) + rt__stack_guard_size();
}

/* ---- with stacks.lock held ---- */

static struct rt__arena *
add_arena(int class)
{
	struct class *c = &stacks.classes[class];
	size_t slot = slot_size(class), size = c->arena_size ? c->arena_size : ARENA_SIZE;

	if (size < slot)
		size = slot;
	uintptr_t lo = rt__stack_reserve(rt__os_reserve, &size, slot);
	if (!lo)
		return NULL;
	c->arena_size = size; /* what was not there now will not be next time */
	uint32_t n = (uint32_t)(size / slot);
	size_t words = (n + 63) / 64;
	struct rt__arena *a = rt__persistent_alloc(sizeof *a + words * sizeof a->bare[0],
						   _Alignof(struct rt__arena));
	if (stacks.next_number == 0)
		stacks.next_number = FIRST_NUMBER;
	a->lo = lo;
	a->first = stacks.next_number;
	a->nslots = n;
	a->class = (uint8_t) class;
	stacks.next_number += n;
	a->next_fresh = c->fresh;
	c->fresh = a;
	return a;
}

static void
set_bare(struct rt__arena *a, uint32_t i)
{
	a->bare[i / 64] |= 1ul << (i % 64);
	a->nbare++;
	if (!a->on_bare) {
		a->on_bare = true;
		a->next_bare = stacks.classes[a->class].bare;
		stacks.classes[a->class].bare = a;
	}
}

/* An arena of the class with slots to be had, bare ones first; or NULL. */
static struct rt__arena *
with_slots(int class)
{
	struct class *c = &stacks.classes[class];

	while (c->bare && c->bare->nbare == 0) {
		c->bare->on_bare = false;
		c->bare = c->bare->next_bare;
	}
	return c->bare ? c->bare : c->fresh;
}

/* The same, of the smallest class that is larger. */
static struct rt__arena *
larger_with_slots(int class)
{
	struct rt__arena *best = NULL;

	for (int c = 0; c < RT_STACK_CLASSES; c++) {
		size_t size = rt__stack_size(c);

		if (size > rt__stack_size(class) && with_slots(c) &&
		    (!best || size < rt__stack_size(best->class)))
			best = with_slots(c);
	}
	return best;
}

static uint32_t
take_bare(struct rt__arena *a)
{
	uint32_t word = 0;

	while (!a->bare[word])
		word++;
	uint32_t bit = (uint32_t)__builtin_ctzl(a->bare[word]);
	a->bare[word] &= ~(1ul << bit);
	a->nbare--;
	return word * 64 + bit;
}

/* Takes up to RT_RANGES_MAX slots off the part that is not carved: how many, from *first on. */
static uint32_t
carve(struct rt__arena *a, uint32_t *first)
{
	struct class *c = &stacks.classes[a->class];
	uint32_t n = c->ncarved / 4 + 1, left = a->nslots - a->ncarved;

	n = n < RT_RANGES_MAX ? n : RT_RANGES_MAX;
	n = n < left ? n : left;
	*first = a->ncarved;
	a->ncarved += n;
	c->ncarved += n;
	if (a->ncarved == a->nslots) /* the list's first: arenas are carved from there */
		c->fresh = a->next_fresh;
	return n;
}

/* Of n slots that were carved, from first on, only some have got their guard. The others can be
 * carved again, unless somebody has carved more meanwhile. */
static void
uncarve(struct rt__arena *a, uint32_t first, uint32_t n, uint32_t guarded)
{
	struct class *c = &stacks.classes[a->class];

	if (a->ncarved != first + n)
		return;
	if (a->ncarved == a->nslots) {
		a->next_fresh = c->fresh;
		c->fresh = a;
	}
	a->ncarved -= n - guarded;
	c->ncarved -= n - guarded;
}

/* All slots that are carved are bare: they are not, from now on. */
static void
forget_all(struct rt__arena *a)
{
	struct class *c = &stacks.classes[a->class];
	size_t size = a->nslots * slot_size(a->class);

	if (!rt__os_reserve_again((void *)a->lo, size))
		return;
	rt__os_no_huge_pages((void *)a->lo, size);
	if (a->ncarved == a->nslots) {
		a->next_fresh = c->fresh;
		c->fresh = a;
	}
	c->ncarved -= a->ncarved;
	a->ncarved = a->nbare = 0;
	for (uint32_t i = 0; i < (a->nslots + 63) / 64; i++)
		a->bare[i] = 0;
}

/* ---- without ---- */

static struct rt__range
guard_of(const struct rt__arena *a, uint32_t i)
{
	return (struct rt__range){(void *)(a->lo + i * slot_size(a->class)),
				  rt__stack_guard_size()};
}

static struct rt__slot
slot_at(struct rt__arena *a, uint32_t i)
{
	uintptr_t lo = (uintptr_t)guard_of(a, i).p;

	return (struct rt__slot){
		.stack = {lo + rt__stack_guard_size(), lo + slot_size(a->class)},
		.arena = a,
		.number = a->first + i,
		.class = a->class,
	};
}

/* Guards n carved slots from first on: how many have got one. All but the first are bare then. */
static uint32_t
guard(struct rt__arena *a, uint32_t first, uint32_t n)
{
	struct rt__range ranges[RT_RANGES_MAX];
	int err;

	for (uint32_t i = 0; i < n; i++)
		ranges[i] = guard_of(a, first + i);
	uint32_t guarded = (uint32_t)rt__os_guard_each(ranges, (int)n, &err);
	rt__lock(&stacks.lock);
	for (uint32_t i = 1; i < guarded; i++)
		set_bare(a, first + i);
	if (guarded < n)
		uncarve(a, first, n, guarded);
	rt__unlock(&stacks.lock);
	return guarded;
}

enum rt__stack_error
rt__stack_alloc(int class, struct rt__slot *ret)
{
	uint32_t i = 0, n = 0;

	rt__lock(&stacks.lock);
	struct rt__arena *a = with_slots(class);
	if (!a)
		a = add_arena(class);
	if (!a)
		a = larger_with_slots(class);
	if (a && a->nbare > 0)
		i = take_bare(a);
	else if (a)
		n = carve(a, &i);
	rt__unlock(&stacks.lock);
	if (!a)
		return RT_STACK_NO_SPACE;
	if (n > 0 && guard(a, i, n) == 0)
		return RT_STACK_NO_GUARD;
	*ret = slot_at(a, i);
	return RT_STACK_OK;
}

void
rt__stack_free(struct rt__g *const *gs, int n)
{
	struct rt__range ranges[RT_RANGES_MAX];
	struct rt__arena *arenas[RT_RANGES_MAX];
	uint32_t at[RT_RANGES_MAX];

	if (n <= 0)
		return;
	for (int i = 0; i < n; i++) { /* soon, the Gs are gone */
		const struct rt__stack *s = &gs[i]->stack;

		ranges[i] = (struct rt__range){(void *)s->lo, s->hi - s->lo};
		arenas[i] = gs[i]->arena;
		at[i] = gs[i]->number - arenas[i]->first;
	}
	rt__os_release_each(ranges, n);
	rt__lock(&stacks.lock);
	for (int i = 0; i < n; i++)
		set_bare(arenas[i], at[i]);
	for (int i = 0; i < n; i++)
		if (arenas[i]->nbare > 0 && arenas[i]->nbare == arenas[i]->ncarved)
			forget_all(arenas[i]);
	rt__unlock(&stacks.lock);
}

/* SPDX-License-Identifier: MIT */
/*
 * A table of call stacks. What allocates in a program does so from a few thousand places, however
 * many blocks it has: whoever notes a stack for each block keeps a number for it.
 *
 * It is bounded, and lies outside of the heap: addresses reserved when the first stack comes, and
 * committed by touch. A stack is a run of words: how many and their hash, then the program
 * counters; its number is the index of the first. Stacks stay, and do not change.
 *
 * No lock: any thread may come at any time, a signal handler that has interrupted another one here,
 * too, and a fork may happen in the middle. A stack is written where nobody else writes, since its
 * words were taken by a compare-and-swap of `used`, and then published by one of an empty slot, so
 * who finds its number finds it whole. Of two that add the same stack at once, the one that loses
 * the slot finds the other's there; its own words are wasted.
 */
#include "mem/stacks.h"

#include "os/os.h"

#define SLOTS (1u << 16)
#define PROBES 64u       /* then it is full */
#define WORDS (1u << 20) /* 8 MiB: 16 frames for each */

struct table {
	uint32_t slot[SLOTS]; /* (a) a number, 0 if free */
	uint32_t used;        /* (a) words, after the first */
	uint64_t words[WORDS];
};

static struct table *the_table; /* (a) NULL until the first stack comes */

static struct table *
table(void)
{
	struct table *t = rt__load_acq(&the_table); /* pairs with the release below */

	if (rt__likely(t != NULL))
		return t;
	t = rt__os_reserve(sizeof *t);
	if (t && !rt__cas_rel(&the_table, (struct table *)NULL, t)) {
		rt__os_unmap(t, sizeof *t);
		t = rt__load_acq(&the_table);
	}
	return t;
}

static uint64_t
head_of(const uintptr_t *pcs, unsigned n)
{
	uint64_t h = n;

	for (unsigned i = 0; i < n; i++) {
		h = (h ^ pcs[i]) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	return h << 32 | n;
}

static bool
is_at(const struct table *t, uint32_t id, uint64_t head, const uintptr_t *pcs)
{
	return t->words[id] == head &&
		__builtin_memcmp(&t->words[id + 1], pcs, (uint32_t)head * sizeof *pcs) == 0;
}

/* Writes a stack down, for nobody to find yet: its number, or 0. */
static uint32_t
keep(struct table *t, uint64_t head, const uintptr_t *pcs)
{
	uint32_t n = (uint32_t)head, used;

	do {
		used = rt__load_rlx(&t->used);
		if (WORDS - used < n + 2)
			return 0;
	} while (!rt__cas_rlx(&t->used, used, used + n + 1));
	t->words[used + 1] = head;
	__builtin_memcpy(&t->words[used + 2], pcs, n * sizeof *pcs);
	return used + 1;
}

uint32_t
rt__stacks_add(const uintptr_t *pcs, unsigned n)
{
	struct table *t = table();
	uint64_t head = head_of(pcs, n < RT_STACK_DEPTH ? n : RT_STACK_DEPTH);
	uint32_t mine = 0;

	for (uint32_t i = 0; t && i < PROBES; i++) {
		uint32_t *slot = &t->slot[((uint32_t)(head >> 32) + i) % SLOTS];
		uint32_t id = rt__load_acq(slot); /* pairs with the release below */

		if (id == 0) {
			if (mine == 0 && (mine = keep(t, head, pcs)) == 0)
				return 0;
			if (rt__cas_rel(slot, 0u, mine))
				return mine;
			id = rt__load_acq(slot);
		}
		if (is_at(t, id, head, pcs))
			return id;
	}
	return 0;
}

unsigned
rt__stacks_get(uint32_t id, const uintptr_t **ret_pcs)
{
	const struct table *t = rt__load_acq(&the_table);

	_Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "a word holds a program counter");
	if (!t || id == 0)
		return 0;
	*ret_pcs = (const uintptr_t *)&t->words[id + 1];
	return (uint32_t)t->words[id];
}

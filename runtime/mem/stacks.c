/* SPDX-License-Identifier: MIT */
/*
 * A table of call stacks. What allocates in a program does so from a few thousand places, however
 * many blocks it has: whoever notes a stack for each block keeps a number for it.
 *
 * It is bounded, and lies outside of the heap: addresses reserved when the first stack comes, and
 * committed as they come. A stack is a run of words: how many and their hash, then the program
 * counters; its number is the index of the first. Stacks stay, and do not change, so that readers
 * need no lock. An open hash table leads to them; only who finds nothing there takes the lock.
 */
#include "mem/stacks.h"

#include "os/os.h"
#include "sync/sync.h"

#define SLOTS (1u << 16)
#define MAX_STACKS (SLOTS / 4 * 3)
#define WORDS (1u << 20) /* 8 MiB: 20 frames for each */

struct table {
	uint32_t slot[SLOTS]; /* (a) a number, 0 if free */
	uint64_t words[WORDS];
};

static struct {
	struct rt__lock lock;
	struct table *table; /* (a) NULL until the first stack comes */
	uint32_t n, used;    /* (L) stacks, words */
} stacks;

void
rt__stacks_init(void)
{
	rt__lock_rank(&stacks.lock, RT_RANK_STACKS);
}

static uint32_t
hash_of(const uintptr_t *pcs, unsigned n)
{
	uint64_t h = n;

	for (unsigned i = 0; i < n; i++) {
		h = (h ^ pcs[i]) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	return (uint32_t)h;
}

static uint64_t
head_of(uint32_t hash, unsigned n)
{
	return (uint64_t)hash << 32 | n;
}

static bool
is_at(const struct table *t, uint32_t id, uint64_t head, const uintptr_t *pcs, unsigned n)
{
	return t->words[id] == head &&
		__builtin_memcmp(&t->words[id + 1], pcs, n * sizeof *pcs) == 0;
}

/* Its number, or 0; *i is the slot where it is, or would be. */
static uint32_t
find(const struct table *t, uint32_t hash, const uintptr_t *pcs, unsigned n, uint32_t *i)
{
	uint64_t head = head_of(hash, n);

	for (*i = hash % SLOTS;; *i = (*i + 1) % SLOTS) {
		uint32_t id = rt__load_acq(&t->slot[*i]); /* pairs with the release in insert */

		if (id == 0 || is_at(t, id, head, pcs, n))
			return id;
	}
}

/* With the lock. */
static uint32_t
insert(struct table *t, uint32_t hash, const uintptr_t *pcs, unsigned n)
{
	uint32_t i, id = find(t, hash, pcs, n, &i);

	if (id != 0 || stacks.n == MAX_STACKS || WORDS - stacks.used < n + 2)
		return id;
	id = stacks.used + 1;
	t->words[id] = head_of(hash, n);
	__builtin_memcpy(&t->words[id + 1], pcs, n * sizeof *pcs);
	stacks.used += n + 1;
	stacks.n++;
	rt__store_rel(&t->slot[i], id); /* publishes the words */
	return id;
}

uint32_t
rt__stacks_add(const uintptr_t *pcs, unsigned n)
{
	struct table *t = rt__load_acq(&stacks.table); /* pairs with the release below */
	uint32_t id = 0, i;

	n = n < RT_STACK_DEPTH ? n : RT_STACK_DEPTH;
	uint32_t hash = hash_of(pcs, n);
	if (t)
		id = find(t, hash, pcs, n, &i);
	if (id != 0)
		return id;
	rt__lock(&stacks.lock);
	if (!stacks.table)
		rt__store_rel(&stacks.table, (struct table *)rt__os_reserve(sizeof *t));
	if (stacks.table)
		id = insert(stacks.table, hash, pcs, n);
	rt__unlock(&stacks.lock);
	return id;
}

unsigned
rt__stacks_get(uint32_t id, const uintptr_t **ret_pcs)
{
	const struct table *t = rt__load_acq(&stacks.table);

	_Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "a word holds a program counter");
	if (!t || id == 0)
		return 0;
	*ret_pcs = (const uintptr_t *)&t->words[id + 1];
	return (uint32_t)t->words[id];
}

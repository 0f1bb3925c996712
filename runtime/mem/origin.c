/* SPDX-License-Identifier: MIT */
/*
 * Who did it: call stacks of allocations and frees, as numbers. Each different one is kept once, in
 * a table of a fixed size; when that is full, new ones are not known (0).
 *
 * A stack is a word of its length and so many program counters, four bytes each: how far they are
 * from a function here. The table of numbers is open-addressed, and both only grow, by
 * compare-and-swap: no lock, so any thread may come in at any time, a signal handler, too, and a
 * fork may happen in the middle. Two that note the same stack at once may keep it twice.
 *
 * A capture costs 100 to 200 ns a frame.
 */
#include "mem/hard.h"
#include "mem/mem.h"

#include "symtab/symtab.h"

#define FRAMES 16
#define SLOTS (1u << 17)
#define WORDS (1u << 20) /* 4 MiB */
#define PROBES 32u

static struct {
	uint32_t *slots; /* (a) index of a stack's first word; 0: none */
	uint32_t *words; /* (a) number of frames, then those; from 1 on */
	uint32_t used;   /* (a) */
} depot = {.used = 1};

void
rt__origin_init(void)
{
	depot.slots = rt__persistent_alloc(SLOTS * sizeof *depot.slots, RT_CACHE_LINE);
	depot.words = rt__persistent_alloc(WORDS * sizeof *depot.words, RT_CACHE_LINE);
}

/* What may be read from here up: a goroutine's or a thread's stack; of another one, such as a
 * handler's, the rest of the page. */
static struct rt__stack
stack_here(const struct rt__m *mp)
{
	uintptr_t sp = rt__sp();
	struct rt__stack s = {sp, RT_ALIGN_UP(sp + 1, rt__os.page_size)};

	if (mp == &rt__m_foreign) {
		struct rt__stack own = rt__hooks.thread_stack(rt__get_tp());

		return sp - own.lo < own.hi - own.lo ? own : s;
	}
	return rt__on_goroutine(mp) ? mp->curg->stack : s;
}

static uint64_t
who_here(const struct rt__m *mp)
{
	if (mp == &rt__m_foreign)
		return RT_WHO_THREAD + (uint64_t)rt__os_gettid();
	return mp->curg ? mp->curg->id : 0;
}

static uintptr_t
text(void)
{
	return (uintptr_t)rt__origin_here;
}

/* 0 for what is no code of the program's. */
static uint32_t
short_of(uintptr_t pc)
{
	intptr_t off = (intptr_t)(pc - text());

	return off == (int32_t)off ? (uint32_t)off : 0;
}

static uintptr_t
long_of(uint32_t off)
{
	return off ? text() + (uintptr_t)(intptr_t)(int32_t)off : 0;
}

static uint32_t
hash(const uint32_t *pc, uint32_t n)
{
	uint64_t h = n;

	for (uint32_t i = 0; i < n; i++)
		h = (h ^ pc[i]) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32);
}

static bool
same(uint32_t at, const uint32_t *pc, uint32_t n)
{
	return depot.words[at] == n &&
		__builtin_memcmp(&depot.words[at + 1], pc, n * sizeof *pc) == 0;
}

static uint32_t
keep(const uint32_t *pc, uint32_t n)
{
	if (rt__load_rlx(&depot.used) + n + 1 > WORDS - 2 * (FRAMES + 1) * 64)
		return 0; /* full, but for those under way */
	uint32_t at = rt__add_rlx(&depot.used, n + 1) - (n + 1);
	depot.words[at] = n;
	__builtin_memcpy(&depot.words[at + 1], pc, n * sizeof *pc);
	return at;
}

static uint32_t
number_of(const uint32_t *pc, uint32_t n)
{
	uint32_t h = hash(pc, n), mine = 0;

	for (uint32_t i = 0; i < PROBES; i++) {
		uint32_t *slot = &depot.slots[(h + i) % SLOTS];
		uint32_t at = rt__load_acq(slot); /* pairs with the release below */

		if (at == 0) {
			if (!mine && !(mine = keep(pc, n)))
				return 0;
			if (rt__cas_rel(slot, 0u, mine))
				return mine;
			at = rt__load_acq(slot);
		}
		if (same(at, pc, n))
			return at;
	}
	return 0;
}

RT_NOINLINE struct rt__origin
rt__origin_here(void)
{
	const struct rt__m *mp = rt__getm();
	uintptr_t pcs[FRAMES];
	uint32_t rel[FRAMES];
	struct rt__context c;

	rt__context_here(&c);
	int n = rt__callers(&c, true, stack_here(mp), pcs, FRAMES);
	for (int i = 0; i < n; i++)
		rel[i] = short_of(pcs[i]);
	return (struct rt__origin){who_here(mp), n > 0 ? number_of(rel, (uint32_t)n) : 0};
}

void
rt__origin_print(const char *verb, struct rt__origin o)
{
	uintptr_t pcs[FRAMES];
	uint32_t n = o.stack ? depot.words[o.stack] : 0;

	if (o.who & RT_WHO_THREAD)
		rt__eprintf("runtime: %s by thread %lu", verb, o.who & ~RT_WHO_THREAD);
	else if (o.who)
		rt__eprintf("runtime: %s by goroutine %lu", verb, o.who);
	else
		rt__eprintf("runtime: %s by the runtime", verb);
	rt__eprintf(n ? " at\n" : "; its call stack was not kept\n");
	for (uint32_t i = 0; i < n; i++)
		pcs[i] = long_of(depot.words[o.stack + 1 + i]);
	rt__print_pcs(pcs, (int)n, true);
}

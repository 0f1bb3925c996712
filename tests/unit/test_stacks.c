/* SPDX-License-Identifier: MIT */
/* The table of call stacks: each one once, by number, from many threads, until it is full. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "mem/stacks.h"

#define THREADS 4
#define STACKS 3000

/* The i-th one, which differs from others in depth, or in its innermost or outermost frame only. */
static unsigned
make(uintptr_t *pcs, uintptr_t i)
{
	unsigned n = 1 + (unsigned)(i % RT_STACK_DEPTH);

	for (unsigned k = 0; k < n; k++)
		pcs[k] = 0x400000 + k;
	pcs[i % 2 ? 0 : n - 1] += i << 8;
	return n;
}

static void
expect(uint32_t id, const uintptr_t *pcs, unsigned n)
{
	const uintptr_t *got = NULL;

	cr_assert_eq(rt__stacks_get(id, &got), n);
	for (unsigned k = 0; k < n; k++)
		cr_assert_eq(got[k], pcs[k]);
}

static void *
add_all(void *arg)
{
	uint32_t *ids = arg;
	uintptr_t pcs[RT_STACK_DEPTH];

	for (uintptr_t i = 0; i < STACKS; i++) {
		unsigned n = make(pcs, i);

		ids[i] = rt__stacks_add(pcs, n);
		cr_assert_neq(ids[i], 0u);
		expect(ids[i], pcs, n);
	}
	return NULL;
}

Test(stacks, same_number_for_the_same_stack)
{
	static uint32_t ids[THREADS][STACKS];
	uintptr_t pcs[RT_STACK_DEPTH];
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, add_all, ids[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < STACKS; i++) {
		for (int k = 1; k < THREADS; k++)
			cr_assert_eq(ids[k][i], ids[0][i]);
		expect(ids[0][i], pcs, make(pcs, (uintptr_t)i));
	}
}

Test(stacks, deeper_ones_are_cut)
{
	uintptr_t pcs[RT_STACK_DEPTH + 5];

	for (unsigned i = 0; i < RT_STACK_DEPTH + 5; i++)
		pcs[i] = i;
	uint32_t id = rt__stacks_add(pcs, RT_STACK_DEPTH + 5);
	expect(id, pcs, RT_STACK_DEPTH);
	cr_assert_eq(rt__stacks_add(pcs, RT_STACK_DEPTH), id);
}

static void
fill(unsigned depth)
{
	uintptr_t pcs[RT_STACK_DEPTH] = {0};
	const uintptr_t *got;
	uint32_t id, first = 0;
	uintptr_t n = 0;

	cr_assert_eq(rt__stacks_get(0, &got), 0u);
	for (;; n++) {
		pcs[depth / 2] = n;
		id = rt__stacks_add(pcs, depth);
		if (id == 0)
			break;
		first = n == 0 ? id : first;
	}
	cr_assert(n > 10000 && n < 100000, "%lu", n);
	pcs[depth / 2] = 0; /* what is there is still found */
	cr_assert_eq(rt__stacks_add(pcs, depth), first);
	pcs[depth / 2] = n - 1;
	expect(rt__stacks_add(pcs, depth), pcs, depth);
}

Test(stacks, full_of_small_ones)
{
	fill(1);
}

Test(stacks, full_of_deep_ones)
{
	fill(RT_STACK_DEPTH);
}

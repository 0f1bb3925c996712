/* SPDX-License-Identifier: MIT */
/*
 * Who did it: the goroutine or thread, and the call stack, as a number of the table that profiles
 * use as well (stacks.h). A capture costs 100 to 200 ns a frame.
 */
#include "mem/hard.h"
#include "mem/stacks.h"

#include "symtab/symtab.h"

#define FRAMES 16

static uint64_t
who_here(const struct rt__m *mp)
{
	if (mp == &rt__m_foreign)
		return RT_WHO_THREAD + (uint64_t)rt__os_gettid();
	return mp->curg ? mp->curg->id : 0;
}

RT_NOINLINE struct rt__origin
rt__origin_here(void)
{
	uintptr_t pcs[FRAMES];
	unsigned n = rt__stacks_callers(pcs, FRAMES);

	return (struct rt__origin){who_here(rt__getm()), n > 0 ? rt__stacks_add(pcs, n) : 0};
}

void
rt__origin_print(const char *verb, struct rt__origin o)
{
	const uintptr_t *pcs = NULL;
	unsigned n = rt__stacks_get(o.stack, &pcs);

	if (o.who & RT_WHO_THREAD)
		rt__eprintf("runtime: %s by thread %lu", verb, o.who & ~RT_WHO_THREAD);
	else if (o.who)
		rt__eprintf("runtime: %s by goroutine %lu", verb, o.who);
	else
		rt__eprintf("runtime: %s by the runtime", verb);
	rt__eprintf(n ? " at\n" : "; its call stack was not kept\n");
	if (n)
		rt__print_pcs(pcs, (int)n, true);
}

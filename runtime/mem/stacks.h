/* SPDX-License-Identifier: MIT */
/* Call stacks, each kept once, under a number: for profiles, and for reports of misuse. */
#ifndef RT_MEM_STACKS_H
#define RT_MEM_STACKS_H

#include "base/base.h"

#define RT_STACK_DEPTH 64u /* frames that are kept of one */

/*
 * The number of a stack, for good: the same for the same program counters, innermost first, of
 * which the first RT_STACK_DEPTH count. 0: there is no room for one more. Any thread, any stack,
 * any time.
 */
uint32_t rt__stacks_add(const uintptr_t *pcs, unsigned n);

/* How many frames it has, and where they are, for good; none for 0. Without locks. */
unsigned rt__stacks_get(uint32_t id, const uintptr_t **ret_pcs);

/*
 * Who has called the runtime: return addresses, innermost first, at most max. The runtime's own
 * frames between here and there are left out. It allocates nothing and takes no lock; a few hundred
 * nanoseconds for each.
 */
unsigned rt__stacks_callers(uintptr_t *pcs, unsigned max);

#endif

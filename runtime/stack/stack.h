/* SPDX-License-Identifier: MIT */
/* stack: floor 7. Address space for goroutine stacks: reserved, guarded, committed by touch. */
#ifndef RT_STACK_H
#define RT_STACK_H

#include "proc/proc.h"

#define RT_STACK_DEFAULT (256ul << 10) /* bytes of address space, and a guard page below */
#define RT_STACK_MIN (16ul << 10)      /* smallest RTSTACK */
#define RT_STACK_MAX (1ul << 30)       /* largest RTSTACK */
#define RT_STACK_MAIN 1000000000ul     /* main's, Go's maxstacksize on 64-bit: decimal on purpose */

/* Sets the size of ordinary stacks; 0 is the default. */
void rt__stackinit(size_t size, size_t tls_size);

/* A stack of the ordinary size. Never returns without one: out of address space is fatal. */
struct rt__stack rt__stack_alloc(void);

/* The main goroutine's stack: as much of RT_STACK_MAIN as the address space limit allows. */
struct rt__stack rt__stack_alloc_main(void);

#endif

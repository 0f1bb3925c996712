/* SPDX-License-Identifier: MIT */
/* The chain of deferred calls, protected calls and what runs them: for defer.c and panic.c. */
#ifndef RT_SCHED_DEFER_H
#define RT_SCHED_DEFER_H

#include <rt/rt.h>

#include "sched/sched_priv.h"

/* What a record is; numbers that nothing else is by accident, since records lie in frames. */
enum rt__unwind_magic {
	RT_UNWIND_TRY = 0x72740d03,
	RT_UNWIND_PANIC = 0x72740d04,  /* runs deferred calls */
	RT_UNWIND_GOEXIT = 0x72740d05, /* the same */
};

struct rt__unwind {
	struct rt__unwind *link; /* (!) the next further out */
	uint32_t magic;          /* (!) enum rt__unwind_magic, RT_UNWIND_WORDS, RT_UNWIND_ANY */
	void *cleanups; /* (!) pthread_cleanup_push's, as they were: newer ones come before it */
};

/* Behind rt_defer: a call, as rt__go_regs has one. Only RT_UNWIND_ANY has what is below ints. */
struct rt__deferred {
	struct rt__unwind u;
	uintptr_t fn;      /* (!) */
	uintptr_t ints[6]; /* (!) */
	uintptr_t rax;     /* (!) */
	uintptr_t unused;
	uint8_t xmm[8][16];                 /* (!) */
	uintptr_t stack[RT_GO_STACK_WORDS]; /* (!) */
};

/* Behind rt_try: the beginning of its rt_caught. */
struct rt__try {
	struct rt__unwind u;
	uintptr_t sp;   /* (!) of rt__try_words; 0: the arguments are still being evaluated */
	uint64_t fpctl; /* (!) */
	uint32_t caught;
	uint32_t goexit; /* a rt_goexit that was under way goes on from here */
};

/* What runs deferred calls: the first of the chain while it does. */
struct rt__running {
	struct rt__unwind u;
	struct rt__running *older; /* panics that this one came upon: they have failed in a call
				    * that they had run */
	bool goexit;               /* ... and so has a rt_goexit, which goes on if this is caught */
};

/* ---- arch/CPU/defer.S ---- */
RT_NORETURN void rt__try_land(const struct rt__try *t);

/* ---- defer.c ---- */

/* Makes d the call that regs have captured. */
void rt__deferred_of(struct rt__deferred *d, const struct rt__go_regs *regs);

/* The first of the chain of who calls. */
static inline struct rt__unwind **
rt__unwind_first(void)
{
	return (struct rt__unwind **)rt__tp_unwind(rt__get_tp());
}

/* Runs what is deferred, r being the first of the chain, until a rt_try catches it, if it is a
 * panic: that. NULL: nothing is left that may run. */
struct rt__try *rt__run_deferred(struct rt__running *r);

#endif

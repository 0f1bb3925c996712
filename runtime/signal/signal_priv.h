/* SPDX-License-Identifier: MIT */
/* What the files of signal/ share. */
#ifndef RT_SIGNAL_PRIV_H
#define RT_SIGNAL_PRIV_H

#include "sched/sched.h"
#include "signal/signal.h"
#include "symtab/symtab.h"

/* A signal as its handler finds it. */
struct rt__event {
	int sig, code;
	uintptr_t addr, pc, sp; /* addr: of faults only */
	bool overflow;          /* the goroutine's stack is full */
	const void *uc;
	struct rt__where at;
};

/* ---- fault.c ---- */

/* Whether e is a fault because that stack has no room for a frame. */
bool rt__is_overflow(struct rt__stack stack, const struct rt__event *e);
/* SIGSEGV, SIGBUS, SIGFPE: whether the goroutine goes on with a panic; else, a report. */
bool rt__fault_is_panic(const struct rt__event *e, void *uc);
RT_NORETURN void rt__report_fault(const struct rt__event *e);

#endif

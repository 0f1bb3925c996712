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
	struct rt__stack full;  /* a stack without room for a frame, if that is the fault ... */
	bool in_handler;        /* ... the one for signal handlers, not the goroutine's */
	const void *uc;
	struct rt__where at;
};

/* ---- fault.c ---- */

/* Finds out whether e is a fault because a stack has no room for a frame. */
void rt__find_overflow(struct rt__event *e, const struct rt__g *gp);
/* SIGSEGV, SIGBUS, SIGFPE: whether the goroutine goes on with a panic; else, a report. */
bool rt__fault_is_panic(const struct rt__event *e, void *uc);
RT_NORETURN void rt__report_fault(const struct rt__event *e);

#endif

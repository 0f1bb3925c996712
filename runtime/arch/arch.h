/* SPDX-License-Identifier: MIT */
/*
 * arch: floor 1. What differs by CPU. A port is one folder here and one in crt/, and provides:
 *
 *	rt__syscallN(nr, ...)		a raw system call: the result or -errno, no errno
 *	rt__syscall_waiting()		the same, of which rt__wait_on can say that it goes on
 *	rt__getm_raw(), rt__setm_raw()	the pointer to the current M, in a register of its own
 *	rt__getm_cache_raw()		one of its fields
 *	rt__get_tp(), rt__set_tp()	the thread pointer, for C's thread-locals
 *	rt__cpu_relax()			inside spin loops
 *	rt__sp()			about where the stack is
 *	rt__clone()			clone(2)
 *	rt__async_...()			a call put into interrupted code (async.h)
 *	switch.S			rt__mcall, rt__mleave, rt__gogo, rt__on_stack, rt__go,
 *					rt__go_words, rt__go_attr, rt__context_here, and where
 *					goroutines start
 *	defer.S				calls that are kept, and that may be left (rt/panic.h)
 *	longjmp.S			setjmp and longjmp
 *	context.h			registers as unwinding knows them, from what a switch or a
 *					signal has saved; and callers of code without unwind tables
 */
#ifndef RT_ARCH_H
#define RT_ARCH_H

#if defined(__x86_64__)
#include "arch/x86_64/x86_64.h"
#else
#error "rt0 has no port to this CPU yet: see runtime/arch/arch.h for what one provides"
#endif

#endif

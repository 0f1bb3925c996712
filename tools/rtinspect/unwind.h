/* SPDX-License-Identifier: MIT */
/*
 * unwind.h: from the registers of a frame to those of its caller.
 */
#ifndef RTINSPECT_UNWIND_H
#define RTINSPECT_UNWIND_H

#include "runtime.h"

struct ri_unwinder;

/* How the caller was found: by unwind tables; by guessing, as through libc, which has none; not, as
 * at the outermost frame; not, since the stack makes no sense. */
enum ri_step { RI_EXACT, RI_GUESS, RI_OUTERMOST, RI_LOST };

struct ri_unwinder *ri_unwinder_new(struct ri_program *program, const struct ri_runtime *runtime);
void ri_unwinder_free(struct ri_unwinder *unwinder);

/* Makes *registers those of the caller. *is_call says whether pc is a return address (what is
 * looked up is the byte before it) or where something was interrupted; it is updated. No memory
 * above `top` is taken for the stack; RI_ANY_STACK: which stack it is, is not known, and the caller
 * may be on another one. */
#define RI_ANY_STACK UINT64_MAX
enum ri_step ri_unwind(struct ri_unwinder *unwinder, struct ri_registers *registers, bool *is_call,
		       uint64_t top);

#endif

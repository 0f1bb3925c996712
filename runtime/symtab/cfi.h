/* SPDX-License-Identifier: MIT */
/* Unwind tables (.eh_frame): pure, on whatever memory it is given. */
#ifndef RT_SYMTAB_CFI_H
#define RT_SYMTAB_CFI_H

#include "proc/proc.h"
#include "symtab/bytes.h"

/* The tables of an image: its .eh_frame_hdr, and the bytes that the header may point into. */
struct rt__cfi {
	struct rt__bytes hdr, tables;
};

enum rt__cfi_result {
	RT_CFI_OK,
	RT_CFI_UNSURE,    /* likewise, but the table contradicts the stack in some register */
	RT_CFI_NONE,      /* no table covers the pc */
	RT_CFI_OUTERMOST, /* the table says that nobody called this */
	RT_CFI_BAD,       /* a table that makes no sense, or memory outside the bounds */
};

/* Makes *c the caller's context; `where` is the pc to look up. *ret_signal: the frame is one that
 * interrupted its caller. On the others, *c is as it was. */
enum rt__cfi_result rt__cfi_step(const struct rt__cfi *cfi, uintptr_t where, struct rt__context *c,
				 struct rt__stack stack, bool *ret_signal);

/* Reads a word of the stack; false outside of its bounds or if it is not aligned. Any word may be
 * asked for, and so one that ASan has put between variables. */
__attribute__((no_sanitize("address"))) static inline bool
rt__stack_word(struct rt__stack stack, uintptr_t addr, uintptr_t *ret)
{
	if (addr % sizeof *ret != 0 || addr < stack.lo || stack.hi < sizeof *ret ||
	    addr > stack.hi - sizeof *ret)
		return false;
	*ret = *(const uintptr_t *)addr;
	return true;
}

/* expr.c: evaluates a DWARF expression with `initial` on the stack, if push_initial. */
bool rt__expr_eval(struct rt__bytes code, const struct rt__context *c, struct rt__stack stack,
		   const uintptr_t *initial, uintptr_t *ret);

#endif

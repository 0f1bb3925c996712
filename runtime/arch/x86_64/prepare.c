/* SPDX-License-Identifier: MIT */
/*
 * The first frame of a goroutine, as rt__gogo and rt__gostart (switch.S) read it. There are two:
 * one cache line for calls that pass integers and pointers in registers, which nearly all are, and
 * a larger one for calls with anything else.
 */
#include <stddef.h>

#include "arch/arch.h"

void rt__gostart(void) __attribute__((visibility("hidden")));
void rt__gostart_any(void) __attribute__((visibility("hidden")));

/* Popped by rt__gogo as callee-saved registers; rt__gostart moves them to where they belong. */
struct regs_frame {
	uintptr_t rdi_in_r15, rsi_in_r14, rdx_in_r13, rcx_in_r12, r8_in_rbx, rbp;
};

struct words_frame {
	struct regs_frame regs;
	uintptr_t fn, r9;
};

struct any_frame {
	struct regs_frame regs;
	uintptr_t fn, rax, r9, unused;
	uint8_t xmm[8][16];
	uintptr_t args[RT_GO_STACK_WORDS];
};

#define CHECK(what, field)                                                                         \
	_Static_assert(offsetof(struct rt__go_regs, field) == (what), "arch offsets: " #what)
CHECK(RT_GO_FN, fn);
CHECK(RT_GO_RAX, rax);
CHECK(RT_GO_INT, ints);
CHECK(RT_GO_PC, pc);
CHECK(RT_GO_STACK, stack);
CHECK(RT_GO_XMM, xmm);
_Static_assert(sizeof(struct rt__go_regs) == RT_GO_SIZE, "arch offsets: RT_GO_SIZE");
_Static_assert(sizeof(struct words_frame) == 64, "one cache line");
_Static_assert(offsetof(struct any_frame, xmm) == 48 + 32, "rt__gostart_any: xmm at sp + 32");
_Static_assert(offsetof(struct any_frame, args) == 48 + 160, "rt__gostart_any drops 160 bytes");
_Static_assert(sizeof(struct any_frame) % 16 == 0, "the stack stays 16-aligned");

static struct regs_frame
regs_of(const struct rt__go_regs *r)
{
	return (struct regs_frame){r->ints[0], r->ints[1], r->ints[2], r->ints[3], r->ints[4], 0};
}

uintptr_t
rt__frame_prepare_words(void *top, const struct rt__go_regs *r, uintptr_t *pc)
{
	struct words_frame *f = (struct words_frame *)top - 1;

	*f = (struct words_frame){regs_of(r), r->fn, r->ints[5]};
	*pc = (uintptr_t)rt__gostart;
	return (uintptr_t)f;
}

uintptr_t
rt__frame_prepare_any(void *top, const struct rt__go_regs *r, uintptr_t *pc)
{
	struct any_frame *f = (struct any_frame *)top - 1;

	f->regs = regs_of(r);
	f->fn = r->fn;
	f->rax = r->rax;
	f->r9 = r->ints[5];
	__builtin_memcpy(f->xmm, r->xmm, sizeof f->xmm);
	__builtin_memcpy(f->args, r->stack, sizeof f->args);
	*pc = (uintptr_t)rt__gostart_any;
	return (uintptr_t)f;
}

bool
rt__is_first_frame(uintptr_t pc)
{
	return pc == (uintptr_t)rt__gostart || pc == (uintptr_t)rt__gostart_any;
}

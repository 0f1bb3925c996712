/* SPDX-License-Identifier: MIT */
/* The first frame of a goroutine, as rt__gogo and rt__gostart (switch.S) read it. */
#include <stddef.h>

#include "arch/arch.h"

void rt__gostart(void) __attribute__((visibility("hidden")));

struct start_frame {
	uintptr_t r15, r14, r13, r12, rbx, rbp; /* popped by rt__gogo */
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
_Static_assert(offsetof(struct start_frame, xmm) == 48 + 32, "rt__gostart reads xmm at sp + 32");
_Static_assert(offsetof(struct start_frame, args) == 48 + 160, "rt__gostart drops 160 bytes");

void rt__gostart_ints(void) __attribute__((visibility("hidden")));

struct start_frame_ints {
	uintptr_t r15, r14, r13, r12, rbx, rbp; /* popped by rt__gogo */
	uintptr_t fn, r9;
};

uintptr_t
rt__frame_prepare_ints(void *top, const struct rt__go_regs *regs, uintptr_t *pc)
{
	struct start_frame_ints *f = (struct start_frame_ints *)top - 1;

	f->r15 = regs->ints[0];
	f->r14 = regs->ints[1];
	f->r13 = regs->ints[2];
	f->r12 = regs->ints[3];
	f->rbx = regs->ints[4];
	f->rbp = 0;
	f->fn = regs->fn;
	f->r9 = regs->ints[5];
	*pc = (uintptr_t)rt__gostart_ints;
	return (uintptr_t)f;
}

uintptr_t
rt__frame_prepare(void *top, const struct rt__go_regs *regs, uintptr_t *pc)
{
	struct start_frame *f = (struct start_frame *)top - 1;
	const uintptr_t *args = regs->stack;

	f->r15 = regs->ints[0];
	f->r14 = regs->ints[1];
	f->r13 = regs->ints[2];
	f->r12 = regs->ints[3];
	f->rbx = regs->ints[4];
	f->rbp = 0;
	f->fn = regs->fn;
	f->rax = regs->rax;
	f->r9 = regs->ints[5];
	__builtin_memcpy(f->xmm, regs->xmm, sizeof f->xmm);
	for (int i = 0; args && i < RT_GO_STACK_WORDS; i++)
		f->args[i] = args[i];
	*pc = (uintptr_t)rt__gostart;
	return (uintptr_t)f;
}

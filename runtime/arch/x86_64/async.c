/* SPDX-License-Identifier: MIT */
/* The C half of async.S: how large the CPU's state is, and changing an interrupted context. */
#include "arch/arch.h"

#include <cpuid.h>
#include <errno.h>
#include <stddef.h>

#define CPUID_OSXSAVE (1u << 27) /* leaf 1, ecx */
#define CPUID_XSAVEC (1u << 1)   /* leaf 13.1, eax */
#define FXSAVE_SIZE 512
#define FRAMES_ROOM 2048 /* of rt__async_body, down to rt__mcall */

#define HIDDEN __attribute__((visibility("hidden")))
void rt__async_enter(void) HIDDEN;
extern const char rt__syscall_again[] HIDDEN, rt__syscall_made[] HIDDEN;

struct rt__xsave rt__xsave = {.size = FXSAVE_SIZE, .mask = 3, .kind = RT_FXSAVE};

_Static_assert(offsetof(struct rt__xsave, size) == RT_XSAVE_SIZE, "arch offsets: RT_XSAVE_SIZE");
_Static_assert(offsetof(struct rt__xsave, mask) == RT_XSAVE_MASK, "arch offsets: RT_XSAVE_MASK");
_Static_assert(offsetof(struct rt__xsave, kind) == RT_XSAVE_KIND, "arch offsets: RT_XSAVE_KIND");
_Static_assert(offsetof(struct rt__async_frame, rbp) == 112, "async.S: rbp - 112");
_Static_assert(offsetof(struct rt__ucontext, rip) == 168, "the kernel's struct sigcontext");
_Static_assert(offsetof(struct rt__ucontext, sigmask) == 296, "the kernel's struct ucontext");

static uint64_t
xgetbv(void)
{
	uint32_t lo, hi;

	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

void
rt__async_init(int best)
{
	uint32_t a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & CPUID_OSXSAVE) || best == RT_FXSAVE)
		return;
	rt__xsave.mask = xgetbv();
	__cpuid_count(13, 0, a, b, c, d);
	rt__xsave.size = b;
	rt__xsave.kind = RT_XSAVE;
	__cpuid_count(13, 1, a, b, c, d);
	if ((a & CPUID_XSAVEC) && best >= RT_XSAVEC) {
		rt__xsave.size = b;
		rt__xsave.kind = RT_XSAVEC;
	}
	rt__xsave.size = (rt__xsave.size + 63) & ~63ul;
}

uintptr_t
rt__async_room(void)
{
	return RT_RED_ZONE + sizeof(struct rt__async_frame) + rt__xsave.size + 64 + FRAMES_ROOM;
}

void
rt__async_inject(struct rt__ucontext *uc, uintptr_t what, uintptr_t resume)
{
	uc->rsp -= RT_RED_ZONE + 2 * sizeof(uintptr_t);
	((uintptr_t *)uc->rsp)[0] = what;
	((uintptr_t *)uc->rsp)[1] = resume;
	uc->rip = (uintptr_t)rt__async_enter;
}

void
rt__async_syscall(struct rt__async_frame *f)
{
	f->rax =
		(uint64_t)rt__syscall_waiting((long)f->rax, (long)f->rdi, (long)f->rsi,
					      (long)f->rdx, (long)f->r10, (long)f->r8, (long)f->r9);
}

/* close has closed even when it says EINTR. */
void
rt__wait_on(struct rt__ucontext *uc)
{
	if (uc->rip == (uintptr_t)rt__syscall_made && uc->rax == (uint64_t)-EINTR &&
	    *(const uint64_t *)uc->rsp != SYS_close)
		uc->rip = (uintptr_t)rt__syscall_again;
}

void
rt__async_context(struct rt__context *c, const struct rt__async_frame *f)
{
	*c = (struct rt__context){{
		[RT_REG_RAX] = f->rax,
		[RT_REG_RDX] = f->rdx,
		[RT_REG_RCX] = f->rcx,
		[RT_REG_RBX] = f->rbx,
		[RT_REG_RSI] = f->rsi,
		[RT_REG_RDI] = f->rdi,
		[RT_REG_RBP] = f->rbp,
		[RT_REG_SP] = rt__async_sp(f),
		[RT_REG_R8] = f->r8,
		[RT_REG_R9] = f->r9,
		[RT_REG_R10] = f->r10,
		[RT_REG_R11] = f->r11,
		[RT_REG_R12] = f->r12,
		[RT_REG_R13] = f->r13,
		[RT_REG_R14] = f->r14,
		[RT_REG_R15] = f->r15,
		[RT_REG_PC] = f->pc,
	}};
}

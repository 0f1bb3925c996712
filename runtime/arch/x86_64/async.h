/* SPDX-License-Identifier: MIT */
/* What a signal handler sees of the code that it has interrupted, and how it puts a call there. */
#ifndef RT_ARCH_X86_64_ASYNC_H
#define RT_ARCH_X86_64_ASYNC_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/syscall.h>

#include "arch/x86_64/context.h"
#include "arch/x86_64/offsets.h"

#define RT_SYS_clone3 435 /* not in every libc */

/* The kernel's struct ucontext. */
struct rt__ucontext {
	uint64_t flags, link, stack_sp, stack_flags, stack_size;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint64_t segments, error, trap, old_mask, cr2, fpstate, reserved[8];
	uint64_t sigmask;
};

/* How vector state is saved: read from the CPU by rt__async_init. */
struct rt__xsave {
	uint64_t size; /* (!) bytes of the area, a multiple of 64 */
	uint64_t mask; /* (!) components to save */
	uint32_t kind; /* (!) RT_FXSAVE, RT_XSAVE, RT_XSAVEC */
};
extern struct rt__xsave rt__xsave __attribute__((visibility("hidden")));

/* Must have run before the first rt__async_inject. Executes CPUID, which takes microseconds under
 * virtualization. best: the best of RT_FXSAVE, RT_XSAVE, RT_XSAVEC to use. */
void rt__async_init(int best);

static inline uintptr_t
rt__interrupted_pc(const struct rt__ucontext *uc)
{
	return uc->rip;
}

/* It goes on there, with all registers as they are. */
static inline void
rt__interrupted_rewind(struct rt__ucontext *uc, uintptr_t pc)
{
	uc->rip = pc;
}

static inline uintptr_t
rt__interrupted_sp(const struct rt__ucontext *uc)
{
	return uc->rsp;
}

/* Registers of the interrupted code, as rt__async_enter has saved them. */
struct rt__async_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbx, rcx, rdx, rax, rbp, eflags;
	uint64_t what, pc; /* see rt__async_inject */
};

/* Bytes of the goroutine's stack that an injected call takes, with what it calls. */
uintptr_t rt__async_room(void);

/* Makes the interrupted code call rt__async_body, with these in its frame, before it goes on at
 * `resume`. */
void rt__async_inject(struct rt__ucontext *uc, uintptr_t what, uintptr_t resume);
void rt__async_body(struct rt__async_frame *f) __attribute__((visibility("hidden")));

/* A return address that makes the same call, for RT_ASYNC_RETURN, before it goes on where the M
 * says: sched/preempt.c. */
extern const char rt__async_return[] __attribute__((visibility("hidden")));

/* Whether this call comes back to who makes it, and once. Another one is not made in its place: the
 * frame that a signal handler returns by is where its stack pointer is, and of a copy of the thread
 * or of the process, there would be two that come out of the runtime. */
static inline bool
rt__syscall_returns(uint64_t nr)
{
	return nr != SYS_rt_sigreturn && nr != SYS_clone && nr != SYS_fork && nr != SYS_vfork &&
		nr != RT_SYS_clone3 && nr != SYS_exit && nr != SYS_exit_group;
}

/* Whether the code is about to do such a system call: it was interrupted before, or will restart
 * it. */
static inline bool
rt__at_syscall(const struct rt__ucontext *uc)
{
	uint16_t insn;

	__builtin_memcpy(&insn, (const void *)uc->rip, sizeof insn);
	return insn == 0x050f && rt__syscall_returns(uc->rax);
}
#define RT_SYSCALL_SIZE 2

/* rt__syscall6 for calls that may wait, see rt__wait_on. */
long rt__syscall_waiting(long nr, long a, long b, long c, long d, long e, long f)
	__attribute__((visibility("hidden")));

/* A signal that the program does not know of may have interrupted such a call, and some of them are
 * not restarted by the kernel, whatever the handler's flags: then it is made again, rather than
 * fail with EINTR. */
void rt__wait_on(struct rt__ucontext *uc);

/* Does that system call, with the registers of the frame; the result goes there, too. */
void rt__async_syscall(struct rt__async_frame *f);

/* The interrupted code as unwinding knows it. */
void rt__async_context(struct rt__context *c, const struct rt__async_frame *f);

/* Where the interrupted code's stack was. */
static inline uintptr_t
rt__async_sp(const struct rt__async_frame *f)
{
	return (uintptr_t)(f + 1) + RT_RED_ZONE;
}

#endif

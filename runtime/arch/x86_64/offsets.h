/* SPDX-License-Identifier: MIT */
/* Offsets that switch.S needs. proc/proc.c asserts each against the C struct. */
#ifndef RT_ARCH_X86_64_OFFSETS_H
#define RT_ARCH_X86_64_OFFSETS_H

#define RT_G_SP 0
#define RT_G_PC 8
#define RT_G_FPCTL 16
#define RT_G_TP 24

#define RT_M_CURG 8
#define RT_M_G0_SP 16
#define RT_M_TP_NOW 24
#define RT_M_HANDLER_SP 32
#define RT_M_CACHE 40
#define RT_M_UNLOCKING 48
#define RT_M_UNLOCKS_PLAINLY 56
#define RT_M_RETURN_SLOT 64
#define RT_M_RETURN_PC 72

/* What rt__mcall leaves below the frame of a parked goroutine: DWARF numbers of registers and their
 * offsets from g->sp; the frame starts RT_SAVED_SIZE above it. For sched/layout.c. */
#define RT_SAVED_REGISTERS(x) x(15, 0) x(14, 8) x(13, 16) x(12, 24) x(3, 32) x(6, 40)
#define RT_SAVED_SIZE 48
#define RT_ELF_MACHINE 62 /* EM_X86_64 */

/* struct rt__go_regs: the argument registers of a call, as rt__go found them. */
#define RT_GO_FN 0
#define RT_GO_RAX 8
#define RT_GO_INT 16
#define RT_GO_PC 64
#define RT_GO_STACK 72
#define RT_GO_XMM 80
#define RT_GO_SIZE 208

/* Words of musl's struct pthread, which is what the thread pointer points to: one that no CPU but
 * i386 uses, for the chain of sched/defer.h; and the cleanup handlers that are pushed. */
#define RT_TP_UNWIND 32
#define RT_TP_CLEANUPS 120
/* Where our setjmp notes the chain: the last word of a jmp_buf, which musl leaves alone. */
#define RT_JMP_SP 48
#define RT_JMP_PC 56
#define RT_JMP_UNWIND 192

/* struct rt__unwind, struct rt__deferred, struct rt__try; and what the first can be. */
#define RT_UNWIND_LINK 0
#define RT_UNWIND_MAGIC 8
#define RT_UNWIND_CLEANUPS 16
#define RT_DEFER_FN 24
#define RT_DEFER_INT 32
#define RT_DEFER_RAX 80
#define RT_DEFER_XMM 96
#define RT_DEFER_STACK 224
#define RT_TRY_SP 24
#define RT_TRY_FPCTL 32
#define RT_UNWIND_WORDS 0x72740d01
#define RT_UNWIND_ANY 0x72740d02

/* Bytes below the stack pointer that code may use without moving it (System V ABI). */
#define RT_RED_ZONE 128

/* What a call that was put in is for: sched/preempt.c. */
#define RT_ASYNC_PREEMPT 0
#define RT_ASYNC_SYSCALL 1
#define RT_ASYNC_RETURN 2

/* struct rt__xsave, and its kinds. */
#define RT_XSAVE_SIZE 0
#define RT_XSAVE_MASK 8
#define RT_XSAVE_KIND 16
#define RT_FXSAVE 0
#define RT_XSAVE 1
#define RT_XSAVEC 2

/* Words of stack arguments that rt_go passes on: RT_GO_MAX_BYTES (rt.h) of them, and as much again
 * for the padding that 16-aligned ones may need. */
#define RT_GO_STACK_WORDS 16

#endif

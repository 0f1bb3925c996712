/* SPDX-License-Identifier: MIT */
/*
 * Included by the .S files here: what they have in common. Registers are moved in the order in
 * which the System V ABI passes arguments.
 */
#ifndef RT_ARCH_MACROS_H
#define RT_ARCH_MACROS_H

#include "arch/x86_64/offsets.h"

	.section .note.GNU-stack,"",@progbits

/* A function in a section of its own, with CFI. .hidden: for the runtime alone. own_return.: its
 * return address is not replaced while it runs (rt0.ld, sched/preempt.c). */
	.macro func name, visibility=, group=
	.section .text.\group\name,"ax",@progbits
	.globl	\name
	.ifnb \visibility
	\visibility \name
	.endif
	.type	\name, @function
	.balign	16
\name:
	.cfi_startproc
	.endm

	.macro endfunc name
	.cfi_endproc
	.size	\name, . - \name
	.endm

/* Another name of the function that has just ended. */
	.macro alias name, function
	.globl	\name
	.type	\name, @function
	.set	\name, \function
	.size	\name, . - \function
	.endm

/* The six integer arguments, to memory and back. */
	.macro save_words offset, base
	movq	%rdi, \offset+0(\base)
	movq	%rsi, \offset+8(\base)
	movq	%rdx, \offset+16(\base)
	movq	%rcx, \offset+24(\base)
	movq	%r8, \offset+32(\base)
	movq	%r9, \offset+40(\base)
	.endm

	.macro load_words offset, base
	movq	\offset+0(\base), %rdi
	movq	\offset+8(\base), %rsi
	movq	\offset+16(\base), %rdx
	movq	\offset+24(\base), %rcx
	movq	\offset+32(\base), %r8
	movq	\offset+40(\base), %r9
	.endm

/* The eight vector arguments; 16-aligned. */
	.macro save_vectors offset, base
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7
	movaps	%xmm\n, \offset+16*\n(\base)
	.endr
	.endm

	.macro load_vectors offset, base
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7
	movaps	\offset+16*\n(\base), %xmm\n
	.endr
	.endm

/* Pushes a register that the caller wants back; the CFA goes with the stack pointer. */
	.macro push_saved reg
	pushq	\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endm

	.macro pop_saved reg
	popq	\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endm

/*
 * All that a call keeps, r15 at the stack pointer and rbp on top. For pop_callee_saved the frame of
 * the caller, the CFA, lies `cfa` bytes above the stack pointer, wherever the code came from.
 */
	.macro push_callee_saved
	push_saved %rbp
	push_saved %rbx
	push_saved %r12
	push_saved %r13
	push_saved %r14
	push_saved %r15
	.endm

	.macro pop_callee_saved cfa
	.cfi_def_cfa %rsp, \cfa
	.cfi_rel_offset %r15, 0
	.cfi_rel_offset %r14, 8
	.cfi_rel_offset %r13, 16
	.cfi_rel_offset %r12, 24
	.cfi_rel_offset %rbx, 32
	.cfi_rel_offset %rbp, 40
	pop_saved %r15
	pop_saved %r14
	pop_saved %r13
	pop_saved %r12
	pop_saved %rbx
	pop_saved %rbp
	.endm

/*
 * What rt_go and its kin call in the place of the user's function, with the function itself in the
 * static-chain register, r10, or a pointer to a struct that has it. The compiler has laid out the
 * arguments for that function; we take a picture of every register that may hold one and leave the
 * rest to C: void newproc(struct rt__go_regs *).
 */
	.macro go_entry name, newproc
	func \name
	leaq	8(%rsp), %r11			/* first stack argument */
	subq	$RT_GO_SIZE+8, %rsp		/* +8: aligned at the call */
	.cfi_adjust_cfa_offset RT_GO_SIZE+8
	movq	%r10, RT_GO_FN(%rsp)
	movq	%rax, RT_GO_RAX(%rsp)
	save_words RT_GO_INT, %rsp
	movq	-8(%r11), %rax
	movq	%rax, RT_GO_PC(%rsp)
	movq	%r11, RT_GO_STACK(%rsp)
	save_vectors RT_GO_XMM, %rsp
	movq	%rsp, %rdi
	call	\newproc
	addq	$RT_GO_SIZE+8, %rsp
	.cfi_adjust_cfa_offset -(RT_GO_SIZE+8)
	ret
	endfunc \name
	.endm

/* The same for a call with nothing but integers and pointers, in registers. */
	.macro go_words_entry name, newproc
	func \name
	movq	(%rsp), %rax			/* the call of rt_go */
	subq	$RT_GO_XMM+8, %rsp		/* +8: aligned at the call */
	.cfi_adjust_cfa_offset RT_GO_XMM+8
	movq	%r10, RT_GO_FN(%rsp)
	save_words RT_GO_INT, %rsp
	movq	%rax, RT_GO_PC(%rsp)
	movq	%rsp, %rdi
	call	\newproc
	addq	$RT_GO_XMM+8, %rsp
	.cfi_adjust_cfa_offset -(RT_GO_XMM+8)
	ret
	endfunc \name
	.endm

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Calls that are kept for later, and calls that may be left: what rt_defer and rt_try (rt/panic.h)
 * call in the place of the user's function. The chain of both (sched/defer.h) hangs on a word of
 * the thread pointer's, so that it belongs to whoever runs: a goroutine, a thread, a handler
 * between two goroutines.
 */
#include "arch/x86_64/offsets.h"

	.section .note.GNU-stack,"",@progbits

	.macro begin name, visibility=
	.section .text.\name,"ax",@progbits
	.globl	\name
	.ifnb \visibility
	\visibility \name
	.endif
	.type	\name, @function
	.balign	16
\name:
	.cfi_startproc
	.endm
	.macro end name
	.cfi_endproc
	.size	\name, . - \name
	.endm

/* The record in r10, with what is common to both, becomes the first of the chain. */
	.macro push_deferred magic
	movq	%rdi, RT_DEFER_INT+0(%r10)
	movq	%rsi, RT_DEFER_INT+8(%r10)
	movq	%rdx, RT_DEFER_INT+16(%r10)
	movq	%rcx, RT_DEFER_INT+24(%r10)
	movq	%r8, RT_DEFER_INT+32(%r10)
	movq	%r9, RT_DEFER_INT+40(%r10)
	movl	$\magic, RT_UNWIND_MAGIC(%r10)
	movq	%fs:RT_TP_CLEANUPS, %r11
	movq	%r11, RT_UNWIND_CLEANUPS(%r10)
	movq	%fs:RT_TP_UNWIND, %r11
	movq	%r11, RT_UNWIND_LINK(%r10)
	movq	%r10, %fs:RT_TP_UNWIND		/* complete: a signal may come here */
	.endm

	.macro load_deferred
	movq	RT_DEFER_INT+0(%r10), %rdi
	movq	RT_DEFER_INT+8(%r10), %rsi
	movq	RT_DEFER_INT+16(%r10), %rdx
	movq	RT_DEFER_INT+24(%r10), %rcx
	movq	RT_DEFER_INT+32(%r10), %r8
	movq	RT_DEFER_INT+40(%r10), %r9
	.endm

/* Copies RT_GO_STACK_WORDS words of stack arguments through registers that hold none. */
	.macro copy_args from, to
	movups	0(\from), %xmm8
	movups	16(\from), %xmm9
	movups	32(\from), %xmm10
	movups	48(\from), %xmm11
	movups	64(\from), %xmm12
	movups	80(\from), %xmm13
	movups	96(\from), %xmm14
	movups	112(\from), %xmm15
	movaps	%xmm8, 0(\to)
	movaps	%xmm9, 16(\to)
	movaps	%xmm10, 32(\to)
	movaps	%xmm11, 48(\to)
	movaps	%xmm12, 64(\to)
	movaps	%xmm13, 80(\to)
	movaps	%xmm14, 96(\to)
	movaps	%xmm15, 112(\to)
	.endm

/* rt__defer_words, rt__defer_any: the arguments of the call as the function would find them, and
 * the record in r10, which knows the function. */
	begin rt__defer_words
	push_deferred RT_UNWIND_WORDS
	ret
	end rt__defer_words

	begin rt__defer_any
	movq	%rax, RT_DEFER_RAX(%r10)
	movaps	%xmm0, RT_DEFER_XMM+0(%r10)
	movaps	%xmm1, RT_DEFER_XMM+16(%r10)
	movaps	%xmm2, RT_DEFER_XMM+32(%r10)
	movaps	%xmm3, RT_DEFER_XMM+48(%r10)
	movaps	%xmm4, RT_DEFER_XMM+64(%r10)
	movaps	%xmm5, RT_DEFER_XMM+80(%r10)
	movaps	%xmm6, RT_DEFER_XMM+96(%r10)
	movaps	%xmm7, RT_DEFER_XMM+112(%r10)
	leaq	8(%rsp), %rax
	leaq	RT_DEFER_STACK(%r10), %r11
	copy_args %rax, %r11
	push_deferred RT_UNWIND_ANY
	ret
	end rt__defer_any

/* void rt__defer_leave(struct rt__deferred *d): the end of the block that d lies in. The usual case
 * is that d is the first of the chain; then the function is called as if from the block. */
	begin rt__defer_leave
	cmpq	%rdi, %fs:RT_TP_UNWIND
	jne	rt__defer_left			/* C: not the first, or never deferred */
	movq	RT_UNWIND_LINK(%rdi), %rax
	movq	%rax, %fs:RT_TP_UNWIND
	jmp	rt__defer_call
	end rt__defer_leave

/* void rt__defer_call(const struct rt__deferred *d): the call; d is off the chain. */
	begin rt__defer_call, .hidden
	movq	%rdi, %r10
	cmpl	$RT_UNWIND_ANY, RT_UNWIND_MAGIC(%r10)
	je	.Lany
	load_deferred
	xorl	%eax, %eax
	jmp	*RT_DEFER_FN(%r10)
.Lany:
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	subq	$RT_GO_STACK_WORDS*8, %rsp
	leaq	RT_DEFER_STACK(%r10), %r11
	copy_args %r11, %rsp
	movaps	RT_DEFER_XMM+0(%r10), %xmm0
	movaps	RT_DEFER_XMM+16(%r10), %xmm1
	movaps	RT_DEFER_XMM+32(%r10), %xmm2
	movaps	RT_DEFER_XMM+48(%r10), %xmm3
	movaps	RT_DEFER_XMM+64(%r10), %xmm4
	movaps	RT_DEFER_XMM+80(%r10), %xmm5
	movaps	RT_DEFER_XMM+96(%r10), %xmm6
	movaps	RT_DEFER_XMM+112(%r10), %xmm7
	load_deferred
	movq	RT_DEFER_RAX(%r10), %rax
	call	*RT_DEFER_FN(%r10)
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
	end rt__defer_call

/*
 * rt__try_words, rt__try_any: the function in r10, and its arguments as it would find them. The
 * first of the chain is the record of the call, which rt__try_begin has put there: what to come
 * back to is noted in it, and that from now on it catches.
 *
 *	rbp - 40  r15 r14 r13 r12 rbx, upwards      rbp  its own      rbp + 8  the caller
 */
	.macro try_begin
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	pushq	%rbx
	.cfi_offset %rbx, -24
	pushq	%r12
	.cfi_offset %r12, -32
	pushq	%r13
	.cfi_offset %r13, -40
	pushq	%r14
	.cfi_offset %r14, -48
	pushq	%r15
	.cfi_offset %r15, -56
	movq	%fs:RT_TP_UNWIND, %r11
	stmxcsr	RT_TRY_FPCTL(%r11)
	fnstcw	RT_TRY_FPCTL+4(%r11)
	movq	%rsp, RT_TRY_SP(%r11)
	.endm

	.macro try_end
	popq	%r15
	.cfi_restore %r15
	popq	%r14
	.cfi_restore %r14
	popq	%r13
	.cfi_restore %r13
	popq	%r12
	.cfi_restore %r12
	popq	%rbx
	.cfi_restore %rbx
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
	.endm

	begin rt__try_words
	try_begin
	subq	$8, %rsp
	xorl	%eax, %eax
	call	*%r10
	addq	$8, %rsp
	try_end
	end rt__try_words

	begin rt__try_any
	try_begin
	leaq	16(%rbp), %r11
	subq	$RT_GO_STACK_WORDS*8+8, %rsp
	copy_args %r11, %rsp
	call	*%r10
	addq	$RT_GO_STACK_WORDS*8+8, %rsp
	try_end
	end rt__try_any

/* void rt__try_land(const struct rt__try *t): returns from the call of one of these two. */
	begin rt__try_land, .hidden
	ldmxcsr	RT_TRY_FPCTL(%rdi)
	fldcw	RT_TRY_FPCTL+4(%rdi)
	movq	RT_TRY_SP(%rdi), %rsp
	.cfi_def_cfa %rsp, 56
	.cfi_rel_offset %r15, 0
	.cfi_rel_offset %r14, 8
	.cfi_rel_offset %r13, 16
	.cfi_rel_offset %r12, 24
	.cfi_rel_offset %rbx, 32
	.cfi_rel_offset %rbp, 40
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	end rt__try_land

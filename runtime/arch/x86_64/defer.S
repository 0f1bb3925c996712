/* SPDX-License-Identifier: MIT */
/*
 * Calls that are kept for later, and calls that may be left: what rt_defer and rt_try (rt/panic.h)
 * call in the place of the user's function. The chain of both (sched/defer.h) hangs on a word of
 * the thread pointer's, so that it belongs to whoever runs: a goroutine, a thread, a handler
 * between two goroutines.
 */
#include "arch/x86_64/macros.S"
#include "arch/x86_64/offsets.h"

/* The record in r10, with what is common to both, becomes the first of the chain. */
	.macro push_deferred magic
	save_words RT_DEFER_INT, %r10
	movl	$\magic, RT_UNWIND_MAGIC(%r10)
	movq	%fs:RT_TP_CLEANUPS, %r11
	movq	%r11, RT_UNWIND_CLEANUPS(%r10)
	movq	%fs:RT_TP_UNWIND, %r11
	movq	%r11, RT_UNWIND_LINK(%r10)
	movq	%r10, %fs:RT_TP_UNWIND		/* complete: a signal may come here */
	.endm

/* Copies RT_GO_STACK_WORDS words of stack arguments through registers that hold none. */
	.macro copy_args from, to
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7
	movups	16*\n(\from), %xmm8
	movaps	%xmm8, 16*\n(\to)
	.endr
	.endm

/* rt__defer_words, rt__defer_any: the arguments of the call as the function would find them, and
 * the record in r10, which knows the function. */
	func rt__defer_words
	push_deferred RT_UNWIND_WORDS
	ret
	endfunc rt__defer_words

	func rt__defer_any
	movq	%rax, RT_DEFER_RAX(%r10)
	save_vectors RT_DEFER_XMM, %r10
	leaq	8(%rsp), %rax
	leaq	RT_DEFER_STACK(%r10), %r11
	copy_args %rax, %r11
	push_deferred RT_UNWIND_ANY
	ret
	endfunc rt__defer_any

/* void rt__defer_leave(struct rt__deferred *d): the end of the block that d lies in. The usual case
 * is that d is the first of the chain; then the function is called as if from the block. */
	func rt__defer_leave
	cmpq	%rdi, %fs:RT_TP_UNWIND
	jne	rt__defer_left			/* C: not the first, or never deferred */
	movq	RT_UNWIND_LINK(%rdi), %rax
	movq	%rax, %fs:RT_TP_UNWIND
	jmp	rt__defer_call
	endfunc rt__defer_leave

/* void rt__defer_call(const struct rt__deferred *d): the call; d is off the chain. */
	func rt__defer_call, .hidden
	movq	%rdi, %r10
	cmpl	$RT_UNWIND_ANY, RT_UNWIND_MAGIC(%r10)
	je	.Lany
	load_words RT_DEFER_INT, %r10
	xorl	%eax, %eax
	jmp	*RT_DEFER_FN(%r10)
.Lany:
	push_saved %rbp
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	subq	$RT_GO_STACK_WORDS*8, %rsp
	leaq	RT_DEFER_STACK(%r10), %r11
	copy_args %r11, %rsp
	load_vectors RT_DEFER_XMM, %r10
	load_words RT_DEFER_INT, %r10
	movq	RT_DEFER_RAX(%r10), %rax
	call	*RT_DEFER_FN(%r10)
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
	endfunc rt__defer_call

/*
 * rt__try_words, rt__try_any: the function in r10, and its arguments as it would find them. The
 * first of the chain is the record of the call, which rt__try_begin has put there: what to come
 * back to is noted in it, and that from now on it catches.
 *
 *	rbp - 40  r15 r14 r13 r12 rbx, upwards      rbp  its own      rbp + 8  the caller
 */
	.macro try_begin
	push_callee_saved
	leaq	40(%rsp), %rbp
	.cfi_def_cfa %rbp, 16
	movq	%fs:RT_TP_UNWIND, %r11
	stmxcsr	RT_TRY_FPCTL(%r11)
	fnstcw	RT_TRY_FPCTL+4(%r11)
	movq	%rsp, RT_TRY_SP(%r11)
	.endm

	.macro try_end
	pop_callee_saved 56
	ret
	.endm

	func rt__try_words
	try_begin
	subq	$8, %rsp
	xorl	%eax, %eax
	call	*%r10
	addq	$8, %rsp
	try_end
	endfunc rt__try_words

	func rt__try_any
	try_begin
	leaq	16(%rbp), %r11
	subq	$RT_GO_STACK_WORDS*8+8, %rsp
	copy_args %r11, %rsp
	call	*%r10
	addq	$RT_GO_STACK_WORDS*8+8, %rsp
	try_end
	endfunc rt__try_any

/* void rt__try_land(const struct rt__try *t): returns from the call of one of these two. */
	func rt__try_land, .hidden
	ldmxcsr	RT_TRY_FPCTL(%rdi)
	fldcw	RT_TRY_FPCTL+4(%rdi)
	movq	RT_TRY_SP(%rdi), %rsp
	pop_callee_saved 56
	ret
	endfunc rt__try_land

/* SPDX-License-Identifier: MIT */
/*
 * setjmp and longjmp, as in musl: rbx rbp r12-r15 rsp rip. The differences: setjmp also notes what
 * is deferred, and longjmp runs what has been deferred since (rt__jump_over); and one that leaves a
 * signal handler says so (rt__left_handler), when it is back on the frame that it jumps to; the M
 * noted that it was in one. musl's sigsetjmp and siglongjmp call these.
 */
#include "arch/x86_64/macros.S"
#include "arch/x86_64/offsets.h"

	func setjmp, , own_return.
	movq	%rbx, 0(%rdi)
	movq	%rbp, 8(%rdi)
	movq	%r12, 16(%rdi)
	movq	%r13, 24(%rdi)
	movq	%r14, 32(%rdi)
	movq	%r15, 40(%rdi)
	leaq	8(%rsp), %rdx
	movq	%rdx, RT_JMP_SP(%rdi)
	movq	(%rsp), %rdx
	movq	%rdx, RT_JMP_PC(%rdi)
	movq	%fs:RT_TP_UNWIND, %rdx
	movq	%rdx, RT_JMP_UNWIND(%rdi)
	xorl	%eax, %eax
	ret
	endfunc setjmp
	alias _setjmp, setjmp
	alias __setjmp, setjmp

	func longjmp
	movq	%fs:RT_TP_UNWIND, %rax
	cmpq	%rax, RT_JMP_UNWIND(%rdi)
	jne	.Lover
.Ljump:
	xorl	%eax, %eax
	cmpl	$1, %esi			/* 0 becomes 1 */
	adcl	%esi, %eax
	movq	0(%rdi), %rbx
	movq	8(%rdi), %rbp
	movq	16(%rdi), %r12
	movq	24(%rdi), %r13
	movq	32(%rdi), %r14
	movq	40(%rdi), %r15
	movq	RT_JMP_PC(%rdi), %rdx
	.cfi_remember_state
	.cfi_undefined %rip			/* half of the registers are the target's already */
	movq	RT_JMP_SP(%rdi), %rsp
	cmpq	$0, %gs:RT_M_HANDLER_SP
	jne	.Lin_handler
	jmp	*%rdx
.Lin_handler:
	pushq	%rdx
	pushq	%rax
	call	rt__left_handler
	popq	%rax
	popq	%rdx
	jmp	*%rdx
	.cfi_restore_state
.Lover:
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	movq	RT_JMP_UNWIND(%rdi), %rsi
	movq	RT_JMP_SP(%rdi), %rdi
	call	rt__jump_over
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	jmp	.Ljump
	endfunc longjmp
	alias _longjmp, longjmp

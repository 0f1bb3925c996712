/* SPDX-License-Identifier: MIT */
/*
 * longjmp, _longjmp: as in musl, whose setjmp has filled the buffer: rbx rbp r12-r15 rsp rip. The
 * difference: one that leaves a signal handler says so (rt__left_handler), when it is back on the
 * frame that it jumps to; the M noted that it was in one.
 */
#include "arch/x86_64/offsets.h"

	.section .note.GNU-stack,"",@progbits

	.section .text.longjmp,"ax",@progbits
	.globl	longjmp
	.globl	_longjmp
	.type	longjmp, @function
	.type	_longjmp, @function
	.balign	16
longjmp:
_longjmp:
	.cfi_startproc
	xorl	%eax, %eax
	cmpl	$1, %esi			/* 0 becomes 1 */
	adcl	%esi, %eax
	movq	0(%rdi), %rbx
	movq	8(%rdi), %rbp
	movq	16(%rdi), %r12
	movq	24(%rdi), %r13
	movq	32(%rdi), %r14
	movq	40(%rdi), %r15
	movq	56(%rdi), %rdx
	.cfi_undefined %rip			/* half of the registers are the target's already */
	movq	48(%rdi), %rsp
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
	.cfi_endproc
	.size	longjmp, . - longjmp
	.size	_longjmp, . - _longjmp

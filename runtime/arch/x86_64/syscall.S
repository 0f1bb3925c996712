/* SPDX-License-Identifier: MIT */
/*
 * long rt__syscall_waiting(nr, a, b, c, d, e, f): a system call that may wait. The runtime's own
 * signal interrupts it no more than if it had never come (async.h: rt__wait_on): the number stays
 * on the stack, and all else that the call needs in registers, which the kernel leaves alone.
 */
#include "arch/x86_64/macros.S"

	func rt__syscall_waiting, .hidden
	.globl	rt__syscall_again
	.globl	rt__syscall_made
	.hidden	rt__syscall_again
	.hidden	rt__syscall_made
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	movq	16(%rsp), %r9
rt__syscall_again:
	movq	(%rsp), %rax
	syscall
rt__syscall_made:
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	ret
	endfunc rt__syscall_waiting

/* SPDX-License-Identifier: MIT */
/* Where a signal handler of the runtime returns to. Debuggers know a signal frame by just these
 * instructions. */
	.section .note.GNU-stack,"",@progbits

	.section .text.rt__sigreturn,"ax",@progbits
	.globl	rt__sigreturn
	.hidden	rt__sigreturn
	.type	rt__sigreturn, @function
	.balign	16
	nop
rt__sigreturn:
	movq	$15, %rax			/* rt_sigreturn */
	syscall
	.size	rt__sigreturn, . - rt__sigreturn

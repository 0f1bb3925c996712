/* SPDX-License-Identifier: MIT */
/*
 * long rt__clone(int (*fn)(void *), void *stack, long flags, void *arg, int *ptid, void *tls,
 * int *ctid): clone(2) with a stack for the child, which calls fn(arg) there and exits with what it
 * returns. Returns the child's id or -errno.
 */
#include "arch/x86_64/macros.S"

#define SYS_clone 56
#define SYS_exit 60

	func rt__clone, .hidden
	andq	$-16, %rsi
	subq	$16, %rsi
	movq	%rdi, (%rsi)			/* both in the child's memory: no register is */
	movq	%rcx, 8(%rsi)			/* left out of the call, or kept by it */
	movq	%rdx, %rdi
	movq	%r8, %rdx
	movq	8(%rsp), %r10
	movq	%r9, %r8
	movl	$SYS_clone, %eax
	syscall
	testq	%rax, %rax
	jz	.Lchild
	ret
.Lchild:
	.cfi_undefined %rip
	xorl	%ebp, %ebp
	popq	%rax
	popq	%rdi
	call	*%rax
	movl	%eax, %edi
	movl	$SYS_exit, %eax
	syscall
	ud2
	endfunc rt__clone

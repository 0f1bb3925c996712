/* SPDX-License-Identifier: MIT */
/*
 * x86-64: a call put in between two instructions of a goroutine. A signal handler cannot switch
 * goroutines itself: it would leave its signal blocked and its frame behind. It changes the context
 * that it returns to instead: rt__async_inject (async.c) pushes where the goroutine was, below the
 * red zone, and sets the program counter to rt__async_enter. This saves every register that user
 * code may hold something in, calls rt__async_body(frame), which may park, and puts all back.
 *
 * Vector and x87 state are saved by XSAVEC, XSAVE or FXSAVE, in that order of preference, as wide
 * as the CPU says (rt__xsave). The frame, from rbp down, is struct rt__async_frame:
 *
 *	rbp + 32   red zone of the interrupted code, 128 bytes
 *	rbp + 24   where it was
 *	rbp + 16   what the call is for
 *	rbp + 8    its flags
 *	rbp        its rbp
 *	rbp - 112  the other registers
 *	sp         the XSAVE area, 64-aligned
 */
#include "arch/x86_64/macros.S"
#include "arch/x86_64/offsets.h"

	.section .text.rt__async_enter,"ax",@progbits
	.globl	rt__async_enter
	.hidden	rt__async_enter
	.type	rt__async_enter, @function
	.balign	16
	nop					/* unwinders look up pc - 1, even here */
rt__async_enter:
	.cfi_startproc
	.cfi_signal_frame			/* interrupted: its pc is no return address */
	.cfi_def_cfa %rsp, 16 + RT_RED_ZONE
	.cfi_offset %rip, -(8 + RT_RED_ZONE)
	pushfq
	.cfi_adjust_cfa_offset 8
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rbp, -(32 + RT_RED_ZONE)
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	pushq	%rax
	.cfi_offset %rax, -(40 + RT_RED_ZONE)
	pushq	%rdx
	.cfi_offset %rdx, -(48 + RT_RED_ZONE)
	pushq	%rcx
	.cfi_offset %rcx, -(56 + RT_RED_ZONE)
	pushq	%rbx
	.cfi_offset %rbx, -(64 + RT_RED_ZONE)
	pushq	%rsi
	.cfi_offset %rsi, -(72 + RT_RED_ZONE)
	pushq	%rdi
	.cfi_offset %rdi, -(80 + RT_RED_ZONE)
	pushq	%r8
	.cfi_offset %r8, -(88 + RT_RED_ZONE)
	pushq	%r9
	.cfi_offset %r9, -(96 + RT_RED_ZONE)
	pushq	%r10
	.cfi_offset %r10, -(104 + RT_RED_ZONE)
	pushq	%r11
	.cfi_offset %r11, -(112 + RT_RED_ZONE)
	pushq	%r12
	.cfi_offset %r12, -(120 + RT_RED_ZONE)
	pushq	%r13
	.cfi_offset %r13, -(128 + RT_RED_ZONE)
	pushq	%r14
	.cfi_offset %r14, -(136 + RT_RED_ZONE)
	pushq	%r15
	.cfi_offset %r15, -(144 + RT_RED_ZONE)
	cld
	movq	%rsp, %rdi			/* the frame */
	subq	rt__xsave+RT_XSAVE_SIZE(%rip), %rsp
	andq	$-64, %rsp
	movl	rt__xsave+RT_XSAVE_MASK(%rip), %eax
	movl	rt__xsave+RT_XSAVE_MASK+4(%rip), %edx
	movl	rt__xsave+RT_XSAVE_KIND(%rip), %ecx
	cmpl	$RT_XSAVE, %ecx
	jb	.Lfxsave
	movl	$0, %ebx			/* not xor: keeps the flags for ja */
	movq	%rbx, 512(%rsp)			/* the header: neither writes all that must be 0 */
	movq	%rbx, 520(%rsp)
	movq	%rbx, 528(%rsp)
	movq	%rbx, 536(%rsp)
	movq	%rbx, 544(%rsp)
	movq	%rbx, 552(%rsp)
	movq	%rbx, 560(%rsp)
	movq	%rbx, 568(%rsp)
	ja	.Lxsavec
	xsave64	(%rsp)
	jmp	.Lsaved
.Lxsavec:
	xsavec64 (%rsp)
	jmp	.Lsaved
.Lfxsave:
	fxsave64 (%rsp)
.Lsaved:
	emms					/* others expect an empty x87 stack, as calls do */
	call	rt__async_body
	movl	rt__xsave+RT_XSAVE_MASK(%rip), %eax
	movl	rt__xsave+RT_XSAVE_MASK+4(%rip), %edx
	cmpl	$RT_XSAVE, rt__xsave+RT_XSAVE_KIND(%rip)
	jb	.Lfxrstor
	xrstor64 (%rsp)
	jmp	.Lrestored
.Lfxrstor:
	fxrstor64 (%rsp)
.Lrestored:
	leaq	-112(%rbp), %rsp
	popq	%r15
	.cfi_restore %r15
	popq	%r14
	.cfi_restore %r14
	popq	%r13
	.cfi_restore %r13
	popq	%r12
	.cfi_restore %r12
	popq	%r11
	.cfi_restore %r11
	popq	%r10
	.cfi_restore %r10
	popq	%r9
	.cfi_restore %r9
	popq	%r8
	.cfi_restore %r8
	popq	%rdi
	.cfi_restore %rdi
	popq	%rsi
	.cfi_restore %rsi
	popq	%rbx
	.cfi_restore %rbx
	popq	%rcx
	.cfi_restore %rcx
	popq	%rdx
	.cfi_restore %rdx
	popq	%rax
	.cfi_restore %rax
	popq	%rbp
	.cfi_restore %rbp
	.cfi_def_cfa %rsp, 24 + RT_RED_ZONE
	popfq
	.cfi_def_cfa_offset 16 + RT_RED_ZONE
	leaq	8(%rsp), %rsp			/* changes no flags */
	.cfi_def_cfa_offset 8 + RT_RED_ZONE
	ret	$RT_RED_ZONE
	.cfi_endproc
	.size	rt__async_enter, . - rt__async_enter

/*
 * rt__async_return: what a return address is replaced by, to stop the goroutine when it comes back
 * to the program's code: the same call, as if it had been put in there. The address itself is kept
 * by the M. Unwind tables cannot say so; gdb and rtinspect know these instructions.
 */
	.section .text.rt__async_return,"ax",@progbits
	.type	rt__async_return_site, @function
	.balign	16
rt__async_return_site:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa %rsp, 0
	.cfi_undefined %rip
	call	rt__async_return		/* never: a return address is behind a call */
	.globl	rt__async_return
	.hidden	rt__async_return
rt__async_return:
	leaq	-RT_RED_ZONE(%rsp), %rsp	/* changes no flags; nobody's red zone */
	pushq	%gs:RT_M_RETURN_PC
	pushq	$RT_ASYNC_RETURN
	movq	$0, %gs:RT_M_RETURN_SLOT
	jmp	rt__async_enter
	.cfi_endproc
	.size	rt__async_return_site, . - rt__async_return_site

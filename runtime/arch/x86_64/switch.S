/* SPDX-License-Identifier: MIT */
/*
 * x86-64: switching between a goroutine and its M's own stack, g0.
 *
 * Saved across a switch is what the System V ABI makes callee-saved: rbx, rbp, r12-r15, rsp, and
 * the control words of SSE and x87. The context lies on the goroutine's stack below its saved sp:
 *
 *	sp + 0  r15      sp + 16  r13      sp + 32  rbx
 *	sp + 8  r14      sp + 24  r12      sp + 40  rbp      sp + 48  the caller's frame
 *
 * and the return address is taken off the stack into g->pc. Resuming is a jump to it, not a `ret`:
 * after a switch the return-address predictor is always wrong, the indirect one mostly right,
 * since goroutines park at few places (measured: 3 ns against 9).
 *
 * The scheduler computes nothing in floating point, so the control words stay the goroutine's
 * while g0 runs. They are loaded at each switch, changed or not: a load costs 0.3 ns, while the
 * comparison with what is set now reads them back just after they were stored, narrower, and
 * waits for the store buffer (5 ns). With them, the status flags of MXCSR become per goroutine.
 *
 * The thread pointer stays the last goroutine's as well, until rt__gogo needs another: the code on
 * g0 touches no thread-local. One write for each switch, none when a goroutine resumes where it
 * was; it costs about 12 ns, four times the rest.
 */
#include "arch/x86_64/macros.S"
#include "arch/x86_64/offsets.h"

#define SYS_arch_prctl 158
#define ARCH_SET_FS 0x1002

/* All but the last of the integer arguments, out of the callee-saved registers that prepare.c has
 * put them into. There they do not stay: how many there are is not known, the rest is what those
 * registers held in the caller, and who is called saves it on the new stack for as long as it runs.
 * It would be taken for something that the goroutine knows of. */
	.macro take_words
	movq	%r15, %rdi
	movq	%r14, %rsi
	movq	%r13, %rdx
	movq	%r12, %rcx
	movq	%rbx, %r8
	xorl	%r15d, %r15d
	xorl	%r14d, %r14d
	xorl	%r13d, %r13d
	xorl	%r12d, %r12d
	xorl	%ebx, %ebx
	.endm

/* void rt__mcall(void (*fn)(struct rt__g *)): on a goroutine; fn runs on g0 and does not return. */
	func rt__mcall, .hidden, own_return.
	.cfi_remember_state
	cmpq	$0, %gs:RT_M_RETURN_SLOT
	jne	.Lput_back
.Lswitch:
	movq	%gs:RT_M_CURG, %rax
	movq	%rdi, %rsi			/* fn */
	popq	%rdx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rdx
	push_callee_saved
	movq	%rsp, RT_G_SP(%rax)
	movq	%rdx, RT_G_PC(%rax)
	stmxcsr	RT_G_FPCTL(%rax)
	fnstcw	RT_G_FPCTL+4(%rax)
	movq	%rax, %rdi
	movq	%gs:RT_M_G0_SP, %rsp
	.cfi_undefined %rip			/* the frames on g0 are not called from here */
	xorl	%ebp, %ebp
	call	*%rsi
	ud2
	.cfi_restore_state
.Lput_back:					/* it may come back on another M */
	leaq	rt__async_return(%rip), %rdx
	movq	%gs:RT_M_RETURN_SLOT, %rax
	cmpq	%rdx, (%rax)			/* unless the frame was left by a jump */
	jne	1f
	movq	%gs:RT_M_RETURN_PC, %rdx
	movq	%rdx, (%rax)
1:	movq	$0, %gs:RT_M_RETURN_SLOT
	jmp	.Lswitch
	endfunc rt__mcall

/* void rt__mleave(void (*fn)(struct rt__g *)): the same when the goroutine ends: nothing saved. */
	func rt__mleave, .hidden, own_return.
	.cfi_undefined %rip
	movq	$0, %gs:RT_M_RETURN_SLOT
	movq	%rdi, %rsi
	movq	%gs:RT_M_CURG, %rdi
	movq	%gs:RT_M_G0_SP, %rsp
	xorl	%ebp, %ebp
	call	*%rsi
	ud2
	endfunc rt__mleave

/* void rt__gogo(struct rt__g *gp): on g0. */
	func rt__gogo, .hidden
	.cfi_undefined %rip
	movq	RT_G_TP(%rdi), %rax
	cmpq	%rax, %gs:RT_M_TP_NOW
	je	.Ltp_done
	movq	%rax, %gs:RT_M_TP_NOW
	cmpb	$0, rt__has_fsgsbase(%rip)
	je	.Lload_tp_by_syscall
	wrfsbase %rax
.Ltp_done:
	movq	%rdi, %gs:RT_M_CURG
	ldmxcsr	RT_G_FPCTL(%rdi)
	fldcw	RT_G_FPCTL+4(%rdi)
	movq	RT_G_PC(%rdi), %rdx
	movq	RT_G_SP(%rdi), %rsp
	.cfi_remember_state			/* from here on, the caller is where gp goes on */
	.cfi_register %rip, %rdx
	pop_callee_saved 48
	jmp	*%rdx
	.cfi_restore_state

.Lload_tp_by_syscall:
	movq	%rdi, %rbx			/* callee-saved registers are free here */
	movq	%rax, %rsi
	movl	$ARCH_SET_FS, %edi
	movl	$SYS_arch_prctl, %eax
	syscall
	movq	%rbx, %rdi
	jmp	.Ltp_done
	endfunc rt__gogo

/* void rt__on_stack(void (*fn)(void *), void *arg, uintptr_t sp): calls fn(arg) on that stack. */
	func rt__on_stack, .hidden
	push_saved %rbp
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsp
	andq	$-16, %rsp
	call	*%rax
	.globl	rt__on_stack_called
	.hidden	rt__on_stack_called
rt__on_stack_called:				/* tracebacks cross over to the other stack here */
	movq	%rbp, %rsp
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
	endfunc rt__on_stack

/*
 * rt__gostart: where its goroutine starts; prepare.c has built the frame, one cache line. It is the
 * goroutine's outermost one: rbp is 0 and the CFI says that nobody called it.
 *	r15 rdi  r14 rsi  r13 rdx  r12 rcx  rbx r8  rbp 0
 *	sp + 0 fn   sp + 8 r9   sp + 16 the top
 */
	func rt__gostart, .hidden
	.cfi_undefined %rip
	.cfi_undefined %rbp
	take_words
	popq	%r11
	popq	%r9
	xorl	%eax, %eax
	call	*%r11
	call	rt__goend
	ud2
	endfunc rt__gostart

/*
 * rt__gostart_any: where a goroutine of any other call starts. prepare.c has put the
 * first integer arguments into the callee-saved registers that rt__gogo pops, and the rest on the
 * stack:
 *	r15 rdi  r14 rsi  r13 rdx  r12 rcx  rbx r8  rbp 0
 *	sp + 0 fn   sp + 8 rax   sp + 16 r9   sp + 24 unused   sp + 32 xmm0-7   sp + 160 arguments
 * It is the goroutine's outermost frame: rbp is 0 and the CFI says that nobody called it.
 */
	func rt__gostart_any, .hidden
	.cfi_undefined %rip
	.cfi_undefined %rbp
	take_words
	movq	0(%rsp), %r11
	movq	8(%rsp), %rax
	movq	16(%rsp), %r9
	load_vectors 32, %rsp
	addq	$160, %rsp
	call	*%r11
	call	rt__goend
	ud2
	endfunc rt__gostart_any

/* void rt__context_here(struct rt__context *c): context.h; registers by DWARF number. What a call
 * may change is 0. */
	func rt__context_here, .hidden
	xorl	%eax, %eax
	movq	(%rsp), %rcx
	leaq	8(%rsp), %rdx
	movq	%rax, 0*8(%rdi)
	movq	%rax, 1*8(%rdi)
	movq	%rax, 2*8(%rdi)
	movq	%rbx, 3*8(%rdi)
	movq	%rax, 4*8(%rdi)
	movq	%rax, 5*8(%rdi)
	movq	%rbp, 6*8(%rdi)
	movq	%rdx, 7*8(%rdi)
	movq	%rax, 8*8(%rdi)
	movq	%rax, 9*8(%rdi)
	movq	%rax, 10*8(%rdi)
	movq	%rax, 11*8(%rdi)
	movq	%r12, 12*8(%rdi)
	movq	%r13, 13*8(%rdi)
	movq	%r14, 14*8(%rdi)
	movq	%r15, 15*8(%rdi)
	movq	%rcx, 16*8(%rdi)
	ret
	endfunc rt__context_here

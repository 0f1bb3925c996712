/* SPDX-License-Identifier: MIT */
/*
 * x86-64 Linux: the entry point. The kernel jumps here with
 *
 *	rsp	16-aligned: argc, argv[0] ... NULL, envp[0] ... NULL, auxv
 *	rdx	a function for atexit, from a dynamic linker; without meaning in a static program
 *
 * and nothing else that may be relied on. rbp = 0 ends the chain of frame pointers, and the
 * undefined rip ends backtraces that go by the CFI. _start is here for tools and scripts that
 * want that name; the ELF entry is _rt0_amd64_linux (rt0-cc says so).
 */
	.section .note.GNU-stack,"",@progbits

/* What tells a program of ours from others, for rtinspect: ABI version, size of an init record,
 * distance from there to rt__layout (sched/layout.h), which debuggers start from. */
	.section .note.rt0,"aR",@note
	.balign	4
	.long	4, 12, 1
	.asciz	"rt0"
	.long	1, 20
	.hidden	rt__layout
	.long	rt__layout - .

/* lld can INSERT (rt0.ld) only next to an output section that the link really has; the build id has
 * one of its own. */
	.section .init,"axR",@progbits

	.section .text._rt0_amd64_linux,"axR",@progbits
	.globl	_start
	.type	_start, @function
_start:
	.cfi_startproc
	.cfi_undefined %rip
	jmp	_rt0_amd64_linux
	.cfi_endproc
	.size	_start, . - _start

	.globl	_rt0_amd64_linux
	.type	_rt0_amd64_linux, @function
_rt0_amd64_linux:
	.cfi_startproc
	.cfi_undefined %rip
	jmp	_rt0_amd64
	.cfi_endproc
	.size	_rt0_amd64_linux, . - _rt0_amd64_linux

	.globl	_rt0_amd64
	.hidden	_rt0_amd64
	.type	_rt0_amd64, @function
_rt0_amd64:
	.cfi_startproc
	.cfi_undefined %rip
	xorl	%ebp, %ebp
	movq	%rsp, %rdi
	.weak	_DYNAMIC
	.hidden	_DYNAMIC
	leaq	_DYNAMIC(%rip), %rsi	/* 0 in a program that is not position-independent */
	andq	$-16, %rsp
	call	rt__start_c
	hlt
	.cfi_endproc
	.size	_rt0_amd64, . - _rt0_amd64

/* SPDX-License-Identifier: MIT */
/*
 * x86-64: unlocking a mutex without a locked instruction; sched/plain_unlock.c has the argument.
 */
#include "arch/x86_64/macros.S"
#include "arch/x86_64/offsets.h"

#define LOCKED $1 /* usync/mutex.c */

/*
 * void rt__mutex_unlock(rt_mutex *m): the store must not overwrite what others have put into the
 * word since the load. A signal that comes between the two makes it start again.
 *
 * The line is asked for as it will be needed: with the load first, a processor that others take it
 * from would wait for it twice.
 */
	func rt__mutex_unlock, .hidden
	cmpq	$0, %gs:RT_M_UNLOCKS_PLAINLY
	je	2f
	prefetchw (%rdi)
	movq	%rdi, %gs:RT_M_UNLOCKING
	.globl	rt__plain_unlock_begin
	.hidden	rt__plain_unlock_begin
rt__plain_unlock_begin:
	cmpl	LOCKED, (%rdi)
	jne	1f
	movl	$0, (%rdi)
	.globl	rt__plain_unlock_end
	.hidden	rt__plain_unlock_end
rt__plain_unlock_end:
	movq	$0, %gs:RT_M_UNLOCKING
	ret
1:	movq	$0, %gs:RT_M_UNLOCKING
	jmp	rt__mutex_unlock_slow

/* A foreign thread, or a kernel without membarrier. */
2:	movl	LOCKED, %eax
	xorl	%edx, %edx
	lock cmpxchgl %edx, (%rdi)
	jne	rt__mutex_unlock_slow
	ret
	endfunc rt__mutex_unlock

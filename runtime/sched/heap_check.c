/* SPDX-License-Identifier: MIT */
/*
 * The heap's check of itself while goroutines use it: with the world stopped, as a collector has
 * it. A goroutine is never stopped inside of malloc, which is the runtime's code and keeps its P;
 * so what is stopped has no lock of the heap, and nothing is half done. Foreign threads must not
 * allocate meanwhile: nobody stops them.
 *
 * For tests. Not in a program that does not call it: it is in an object of its own.
 */
#include "mem/mem.h"
#include "sched/sched_priv.h"

void
rt__mem_check_stopped(void)
{
	rt__stop_the_world("heap check");
	rt__mem_check();
	rt__start_the_world(rt__sched.ps->n);
}

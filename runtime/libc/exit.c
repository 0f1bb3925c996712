/* SPDX-License-Identifier: MIT */
/*
 * exit(3): first the finis of packages, in the reverse of the order of their inits, then what
 * libc does: atexit handlers, destructors, the flush of stdio. Replaces musl's exit.c, which has
 * no place for the first.
 *
 * Only one goroutine exits. Another one that calls exit meanwhile parks for good (POSIX leaves it
 * undefined; musl 1.2.6 blocks the thread); exit from within a fini or a handler goes on with
 * what is left.
 */
#include <stdlib.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "mem/mem.h"
#include "os/os.h"
#include "sched/sched.h"

/* Members of libc.a that are there only if the program uses them. */
MUSL_WEAK void __funcs_on_exit(void);
MUSL_WEAK void __stdio_exit(void);

/* Whose exit it is, by struct pthread: a goroutine's or a foreign thread's. */
static struct musl_pthread *exiting;
static bool dtors_begun;

static void
wait_if_second(void)
{
	struct musl_pthread *self = musl_self();

	if (rt__cas_acq(&exiting, (struct musl_pthread *)NULL, self) ||
	    rt__load_rlx(&exiting) == self)
		return;
	if (rt__getg())
		rt__park(NULL, NULL, RT_WAIT_EXIT);
	for (;;)
		rt__os_sleep(1000000000);
}

void
exit(int status)
{
	wait_if_second();
	rt__hooks.run_finis();
	if (__funcs_on_exit)
		__funcs_on_exit();
	if (!dtors_begun) {
		dtors_begun = true;
		rt__run_dtors();
	}
	if (__stdio_exit)
		__stdio_exit();
	rt__mem_exit();
	rt__stackuse_print();
	rt__profile_at_exit();
	rt__crash_wait(); /* who panics on another thread has its say, and ends the process */
	_Exit(status);
}

/* SPDX-License-Identifier: MIT */
/*
 * The calls that go up the floors, all in one place: see rt__hooks in proc/proc.h. Weak: what is in
 * a program only if it uses it. No goroutine has a wait group to tell without one, and without
 * pools nothing is theirs to free.
 */
#include "init/init.h"
#include "libc/libc.h"
#include "proc/proc.h"
#include "usync/usync.h"

#pragma weak rt__wg_done
#pragma weak rt__pools_free

const struct rt__hooks rt__hooks = {
	.tls_size = rt__tls_size,
	.tls_make = rt__tls_make,
	.tls_unwind = rt__tls_unwind,
	.thread_stack = rt__thread_stack,
	.tls_finish = rt__tls_finish,
	.thread_start = rt__thread_start,
	.thread_exit = rt__thread_exit,
	.signal_take = rt__signal_take,
	.signal_chain = rt__signal_chain,
	.wg_done = rt__wg_done,
	.pools_free = rt__pools_free,
	.run_finis = rt__run_finis,
	.explain_init = rt__explain_init,
};

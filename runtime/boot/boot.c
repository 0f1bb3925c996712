/* SPDX-License-Identifier: MIT */
/*
 * How a program starts, top to bottom. Before: crt/, from the kernel's jump to rt0_go. The order,
 * and the names, are those of Go's runtime.
 */
#include <stdlib.h>

#include <rt/rt.h>

#include "boot/boot.h"

#include "boot/env.h"
#include "gc/gc.h"
#include "init/init.h"
#include "libc/libc.h"
#include "mem/mem.h"
#include "os/os.h"
#include "sched/sched.h"
#include "stack/stack.h"

int main(int argc, char **argv, char **envp);

static void check(void);
static void args(const long *sp);
static void schedinit(void);
static void runtime_main(void);

void
rt__rt0_go(const long *sp)
{
	check();
	args(sp);
	rt__osinit(&rt__args);
	schedinit();
	rt__newproc_main(runtime_main, rt__stack_alloc_main());
	rt__mstart(); /* never returns */
}

/* What the code relies on and no _Static_assert can say. */
static void
check(void)
{
	uint32_t word = 1;
	uint64_t wide = 1;

	if (rt__cas_seq(&word, 2u, 3u) || !rt__cas_seq(&word, 1u, 4u) || word != 4)
		rt__throw("cas1");
	if (rt__add_seq(&wide, (uint64_t)1 << 40) != ((uint64_t)1 << 40) + 1)
		rt__throw("xadd64");
	if ((rt__sp() & 15) != 0)
		rt__throw("bad stack alignment at entry");
}

static void
args(const long *sp)
{
	rt__args_parse(&rt__args, sp);
	rt__libc_check(rt__args.auxv, rt__args.page_size);
	rt__env_debug();
}

/* As many as may run at the same time: what the affinity mask has, or less if the cgroup pays for
 * less, but two then (Go 1.25): with one, a single busy goroutine would hold up all others. */
static int32_t
default_procs(void)
{
	int32_t cpus = rt__os.ncpu;

	if (rt__debug.schedseed > 0)
		return 1; /* the order of several threads would be the kernel's */
	if (cpus <= 2)
		return cpus; /* no quota could change it: two files less to read at start */
	int32_t paid = rt__cgroup_cpus();
	if (paid > 0 && paid < cpus)
		cpus = paid > 2 ? paid : 2;
	return cpus < RT_MAXPROCS ? cpus : RT_MAXPROCS;
}

/* The new G of the main goroutine is queued by rt0_go; until then there is none. */
static void
schedinit(void)
{
	rt__stackinit(rt__env_stack_size(), rt__tls_size());
	rt__mallocinit();
	rt__m0_init(rt__libc_first_tid());
	rt_set_max_threads(RT_MAX_THREADS);
	rt__mcommoninit(&rt__m0);
	rt__crash_init();
	rt__goargs();
	rt__goenvs();
	rt__os_check_fds();
	rt__signals_init();
	rt__gcinit();
	int32_t procs = rt__env.gomaxprocs ? rt__env.gomaxprocs : default_procs();
	if (rt__procresize(procs))
		rt__throw("unknown runnable goroutine during bootstrap");
}

/*
 * Goroutine 1. It keeps the process's first thread to itself while initializers run.
 *
 * Go starts its monitor thread here. Ours starts with the first rt_go, but for RTDEBUG=schedtrace,
 * whose lines it prints: with one goroutine there is no P to take back for another, while a second
 * thread would cost a small program a fifth of its start-up time, turn libc's locking on, and make
 * calls fail that want a process of one thread, such as unshare(CLONE_NEWUSER).
 */
static void
runtime_main(void)
{
	int (*volatile user_main)(int, char **, char **) = main;

	rt__os.started = true;
	rt__main_started(); /* from now on newproc may start Ms; the first to come also sysmon */
	rt__lock_os_thread();
	rt__init_load();
	rt__init_note_start();
	rt__runtime_init();
	rt__gcenable();
	rt__main_init();
	rt__unlock_os_thread();
	exit(user_main(rt__args.argc, rt__args.argv, rt__args.envp));
	__builtin_trap(); /* exit does not return */
}

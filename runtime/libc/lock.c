/* SPDX-License-Identifier: MIT */
/*
 * libc's own locks. A goroutine that waits for one gives its P up, as in any other call that may
 * block: the holder may be a goroutine that has none just now. With musl's, which wait in the
 * kernel without a word, it would have to be found out by a signal; and while libc holds its locks
 * all signals are often blocked.
 *
 * In those sections (__block_all_sigs to __restore_sigs) a goroutine keeps its P, whatever it waits
 * for: it may hold what the making of a thread waits for, and to pass a P on may take a thread.
 * They wait for each other only, and each has what it needs to go on. The one that would wait for
 * others, libc's fork, is ours (fork.c).
 *
 * The words are as in musl (src/thread/__lock.c): the sign bit says locked, the rest counts who is
 * in here; and libc's rule that a process with one thread takes no lock.
 */
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "os/os.h"
#include "sched/sched.h"

MUSL_HIDDEN void __wait(volatile int *addr, volatile int *waiters, int val, int priv);

/* ---- sections with signals blocked ---- */

static void
block(uint64_t mask, void *old)
{
	struct rt__m *mp = rt__getm();

	if (mp != &rt__m_foreign)
		mp->critical++;
	rt__syscall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&mask, (long)old, 8, 0, 0);
}

void
__block_all_sigs(void *set)
{
	block(~0ul, set);
}

void
__block_app_sigs(void *set)
{
	block(~RT_SIGSET_LIBC, set);
}

void
__restore_sigs(void *set)
{
	struct rt__m *mp = rt__getm();

	rt__syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)set, 0, 8, 0, 0);
	if (mp != &rt__m_foreign)
		mp->critical--;
}

/* ---- waiting ---- */

#define LOCKED INT_MIN
#define SPINS 10
#define WAIT_SPINS 100

static void
futex_wait(volatile int *addr, int val, bool private)
{
	long op = private ? FUTEX_WAIT_PRIVATE : 0;

	if (rt__getm() == &rt__m_foreign) /* not a cancellation point */
		rt__syscall6(SYS_futex, (long)addr, op, val, 0, 0, 0);
	else
		__syscall_cp(SYS_futex, (long)addr, op, val, 0, 0, 0);
}

static bool
lock_spinning(int *l, int current)
{
	for (int i = 0; i < SPINS; i++) {
		if (current < 0)
			current -= LOCKED + 1;
		if (rt__cas_seq(l, current, LOCKED + (current + 1)))
			return true;
		current = rt__load_rlx(l);
	}
	return false;
}

void
__lock(volatile int *word)
{
	int *l = (int *)word; /* all accesses are atomic */
	signed char need = __libc.need_locks;

	if (!need)
		return;
	bool got = rt__cas_seq(l, 0, LOCKED + 1);
	if (need < 0)
		__libc.need_locks = 0;
	if (got || lock_spinning(l, rt__load_rlx(l)))
		return;
	int current = rt__add_seq(l, 1);
	for (;;) {
		if (current < 0) {
			futex_wait(l, current, true);
			current -= LOCKED + 1;
		}
		if (rt__cas_seq(l, current, LOCKED + current))
			return;
		current = rt__load_rlx(l);
	}
}

void
__unlock(volatile int *l)
{
	/* Whoever locked it when there was one thread has left it alone. */
	if (rt__load_rlx(l) < 0 && rt__add_seq(l, -(LOCKED + 1)) != 0)
		rt__futex_wake((uint32_t *)l, 1);
}

void
__wait(volatile int *addr, volatile int *waiters, int val, int priv)
{
	for (int i = 0; i < WAIT_SPINS && (!waiters || !*waiters); i++) {
		if (*addr != val)
			return;
		rt__cpu_relax();
	}
	if (waiters)
		rt__add_seq(waiters, 1);
	while (*addr == val)
		futex_wait(addr, val, priv != 0);
	if (waiters)
		rt__add_seq(waiters, -1);
}

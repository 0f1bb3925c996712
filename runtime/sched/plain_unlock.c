/* SPDX-License-Identifier: MIT */
/*
 * Unlocking by a plain store: half of what a mutex that nobody else wants costs is the locked
 * instruction that unlocks it. arch/.../unlock.S does, on an M,
 *
 *	M.unlocking = the mutex
 *	if the word says LOCKED, and nothing else	(load)
 *		word = 0				(store)
 *	M.unlocking = NULL
 *
 * and whatever somebody puts into the word between load and store is lost. So nobody puts anything
 * beside LOCKED into it but by rt__plain_unlock_forbid: it announces, by a compare-and-swap, has
 * the kernel put a full barrier into each running thread of the process, and waits for every M
 * whose `unlocking` is this mutex. For any of them, the barrier comes
 *
 *	before its load		then it loads the announcement, and takes the locked way;
 *	after it		then `unlocking`, stored before, is visible to who looks now, and
 *				when it is not the mutex any more, so is the store to the word.
 *
 * The stores of one thread are seen in their order (x86), which is why no more is needed. An M that
 * is not running has had its barrier when it was switched out; one that was just made has seen what
 * its maker saw. So the announcement, if it is still there, stays until someone takes it off who
 * knows of it; if it is lost, the mutex was unlocked. One announces at a time, for all mutexes:
 * else, one who finds an announcement could not tell whether it is his own, which was lost and made
 * again by another who has not waited yet.
 *
 * An M is between load and store for a few instructions, in text of the runtime, where no goroutine
 * is stopped. The kernel may stop the thread there, as it may one that has a lock. A handler of the
 * program's might stay for long, unlock another mutex, or be left by longjmp: so before one is
 * called, whom it has interrupted there is put back to the start, as if it had not begun. Behind
 * the store, it has unlocked, and M.unlocking says nothing any more that somebody would wait for.
 *
 * Nothing of the mutex is touched after the store: its memory may be somebody else's then, and be
 * compared with what an M says; that makes one wait for a moment who need not.
 *
 * Foreign threads have no M, and unlock by compare-and-swap, as do all where the kernel has no
 * membarrier (RTDEBUG=no_membarrier=1). The model is tests/model/unlock.pml.
 *
 * Measured: a turn at a mutex that nobody waits for 2.6 ns, not 5.5. The barrier takes 0.5 to 1.5
 * us, so a mutex that was waited for is unlocked the other way for some time (usync/mutex.c).
 *
 * Rejected: cmpxchg without the lock prefix, where there is one P: 5.6 ns, so it is not the prefix
 * that is slow. Restartable sequences (rseq) in place of M.unlocking: as fast, but the kernel has
 * to have them, and each thread of the program's to be known to it. A store first, and then a look
 * at who waits: that touches a mutex which may be gone.
 */
#include "sched/sched_priv.h"

#include "os/os.h"

extern const char rt__mutex_unlock_text[] __asm__("rt__mutex_unlock");
extern const char rt__plain_unlock_begin[], rt__plain_unlock_end[];
/* All are NULL in a program that has no mutex, which is to bring along none. */
#pragma weak rt__mutex_unlock_text
#pragma weak rt__plain_unlock_begin
#pragma weak rt__plain_unlock_end

static struct rt__lock announcing;

void
rt__plain_unlock_init(void)
{
	rt__lock_rank(&announcing, RT_RANK_UNLOCK);
}

static bool
somebody_unlocks(const void *object)
{
	bool found = false;

	rt__lock(&rt__sched.lock); /* of all_ms */
	for (const struct rt__m *mp = rt__sched.all_ms; mp && !found; mp = mp->all_link)
		found = rt__load_acq(&mp->unlocking) == object; /* pairs with unlock.S */
	rt__unlock(&rt__sched.lock);
	return found;
}

/* What was stored before is visible to all who load from now on, and the other way round. */
static void
wait_for_unlockers(const void *object)
{
	if (!rt__os.membarrier)
		return;
	rt__os_membarrier();
	for (int i = 0; somebody_unlocks(object); i++) {
		rt__cpu_relax();
		if (i % 64 == 63)
			rt__os_yield(); /* its thread has not the CPU, perhaps for want of ours */
	}
}

void
rt__plain_unlock_forbid(uint32_t *word, uint32_t was, uint32_t pending, uint32_t forbidden)
{
	rt__lock(&announcing);
	if (rt__cas_acqrel(word, was, was | pending)) {
		wait_for_unlockers(word);
		if (rt__load_acq(word) & pending)
			rt__add_acqrel(word, forbidden - pending);
	}
	rt__unlock(&announcing);
}

/* Not from the seed: it changes no order, and handlers unlock, too. */
bool
rt__plain_unlock_again(uint32_t n)
{
	return rt__m_rand(rt__getm()) % n == 0;
}

void
rt__plain_unlock_rewind(void *context)
{
	struct rt__ucontext *uc = context;
	uintptr_t pc = rt__interrupted_pc(uc);

	if (pc >= (uintptr_t)rt__plain_unlock_begin && pc < (uintptr_t)rt__plain_unlock_end) {
		rt__store_rlx(&rt__getm()->unlocking, (const void *)NULL);
		rt__interrupted_rewind(uc, (uintptr_t)rt__mutex_unlock_text);
	}
}

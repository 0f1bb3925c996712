/* SPDX-License-Identifier: MIT */
/*
 * A wait that more than one may end. Its argument:
 *
 * Whoever would end the wait (a sender, a timer, a context) first claims the waiter, by one CAS:
 * exactly one wins, and it alone writes the outcome and wakes. It may do so only while the waiter
 * is enrolled with it, under the lock of what it is enrolled with, since the waiter lies in the
 * frame of who waits: a loser does not look at it again after it has let go of that lock.
 *
 * The waiter enrols either in `unlock`, when it is off its stack and may be readied (rt__park), or
 * before, holding the lock until then. When it runs again, it takes itself off wherever it is still
 * enrolled, each under its lock, and only then leaves the frame. Whoever it finds to have claimed
 * it has written the outcome before: the claim is followed by rt__ready or the note's wake-up,
 * which publish it.
 *
 * A foreign thread waits on a note instead, in the same frame: the wake-up may still be about to
 * call the kernel when the sleeper is gone, which at worst wakes somebody who looks again.
 */
#include "sched/sched_priv.h"

/* Go's canSpin: another P runs something that may let us go; else somebody has to run first. A
 * foreign thread keeps nobody from running. */
bool
rt__may_spin(void)
{
	struct rt__p *pp = rt__getm()->p;
	int32_t others = rt__load_acq(&rt__sched.ps)->n - rt__load_rlx(&rt__sched.npidle) -
		rt__load_rlx(&rt__sched.nmspinning) - (pp != NULL);

	return rt__os.ncpu > 1 && others > 0 && (!pp || rt__runq_empty_owner(&pp->runq));
}

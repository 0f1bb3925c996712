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
#include "sched/sched.h"

void
rt__waiter_park(struct rt__waiter *w, rt__unlock_fn *unlock, void *arg, enum rt__wait_reason reason)
{
	if (rt__likely(w->gp != NULL)) {
		rt__park(unlock, arg, reason);
		return;
	}
	if (!unlock || unlock(NULL, arg))
		rt__note_sleep(&w->note);
}

void
rt__waiter_wake(struct rt__waiter *w)
{
	if (rt__likely(w->gp != NULL))
		rt__ready(w->gp);
	else
		rt__note_wakeup(&w->note);
}

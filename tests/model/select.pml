/* SPDX-License-Identifier: MIT */
/*
 * select.pml: a select waits to receive on two channels; meanwhile one is closed, somebody else
 * selects over sending to both, with a default, and the second channel is freed by who has closed
 * the first. Of chan/select.c, chan_priv.h (rt__waitq_pop), chan.c (close, free).
 *
 * The frame of who waits, with the waiter and the two queue nodes, is touched only while it is
 * there; one event ends the wait, and it is the one that the waiter is told; nobody uses a channel
 * that has been freed; nobody waits for ever. Sequentially consistent: the accesses that matter are
 * made with a channel's lock, or by compare-and-swap.
 *
 * A step is one access that others see. A step by whoever does not hold the lock of a channel and
 * looks at its queue is an error in itself. Mutations are named in run.sh.
 */
#define A 0
#define B 1
#define NONE 255

byte locked[2] = NONE; /* who has the lock */
bool closed[2], freed[2];
bool queued[2]; /* the node on this channel is in its queue */
byte leaving[2]; /* nodes that were thrown out, and whose owner will come for the lock */
bool frame = true, claimed, woken, left, parked, sent, sender_done;
byte winner = NONE;
byte value; /* what was sent into the frame: the channel, + 1 */

#define ME _pid
inline lock(c)
{
	atomic { locked[c] == NONE -> assert(!freed[c]); locked[c] = ME }
}
inline unlock(c)
{
	d_step { assert(locked[c] == ME && !freed[c]); locked[c] = NONE }
}

/* rt__waitq_pop: ours says whether the waiter was claimed. */
inline pop(c)
{
	ours = false;
	d_step { assert(locked[c] == ME); go = queued[c] };
	if
	:: go ->
#ifdef NO_CLAIM
		d_step { assert(frame); ours = !claimed };
		claimed = true;
#else
		d_step { assert(frame); ours = !claimed; claimed = true };
#endif
		d_step {
			assert(frame && queued[c]);
			queued[c] = false;
			if
			:: ours -> assert(winner == NONE); winner = c
			:: else ->
#ifndef NO_LEAVING
				leaving[c]++
#endif
			fi
		}
	:: else
	fi
}

inline wake()
{
	d_step { assert(frame && claimed && !woken); woken = true }
}

/* ---- the select that waits; behind the park, g0 is a process of its own ---- */

proctype g0(byte by)
{
	/* unlock_all, by address. Others may have woken the waiter once A is unlocked; its frame is
	 * there until it has had the lock of B, or somebody who popped its node has. */
	d_step { assert(frame && locked[A] == by); locked[A] = NONE };
	d_step { assert(frame && locked[B] == by) };
	locked[B] = NONE
#ifdef LOOK_BEHIND
	;
	d_step { assert(frame) }
#endif
}

/* Takes the node off channel c, if it is still there; unless c has won. */
inline dequeue(c)
{
	if
#ifdef LOOK_UNLOCKED
	:: winner != c && queued[c] ->
#else
	:: winner != c ->
#endif
		lock(c);
		d_step {
			if
			:: queued[c] -> queued[c] = false
			:: else -> leaving[c] = leaving[c] - (leaving[c] > 0)
			fi
		};
		unlock(c)
	:: else
	fi
}

proctype waiter()
{
	lock(A);
	lock(B);
	/* pass 1: no sender waits, both are empty; a channel that is closed ends it */
	if
	:: closed[A] -> frame = false; unlock(B); unlock(A); winner = A; left = true; goto done
	:: else
	fi;
	queued[A] = true;
	queued[B] = true;
	parked = true;
	run g0(ME);
	woken; /* it cannot be before g0 has released a lock */
	dequeue(A);
	dequeue(B);
	assert(winner != NONE && (winner == A || sent));
	assert(sent -> value == winner + 1 : closed[A]);
	frame = false;
	left = true;
done:
	skip
}

/* ---- the others ---- */

proctype sender()
{
	bool ours, go;
	byte to = NONE;

#ifdef LOCK_AS_GIVEN
	lock(B);
	lock(A);
#else
	lock(A);
	lock(B);
#endif
	/* A send on a closed channel would panic: it is ready, so this one asks B only. */
	if
	:: queued[B] -> to = B
	:: queued[A] && !closed[A] -> to = A
	:: else
	fi;
	if
	:: to != NONE ->
		pop(to);
		if
		:: ours -> d_step { assert(frame); value = to + 1; sent = true }
		:: else
		fi
	:: else
	fi;
	if
	:: to == A -> unlock(B); unlock(A)
	:: else -> unlock(A); unlock(B)
	fi;
	if
	:: ours -> wake()
	:: else
	fi;
	sender_done = true
}

proctype closer()
{
	bool ours, go, waits, leaves;

	lock(A);
	closed[A] = true;
	pop(A);
	unlock(A);
	if
	:: ours -> wake()
	:: else
	fi;
	/* Now B: the sender is done with it, and the waiter has been woken or has never waited. */
	sender_done && (left || woken);
again:
	lock(B);
	d_step { leaves = leaving[B] > 0 || (queued[B] && claimed); waits = queued[B] && !claimed };
	unlock(B);
	assert(!waits);
#ifndef FREE_AT_ONCE
	if
	:: leaves -> goto again
	:: else
	fi;
#endif
	d_step { assert(locked[B] == NONE); freed[B] = true }
}

init
{
	atomic { run waiter(); run sender(); run closer() };
	(_nr_pr == 1);
	assert(left && freed[B] && (!parked || woken) && leaving[A] == 0)
}

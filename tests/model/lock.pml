/* SPDX-License-Identifier: MIT */
/*
 * lock.pml: the runtime's lock and note (runtime/sync) neither lose a wake-up nor let two in.
 *
 * The lock is 0 free, 1 held, 2 held and perhaps waited for; the note 0, 1 fired, 2 awaited.
 * futex_wait is one step that compares and goes to sleep, as the kernel guarantees; it may also
 * return for no reason. All accesses are read-modify-writes of one word, or loads of it, so there
 * is no order of memory to model.
 *
 * Properties: at most one thread inside; at the end, everybody has been inside ROUNDS times, and
 * the sleeper of each note has seen what was written before its wake-up. Mutations: see run.sh.
 */
#ifndef NT
#define NT 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifdef NOTE /* the note's part of the model, else the lock's */
#define STARTED 2
#else
#define STARTED NT
#endif

byte state, inside, finished;
bool asleep[NT];

inline futex_wait(t, expected)
{
	if
	:: d_step { state == expected -> asleep[t] = true };
		!asleep[t]
	:: state != expected
	:: true /* a signal, or no reason */
	fi
}

inline futex_wake_one()
{
	if
	:: d_step { asleep[0] -> asleep[0] = false }
	:: d_step { asleep[1] -> asleep[1] = false }
#if NT > 2
	:: d_step { asleep[2] -> asleep[2] = false }
#endif
	:: else
	fi
}

proctype T(byte t)
{
	byte n = ROUNDS, old;

	do
	:: n > 0 ->
		d_step { old = state; state = (old == 0 -> 1 : old) };
		if
		:: old != 0 ->
			if /* the spinning part; it may give up at any time */
			:: d_step { state == 0 -> state = 1; old = 0 }
			:: true ->
				do
#ifdef TAKE_WITH_1
				:: d_step { old = state; state = (old == 0 -> 1 : 2) };
#else
				:: d_step { old = state; state = 2 };
#endif
					if
					:: old == 0 -> break
					:: else -> futex_wait(t, 2)
					fi
				od
			fi
		:: else
		fi;
		inside++;
		assert(inside == 1);
		inside--;
#ifdef UNLOCK_IN_TWO
		old = state;
		state = 0;
#else
		d_step { old = state; state = 0 };
#endif
		if
#ifndef NO_WAKE
		:: old == 2 -> futex_wake_one()
#endif
		:: else
		fi;
		old = 0;
		n--
	:: n == 0 -> break
	od;
	finished++
}

/* ---- the note: one thread sleeps, one other wakes it, ROUNDS times each way ---- */

byte fired[2], written;
bool sleeps[2];

inline note_sleep(n)
{
	do
	:: fired[n] == 1 -> break
	:: fired[n] != 1 ->
#ifdef ANNOUNCE_IN_TWO
		fired[n] = 2;
#else
		d_step { fired[n] = (fired[n] == 0 -> 2 : fired[n]) };
#endif
#ifdef SLEEP_UNCHECKED
		d_step { sleeps[n] = true };
		!sleeps[n]
#else
		if
		:: d_step { fired[n] == 2 -> sleeps[n] = true };
			!sleeps[n]
		:: fired[n] != 2
		:: true /* a signal; or it spins */
		fi
#endif
	od
}

inline note_wakeup(n)
{
	d_step { assert(fired[n] != 1); displaced = fired[n]; fired[n] = 1 };
	if
	:: displaced == 2 -> sleeps[n] = false
	:: else
	fi
}

proctype N(byte me)
{
	byte n = ROUNDS, displaced;

	do
	:: n > 0 ->
		if
		:: me == 0 -> written++; note_wakeup(0)
		:: else
		fi;
		note_sleep(1 - me);
#ifndef CLEAR_LATE
		fired[1 - me] = 0;
#endif
		assert(written == 2 * (ROUNDS - n) + 1 + (1 - me));
		if
		:: me == 1 -> written++; note_wakeup(1)
		:: else
		fi;
#ifdef CLEAR_LATE
		fired[1 - me] = 0;
#endif
		n--
	:: n == 0 -> break
	od;
	finished++
}

proctype judge()
{
	timeout;
	assert(finished == STARTED && state == 0)
}

init
{
	byte i;

	atomic {
#ifdef NOTE
		run N(0);
		run N(1);
#else
		do
		:: i < NT -> run T(i); i++
		:: i == NT -> break
		od;
#endif
		run judge()
	}
}

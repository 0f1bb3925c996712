/* SPDX-License-Identifier: MIT */
/*
 * unlock.pml: a mutex that is unlocked by a plain store (sched/plain_unlock.c), against those who
 * put something beside LOCKED into its word.
 *
 * The word is L(ocked), A(nnounced), C(ontended) and `waiting`, which stands for all that
 * mutex.pml is about: it is put there by who waits, and looked at by who unlocks by compare-and-
 * swap. A plain store overwrites all of it. Each thread has a store buffer, which empties in its
 * order at any time, before a locked instruction of its own, and by the barrier that the kernel
 * puts into it; its loads come before stores that are still in it. So it is on x86.
 *
 * HANDLER: once, a signal comes between the load and the store, and its handler unlocks another
 * mutex: M.unlocking is NULL afterwards.
 *
 * Properties: one inside at a time; nobody who waits is forgotten; nothing is touched once the last
 * one to unlock has freed it. Mutations: see run.sh.
 */
#ifndef NT
#define NT 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

#define UNLOCKING 1 /* M.unlocking = the mutex */
#define WORD 2      /* word = 0 */
#define NOTHING 3   /* M.unlocking = NULL */

bool L, A, C, freed, announcing;
bool unlocking[NT], asleep[NT];
byte waiting, inside, users, finished;
chan stores[NT] = [3] of { byte };

#define ONLY_LOCKED (L && !A && !C && waiting == 0)
#define DRAINED (empty(stores[t])) /* as by a locked instruction of one's own */

inline apply(m, s)
{
	if
	:: s == UNLOCKING -> unlocking[m] = true
	:: s == NOTHING -> unlocking[m] = false
	:: s == WORD -> assert(!freed); L = false; A = false; C = false; waiting = 0
	fi
}

proctype memory()
{
	byte m, s;

end:	do
	:: d_step { nempty(stores[0]) -> stores[0]?s; m = 0; apply(m, s) }
	:: d_step { nempty(stores[1]) -> stores[1]?s; m = 1; apply(m, s) }
#if NT > 2
	:: d_step { nempty(stores[2]) -> stores[2]?s; m = 2; apply(m, s) }
#endif
	od
}

inline membarrier()
{
#ifndef NO_BARRIER
	d_step {
		i = 0;
		do
		:: i < NT && nempty(stores[i]) -> stores[i]?s; apply(i, s)
		:: i < NT && empty(stores[i]) -> i++
		:: i == NT -> break
		od;
		s = 0
	}
#endif
	i = 0
}

/* rt__plain_unlock_forbid */
inline forbid()
{
#ifndef NO_LOCK
	d_step { !announcing -> announcing = true };
#endif
	d_step {
		DRAINED -> assert(!freed);
		mine = ONLY_LOCKED;
		A = A || mine
	};
	if
	:: mine ->
		membarrier();
#ifndef NO_SCAN
		do
		:: i < NT && !unlocking[i] -> i++
		:: i == NT -> break
		od;
#endif
		skip;
		d_step {
			assert(!freed);
			i = 0;
			mine = false;
			C = C || A;
			A = false
		}
	:: else
	fi;
	announcing = false
}

inline lock()
{
	do
	:: d_step { DRAINED && !L -> assert(!freed); L = true }; break
#if defined(QUEUE_BLIND)
	:: d_step { DRAINED && L -> waiting++; asleep[t] = true };
#elif defined(QUEUE_EARLY)
	:: d_step { DRAINED && L && (A || C) -> waiting++; asleep[t] = true };
#else
	:: d_step { DRAINED && L && C -> assert(!freed); waiting++; asleep[t] = true };
#endif
		!asleep[t]
	:: L && !A && !C -> forbid()
	od
}

/* rt__mutex_unlock_slow: wakes one of those who wait, in the step that unlocks. */
inline unlock_slow()
{
	if
	:: d_step {
		DRAINED -> assert(L && !freed);
		L = false;
		i = 0;
		do
		:: waiting > 0 && i < NT && asleep[i] -> asleep[i] = false; waiting--; break
		:: waiting > 0 && i < NT && !asleep[i] -> i++
		:: waiting == 0 || i == NT -> break
		od;
		i = 0 }
	:: d_step { DRAINED && L && C && !A && waiting == 0 -> L = false; C = false }
	fi
}

inline unlock()
{
	do
	:: true ->
#ifdef LOAD_FIRST
		plain = ONLY_LOCKED;
		stores[t]!UNLOCKING;
#else
		stores[t]!UNLOCKING;
		plain = ONLY_LOCKED;
#endif
		if
#ifdef HANDLER
		:: !interrupted -> interrupted = true;
			DRAINED; /* the kernel, on its way to the handler and back */
			stores[t]!NOTHING;
#ifdef NO_REWIND
			break
#endif
#endif
		:: break
		fi
	od;
	if
#ifdef NOTHING_FIRST
	:: plain -> stores[t]!NOTHING; stores[t]!WORD
#else
	:: plain -> stores[t]!WORD; stores[t]!NOTHING
#endif
	:: else -> stores[t]!NOTHING; unlock_slow()
	fi;
	plain = false
}

proctype T(byte t)
{
	byte rounds = ROUNDS, i, s;
	bool mine, plain, interrupted, last;

	do
	:: rounds > 0 ->
		lock();
		inside++;
		assert(inside == 1);
		rounds--;
		if
		:: rounds == 0 -> users--; last = (users == 0)
		:: else
		fi;
		inside--;
		unlock()
	:: else -> break
	od;
	DRAINED;
	if
	:: last -> assert(!L && !A && waiting == 0); freed = true
	:: else
	fi;
	finished++
}

proctype judge()
{
	timeout;
	assert(finished == NT && freed)
}

init
{
	byte j;

	atomic {
		users = NT;
		do
		:: j < NT -> run T(j); j++
		:: else -> break
		od;
		run memory();
		run judge()
	}
}

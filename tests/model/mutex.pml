/* SPDX-License-Identifier: MIT */
/*
 * mutex.pml: the mutex of usync/mutex.c: its modes, its queue, deadlines, and its memory.
 *
 * The word is L(ocked), W(oken), S(tarving), Q(lock) and `count`; each step of the code that is one
 * compare-and-swap is one step here, with the condition under which it succeeds. Who waits may give
 * up at any time (TIMED of them); whether it has starved is drawn. The last user to unlock frees
 * the mutex at once, as a program may: from then on nobody may touch it.
 *
 * Not here: the order of memory (all of it is read-modify-writes of one word), how long anybody
 * spins, and the fast ways, whose steps are those of the slow ones.
 *
 * Properties: one inside at a time; everybody comes to its end; nothing is touched that is freed; S
 * implies L or Q; the mutex is as new in the end. Mutations: see run.sh.
 */
#ifndef NT
#define NT 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef TIMED
#define TIMED 1
#endif
#define NONE 255

bool L, W, S, Q, freed;
byte count, inside, users, finished;
byte queue[NT], queued; /* the queue: queue[0] is the first of `queued` */
bool claimed[NT], sleeps[NT], awake[NT], granted[NT];

#define WANTS (count > 0 && (S || !W))

inline touch()
{
	assert(!freed);
	assert(!S || L || Q)
}

inline push_front(t)
{
	for (k : 0 .. queued - 1) {
		queue[queued - k] = queue[queued - k - 1]
	}
	queue[0] = t;
	queued++
}

/* Takes the one at place `at` off. */
inline take(at)
{
	queued--;
	for (k : at .. NT - 2) {
		queue[k] = queue[k + 1]
	}
	queue[NT - 1] = 0
}

/* The first that can be claimed; n is NONE if there is none. */
inline pop()
{
	d_step {
		touch();
		n = NONE;
		gone = 0;
		do
		:: n == NONE && queued > 0 ->
			c = queue[0];
			take(0);
			gone++;
			if
#ifdef WAKE_UNCLAIMED
			:: true -> n = c
#else
			:: !claimed[c] -> n = c; claimed[c] = true
			:: else
#endif
			fi
		:: else -> break
		od;
		c = 0
	}
}

inline wake()
{
	if
	:: n != NONE -> awake[n] = true
	:: else
	fi
}

/* Q is ours; right: 1 to hand it over, 2 to wake. */
inline pass_on(right)
{
	pop();
	if
	:: n != NONE -> granted[n] = (right == 1)
	:: else
	fi;
#ifdef WAKE_FIRST
	wake();
#endif
	d_step {
		touch();
		count = count - gone;
		if
		:: n == NONE && right == 1 -> L = false; S = false
		:: n == NONE && right == 2 -> W = false
		:: else
		fi;
		Q = false;
		gone = 0
	}
}

inline settle()
{
	if
#ifdef SETTLE_BLIND
	:: d_step { touch(); Q = false; n = NONE }
#else
	:: d_step {
		L || !WANTS -> touch();
		Q = false;
		n = NONE;
		if
#ifndef KEEP_STARVING
		:: count == 0 -> S = false
#endif
		:: else
		fi }
	:: d_step { !L && WANTS && S -> touch(); L = true }; pass_on(1)
	:: d_step { !L && WANTS && !S -> touch(); W = true }; pass_on(2)
#endif
	fi
}

/* Queues up, Q is ours; then sleeps until it is woken, or gives up. */
inline sleep_on()
{
	d_step {
		touch();
		if
		:: waited -> push_front(t)
		:: else -> queue[queued] = t; queued++
		fi;
		k = 0;
		claimed[t] = false;
		granted[t] = false;
		awake[t] = false
	}
	waited = true;
	settle();
	wake();
	if
	:: awake[t]
	:: timed && !gave_up ->
		if
		:: d_step { !claimed[t] -> claimed[t] = true; gave_up = true }
		:: awake[t]
		fi
	fi
}

inline leave()
{
	d_step { !Q -> touch(); Q = true };
	d_step {
		touch();
		i = 0;
		do
		:: i < queued && queue[i] != t -> i++
		:: else -> break
		od;
		if
		:: i < queued -> take(i); count--
		:: else
		fi;
		i = 0;
		k = 0
	}
#ifdef LEAVE_BLIND
	Q = false;
#else
	settle();
	wake()
#endif
}

inline lock()
{
	awoke = false;
	starving = false;
	waited = false;
	spun = false;
	do
	:: d_step { !L && !S -> touch(); L = true; W = W && !awoke }; break
	:: d_step { L && !S && !spun && !awoke && !W && count > 0 ->
			touch(); W = true; awoke = true; spun = true }
	:: d_step { (L || S) && !Q -> touch(); Q = true; count++;
#ifndef KEEP_WOKEN
			W = W && !awoke;
#endif
			S = S || (starving && L) };
		sleep_on();
		if
		:: gave_up && timed -> timed = false; leave(); waited = false; awoke = false
		:: else ->
			if
			:: true
			:: starving = true
			fi;
			if
			:: granted[t] ->
				d_step { touch(); S = S && starving && count > 0 };
				break
			:: else
			fi;
			awoke = true;
			spun = false
		fi
	od
}

inline unlock()
{
	if
#ifdef RELEASE_FIRST /* lets go in one step, and looks for whom to wake in another */
	:: d_step { !S -> touch(); assert(L); L = false };
		if
		:: d_step { !Q && WANTS && !L -> touch(); Q = true; W = true }; pass_on(2)
		:: else -> touch(); n = NONE
		fi
#else
	:: d_step { !S && !Q && WANTS -> touch(); assert(L); L = false; Q = true; W = true };
		pass_on(2)
#endif
	:: d_step { Q || !WANTS -> touch(); assert(L); L = false; n = NONE }
	:: d_step { S && !Q && WANTS -> touch(); assert(L); Q = true };
		pass_on(1)
	fi;
#ifndef WAKE_FIRST
	wake()
#endif
}

proctype T(byte t; bool timed)
{
	byte rounds = ROUNDS, n, c, k, i, gone;
	bool awoke, starving, waited, spun, gave_up, last;

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
		unlock();
		n = 0
	:: else -> break
	od;
	if
	:: last ->
		assert(!L && !W && !S && !Q && count == 0 && queued == 0);
		freed = true
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
		:: j < NT -> run T(j, j < TIMED); j++
		:: else -> break
		od;
		run judge()
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * park.pml: a goroutine that parks on a wait queue is woken once, and resumed when it is off its
 * stack.
 *
 * rt__park, park_m and rt__ready (runtime/sched) with a wait queue under a lock, as in
 * usync/waitgroup.c. NG goroutines wait ROUNDS times each for an event, POSTERS threads post that
 * many, NM Ms run what is on the one run queue. The order inside park_m is the point: lock, look,
 * enqueue; switch to g0, which saves the context; status waiting; unlock. Whoever gets the lock
 * then may ready the goroutine, and another M may resume it before park_m has returned.
 *
 * Each access that others see is a step of its own. What matters here is not the memory's order
 * (the locks' acquire and release give it) but the code's.
 *
 * Properties: a goroutine is on one queue at most, runs on one M at most, and is resumed only with
 * its context saved; at the end, no event is left over while somebody waits for one.
 */
#ifndef NM
#define NM 2 /* Ms */
#endif
#ifndef NG
#define NG 2 /* goroutines */
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef POSTERS
#define POSTERS 1
#endif
#define NONE 255

mtype = { runnable, running, waiting, dead };

mtype status[NG];
bool saved[NG];	      /* the context is in the G */
bool queued[NG];      /* on the wait queue */
bool in_runq[NG];
bool on_m[NG];	      /* some M executes on its stack */
byte done[NG];	      /* events that it has got */
byte events, posts = NG * ROUNDS;
bool locked;	      /* the wait queue's lock */

inline lock_queue()
{
	atomic { !locked -> locked = true }
}

/* rt__ready */
inline ready(x)
{
	d_step {
		assert(status[x] == waiting); /* rt__g_set_status checks it, too */
		status[x] = runnable
	};
	d_step {
		assert(!in_runq[x]);
		in_runq[x] = true
	}
}

/* rt__execute and rt__gogo */
inline resume(x)
{
	d_step {
		assert(status[x] == runnable);
		status[x] = running
	};
	d_step {
		assert(saved[x]);
		assert(!on_m[x]);
		assert(!queued[x]);
		on_m[x] = true;
		saved[x] = false
	}
}

/* rt__mcall saves the context; from then on this M uses g0. */
#define SWITCH(x) d_step { saved[x] = true; on_m[x] = false }
#define WAITING(x) d_step { assert(status[x] == running); status[x] = waiting }

proctype M()
{
	byte g = NONE;

schedule:
end_schedule:
	if
	:: d_step { in_runq[0] -> in_runq[0] = false; g = 0 }
#if NG > 1
	:: d_step { in_runq[1] -> in_runq[1] = false; g = 1 }
#endif
#if NG > 2
	:: d_step { in_runq[2] -> in_runq[2] = false; g = 2 }
#endif
	fi;
	resume(g);

	/* The goroutine: waits for its next event, or ends. */
running_g:
	if
	:: done[g] == ROUNDS ->
		d_step { status[g] = dead; on_m[g] = false };
		goto schedule
	:: else
	fi;
	lock_queue();
	if
	:: events > 0 ->
		d_step { events--; done[g]++ };
		locked = false;
		goto running_g
	:: else
	fi;
#ifndef ENQUEUE_LATE
	queued[g] = true;
#endif
#ifdef UNLOCK_BEFORE_PARK
	locked = false;
#endif
#ifdef WAITING_LATE
	SWITCH(g);
	locked = false;
	WAITING(g);
#else
#ifdef SAVE_LATE
	WAITING(g);
	locked = false;
	SWITCH(g);
#else
	SWITCH(g);
	WAITING(g);
#ifndef UNLOCK_BEFORE_PARK
	locked = false;
#endif
#endif
#endif
#ifdef ENQUEUE_LATE
	queued[g] = true;
#endif
	g = NONE;
	goto schedule
}

/* Posts events: to a waiter if there is one, else for the next one that looks. */
proctype poster()
{
	byte w;

	do
	:: posts > 0 ->
		posts--;
		lock_queue();
		w = NONE;
		if
		:: queued[0] -> w = 0
#if NG > 1
		:: queued[1] -> w = 1
#endif
#if NG > 2
		:: queued[2] -> w = 2
#endif
		:: else -> events++
		fi;
#ifdef STILL_QUEUED
		if
		:: w != NONE -> done[w]++
		:: else
		fi;
#else
		if
		:: w != NONE -> d_step { queued[w] = false; done[w]++ }
		:: else
		fi;
#endif
		locked = false;
		if
		:: w != NONE -> ready(w)
		:: else
		fi
	:: posts == 0 -> break
	od
}

proctype judge()
{
	byte i;

	timeout;
	d_step {
		do
		:: i < NG -> assert(status[i] == dead && done[i] == ROUNDS); i++
		:: i == NG -> break
		od;
		assert(events == 0)
	}
}

init
{
	byte i;

	atomic {
		do
		:: i < NG -> status[i] = runnable; saved[i] = true; in_runq[i] = true; i++
		:: i == NG -> break
		od;
		i = 0;
		do
		:: i < NM -> run M(); i++
		:: i == NM -> break
		od;
		i = 0;
		do
		:: i < POSTERS -> run poster(); i++
		:: i == POSTERS -> break
		od;
		run judge()
	}
}

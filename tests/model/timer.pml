/* SPDX-License-Identifier: MIT */
/*
 * timer.pml: an rt_timer between those who set it, one who waits and then frees it, and the M that
 * finds it due (runtime/time/timer.c). The heap's lock is a step; the timer's lock is not. What is
 * shown: no set is lost, so the waiter wakes, and nobody looks at a timer that was freed.
 *
 * SETS: how often it is set. GIVES_UP: the waiter has a deadline. Mutations: FIRING_ALONE (try_stop
 * asks only whether the function runs, not whether it has removed the timer), NO_SETTLE (freed
 * without waiting for the engine), NO_REQUEUE (the function does not look whether it was set anew).
 */
#ifndef SETS
#define SETS 2
#endif
#define LAST 2

byte now, when, heap_when, sets;
bool locked, set, queued, in_heap, firing, waiting, woken, freed;

#define LOCK atomic { !locked -> locked = true }
#define UNLOCK locked = false
#define WANTED (set && waiting)

inline try_stop()
{
	atomic {
#ifdef FIRING_ALONE
		in_heap = false;
		if
		:: !firing -> queued = false
		:: else
		fi
#else
		if
		:: in_heap -> in_heap = false; queued = false
		:: !in_heap && !firing -> queued = false
		:: else
		fi
#endif
	}
}

inline requeue()
{
	if
	:: queued -> try_stop()
	:: else
	fi;
	if
	:: !queued && WANTED ->
		queued = true;
		atomic { heap_when = when; in_heap = true }
	:: else
	fi
}

proctype setter()
{
	do
	:: sets < SETS ->
		LOCK;
		set = true;
		if
		:: when = now
		:: when = LAST
		fi;
		requeue();
		sets++;
		UNLOCK
	:: else -> break
	od
}

proctype engine()
{
end:
	do
	:: atomic { in_heap && now >= heap_when -> in_heap = false; firing = true };
		LOCK;
		assert(!freed);
		queued = false;
		if
		:: WANTED && now >= when -> set = false; waiting = false; woken = true
		:: else
		fi;
#ifndef NO_REQUEUE
		requeue();
#endif
		assert(!freed);
		UNLOCK;
		firing = false
	od
}

proctype clock()
{
	do
	:: now < LAST -> now++
	:: else -> break
	od
}

proctype waiter()
{
	LOCK;
	if
	:: set && now >= when -> set = false; woken = true
	:: else -> waiting = true; requeue()
	fi;
	UNLOCK;
#ifdef GIVES_UP
	if
	:: woken
	:: LOCK; waiting = false; UNLOCK
	fi;
#else
	woken;
#endif
	sets == SETS && !locked; /* those who set it have gone */
	LOCK;
#ifndef NO_SETTLE
	do
	:: queued && !WANTED ->
		try_stop();
		if
		:: queued -> UNLOCK; LOCK
		:: else
		fi
	:: else -> break
	od;
#endif
	UNLOCK;
	freed = true
}

init
{
	atomic { run setter(); run engine(); run clock(); run waiter() }
}

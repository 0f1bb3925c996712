/* SPDX-License-Identifier: MIT */
/*
 * stw.pml: stopping the world. runtime/sched/stw.c against Ms that compute, come by the scheduler,
 * make system calls and run out of work (syscall.c, idle.c, schedule.c).
 *
 * One stopper, which holds P 0, stops and starts the world STOPS times. NM other Ms do ROUNDS
 * rounds each on NP - 1 other Ps, of any kind; M 0's first computes until it is preempted. An M
 * without a P waits for an idle one. The P's status word is changed by compare-and-swap where the
 * code does so, stopwait and the idle list under sched.lock. entersyscall's look at gcwaiting may
 * come before its store: nothing orders the two.
 *
 * Properties: while the world is stopped, every P is, and nobody computes; stopwait never falls
 * below zero; it always comes to an end (an M, or the stopper, that waits for ever is an invalid
 * end state).
 */
#ifndef NP
#define NP 3
#endif
#ifndef NM
#define NM 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef STOPS
#define STOPS 2
#endif
#define NONE 255

mtype = { idle, running, insyscall, gcstop };

mtype status[NP];
bool preempt[NP], computes[NM];
bool gcwaiting, stopped, locked;
short stopwait;

inline lock()
{
	atomic { !locked -> locked = true }
}
inline unlock()
{
	locked = false
}

/* rt__stop_one_less; with the lock. */
inline one_less()
{
	stopwait--;
	assert(stopwait >= 0)
}

/* Takes an idle P, with the lock: p is NONE without one. */
inline pidle_get(p)
{
	d_step {
		p = 0;
		do
		:: p < NP && status[p] == idle -> status[p] = running; break
		:: p < NP && status[p] != idle -> p++
		:: p == NP -> p = NONE; break
		od;
		skip
	}
}

/* Sleeps until there is an idle P. */
inline wait_for_p(p)
{
	do
	:: atomic {
		!locked && (status[0] == idle || status[1] == idle || status[NP - 1] == idle) ->
			locked = true
	   };
	   pidle_get(p);
	   unlock();
	   if
	   :: p != NONE -> break
	   :: else
	   fi
	od
}

/* rt__gcstopm: gives p to the stopper, if there still is one; then sleeps. */
inline gcstopm(p)
{
	lock();
	if
	:: gcwaiting -> status[p] = gcstop; one_less(); p = NONE
	:: else
	fi;
	unlock();
	if
	:: p == NONE -> wait_for_p(p)
	:: else
	fi
}

inline compute(m, p, hogs)
{
	computes[m] = true;
	assert(!stopped && status[p] == running);
	if
	:: hogs -> preempt[p]; preempt[p] = false
	:: else
	fi;
	computes[m] = false
}

/* rt__entersyscall to rt__exitsyscall. */
inline system_call(p)
{
	if
	:: seen = gcwaiting; status[p] = insyscall
	:: status[p] = insyscall; seen = gcwaiting
	fi;
	if
	:: seen ->
		lock();
		atomic {
			if
			:: gcwaiting && status[p] == insyscall -> status[p] = gcstop; one_less()
			:: else
			fi
		};
		unlock()
	:: else
	fi;
	if
	:: true
	:: status[p] != insyscall /* takes so long that somebody takes the P */
	fi;
#ifdef EXIT_BLIND
	got = (status[p] == insyscall);
	if
	:: got -> status[p] = running
	:: else
	fi;
#else
	atomic {
		got = (status[p] == insyscall);
		if
		:: got -> status[p] = running
		:: else
		fi
	};
#endif
	if
	:: !got -> wait_for_p(p)
	:: else
	fi
}

/* give_up_p: no work. */
inline run_out(p)
{
	lock();
	if
#ifndef IDLE_BLIND
	:: gcwaiting -> status[p] = gcstop; one_less()
#endif
	:: else -> status[p] = idle
	fi;
	p = NONE;
	unlock()
}

proctype M(byte m)
{
	byte p = NONE, r;
	bool seen, got;

	wait_for_p(p);
	for (r : 1 .. ROUNDS) {
		if
		:: gcwaiting -> gcstopm(p) /* find_runnable looks first */
		:: !gcwaiting
		fi;
		compute(m, p, (m == 0 && r == 1));
		if
		:: true /* comes by the scheduler */
		:: system_call(p)
		:: run_out(p); wait_for_p(p)
		fi
	}
	run_out(p)
}

/* A round of the stopper's, every 100 us, is one only when there is something for it to do: so that
 * an M that nobody looks for is a deadlock, and not a loop. */
#ifdef ONE_LOOK
#define TO_TAKE(i) false
#else
#define TO_TAKE(i) (status[i] == insyscall)
#endif
#ifdef NO_PREEMPT
#define TO_ASK(i) false
#else
#define TO_ASK(i) (status[i] == running && !preempt[i])
#endif

inline take_syscall_ps()
{
	for (i : 0 .. NP - 1) {
		atomic {
			if
			:: status[i] == insyscall -> status[i] = gcstop; one_less()
			:: else
			fi
		}
	}
}

active proctype stopper()
{
	byte i, n, hogs;

	status[0] = running;
	for (i : 1 .. NP - 1) { status[i] = idle }
	for (i : 0 .. NM - 1) { run M(i) }
	for (n : 1 .. STOPS) {
		lock();
		stopwait = NP;
		gcwaiting = true;
		status[0] = gcstop;
		one_less();
		for (i : 1 .. NP - 1) {
			if
			:: status[i] == idle -> status[i] = gcstop; one_less()
			:: else
			fi
		}
		take_syscall_ps();
		unlock();
		do
		:: stopwait == 0 -> break
		:: stopwait != 0 &&
		   (TO_TAKE(1) || TO_TAKE(NP - 1) || TO_ASK(1) || TO_ASK(NP - 1)) ->
			for (i : 1 .. NP - 1) { preempt[i] = TO_ASK(i) || preempt[i] };
#ifndef ONE_LOOK
			lock();
			take_syscall_ps();
			unlock()
#endif
		od;
		skip;
		atomic {
			stopped = true;
			for (i : 0 .. NP - 1) { assert(status[i] == gcstop) }
			for (i : 0 .. NM - 1) { assert(!computes[i]) }
		};
		lock();
		stopped = false;
		atomic {
			status[0] = running;
			for (i : 1 .. NP - 1) { status[i] = idle; preempt[i] = false }
			gcwaiting = false
		};
		unlock()
	}
	/* sysmon goes on with what it does: who still computes is preempted. */
end:	do
	:: preempt[1] = true
	:: preempt[NP - 1] = true
	od
}

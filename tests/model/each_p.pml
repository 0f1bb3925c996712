/* SPDX-License-Identifier: MIT */
/*
 * each_p.pml: a function on every P. runtime/sched/each_p.c against Ms that compute, come by the
 * scheduler, make system calls and run out of work.
 *
 * One who asks, and holds P 0, does so ASKS times. NM other Ms do ROUNDS rounds each on the other
 * Ps, of any kind; M 0's first computes until it is preempted. Taking an idle P needs sched.lock;
 * one in a system call changes hands by compare-and-swap of its status.
 *
 * Properties: fn runs once on each P, and by whoever has it: nobody else uses the P meanwhile. Who
 * asks gets an answer from all of them (else it is an invalid end state).
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
#ifndef ASKS
#define ASKS 2
#endif
#define NONE 255

mtype = { idle, running, insyscall, taken };

mtype status[NP];
bool safe_point[NP], preempt[NP], locked;
byte users[NP]; /* who may touch what is the owner's; what is to be proved */
byte ran[NP];   /* how often fn has run */
byte left;

inline lock()
{
	atomic { !locked -> locked = true }
}
inline unlock()
{
	locked = false
}

/* From having a P on, and until it is given up. */
inline use(p)
{
	d_step { users[p]++; assert(users[p] == 1) }
}

/* rt__run_safe_point, by who has p. */
inline run_safe_point(p)
{
	if
	:: safe_point[p] ->
		safe_point[p] = false;
		ran[p]++;
		left--
	:: else
	fi
}

/* Sleeps until there is an idle P. */
inline wait_for_p(p)
{
	p = NONE;
	do
	:: p != NONE -> break
	:: p == NONE ->
		atomic {
			!locked && (status[1] == idle || status[NP - 1] == idle) -> locked = true
		};
		if
		:: status[1] == idle -> p = 1
		:: status[NP - 1] == idle -> p = NP - 1
		:: else
		fi;
		if
		:: p != NONE -> status[p] = running; use(p)
		:: else
		fi;
		unlock()
	od
}

/* rt__entersyscall to rt__exitsyscall. */
inline system_call(p)
{
	users[p]--;
	status[p] = insyscall;
	if
	:: true
	:: status[p] != insyscall /* takes so long that somebody takes the P */
	fi;
	atomic {
		got = (status[p] == insyscall);
		if
		:: got -> status[p] = running; users[p]++; assert(users[p] == 1)
		:: else
		fi
	};
	if
	:: !got -> wait_for_p(p)
	:: else
	fi
}

/* give_up_p: no work. */
inline run_out(p)
{
	lock();
	atomic { users[p]--; status[p] = idle };
	unlock()
}

proctype M(byte m)
{
	byte p, r;
	bool got;

	wait_for_p(p);
	for (r : 1 .. ROUNDS) {
#ifndef SCHEDULE_BLIND
		run_safe_point(p); /* find_runnable */
#endif
		if
		:: m == 0 && r == 1 -> preempt[p]; preempt[p] = false
		:: else
		fi;
		if
		:: true /* comes by the scheduler */
		:: system_call(p)
		:: run_out(p); wait_for_p(p)
		fi
	}
	run_out(p)
}

#define PENDING(i, s) (safe_point[i] && status[i] == s)
#ifdef NO_PREEMPT
#define TO_ASK(i) false
#else
#define TO_ASK(i) (PENDING(i, running) && !preempt[i])
#endif
/* A look that finds nothing to do is none, so that a P that nobody sees to is a deadlock. */
#ifdef ONE_LOOK
#define TO_DO(i) TO_ASK(i)
#else
#define TO_DO(i) (PENDING(i, idle) || PENDING(i, insyscall) || TO_ASK(i))
#endif

inline run_for_idle(i)
{
#ifdef IDLE_UNLOCKED
	if
	:: status[i] == idle -> use(i); run_safe_point(i); users[i]--
#else
	lock();
	if
	:: status[i] == idle -> use(i); run_safe_point(i); users[i]--
#endif
	:: else
	fi;
#ifndef IDLE_UNLOCKED
	unlock()
#endif
}

inline run_for_syscall(i)
{
#ifdef RETAKE_BLIND
	got = PENDING(i, insyscall);
#else
	atomic {
		got = PENDING(i, insyscall);
		if
		:: got -> status[i] = taken
		:: else
		fi
	};
#endif
	if
	:: got ->
		use(i);
		run_safe_point(i);
		users[i]--;
#ifndef RETAKE_BLIND
		status[i] = idle /* rt__handoffp */
#endif
	:: else
	fi
}

inline look()
{
	for (i : 1 .. NP - 1) { run_for_idle(i) };
	for (i : 1 .. NP - 1) { run_for_syscall(i) }
}

active proctype asker()
{
	byte i, n;
	bool got;

	status[0] = running;
	for (i : 1 .. NP - 1) { status[i] = idle }
	for (i : 0 .. NM - 1) { run M(i) }
	for (n : 1 .. ASKS) {
		left = NP;
		for (i : 0 .. NP - 1) { safe_point[i] = true };
		run_safe_point(0);
		look();
		do
		:: left == 0 -> break
		:: left != 0 && (TO_DO(1) || TO_DO(NP - 1)) ->
#ifndef ONE_LOOK
			look();
#endif
			for (i : 1 .. NP - 1) {
				if
				:: TO_ASK(i) -> preempt[i] = true
				:: else
				fi
			}
		od;
		for (i : 0 .. NP - 1) { assert(ran[i] == n) }
	}
	/* sysmon goes on with what it does: who still computes is preempted. */
end:	do
	:: preempt[1] = true
	:: preempt[NP - 1] = true
	od
}

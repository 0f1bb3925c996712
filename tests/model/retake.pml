/* SPDX-License-Identifier: MIT */
/*
 * retake.pml: a P whose M is in a system call has one owner at a time, and a goroutine that comes
 * back from one runs again, on one M.
 *
 * entersyscall, exitsyscall, exitsyscall_m and their rt__m_wait_with, rt__m_stop_waiting, startm
 * and rt__start_waiting_m (runtime/sched/syscall.c, idle.c) against sysmon's watch_syscall and
 * rt__handoffp. The search for work is that of spinning.pml, which also proves its memory order:
 * here every step is sequentially consistent. A step is one access that others see, or a critical
 * section of sched.lock. A goroutine makes up to CALLS system calls, of which each may block in the
 * kernel for ever; then it ends, or computes until it is preempted. sysmon looks at each P again
 * and again, unless it sleeps because all are idle. Left out: locked goroutines, stop the world
 * (stw.pml), the time that sysmon lets a call or a slice take, and who asks for early preemption:
 * the M that waits, again and again, or sysmon, which here does it for both.
 *
 * -DBRIEF: nobody computes for long, so that there is no preemption: what is left, the hand-over of
 * Ps between calls, sysmon and searching Ms, is small enough for two Ps.
 *
 * Properties: acquirep finds the P free (owner, P.m); a goroutine is run by one M; when nothing
 * moves any more, no P is idle or in a system call while a goroutine waits for one, and nobody
 * waits on the global queue, since who computes is preempted for it.
 */
#ifndef NP
#define NP 1
#endif
#ifndef NG
#define NG 2
#endif
#ifndef NM
#define NM 3 /* NP + NG: each P has one, and each goroutine may keep one in the kernel */
#endif
#ifndef CALLS
#define CALLS 1
#endif
#define NONE 255
#define SYSMON 254

mtype = { idle, running, syscall };

mtype status[NP];
byte owner[NP]; /* who may touch the P: an M, sysmon, or NONE; what is to be proved */
byte p_m[NP];   /* P.m */
bool preempt[NP];
bool idle_p[NP], idle_m[NM];
byte npidle, idle_ms, nmspinning;
bool needspinning;
bool sysmonwait, kick;
chan globq = [NG] of { byte };
byte at_p[NG];   /* the P on whose local queue it is */
bool on_m[NG], dead[NG];
byte calls[NG];
byte wait_m[NG], wait_g[NM];
bool wake[NM], wake_spinning[NM];
byte next_p[NM];

#define LOCAL(p) (at_p[0] == p || at_p[1] == p || at_p[NG - 1] == p)

/* ---- parts of one step ---- */

inline local_get(p, ret)
{
	i = 0;
	do
	:: i < NG && at_p[i] != p -> i++
	:: else -> break
	od;
	if
	:: i < NG -> ret = i; at_p[i] = NONE
	:: else
	fi;
	i = 0
}

inline mput(m)
{
	assert(!idle_m[m]);
	idle_m[m] = true;
	idle_ms++
}

/* globrunq_pop */
inline global_get(ret)
{
	if
	:: (len(globq) > 0) ->
		globq?ret;
		if
#ifndef KEEP_WAITING
		:: wait_m[ret] != NONE ->
			wait_g[wait_m[ret]] = NONE;
			mput(wait_m[ret]);
			wait_m[ret] = NONE
#endif
		:: else
		fi
	:: else
	fi
}

inline pidle_put(p)
{
	assert(!idle_p[p] && !LOCAL(p));
	idle_p[p] = true;
	npidle++
}

inline pidle_take(p)
{
	idle_p[p] = false;
	npidle--;
	if
	:: sysmonwait -> sysmonwait = false; kick = true
	:: else
	fi
}

/* Prefers first, if that is a P. */
inline pidle_get(first, ret)
{
	if
	:: first != NONE && idle_p[first] -> ret = first
	:: else ->
		i = 0;
		do
		:: i < NP && !idle_p[i] -> i++
		:: else -> break
		od;
		ret = (i < NP -> i : NONE);
		i = 0
	fi;
	if
	:: ret != NONE -> pidle_take(ret)
	:: else
	fi
}

inline acquirep(m, p)
{
	assert(owner[p] == NONE && p_m[p] == NONE);
	owner[p] = m;
	p_m[p] = m;
	status[p] = running
}

inline releasep(p)
{
	owner[p] = NONE;
	p_m[p] = NONE;
	status[p] = idle
}

inline give(m, p, spins)
{
	next_p[m] = p;
	wake_spinning[m] = spins;
	wake[m] = true
}

/* ---- idle.c ---- */

/* For mget_waiting. */
inline front(ret)
{
	if
	:: (len(globq) > 0) -> globq?<ret>
	:: else -> ret = NONE
	fi
}

/* A critical section, with the wake-up. Where there is no M, rt__startm makes a thread, but here it
 * waits for one that is about to be idle. */
inline startm(p, spins)
{
	d_step {
		idle_ms > 0 || (!spins && (len(globq) > 0)) ->
		front(gg);
		if
		:: idle_ms > 0 ->
			do
			:: idle_m[i] -> break
			:: else -> i++
			od;
			idle_ms--;
			idle_m[i] = false;
			give(i, p, spins);
			i = 0
		:: idle_ms == 0 && wait_m[gg] != NONE -> /* mget_waiting */
			globq?gg;
			give(wait_m[gg], p, false);
			wait_m[gg] = NONE
		:: else -> assert(false) /* NM is too small */
		fi;
		gg = NONE
	}
}

inline wakep()
{
	d_step { go = (nmspinning == 0) };
	if
	:: go ->
		d_step { go = (npidle != 0) };
		if
		:: !go ->
			d_step { go = !needspinning; needspinning = true };
			if
			:: go -> d_step { go = (npidle != 0) }
			:: else
			fi
		:: else
		fi
	:: else
	fi;
	if
	:: go ->
		d_step {
			go = (nmspinning == 0);
			if
			:: go -> nmspinning = 1
			:: else
			fi
		}
	:: else
	fi;
	if
	:: go ->
		go = false;
		d_step {
			pidle_get(NONE, pp);
			if
			:: pp == NONE -> needspinning = true; nmspinning--
			:: else
			fi
		};
		if
		:: pp != NONE -> startm(pp, true)
		:: else
		fi;
		pp = NONE
	:: else
	fi
}

inline handoffp(p)
{
	d_step { go = LOCAL(p) || (len(globq) > 0) };
	if
	:: go -> go = false; startm(p, false); p = NONE
	:: else
	fi;
	if
	:: p != NONE ->
		d_step { go = (nmspinning + npidle == 0) };
		if
		:: go ->
			d_step {
				go = (nmspinning == 0);
				if
				:: go -> nmspinning = 1
				:: else
				fi
			}
		:: else
		fi;
		if
		:: go -> go = false; needspinning = false; startm(p, true); p = NONE
		:: else
		fi
	:: else
	fi;
	if
	:: p != NONE ->
		d_step {
			go = (len(globq) > 0);
			if
			:: !go -> pidle_put(p)
			:: else
			fi
		};
		if
		:: go -> go = false; startm(p, false)
		:: else ->
			d_step { go = needspinning };
			if
			:: go -> wakep()
			:: else
			fi
		fi;
		p = NONE
	:: else
	fi
}

inline become_spinning()
{
	if
	:: !spinning -> spinning = true; needspinning = false; nmspinning++
	:: else
	fi
}

proctype M(byte m; byte p)
{
	byte pp = NONE, gg = NONE, g = NONE, old = NONE, i;
	bool spinning, go;

	if
	:: p == NONE -> goto asleep
	:: else
	fi;

search:
	if
	:: preempt[p] -> /* after_preemption */
		preempt[p] = false;
		d_step {
			if
			:: (len(globq) > 0) -> globq?g
			:: else
			fi
		};
		if
		:: g != NONE && wait_m[g] != NONE -> /* rt__start_waiting_m */
			if
			:: spinning -> spinning = false; nmspinning--; wakep()
			:: else
			fi;
			d_step {
				releasep(p);
				give(wait_m[g], p, false);
				wait_m[g] = NONE;
				p = NONE;
				g = NONE
			};
			goto stop
		:: g != NONE && wait_m[g] == NONE -> goto got
		:: else
		fi
	:: else
	fi;
	d_step { local_get(p, g) };
	if
	:: g == NONE -> d_step { global_get(g) }
	:: else
	fi;
	if
	:: g != NONE -> goto got
	:: else
	fi;
	d_step { go = spinning || 2 * nmspinning < NP - npidle };
	if
	:: go ->
		go = false;
		become_spinning();
		if
		:: d_step { LOCAL(0) && p != 0 -> local_get(0, g) }
		:: d_step { LOCAL(NP - 1) && p != NP - 1 -> local_get(NP - 1, g) }
		:: true
		fi;
		if
		:: g != NONE -> goto got
		:: else
		fi
	:: else
	fi;
	/* give_up_p */
	d_step {
		global_get(g);
		if
		:: g == NONE -> releasep(p); pidle_put(p); p = NONE
		:: else
		fi
	};
	if
	:: g != NONE -> goto got
	:: else
	fi;
	/* last_look */
	go = spinning;
	if
	:: spinning -> d_step { spinning = false; nmspinning-- }
	:: else
	fi;
	go = go || needspinning;
	if
	:: !go -> goto stop
	:: else
	fi;
	d_step { go = (len(globq) > 0) };
	if
	:: !go -> d_step { go = LOCAL(0) }
	:: else
	fi;
	if
	:: !go -> d_step { go = LOCAL(NP - 1) }
	:: else
	fi;
	if
	:: go ->
		go = false;
		d_step {
			pidle_get(NONE, p);
			if
			:: p == NONE -> needspinning = true
			:: else -> acquirep(m, p)
			fi
		};
		if
		:: p != NONE -> become_spinning(); goto search
		:: else
		fi
	:: else
	fi;

stop:
	skip;
	d_step { mput(m) };
asleep: /* mpark */
end_asleep:
	atomic {
		wake[m] ->
		wake[m] = false;
		p = next_p[m];
		next_p[m] = NONE;
		spinning = wake_spinning[m];
		wake_spinning[m] = false;
		acquirep(m, p);
		g = wait_g[m]; /* it came back with that one, and nobody else has it */
		wait_g[m] = NONE
	};
	if
	:: g != NONE -> goto execute
	:: else -> goto search
	fi;

got: /* reset_spinning */
	if
	:: spinning -> spinning = false; nmspinning--; wakep()
	:: else
	fi;

execute:
	skip;
	d_step { assert(!on_m[g] && !dead[g] && owner[p] == m); on_m[g] = true };

user:
end_user: /* computes, until it is preempted */
	assert(owner[p] == m);
	if
	:: d_step { preempt[p] -> on_m[g] = false; at_p[g] = p; g = NONE }; goto search
	:: d_step { on_m[g] = false; dead[g] = true; g = NONE }; goto search
	:: d_step { calls[g] > 0 -> calls[g]--; old = p }; goto enter
#ifndef BRIEF
	:: goto compute
#endif
	fi;

compute:
end_compute:
	atomic { preempt[p] -> on_m[g] = false; at_p[g] = p; g = NONE };
	goto search;

enter:
	if
	:: d_step { LOCAL(p) || (len(globq) > 0) -> releasep(p) }; handoffp(p); goto kernel
	:: true
	fi;
#ifdef CLEAR_LATE
	d_step { owner[p] = NONE; status[p] = syscall };
	p_m[p] = NONE;
#else
	p_m[p] = NONE;
	d_step { owner[p] = NONE; status[p] = syscall };
#endif
	p = NONE;

kernel:
	if
	:: true
	:: goto blocked /* for ever */
	fi;
#ifdef EXIT_IN_TWO
	go = (status[old] == syscall);
	d_step {
		if
		:: go -> assert(owner[old] == NONE); owner[old] = m; status[old] = running
		:: else
		fi
	};
#else
	d_step {
		go = (status[old] == syscall);
		if
		:: go -> assert(owner[old] == NONE); owner[old] = m; status[old] = running
		:: else
		fi
	};
#endif
	if
	:: go -> go = false; p = old; assert(p_m[p] == NONE); p_m[p] = m; goto user
	:: else
	fi;
	/* exitsyscall_slow */
	d_step { go = (npidle != 0) };
	if
	:: go -> go = false; d_step { pidle_get(old, p) }
	:: else
	fi;
	if
	:: p != NONE -> d_step { acquirep(m, p) }; goto user
	:: else
	fi;
	/* exitsyscall_m */
#ifdef QUEUE_IN_TWO
	d_step { pidle_get(old, p) };
	if
	:: p == NONE -> d_step {
		on_m[g] = false; wait_m[g] = m; wait_g[m] = g; globq!g }
	:: else
	fi;
#else
	d_step {
		pidle_get(old, p);
		on_m[g] = false;
		if
		:: p == NONE -> wait_m[g] = m; wait_g[m] = g; globq!g
		:: else
		fi
	};
#endif
	if
	:: p != NONE -> d_step { acquirep(m, p); on_m[g] = false }; goto execute
	:: else -> g = NONE; goto asleep
	fi;

blocked:
end_blocked:
	false
}

proctype sysmon()
{
	byte pp = NONE, gg = NONE, p = NONE, i, k;
	bool go;

end_round:
	do
	:: d_step { status[0] == syscall && p == NONE -> p = 0 }
#if NP > 1
	:: d_step { status[1] == syscall && p == NONE -> p = 1 }
#endif
	:: p != NONE ->
#ifdef RETAKE_IN_TWO
		d_step { go = (status[p] == syscall) };
		d_step {
			if
			:: go -> status[p] = idle
			:: else
			fi
		};
#else
		d_step {
			go = (status[p] == syscall);
			if
			:: go -> status[p] = idle
			:: else
			fi
		};
#endif
		if
		:: go -> go = false; handoffp(p)
		:: else
		fi;
		p = NONE
#if !defined NO_SLICES && !defined BRIEF
	:: d_step { p == NONE && len(globq) > 0 && status[0] == running && !preempt[0] ->
		preempt[0] = true }
	:: d_step { p == NONE && len(globq) > 0 && status[NP - 1] == running && !preempt[NP - 1] ->
		preempt[NP - 1] = true }
#endif
	/* sleep_until_needed */
	:: d_step { npidle == NP && p == NONE -> sysmonwait = true };
end_sleep:
		d_step { kick -> kick = false; sysmonwait = false }
	od
}

proctype judge()
{
	byte i;

	timeout;
	d_step {
		assert(nmspinning == 0);
		assert(len(globq) == 0);
		do
		:: i < NP ->
			assert(status[i] != syscall);
			assert(npidle == 0 || !LOCAL(i));
			assert((status[i] == idle) == idle_p[i]);
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NM -> assert(wait_g[i] == NONE); i++
		:: else -> break
		od
	}
}

init
{
	byte i;

	atomic {
		do
		:: i < NG -> at_p[i] = NONE; wait_m[i] = NONE; calls[i] = CALLS; globq!i; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NM -> wait_g[i] = NONE; next_p[i] = NONE; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NP -> status[i] = running; owner[i] = i; p_m[i] = i; run M(i, i); i++
		:: i >= NP && i < NM -> idle_m[i] = true; idle_ms++; run M(i, NONE); i++
		:: i == NM -> break
		od;
		run sysmon();
		run judge()
	}
}

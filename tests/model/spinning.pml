/* SPDX-License-Identifier: MIT */
/*
 * spinning.pml: no goroutine waits while a P is idle and every M is asleep or busy.
 *
 * The hand-over in runtime/sched between who makes work visible (rt__ready, rt__wakep) and who
 * runs out of it (find_runnable, give_up_p, last_look), with yield and rt__handoffp. An M is a
 * process. A goroutine is a choice of what to do next; one choice is to compute for ever, so that
 * work left behind on its P is stuck there. A foreign thread makes work without having a P. Left
 * out: stop the world, deadlock detection, locked goroutines that come back.
 *
 * A step is one access that others see: a load, a store, a read-modify-write, a critical section
 * of sched.lock, or rt__runq_empty, which is linearizable but for a goroutine on its way from next
 * to the ring, and its owner wakes somebody behind that or takes one itself. A search through
 * other Ps may fail although there is work: the protocol may rely on the last look only.
 *
 * Spin is sequentially consistent, so the stores that a later load of their thread could overtake
 * are buffered by hand. A late store lands whenever it likes (the process `memory`), at the latest
 * at its thread's next fence. On x86-64 that is every read-modify-write and lock, too; with -DWEAK
 * it is rt__fence_seq only, and entering a critical section (who takes the lock later sees it).
 *
 * Mutations are named in run.sh; each takes one thing away, and Spin must find what it breaks.
 */
#ifndef NP
#define NP 2 /* Ps, all running at the start */
#endif
#ifndef NM
#define NM 3 /* Ms */
#endif
#ifndef WORK
#define WORK 2 /* goroutines that goroutines make ready */
#endif
#ifndef FOREIGN
#define FOREIGN 1 /* goroutines that the foreign thread makes ready */
#endif
#ifndef YIELDS
#define YIELDS 0
#endif
#ifndef HANDOFFS
#define HANDOFFS 0
#endif
#define NT (NM + 1) /* threads: the Ms, and the foreign one, whose number is NM */
#define NONE 255

/* struct rt__sched; npidle is what holders of the lock see, npidle_seen what others see. */
byte nmspinning, npidle, npidle_seen, global, idle_ms;
byte lookout = NONE, lookout_seen = NONE; /* with -DLOOKOUT; idle_ms counts it, too */
bool needspinning, idle_p[NP], idle_m[NM];
/* Ps and Ms. ring counts what the run queue holds besides next. */
byte ring[NP], next_p[NM];
bool next[NP], wake[NM], wake_spinning[NM];
/* Stores that have not landed: next[late_p], where it was empty; the displaced goroutine that goes
 * from next to ring[late_p], or the one that yields; needspinning = 1; npidle. */
byte late_ring[NT], late_p[NT];
bool late_next[NT], late_need[NT], late_idle[NT], late_look[NT];
byte work = WORK, yields = YIELDS, handoffs = HANDOFFS;

/* ---- memory: all of these are parts of one step ---- */

inline land_next(t)
{
	if
	:: late_next[t] -> next[late_p[t]] = true; late_next[t] = false
	:: else
	fi
}

inline land(t)
{
	land_next(t);
	ring[late_p[t]] = ring[late_p[t]] + late_ring[t];
	late_ring[t] = 0;
	if
	:: late_need[t] -> needspinning = true; late_need[t] = false
	:: else
	fi
}

inline fence(t)
{
	land(t);
	if
	:: late_idle[t] -> npidle_seen = npidle; late_idle[t] = false
	:: else
	fi;
	if
	:: late_look[t] -> lookout_seen = lookout; late_look[t] = false
	:: else
	fi
}

#ifdef WEAK
#define RMW(t)
#define FENCE_AFTER_RMW 1
#define LOCK(t) land(t);
#else
#define RMW(t) fence(t);
#define FENCE_AFTER_RMW 0
#define LOCK(t) fence(t);
#endif
#ifdef NO_FENCE_READY
#define FENCE_READY FENCE_AFTER_RMW
#else
#define FENCE_READY 1
#endif
#ifdef NO_FENCE_WAKE
#define FENCE_WAKE(t)
#else
#define FENCE_WAKE(t) fence(t);
#endif
#ifdef NO_FENCE_LOOKOUT
#define FENCE_LOOKOUT(t)
#else
#define FENCE_LOOKOUT(t) fence(t);
#endif
#ifndef LOCAL_RESET /* reset_spinning wakes as if for its own P */
#define LOCAL_RESET false
#endif
#ifdef NO_FENCE_LOOK
#define FENCE_LOOK(t)
#else
#define FENCE_LOOK(t) fence(t);
#endif

inline pidle_put(t, p)
{
	idle_p[p] = true;
	npidle++;
#ifdef WEAK
	late_idle[t] = true;
#else
	npidle_seen = npidle;
#endif
	p = NONE
}

inline pidle_get(ret)
{
	i = 0;
	do
	:: i < NP && !idle_p[i] -> i++
	:: else -> break
	od;
	if
	:: i < NP -> ret = i; idle_p[i] = false; npidle--; npidle_seen = npidle
	:: else -> ret = NONE
	fi;
	i = 0
}

/* rt__globrunq_get: a fair share, of which one is run and the others go to p's ring. */
inline globrunq_get(p, max)
{
	i = global / NP + 1;
	if
	:: i > global -> i = global
	:: else
	fi;
	if
	:: i > max -> i = max
	:: else
	fi;
	if
	:: i > 0 -> global = global - i; ring[p] = ring[p] + i - 1; found = true
	:: else
	fi;
	i = 0
}

/* ---- idle.c ---- */

/* A part of a step, behind SPARE_M: where there is no idle M, rt__startm makes a thread, but here
 * it waits for one that is about to be idle. */
#define SPARE_M (idle_ms > 0 || npidle == 0)
inline startm(p, spins)
{
	do
	:: i < NM && !idle_m[i] -> i++
	:: else -> break
	od;
	if
	:: i == NM -> i = lookout; lookout = NONE; lookout_seen = NONE; taken = !spins
	:: else -> idle_m[i] = false
	fi;
	idle_ms--;
	next_p[i] = p;
	wake_spinning[i] = spins;
	wake[i] = true;
	i = 0;
	p = NONE
}


/* Several steps. A fence is one with the load behind it, since stores may have landed before. */
inline wakep(t, fenced, mine)
{
	d_step {
		if
		:: fenced -> fence(t)
		:: else
		fi;
		go = (nmspinning == 0)
	};
	if
	:: go && mine -> d_step { go = !(lookout_seen != NONE && ring[p] + late_ring[t] == 0) }
	:: else
	fi;
	if
	:: go ->
		d_step { go = (npidle_seen != 0) };
		if
		:: !go ->
			d_step {
				go = !needspinning && !late_need[t];
#ifndef NO_NEEDSPINNING
				late_need[t] = late_need[t] || go
#endif
			};
			if
			:: go -> d_step { FENCE_WAKE(t) go = (npidle_seen != 0) }
			:: else
			fi
		:: else
		fi
	:: else
	fi;
	if
	:: go ->
		d_step {
			RMW(t)
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
		d_step {
			SPARE_M -> /* pidle_get and startm's critical section, merged */
			go = false;
			LOCK(t)
			pidle_get(pp);
			if
			:: pp != NONE -> startm(pp, true)
#ifdef PHANTOM
			:: else -> go = true
#else
			:: else -> needspinning = true; nmspinning--
#endif
			fi
		};
#ifdef PHANTOM
		if
		:: go -> d_step { go = false; RMW(t) nmspinning-- }
		:: else
		fi
#endif
	:: else
	fi
}

inline become_spinning(m)
{
	if
	:: !spinning ->
		spinning = true;
		needspinning = false;
		d_step { RMW(m) nmspinning++ }
	:: else
	fi
}

/* ---- schedule.c ---- */

#define PREY(v) (p != v && (ring[v] > 0 || next[v]))

proctype M(byte m; byte p)
{
	byte pp = NONE, i;
	bool spinning, found, go, taken;

	if
	:: p == NONE -> goto asleep
	:: else -> goto running
	fi;

search: /* find_near: every 61st time the global queue comes first */
	skip;
#if YIELDS > 0
	if
	:: d_step { global > 0 -> LOCK(m) globrunq_get(p, 1) }
	:: true
	fi;
#endif
	if
	:: !found ->
		d_step {
			fence(m); /* a thread sees its own stores; and taking is an RMW */
			if
			:: next[p] -> next[p] = false; found = true
			:: !next[p] && ring[p] > 0 -> ring[p]--; found = true
			:: else
			fi
		}
	:: else
	fi;
	if
	:: !found -> d_step { LOCK(m) globrunq_get(p, 128) }
	:: else
	fi;
	if
	:: found -> goto got
	:: else
	fi;
	/* find_far */
	if
	:: !spinning ->
		d_step { go = (2 * nmspinning < NP - npidle_seen) };
		if
		:: !go -> goto give_up
		:: else -> go = false
		fi
	:: else
	fi;
	become_spinning(m);
	if
	:: d_step {
		PREY(0) || PREY(1) || PREY(NP - 1) ->
		i = 0;
		do
		:: PREY(i) -> break
		:: else -> i++
		od;
		if
		:: ring[i] == 0 -> next[i] = false
		:: else ->
			ring[p] = ring[p] + ring[i] - ring[i] / 2 - 1;
			ring[i] = ring[i] / 2
		fi;
		i = 0;
		found = true
	   }
	:: true
	fi;
	if
	:: found -> goto got
	:: else
	fi;

give_up: /* give_up_p */
	skip;
	d_step {
		LOCK(m)
		globrunq_get(p, 128);
		if
		:: !found -> assert(ring[p] == 0 && !next[p]); pidle_put(m, p)
		:: else
		fi
	};
	if
	:: found -> goto got
	:: else
	fi;
	/* last_look */
	if
	:: spinning -> d_step { RMW(m) nmspinning--; go = true }
	:: else
	fi;
	d_step { FENCE_LOOK(m) go = go || needspinning; spinning = false };
#ifdef NO_LAST_LOOK
	go = false;
#endif
	if
	:: !go -> goto stop
	:: else -> go = false
	fi;
#ifndef LOCAL_FIRST
	d_step { LOCK(m) go = (global > 0) };
#endif
	do
	:: d_step { !go && i < NP -> go = (ring[i] > 0 || next[i]); i++ }
	:: else -> break
	od;
#ifdef LOCAL_FIRST
	skip;
	d_step { go = go || global > 0 };
#endif
	i = 0;
	if
	:: go ->
		d_step {
			go = false;
			LOCK(m)
			pidle_get(p);
#ifndef LOOK_BLIND
			if
			:: p == NONE -> needspinning = true
			:: else
			fi
#endif
		};
		if
		:: p != NONE -> become_spinning(m); goto search
		:: else
		fi
	:: else
	fi;

stop: /* whether it was woken in vain is left open */
	skip;
	atomic {
		LOCK(m)
		if
		:: idle_m[m] = true
#ifdef LOOKOUT
		:: lookout == NONE -> lookout = m; lookout_seen = m
#endif
		fi;
		idle_ms++
	};
asleep:
end_asleep:
	if
	:: atomic {
		wake[m];
		fence(m); /* it slept in the kernel */
		wake[m] = false;
		p = next_p[m];
		next_p[m] = 0;
		spinning = wake_spinning[m];
		wake_spinning[m] = false
	   };
		goto search
#ifdef LOOKOUT
	:: d_step { lookout == m && (PREY(0) || PREY(1) || PREY(NP - 1)) ->
		LOCK(m) /* a nap is over, and somebody is stuck; if not, it naps on */
		pidle_get(p);
		lookout = NONE;
		lookout_seen = NONE;
		if
		:: p == NONE -> needspinning = true; idle_m[m] = true
		:: else -> idle_ms--
		fi
	   };
		goto looked
	:: d_step { lookout == m ->
		LOCK(m) /* the last nap */
		idle_ms--;
		lookout = NONE;
		late_look[m] = true;
		FENCE_LOOKOUT(m)
	   };
		do
		:: d_step { !go && i < NP -> go = (ring[i] > 0 || next[i]); i++ }
		:: else -> break
		od;
		i = 0;
#ifdef NO_LOOKOUT_LAST
		go = false;
#endif
		d_step {
			LOCK(m)
			if
			:: go ->
				pidle_get(p);
				if
				:: p == NONE -> needspinning = true
				:: else
				fi
			:: else
			fi;
			go = false;
			if
			:: p == NONE -> idle_m[m] = true; idle_ms++
			:: else
			fi
		};
		goto looked
#endif
	fi;
#ifdef LOOKOUT
looked:
	if
	:: p == NONE -> goto asleep
	:: else
	fi;
	become_spinning(m);
	goto search;
#endif

got: /* reset_spinning */
	found = false;
	if
	:: spinning ->
		spinning = false;
		d_step { RMW(m) nmspinning-- };
#ifndef NO_RESET_WAKE
		wakep(m, FENCE_AFTER_RMW, LOCAL_RESET)
#endif
	:: else
	fi;

running:
end_running:
	if
	:: goto search /* it parks or ends */
	:: d_step {
		work > 0 ->
		work--;
		late_p[m] = p;
		if
		:: next[p] || late_next[m] -> /* the exchange of next */
			RMW(m)
			land_next(m);
			late_ring[m]++
		:: else -> late_next[m] = true
		fi
	   };
		wakep(m, FENCE_READY, true);
		goto running
#if YIELDS > 0
	:: d_step { yields > 0 -> yields--; late_ring[m]++; late_p[m] = p }; goto search
#endif
#if HANDOFFS > 0
	:: d_step { handoffs > 0 -> handoffs-- }; goto handoff
#endif
	:: goto compute
	fi;

#if HANDOFFS > 0
handoff: /* a locked goroutine parks: rt__handoffp, then the M waits for it, here for ever */
	skip;
	d_step { go = (ring[p] > 0 || next[p] || late_ring[m] > 0 || late_next[m] || global > 0) };
	if
	:: go -> d_step { idle_ms > 0 -> go = false; LOCK(m) startm(p, false) }; goto handed
	:: else
	fi;
	d_step { go = (nmspinning == 0) };
	if
	:: go -> d_step { go = (npidle_seen == 0) }
	:: else
	fi;
	if
	:: go ->
		d_step {
			RMW(m)
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
		needspinning = false;
		d_step { idle_ms > 0 -> LOCK(m) startm(p, true) };
		goto compute
	:: else
	fi;
	d_step {
		LOCK(m)
		if
		:: global == 0 -> pidle_put(m, p)
		:: else
		fi
	};
	if
	:: p != NONE -> d_step { idle_ms > 0 -> LOCK(m) startm(p, false) }; goto handed
	:: else
	fi;
#ifndef HANDOFF_BLIND
	d_step { FENCE_LOOK(m) go = needspinning };
	if
	:: go -> wakep(m, 0, false)
	:: else
	fi;
#endif
	goto compute;

handed: /* rt__startm: if that was the lookout, somebody else is woken in its place */
	if
	:: taken -> taken = false; wakep(m, FENCE_AFTER_RMW, false)
	:: else
	fi;
#endif

compute:
end_compute:
	false
}

proctype foreign()
{
	byte pp = NONE, i, n = FOREIGN, p = NONE;
	bool go, taken;

	do
	:: n > 0 ->
		d_step { n--; LOCK(NM) global++ };
		wakep(NM, FENCE_AFTER_RMW, false)
	:: n == 0 -> break
	od
}

#define LATE(t) (late_ring[t] > 0 || late_next[t] || late_need[t] || late_idle[t] || late_look[t])

proctype memory()
{
end_memory:
	do
	:: d_step { LATE(0) -> fence(0) }
	:: d_step { LATE(1) -> fence(1) }
	:: d_step { LATE(2) -> fence(2) }
#if NM > 2
	:: d_step { LATE(3) -> fence(3) }
#endif
#if NM > 3
	:: d_step { LATE(4) -> fence(4) }
#endif
	od
}

/* timeout: nobody has anything left to do. */
proctype judge()
{
	byte i, queued;

	timeout;
	d_step {
		queued = global;
		do
		:: i < NP -> queued = queued + ring[i] + next[i]; i++
		:: else -> break
		od;
		assert(npidle == 0 || queued == 0);
		assert(nmspinning == 0)
	}
}

init
{
	byte i;

	atomic {
		do
		:: i < NP -> run M(i, i); i++
		:: i >= NP && i < NM -> idle_m[i] = true; idle_ms++; run M(i, NONE); i++
		:: i == NM -> break
		od;
		i = 0;
#if FOREIGN > 0
		run foreign();
#endif
		run memory();
		run judge()
	}
}

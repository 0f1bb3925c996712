/* SPDX-License-Identifier: MIT */
/*
 * ctx.pml: a context that is cancelled, between one who makes a child of it, one who has a function
 * called at its end and stops that, and one who waits with the child (runtime/usync/ctx.c). Locks
 * are not steps; what is done without them is.
 *
 * Shown: a child of an ended context has ended, however the two met; a wait with it ends, once; a
 * function that was stopped is not called, one that was not is, once; nobody looks at the frame of
 * who waits, at the memory of the function, or at the child once these are gone.
 *
 * Ps, timers and depth are left out: a child of a child is taken along as a child is.
 *
 * Mutations: LINK_UNLOCKED (the parent is looked at before the child is linked), ENROL_BLIND (who
 * waits does not look whether it has ended), CLAIM_IN_TWO (load, then store), STOP_BLIND (who stops a
 * function does not wait until it was copied), LEAVE_BLIND (who was woken by something else does not
 * take itself off), END_UNLINKED (the child goes without the lock of the trees).
 */
bool trees, parent_lock, child_lock;
bool parent_ended, child_ended, linked, child_gone;
bool enrolled, claimed, woken, frame_gone;
bool func_on, func_fired, func_gone, func_stopped;
byte func_calls;

#define LOCK(l) atomic { !l -> l = true }
#define UNLOCK(l) l = false

/* end_one of the child, with the lock of the trees: takes who waits there. */
inline end_child(wake_it)
{
	assert(!child_gone);
	LOCK(child_lock);
	child_ended = true;
	if
	:: enrolled ->
		assert(!frame_gone);
#ifdef CLAIM_IN_TWO
		if
		:: !claimed -> claimed = true; wake_it = true
#else
		if
		:: atomic { !claimed -> claimed = true }; wake_it = true
#endif
		:: else
		fi;
		enrolled = false
	:: else
	fi;
	UNLOCK(child_lock)
}

proctype canceller()
{
	bool wake_child, call;

	LOCK(trees);
	if
	:: linked && !child_ended -> end_child(wake_child)
	:: else
	fi;
	LOCK(parent_lock);
	parent_ended = true;
	if
	:: func_on -> func_on = false; call = true
	:: else
	fi;
	UNLOCK(parent_lock);
	UNLOCK(trees);
	if
	:: wake_child -> assert(!frame_gone && !woken); woken = true
	:: else
	fi;
	if
	:: call ->
		assert(!func_gone); /* it is copied */
		func_fired = true;
		assert(!func_stopped && func_calls == 0);
		func_calls++
	:: else
	fi
}

/* Somebody else who may end the wait: what it waits for has come. */
proctype other()
{
	bool mine;

	if
	:: true ->
#ifdef CLAIM_IN_TWO
		if
		:: !claimed -> claimed = true; mine = true
#else
		if
		:: atomic { !claimed -> claimed = true; mine = true }
#endif
		:: else
		fi
	:: true
	fi;
	if
	:: mine -> assert(!woken); woken = true
	:: else
	fi
}

/* Makes the child, waits with it, ends it. */
proctype child()
{
	bool over, unused;

#ifdef LINK_UNLOCKED
	over = parent_ended;
	LOCK(trees);
	linked = true;
#else
	LOCK(trees);
	linked = true;
	over = parent_ended;
#endif
	if
	:: over -> end_child(unused)
	:: else
	fi;
	UNLOCK(trees);
	assert(!parent_ended || child_ended || trees);

	run other();
	LOCK(child_lock);
#ifndef ENROL_BLIND
	if
	:: child_ended -> over = true
	:: else -> enrolled = true
	fi;
#else
	over = false;
	enrolled = true;
#endif
	UNLOCK(child_lock);
	if
	:: over -> /* end_at_once */
		if
		:: atomic { !claimed -> claimed = true }
		:: else -> woken
		fi
	:: else -> woken
	fi;
#ifndef LEAVE_BLIND
	if
	:: enrolled -> LOCK(child_lock); enrolled = false; UNLOCK(child_lock)
	:: else
	fi;
#endif
	frame_gone = true;
#ifndef END_UNLINKED
	LOCK(trees);
	linked = false;
	UNLOCK(trees);
#else
	linked = false;
#endif
	child_gone = true
}

/* rt_ctx_after_func, and rt_ctx_stop_func. */
proctype function()
{
	bool stopped, at_once;

	LOCK(parent_lock);
	if
	:: parent_ended -> at_once = true
	:: else -> func_on = true
	fi;
	UNLOCK(parent_lock);
	if
	:: at_once -> func_fired = true; func_calls++
	:: else
	fi;
	if
	:: func_on ->
		LOCK(parent_lock);
		stopped = func_on;
		func_on = false;
		UNLOCK(parent_lock)
	:: else
	fi;
#ifndef STOP_BLIND
	if
	:: !stopped -> func_fired
	:: else
	fi;
#endif
	func_gone = true;
	assert(!stopped || func_calls == 0);
	func_stopped = stopped;
	stopped || func_calls == 1 /* or it is for ever here */
}

init
{
	atomic { run canceller(); run child(); run function() }
}

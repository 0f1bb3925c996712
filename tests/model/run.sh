#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh MODEL: proves tests/model/MODEL.pml with Spin, and that the proof is worth something: each
# mutation takes one thing away, and Spin must find what that breaks. Exit status 0 if all is as it
# should be, 77 (skipped) without spin.

set -u
model=${1:?usage: run.sh MODEL}
here=$(cd "$(dirname "$0")" && pwd) || exit 1
command -v spin >/dev/null || exit 77
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1
status=0

# search DEFINES...: leaves Spin's verdict in `out`.
search() {
	spin -a "$@" "$here/$model.pml" >out 2>&1 &&
		${CC:-cc} -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=1024 -o pan pan.c >>out 2>&1 &&
		./pan -m200000 -w22 >out 2>&1
}

# The same with a bit for each state in place of the state: a search may miss those that share all
# their bits with others, which with a hash factor over 100 are less than one in a thousand.
search_bits() {
	spin -a "$@" "$here/$model.pml" >out 2>&1 &&
		${CC:-cc} -O2 -w -DSAFETY -DBITSTATE -DVECTORSZ=1024 -o pan pan.c >>out 2>&1 &&
		./pan -m200000 -w31 >out 2>&1
}

verdict() { # WORD EXPECTATION DEFINES...
	printf '%s  %s: %s\n' "$@"
	if [ "$1" = FAIL ]; then
		status=1
		cat out
	fi
}

# The model as it is: no error, and the whole of it was searched.
good() {
	search "$@"
	if grep -q 'errors: 0$' out && ! grep -q 'Search not completed\|too small' out; then
		verdict ok 'holds' "$*"
	else
		verdict FAIL 'should hold' "$*"
	fi
}

# Too large for that: no error among nearly all states.
nearly() {
	search_bits "$@"
	if grep -q 'errors: 0$' out && ! grep -q 'Search not completed\|too small' out &&
		grep -q 'hash factor: [1-9][0-9][0-9]' out; then
		verdict ok 'holds, nearly everywhere' "$*"
	else
		verdict FAIL 'should hold' "$*"
	fi
}

# A mutation: an assertion must be violated, or all wait for ever; a model that does not even
# compile proves nothing.
bad() {
	search "$@"
	if grep -q 'assertion violated\|invalid end state' out; then
		verdict ok 'is found' "$*"
	else
		verdict FAIL 'should be found' "$*"
	fi
}

case $model in
park)
	good -DNG=2 -DNM=2 -DROUNDS=2
	good -DNG=2 -DNM=3 -DROUNDS=2
	good -DNG=1 -DNM=2 -DROUNDS=3 -DPOSTERS=2
	bad -DUNLOCK_BEFORE_PARK # unlocks before the switch
	bad -DWAITING_LATE       # sets the status after the unlock
	bad -DSAVE_LATE          # unlocks on the goroutine's own stack
	bad -DENQUEUE_LATE       # looks for an event before it is on the queue
	bad -DSTILL_QUEUED       # the waker leaves it on the wait queue
	;;
spinning)
	good -DWORK=2 -DFOREIGN=0 -DHANDOFFS=1
	good -DWORK=2 -DFOREIGN=0 -DWEAK
	good -DWORK=1 -DFOREIGN=1
	good -DWORK=0 -DFOREIGN=2
	good -DWORK=0 -DFOREIGN=1 -DYIELDS=1
	# The same with a lookout (idle.c).
	good -DWORK=2 -DFOREIGN=0 -DLOOKOUT
	good -DWORK=1 -DFOREIGN=0 -DHANDOFFS=1 -DLOOKOUT
	good -DWORK=1 -DFOREIGN=1 -DLOOKOUT
	bad -DWORK=2 -DFOREIGN=0 -DLOOKOUT -DNO_LOOKOUT_LAST # it ends without a last look
	bad -DWORK=2 -DFOREIGN=0 -DLOOKOUT -DNO_FENCE_LOOKOUT # lookout = NULL, then queues
	bad -DWORK=1 -DFOREIGN=1 -DLOOKOUT -DLOCAL_RESET=true # reset_spinning relies on it, too
	# The pieces of the protocol.
	bad -DWORK=2 -DFOREIGN=0 -DNO_LAST_LOOK
	bad -DWORK=2 -DFOREIGN=0 -DNO_NEEDSPINNING
	bad -DWORK=0 -DFOREIGN=2 -DNO_RESET_WAKE        # reset_spinning starts nobody
	bad -DWORK=2 -DFOREIGN=0 -DNO_FENCE_WAKE        # needspinning = 1, then npidle
	bad -DWORK=2 -DFOREIGN=0 -DWEAK -DNO_FENCE_LOOK # npidle, then needspinning
	bad -DWORK=2 -DFOREIGN=0 -DNO_FENCE_READY       # displaced to the ring, then nmspinning
	# A P that is not there when somebody wants one must leave needspinning behind: with the
	# lock, or an M that has not spun gives the P up and sleeps over the work.
	bad -DWORK=2 -DFOREIGN=0 -DLOOK_BLIND # last_look does not
	bad -DWORK=1 -DFOREIGN=1 -DPHANTOM    # rt__wakep does not, and unspins after the lock
	bad -DWORK=2 -DFOREIGN=0 -DHANDOFFS=1 -DHANDOFF_BLIND # rt__handoffp does not look at it
	# last_look reads the global queue without the lock, after the local ones: goroutines move
	# from there to a local queue behind its back.
	bad -DWORK=0 -DFOREIGN=2 -DLOCAL_FIRST
	bad -DWORK=0 -DFOREIGN=1 -DYIELDS=1 -DLOCAL_FIRST
	;;
select)
	good
	bad -DNO_CLAIM      # looks whether the waiter is claimed, then claims it
	bad -DNO_LEAVING    # does not count who was thrown out of a queue
	bad -DLOOK_UNLOCKED # looks without the lock whether that was so: it is counted for ever
	bad -DLOOK_BEHIND   # g0 looks at the frame after the last unlock
	bad -DLOCK_AS_GIVEN # locks in the order of the cases
	bad -DFREE_AT_ONCE  # frees a channel that a select is about to leave
	;;
retake)
	good -DNP=1 -DNG=2 -DNM=3 -DCALLS=2
	nearly -DNP=2 -DNG=2 -DNM=3 -DCALLS=1 -DBRIEF
	bad -DNP=2 -DNG=2 -DNM=3 -DCALLS=1 -DBRIEF -DEXIT_IN_TWO
	bad -DNP=2 -DNG=2 -DNM=3 -DCALLS=1 -DBRIEF -DQUEUE_IN_TWO
	bad -DCLEAR_LATE    # clears P.m after the P is up for grabs
	bad -DEXIT_IN_TWO   # exitsyscall loads the status, then stores
	bad -DRETAKE_IN_TWO # and so does sysmon
	bad -DQUEUE_IN_TWO  # looks for an idle P, unlocks, then queues
	bad -DKEEP_WAITING  # who takes the goroutine leaves its M waiting with it
	bad -DNO_SLICES     # nobody preempts who computes
	;;
stw)
	good
	good -DNP=2 -DNM=2 -DSTOPS=3
	bad -DEXIT_BLIND # exitsyscall loads the status, then stores
	bad -DIDLE_BLIND # who runs out of work does not look for a stopper
	bad -DONE_LOOK   # who enters a system call just then is overlooked
	bad -DNO_PREEMPT # nobody stops who computes
	;;
each_p)
	good
	good -DNP=2 -DNM=2 -DASKS=3
	bad -DSCHEDULE_BLIND # who comes by the scheduler does not look
	bad -DIDLE_UNLOCKED  # somebody takes an idle P meanwhile
	bad -DRETAKE_BLIND   # ... or comes back to one in a system call
	bad -DONE_LOOK       # who gives its P up just then is overlooked
	bad -DNO_PREEMPT     # nobody stops who computes
	;;
lock)
	good -DNT=3 -DROUNDS=2
	good -DNT=2 -DROUNDS=3
	good -DNOTE -DROUNDS=3
	bad -DTAKE_WITH_1   # a woken waiter forgets that there may be others
	bad -DUNLOCK_IN_TWO # unlock loads, then stores
	bad -DNO_WAKE
	bad -DNOTE -DSLEEP_UNCHECKED # the kernel does not compare
	bad -DNOTE -DANNOUNCE_IN_TWO # the word may have become 1 before it becomes 2
	bad -DNOTE -DCLEAR_LATE      # clears a note that may have fired again
	;;
mutex)
	good -DNT=3 -DROUNDS=1 -DTIMED=1
	good -DNT=3 -DROUNDS=2 -DTIMED=0
	good -DNT=2 -DROUNDS=3 -DTIMED=2
	bad -DROUNDS=1 -DSETTLE_BLIND   # who has the queue does not look again
	bad -DROUNDS=1 -DLEAVE_BLIND    # nor does who gives up
	bad -DROUNDS=1 -DRELEASE_FIRST  # unlocks, then looks for whom to wake: it may be freed
	bad -DROUNDS=1 -DWAKE_FIRST     # wakes, then lets go of the queue
	bad -DROUNDS=2 -DKEEP_WOKEN     # who queues up again is still taken for awake
	bad -DROUNDS=1 -DWAKE_UNCLAIMED # wakes who has given up
	bad -DROUNDS=2 -DKEEP_STARVING  # the last to give up leaves it starving
	;;
unlock)
	good -DNT=3 -DROUNDS=2
	good -DNT=2 -DROUNDS=3 -DHANDLER
	good -DNT=3 -DROUNDS=1 -DHANDLER
	bad -DNO_BARRIER    # looks at M.unlocking, which may still be in a store buffer
	bad -DNO_SCAN       # does not look at it
	bad -DLOAD_FIRST    # M.unlocking is stored behind the load
	bad -DNOTHING_FIRST # ... and taken back before the store to the word
	bad -DNO_LOCK       # two announce, and one takes the other's for his own
	bad -DQUEUE_BLIND   # waits beside LOCKED alone
	bad -DQUEUE_EARLY   # ... or while another is still announcing
	bad -DHANDLER -DNO_REWIND # goes on between load and store, with nobody waiting for that
	;;
timer)
	good -DSETS=3
	good -DSETS=3 -DGIVES_UP
	bad -DSETS=3 -DFIRING_ALONE # try_stop asks only whether the function runs
	bad -DGIVES_UP -DNO_SETTLE  # freed while the engine has it
	bad -DNO_REQUEUE            # set anew while the function is about to run
	;;
ctx)
	good
	bad -DLINK_UNLOCKED # looks at the parent, then links the child
	bad -DENROL_BLIND   # waits with a context that has ended
	bad -DCLAIM_IN_TWO  # looks whether the wait is over, then ends it
	bad -DSTOP_BLIND    # the memory of a function that was taken is free at once
	bad -DLEAVE_BLIND   # who was woken by something else stays on the list
	bad -DEND_UNLINKED  # a child that goes is taken out without the lock
	;;
*)
	echo "run.sh: no such model: $model" >&2
	exit 1
	;;
esac
exit $status

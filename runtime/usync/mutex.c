/* SPDX-License-Identifier: MIT */
/*
 * Mutexes: Go's algorithm (internal/sync/mutex.go), with the queue in the object.
 *
 *	LOCKED		somebody has it
 *	WOKEN		somebody that waited is awake, or spins: unlocking need not wake another
 *	STARVING	somebody has waited for more than a millisecond
 *	QLOCK		somebody has the queue; see usync_priv.h
 *	ANNOUNCED	somebody is about to set CONTENDED
 *	CONTENDED	it is unlocked by compare-and-swap
 *	the rest	how many are on the queue; only the holder of QLOCK changes it
 *
 * Normally, unlocking lets go of the mutex and wakes the first of the queue, which then competes
 * with who comes along: those run already, and mostly win, which saves a switch for each time it
 * is locked. Who has lost goes back to the front. Once one has waited for too long, the mutex is
 * starving: it is handed to the first, without becoming free in between, and who comes along queues
 * up behind. That ends with one who was handed it after a shorter wait, or as the last.
 *
 * Unlocking is one step that lets go and, if there is somebody to wake, takes QLOCK; or that lets
 * go while QLOCK is another's, who then wakes ("settles") before it lets go of that. In both cases
 * the mutex is not touched once the last one who waits may have got it.
 *
 * A mutex that is LOCKED and nothing else is unlocked by a plain store, which would overwrite what
 * others put there. So nothing is put beside LOCKED but with CONTENDED, which takes a microsecond
 * to set (sched/plain_unlock.c) and lasts: who unlocks when nobody waits takes it off in one of
 * RELAPSE times. Until then lock and unlock take the slow ways, three nanoseconds more; and one
 * that is contended each time pays for it in one of so many.
 *
 * STARVING implies LOCKED or QLOCK, and a waiter, or one who was handed the mutex and is about to
 * look. WOKEN belongs to one: to who has set it for itself, or to who was woken.
 *
 * Runs on the stack of a goroutine or a foreign thread; unlock_queue, and rt__mutex_release for
 * condition variables, also on g0.
 *
 * Rejected: always handing the mutex over: a switch for each time, and with 100 goroutines, each
 * waits for all others.
 */
#include "usync/usync_priv.h"

#define LOCKED 1u
#define WOKEN 2u
#define STARVING 4u
#define QLOCK 8u
#define ANNOUNCED 16u
#define CONTENDED 32u
#define WAITER 64u

#define SPINS 4        /* rounds of waiting actively */
#define SPIN_PAUSES 30 /* in each */
#define STARVED_NS 1000000
#define RELAPSE 64

struct lock_wait {
	rt_mutex *m;
	struct rt__waiter w;
	struct rt__node node;
	int64_t since; /* when it first queued; 0: it has not */
	bool awoke;    /* WOKEN is ours */
	bool starving;
};

static struct rt__node **
queue(rt_mutex *m)
{
	return (struct rt__node **)&m->rt_waiters;
}

static bool
has_waiters(uint32_t s)
{
	return s >= WAITER;
}

/* Whether there is somebody to wake, and none is awake. */
static bool
wants_wake(uint32_t s)
{
	return has_waiters(s) && (s & (STARVING | WOKEN)) != WOKEN;
}

/*
 * Takes the first waiter off, and lets go of QLOCK, which is the caller's. right is what it has
 * been given in advance: LOCKED, if it is to have the mutex, or WOKEN. The result is to be woken;
 * NULL: none is left.
 */
static struct rt__node *
pass_on(rt_mutex *m, uint32_t right)
{
	uint32_t gone, less = QLOCK;
	struct rt__node *n = rt__queue_pop(queue(m), &gone);

	less += gone * WAITER;
	if (n)
		n->granted = right == LOCKED;
	else
		less += right == LOCKED ? LOCKED + STARVING : right;
	rt__add_acqrel(&m->rt_state, -less); /* rel: the queue, for the next to lock it */
	return n;
}

/* Lets go of QLOCK, after seeing to what an unlock may have left. */
static struct rt__node *
settle(rt_mutex *m)
{
	for (;;) {
		uint32_t s = rt__load_rlx(&m->rt_state);

		if ((s & LOCKED) || !wants_wake(s)) {
			uint32_t off = has_waiters(s) ? QLOCK : QLOCK | STARVING;

			if (rt__cas_rel(&m->rt_state, s, s & ~off))
				return NULL;
		} else {
			uint32_t right = s & STARVING ? LOCKED : WOKEN;

			/* acq: what was done under the mutex, for whom we wake. */
			if (rt__cas_acqrel(&m->rt_state, s, s | right))
				return pass_on(m, right);
		}
	}
}

static bool
unlock_queue(struct rt__g *gp, void *arg)
{
	struct lock_wait *a = arg;
	const struct rt__waiter *self = &a->w;
	struct rt__node *n = settle(a->m);

	(void)gp;
	if (!n)
		return true;
	if (n->waiter == self)
		return false;
	rt__waiter_wake(n->waiter);
	return true;
}

/* Gives up: takes itself off, unless it is off already. */
static void
leave(struct lock_wait *a)
{
	rt_mutex *m = a->m;

	rt__bit_lock(&m->rt_state, QLOCK);
	if (a->node.queued) {
		rt__queue_remove(queue(m), &a->node);
		rt__add_rlx(&m->rt_state, -WAITER);
	}
	struct rt__node *n = settle(m);
	if (n)
		rt__waiter_wake(n->waiter);
}

/* We were handed the mutex. Nobody else changes STARVING but one who leaves as the last. */
static void
end_starvation(rt_mutex *m, bool starving)
{
	for (;;) {
		uint32_t s = rt__load_rlx(&m->rt_state);

		if (!(s & STARVING) || (starving && has_waiters(s)) ||
		    rt__cas_rlx(&m->rt_state, s, s & ~STARVING))
			return;
	}
}

/* Queues up and sleeps; QLOCK is the caller's, and it is counted. 0: the mutex may be free now, or
 * is ours if the node says so. */
static int
sleep_on(struct lock_wait *a, const rt_wait_options *o)
{
	rt_mutex *m = a->m;

	rt__waiter_init(&a->w);
	rt__node_init(&a->node, &a->w, o == NULL);
	a->node.granted = false;
	if (a->since == 0) {
		rt__queue_push_back(queue(m), &a->node);
		a->since = rt__nanotime();
	} else {
		rt__queue_push_front(queue(m), &a->node);
	}
	int err = rt__wait(&a->w, unlock_queue, a, o, RT_WAIT_MUTEX);
	if (err != 0)
		leave(a);
	else
		a->starving |= rt__nanotime() - a->since > STARVED_NS;
	return err;
}

/* A round of waiting actively; says so, so that unlocking wakes nobody else meanwhile. */
static void
spin(struct lock_wait *a, uint32_t s)
{
	if (!a->awoke && !(s & WOKEN) && has_waiters(s) &&
	    rt__cas_rlx(&a->m->rt_state, s, s | WOKEN))
		a->awoke = true;
	for (int i = 0; i < SPIN_PAUSES; i++)
		rt__cpu_relax();
}

/* What it is after the caller's step: WOKEN was its own, and has done its service. */
static uint32_t
without_woken(uint32_t s, bool ours)
{
	return ours ? s & ~WOKEN : s;
}

/* Somebody has it. Out of line, since most who come here find that he has let go. Its name keeps it
 * out of reports: the call that a program knows is inline. */
static RT_NOINLINE bool
rt__mutex_contend(rt_mutex *m, const rt_wait_options *o)
{
	struct lock_wait a; /* large: set as needed */
	int spins = 0;

	a.m = m;
	a.since = 0;
	a.awoke = false;
	a.starving = false;
	for (;;) {
		uint32_t s = rt__load_rlx(&m->rt_state);
		uint32_t next = without_woken(s, a.awoke);

		if (!(s & (LOCKED | STARVING))) {
			/* acq: pairs with the release of unlocking. */
			if (rt__cas_acq(&m->rt_state, s, next | LOCKED))
				return true;
			continue;
		}
		if (!(s & STARVING) && spins < SPINS && rt__may_spin()) {
			spin(&a, s);
			spins++;
			continue;
		}
		if (!(s & CONTENDED)) {
			if (s & ANNOUNCED)
				rt__bit_wait(&m->rt_state, ANNOUNCED);
			else
				rt__plain_unlock_forbid(&m->rt_state, LOCKED, ANNOUNCED, CONTENDED);
			continue;
		}
		if (s & QLOCK) {
			rt__bit_wait(&m->rt_state, QLOCK);
			continue;
		}
		next = (next | QLOCK | (a.starving ? STARVING : 0)) + WAITER;
		if (!rt__cas_acq(&m->rt_state, s, next)) /* acq: the queue */
			continue;
		int err = sleep_on(&a, o);
		if (err != 0)
			return rt__failed(err);
		if (a.node.granted) {
			end_starvation(m, a.starving);
			return true;
		}
		a.awoke = true;
		spins = 0;
	}
}

bool
rt__mutex_lock_slow(rt_mutex *m, const rt_wait_options *o)
{
	uint32_t s;

	while (!((s = rt__load_rlx(&m->rt_state)) & (LOCKED | STARVING)))
		if (rt__cas_acq(&m->rt_state, s, s | LOCKED)) /* as in rt__mutex_contend */
			return true;
	return rt__mutex_contend(m, o);
}

const struct rt__wait_kind rt__wait_kind_mutex = {
	RT_WAIT_KIND(unlock_queue, RT_ON_MUTEX),
	.object = offsetof(struct lock_wait, m),
	.value = {RT_FIELD(rt_mutex, rt_state), RT_FIELD(rt_mutex, rt_owner)},
};

/* ---- unlock ---- */

static void
wake(struct rt__node *n)
{
	if (n)
		rt__waiter_wake(n->waiter);
}

/* What unlocking leaves, with nobody to wake. */
static uint32_t
unlocked(uint32_t s)
{
	if (s == (LOCKED | CONTENDED) && rt__plain_unlock_again(RELAPSE))
		return 0;
	return s & ~LOCKED;
}

bool
rt__mutex_release(rt_mutex *m)
{
	for (;;) {
		uint32_t s = rt__load_rlx(&m->rt_state);

		if (rt__unlikely(!(s & LOCKED)))
			rt__fatal_here("sync: unlock of unlocked mutex");
		if ((s & QLOCK) || !wants_wake(s)) {
			/* rel: what was done, for who locks it next, or settles. */
			if (rt__cas_rel(&m->rt_state, s, unlocked(s)))
				return false;
		} else if (s & STARVING) { /* it stays locked, and becomes the waiter's */
			if (rt__cas_acqrel(&m->rt_state, s, s | QLOCK)) {
				struct rt__node *n = pass_on(m, LOCKED);

				wake(n);
				return n != NULL;
			}
		} else if (rt__cas_acqrel(&m->rt_state, s, (s & ~LOCKED) | QLOCK | WOKEN)) {
			wake(pass_on(m, WOKEN));
			return false;
		}
	}
}

/* Who has starved runs at once, in what is left of our slice. */
void
rt__mutex_unlock_slow(rt_mutex *m)
{
	if (rt__mutex_release(m))
		rt_gosched();
}

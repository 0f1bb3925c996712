/* SPDX-License-Identifier: MIT */
/*
 * Readers and writers: Go's rules (sync/rwmutex.go). A writer that has come keeps new readers out,
 * and gets its turn when those before it have left; when it leaves, all readers that wait meanwhile
 * go first. So neither starves. Writers settle their own order by a mutex, in Go's way.
 *
 *	WRITER	a writer has it, or waits for the readers to leave (WWAIT)
 *	RWAIT	there are readers on the queue
 *	QLOCK	somebody has the queue of readers, and the place of the writer; see usync_priv.h
 *	the rest	how many readers have it
 *
 * A writer lets go of the mutex of writers before it takes WRITER off, which is thus its last step,
 * and nothing is touched after it. The next one to have the mutex waits actively for these few
 * instructions.
 *
 * To let readers in, the first is counted before the queue is looked at: from then on a writer that
 * comes waits for the queue.
 *
 * Go counts readers and waits on two semaphores. With all in one word, who gives up is off the
 * books in one step.
 */
#include "usync/usync_priv.h"

#define WRITER 1u
#define WWAIT 2u
#define RWAIT 4u
#define QLOCK 8u
#define READER 16u

struct rw_wait {
	struct rt__node node;
	struct rt__waiter w;
	rt_rwmutex *rw;
};

static struct rt__node **
queue(rt_rwmutex *rw)
{
	return (struct rt__node **)&rw->rt_readers;
}

static bool
has_readers(uint32_t s)
{
	return s >= READER;
}

/* Lets all that wait to read in. The caller has QLOCK, and is counted as a reader in the place of
 * the first. The result is to be woken. */
static struct rt__node *
admit(rt_rwmutex *rw)
{
	uint32_t n;
	struct rt__node *first = rt__queue_take(queue(rw), &n);

	/* rel: the queue, for the next to lock it. */
	rt__add_acqrel(&rw->rt_state, (n - 1) * READER - RWAIT - QLOCK);
	return first;
}

/* Lets go of QLOCK, after seeing to what others may have left. The result is to be woken. */
static struct rt__node *
settle(rt_rwmutex *rw)
{
	for (;;) {
		uint32_t s = rt__load_rlx(&rw->rt_state);
		struct rt__node *writer = rw->rt_writer;

		if ((s & WWAIT) && !has_readers(s) && rt__node_claim(writer)) {
			writer->next = NULL;
			/* acq: what the readers did, for whom we wake; rel: the queue. Nobody else
			 * changes these two now. */
			rt__add_acqrel(&rw->rt_state, -(WWAIT + QLOCK));
			return writer;
		}
		if ((s & (WRITER | RWAIT)) == RWAIT) {
			/* acq: what the writer did. */
			if (rt__cas_acqrel(&rw->rt_state, s, s + READER))
				return admit(rw);
		} else if (rt__cas_rel(&rw->rt_state, s, s & ~QLOCK)) {
			return NULL;
		}
	}
}

static bool
unlock_queue(struct rt__g *gp, void *arg)
{
	struct rw_wait *a = arg;
	const struct rt__waiter *self = &a->w;

	(void)gp;
	return !rt__nodes_wake(settle(a->rw), self);
}

/* Another address, by which who waits is known for a writer. */
static bool
unlock_for_writer(struct rt__g *gp, void *arg)
{
	return unlock_queue(gp, arg);
}

static void
prepare(struct rw_wait *a, rt_rwmutex *rw, const rt_wait_options *o)
{
	a->rw = rw;
	rt__waiter_init(&a->w);
	rt__node_init(&a->node, &a->w, o == NULL);
}

/* A reader waits for the writer, a writer for the readers. */
#define WRITERS(field) RT_FIELD(rt_rwmutex, rt_writers.field)
const struct rt__wait_kind rt__wait_kind_read = {
	RT_WAIT_KIND(unlock_queue, RT_ON_READ),
	.object = offsetof(struct rw_wait, rw),
	.value = {WRITERS(rt_state), WRITERS(rt_owner)},
};
const struct rt__wait_kind rt__wait_kind_write = {
	RT_WAIT_KIND(unlock_for_writer, RT_ON_WRITE),
	.object = offsetof(struct rw_wait, rw),
	.value = {RT_FIELD(rt_rwmutex, rt_state)},
};
RT_WAIT_WITHOUT_OWNER;

/* ---- readers ---- */

bool
rt__rwmutex_rlock_slow(rt_rwmutex *rw, const rt_wait_options *o)
{
	struct rw_wait a;

	for (;;) {
		uint32_t s = rt__load_rlx(&rw->rt_state);

		if (!(s & WRITER)) {
			if (rt__cas_acq(&rw->rt_state, s, s + READER)) /* pairs with unlock */
				return true;
		} else if (s & QLOCK) {
			rt__bit_wait(&rw->rt_state, QLOCK);
		} else if (rt__cas_acq(&rw->rt_state, s, s | QLOCK | RWAIT)) {
			break;
		}
	}
	prepare(&a, rw, o);
	rt__queue_push_back(queue(rw), &a.node);
	int err = rt__wait(&a.w, unlock_queue, &a, o, RT_WAIT_RWMUTEX_READ);
	if (err == 0)
		return true;
	rt__bit_lock(&rw->rt_state, QLOCK);
	if (a.node.queued) {
		rt__queue_remove(queue(rw), &a.node);
		if (!*queue(rw))
			rt__add_rlx(&rw->rt_state, -RWAIT);
	}
	rt__nodes_wake(settle(rw), NULL);
	return rt__failed(err);
}

void
rt__rwmutex_runlock_slow(rt_rwmutex *rw)
{
	for (;;) {
		uint32_t s = rt__load_rlx(&rw->rt_state);
		uint32_t next = s - READER;

		if (rt__unlikely(!has_readers(s)))
			rt__fatal_here("sync: RUnlock of unlocked RWMutex");
		if (!(s & WWAIT) || (s & QLOCK) || has_readers(next)) {
			/* rel: what was read is read before a writer changes it. */
			if (rt__cas_rel(&rw->rt_state, s, next))
				return;
		} else if (rt__cas_acqrel(&rw->rt_state, s, next | QLOCK)) {
			rt__nodes_wake(settle(rw), NULL);
			return;
		}
	}
}

/* ---- writers ---- */

/* Takes WRITER off, and what else is in `bits`: the last step of a writer, unless there are readers
 * to let in. QLOCK is not the caller's. */
static void
let_go(rt_rwmutex *rw)
{
	for (;;) {
		uint32_t s = rt__load_rlx(&rw->rt_state);

		if (!(s & RWAIT) || (s & QLOCK)) {
			/* rel: what was written, for who comes next, or settles. */
			if (rt__cas_rel(&rw->rt_state, s, s & ~WRITER))
				return;
		} else if (rt__cas_acqrel(&rw->rt_state, s, ((s & ~WRITER) | QLOCK) + READER)) {
			rt__nodes_wake(admit(rw), NULL);
			return;
		}
	}
}

/* Gives up: the readers did not leave in time. */
static void
leave(rt_rwmutex *rw)
{
	bool yield = rt__mutex_release(&rw->rt_writers);

	rt__bit_lock(&rw->rt_state, QLOCK);
	rt__add_rlx(&rw->rt_state, -(WRITER + WWAIT));
	rt__nodes_wake(settle(rw), NULL);
	if (yield)
		rt_gosched();
}

/* Announces the writer, which has the mutex of writers. True: there are no readers; else QLOCK is
 * the caller's. */
static bool
announce(rt_rwmutex *rw)
{
	for (;;) {
		uint32_t s = rt__load_rlx(&rw->rt_state);

		if (s & WRITER) { /* the one before us is about to take it off */
			rt__bit_wait(&rw->rt_state, WRITER);
		} else if (!has_readers(s)) {
			if (rt__cas_acq(&rw->rt_state, s, s | WRITER)) /* pairs with runlock */
				return true;
		} else if (s & QLOCK) {
			rt__bit_wait(&rw->rt_state, QLOCK);
		} else if (rt__cas_acq(&rw->rt_state, s, s | WRITER | WWAIT | QLOCK)) {
			return false;
		}
	}
}

bool
rt__rwmutex_lock(rt_rwmutex *rw, const rt_wait_options *o)
{
	struct rw_wait a;

	if (!rt__mutex_lock(&rw->rt_writers, o))
		return false;
	if (announce(rw))
		return true;
	prepare(&a, rw, o);
	/* cppcheck-suppress autoVariables; it is taken back */
	rw->rt_writer = &a.node;
	int err = rt__wait(&a.w, unlock_for_writer, &a, o, RT_WAIT_RWMUTEX_WRITE);
	if (err == 0)
		return true;
	leave(rw);
	return rt__failed(err);
}

bool(rt_rwmutex_lock)(rt_rwmutex *rw)
{
	return rt__rwmutex_lock(rw, NULL);
}

bool
rt_rwmutex_trylock(rt_rwmutex *rw)
{
	uint32_t s;

	if (!rt_mutex_trylock(&rw->rt_writers))
		return false;
	while (!((s = rt__load_rlx(&rw->rt_state)) & WRITER) && !has_readers(s))
		if (rt__cas_acq(&rw->rt_state, s, s | WRITER)) /* pairs with who unlocks */
			return true;
	rt_mutex_unlock(&rw->rt_writers);
	return false;
}

void
rt_rwmutex_unlock(rt_rwmutex *rw)
{
	if ((rt__load_rlx(&rw->rt_state) & (WRITER | WWAIT)) != WRITER)
		rt__fatal_here("sync: Unlock of unlocked RWMutex");
	bool yield = rt__mutex_release(&rw->rt_writers);
	let_go(rw);
	if (yield)
		rt_gosched();
}

/* SPDX-License-Identifier: MIT */
/*
 * Contexts. A tree of structs that belong to their makers, and in each a list of who waits for its
 * end: blocked calls, and functions to start.
 *
 * Two locks. One for all trees: who is whose child, and that a context ends. One in each context:
 * its list, and again that it ends. So a call that waits with a context takes that one only, on g0
 * (rt__wait), where it may hold the lock of what it waits for, too. Whoever ends a context takes
 * the first, then the second of each below it in turn, the deepest first: when one has ended, all
 * below it have. None is woken before both are released.
 *
 * rt_ctx_end takes the lock of the trees, so it waits for whoever is just ending this context:
 * nobody looks at it afterwards. The timer is stopped before, since its function takes that lock.
 *
 * A waiter is claimed (sched/waiter.c) under the lock of the context, and only then is its node
 * ours, until it is woken: the list of those to wake is linked through their nodes.
 *
 * The lock of the trees is held across fork; of a context that others were using just then the lock
 * may be held in the child for ever: as with POSIX mutexes, it is of no use there.
 *
 * Rejected: a lock for each context and nothing else, as in Go: a child that ends would have to
 * keep its parent from ending, while that may wait for it; Go has a collector. Reference counts:
 * contexts could not be structs on a stack.
 */
#include <errno.h>

#include <rt/ctx.h>

#include "os/os.h"
#include "sched/sched.h"
#include "usync/usync.h"

/* rt_ctx_func as we see it. */
struct func {
	struct rt__ctx_waiter node; /* waiter NULL */
	struct rt__go_later call;
};
_Static_assert(sizeof(struct func) <= sizeof(rt_ctx_func), "rt/ctx.h");
_Static_assert(sizeof(struct rt__timer) <= sizeof(((rt_ctx *)0)->rt_timer), "rt/ctx.h");

static struct rt__lock trees;
static rt_ctx background;

static struct rt__lock *
lock_of(rt_ctx *c)
{
	return (struct rt__lock *)&c->rt_lock;
}

static struct rt__timer *
timer_of(rt_ctx *c)
{
	return (struct rt__timer *)c->rt_timer;
}

static int
error_of(const rt_ctx *c)
{
	return rt__load_acq(&c->rt_error); /* pairs with end_one: the cause, and what was before */
}

/* ---- ending ---- */

/* What has to be done once no lock is held. */
struct fired {
	struct rt__ctx_waiter *first;
};

/* With both locks. */
static void
take_waiters(rt_ctx *c, struct fired *fired)
{
	struct rt__ctx_waiter *n = c->rt_waiters, *next;

	c->rt_waiters = NULL;
	for (; n; n = next) {
		next = n->next;
		if (n->waiter && !rt__waiter_claim(n->waiter)) {
			/* Its wait is over. rel: pairs with rt__ctx_leave; its frame may be gone
			 * now. */
			rt__store_rel(&n->enrolled, false);
			continue;
		}
		if (n->waiter) {
			n->waiter->outcome = ECANCELED;
			n->waiter->winner = n->winner;
		}
		n->next = fired->first;
		fired->first = n;
		rt__store_rlx(&n->enrolled, false);
	}
}

static void
wake(struct fired *fired)
{
	struct rt__ctx_waiter *n = fired->first, *next;

	for (; n; n = next) {
		next = n->next;
		if (n->waiter)
			rt__waiter_wake(n->waiter);
		else {
			struct rt__go_later call = ((struct func *)n)->call;

			rt__store_rel(&n->fired, true); /* its memory is the owner's again */
			rt__newproc_later(&call);
		}
	}
}

/* Why it ends. */
struct reason {
	int error, cause;
	const char *text;
};

/* With the lock of the trees. */
static void
end_one(rt_ctx *c, const struct reason *why, struct fired *fired)
{
	rt__lock(lock_of(c));
	c->rt_cause = why->cause;
	c->rt_text = why->text;
	rt__store_rel(&c->rt_error, (int32_t)why->error); /* to error_of */
	take_waiters(c, fired);
	rt__unlock(lock_of(c));
}

/* The first of c and its later siblings that ends when their parent does, and has not. */
static rt_ctx *
first_living(rt_ctx *c)
{
	while (c && (c->rt_error != 0 || c->rt_shield))
		c = c->rt_next;
	return c;
}

static rt_ctx *
deepest(rt_ctx *c)
{
	for (rt_ctx *child; (child = first_living(c->rt_children)) != NULL;)
		c = child;
	return c;
}

/* With the lock of the trees: c and all below it, the deepest first. */
static void
end_tree(rt_ctx *top, const struct reason *why, struct fired *fired)
{
	if (top->rt_error != 0)
		return;
	for (rt_ctx *c = deepest(top);;) {
		end_one(c, why, fired);
		if (c == top)
			return;
		rt_ctx *next = first_living(c->rt_next);
		c = next ? deepest(next) : c->rt_parent;
	}
}

static void
end(rt_ctx *c, struct reason why)
{
	struct fired fired = {NULL};

	rt__lock(&trees);
	end_tree(c, &why, &fired);
	rt__unlock(&trees);
	wake(&fired);
}

static const char *
text_of(int error)
{
	return error == ETIMEDOUT ? "context deadline exceeded" : "context canceled";
}

/* On g0, or on a thread without a goroutine. */
static void
expire(struct rt__timer *t, int64_t now)
{
	rt_ctx *c = (rt_ctx *)((char *)t - offsetof(rt_ctx, rt_timer));

	(void)now;
	end(c, (struct reason){ETIMEDOUT, ETIMEDOUT, text_of(ETIMEDOUT)});
}

static void
check_caller(const rt_ctx *c)
{
	if (rt__unlikely(c == &background))
		rt__panic("context: the background context never ends");
	if (rt__unlikely(rt__getm()->handler_sp))
		rt__panic("context: ended in a signal handler");
}

void
rt_ctx_cancel_with(rt_ctx *c, int cause, const char *text)
{
	check_caller(c);
	if (error_of(c) == 0)
		end(c,
		    (struct reason){ECANCELED, cause ? cause : ECANCELED,
				    text ? text : text_of(ECANCELED)});
}

void
rt_ctx_cancel(rt_ctx *c)
{
	rt_ctx_cancel_with(c, 0, NULL);
}

/* ---- the tree ---- */

/* With the lock of the trees. */
static void
link_child(rt_ctx *parent, rt_ctx *c)
{
	c->rt_parent = parent;
	c->rt_next = parent->rt_children;
	if (c->rt_next)
		c->rt_next->rt_prev = c;
	parent->rt_children = c;
}

static void
unlink_child(rt_ctx *c)
{
	if (c->rt_next)
		c->rt_next->rt_prev = c->rt_prev;
	if (c->rt_prev)
		c->rt_prev->rt_next = c->rt_next;
	else if (c->rt_parent)
		c->rt_parent->rt_children = c->rt_next;
	c->rt_parent = c->rt_next = c->rt_prev = NULL;
}

/* With the lock of the trees: what a new child has of its parent. */
static struct reason
inherit(rt_ctx *c)
{
	const rt_ctx *parent = c->rt_parent;

	if (c->rt_shield)
		return (struct reason){0};
	if (parent->rt_deadline != 0 &&
	    (c->rt_deadline == 0 || parent->rt_deadline <= c->rt_deadline)) {
		c->rt_deadline = parent->rt_deadline;
		c->rt_timed = false; /* the parent's timer is enough */
	}
	return (struct reason){parent->rt_error, parent->rt_cause, parent->rt_text};
}

void
rt__ctx_init(rt_ctx *c, rt_ctx *parent, const rt_ctx_options *o)
{
	static const rt_ctx_options none;
	struct reason why = {0};

	if (!o)
		o = &none;
	*c = (rt_ctx){.rt_key = o->key,
		      .rt_value = o->value,
		      .rt_deadline = o->deadline,
		      .rt_timed = o->deadline != 0,
		      .rt_shield = o->without_cancel};
	if (parent && parent != &background) {
		rt__lock(&trees);
		link_child(parent, c);
		why = inherit(c);
		if (why.error)
			end_one(c, &why, &(struct fired){NULL});
		rt__unlock(&trees);
	}
	if (why.error)
		c->rt_timed = false;
	if (!c->rt_timed)
		return;
	rt__timer_init(timer_of(c), expire);
	int64_t now = rt__nanotime();
	if (o->deadline > now) {
		rt__timer_start(timer_of(c), o->deadline, now);
	} else {
		c->rt_timed = false;
		expire(timer_of(c), 0);
	}
}

void
rt_ctx_end(rt_ctx *c)
{
	struct fired fired = {NULL};
	const struct reason why = {ECANCELED, ECANCELED, text_of(ECANCELED)};

	check_caller(c);
	if (c->rt_timed)
		rt__timer_stop(timer_of(c));
	c->rt_timed = false;
	rt__lock(&trees);
	end_tree(c, &why, &fired);
	while (c->rt_children)
		unlink_child(c->rt_children);
	unlink_child(c);
	rt__unlock(&trees);
	wake(&fired);
}

/* ---- asking ---- */

rt_ctx *
rt_ctx_background(void)
{
	return &background;
}

int
rt_ctx_error(const rt_ctx *c)
{
	return error_of(c);
}

int
rt_ctx_cause(const rt_ctx *c)
{
	return error_of(c) ? c->rt_cause : 0;
}

const char *
rt_ctx_text(const rt_ctx *c)
{
	return error_of(c) ? c->rt_text : NULL;
}

rt_time
rt_ctx_deadline(const rt_ctx *c)
{
	return c->rt_deadline;
}

void *
rt_ctx_value(rt_ctx *c, const void *key)
{
	void *value = NULL;

	rt__lock(&trees); /* nobody above it ends meanwhile */
	for (; c && key; c = c->rt_parent) {
		if (c->rt_key == key) {
			value = c->rt_value;
			break;
		}
	}
	rt__unlock(&trees);
	return value;
}

/* ---- waiting ---- */

bool
rt__ctx_enrol(rt_ctx *c, struct rt__ctx_waiter *n)
{
	if (c == &background)
		return true;
	rt__lock(lock_of(c));
	bool lives = c->rt_error == 0;
	if (lives) {
		n->prev = NULL;
		n->next = c->rt_waiters;
		if (n->next)
			n->next->prev = n;
		c->rt_waiters = n;
		rt__store_rlx(&n->enrolled, true);
	}
	rt__unlock(lock_of(c));
	return lives;
}

bool
rt__ctx_leave(rt_ctx *c, struct rt__ctx_waiter *n)
{
	if (!rt__load_acq(&n->enrolled)) /* pairs with take_waiters, which has looked its last */
		return false;
	rt__lock(lock_of(c));
	bool enrolled = n->enrolled;
	if (enrolled) {
		if (n->next)
			n->next->prev = n->prev;
		if (n->prev)
			n->prev->next = n->next;
		else
			c->rt_waiters = n->next;
		n->enrolled = false;
	}
	rt__unlock(lock_of(c));
	return enrolled;
}

struct ctx_wait {
	rt_ctx *ctx;
	struct rt__waiter waiter;
	struct rt__ctx_waiter node;
};

/* An unlock function: false, with the waiter claimed, if the context has ended. */
static bool
enrol(struct rt__g *gp, void *arg)
{
	struct ctx_wait *w = arg;

	(void)gp;
	if (rt__ctx_enrol(w->ctx, &w->node) || !rt__waiter_claim(&w->waiter))
		return true;
	w->waiter.winner = &w->node;
	return false;
}

const struct rt__wait_kind rt__wait_kind_ctx = {
	RT_WAIT_KIND(enrol, RT_ON_CONTEXT),
	.object = offsetof(struct ctx_wait, ctx),
	.value = {RT_FIELD(rt_ctx, rt_deadline)},
};
RT_WAIT_WITHOUT_OWNER;

bool
rt__ctx_wait(rt_ctx *c, const rt_wait_options *o)
{
	struct ctx_wait w = {.ctx = c};

	if (error_of(c) != 0)
		return true;
	rt__waiter_init(&w.waiter);
	w.node.waiter = &w.waiter;
	w.node.winner = &w.node;
	int r = rt__wait(&w.waiter, enrol, &w, o, RT_WAIT_CONTEXT);
	rt__ctx_leave(c, &w.node);
	return w.waiter.winner == &w.node || rt__failed(r);
}

void
rt_ctx_after_func(rt_ctx *c, rt_ctx_func *f, void (*fn)(void *arg), void *arg)
{
	struct func *p = (struct func *)f;

	*p = (struct func){
		.call = {.fn = fn, .arg = arg, .pc = (uintptr_t)__builtin_return_address(0)}};
	rt__save_fpctl(&p->call.fpctl);
	if (!rt__ctx_enrol(c, &p->node))
		wake(&(struct fired){&p->node});
}

bool
rt_ctx_stop_func(rt_ctx *c, rt_ctx_func *f)
{
	struct func *p = (struct func *)f;

	if (rt__ctx_leave(c, &p->node))
		return true;
	/* Taken, but perhaps not copied yet: then its memory is not the caller's. */
	while (!rt__load_acq(&p->node.fired))
		rt__cpu_relax();
	return false;
}

/* ---- fork ---- */

RT_INIT(runtime)
{
	rt__lock_rank(&trees, RT_RANK_CONTEXTS);
}

/* SPDX-License-Identifier: MIT */
/*
 * Waits with a deadline and a context; and the queues that waiters lie in.
 *
 * The timer and the entry in the context are started on g0, when the goroutine is off its stack and
 * may be woken, before the caller's own unlock runs: until then nobody but these two can end the
 * wait. Either may do so at once, and then the goroutine runs elsewhere while g0 is still busy with
 * its frame. So g0's last step is to set `armed`, and the goroutine waits for that before it takes
 * timer and entry back and returns.
 *
 * A deadline that has passed, or a context that has ended, is found here without a timer: the
 * waiter is claimed, the caller's unlock runs, and the goroutine goes on without having slept.
 *
 * Rejected: timer and entry from the goroutine's own stack, before it parks: it would be woken
 * before it sleeps, and each of the two would need to know whether it does yet.
 */
#include <errno.h>

#include "time/time.h"
#include "usync/usync_priv.h"

#define SPINS 100

bool
rt__failed(int err)
{
	errno = err;
	return false;
}

struct wait {
	struct rt__waiter *w;
	rt__unlock_fn *unlock;
	void *arg;
	const rt_wait_options *o;
	struct rt__timer timer;
	struct rt__ctx_waiter in_ctx;
	bool timed;     /* the timer was started */
	uint32_t armed; /* (a) g0 is done with this frame */
};

static void
time_out(struct rt__timer *t, int64_t now)
{
	struct wait *f = (struct wait *)((char *)t - offsetof(struct wait, timer));

	(void)now;
	if (!rt__waiter_claim(f->w))
		return;
	f->w->outcome = ETIMEDOUT;
	rt__waiter_wake(f->w);
}

/* Claims the waiter for an end that has come already; false: somebody was faster. */
static bool
end_at_once(struct wait *f, int outcome)
{
	if (!rt__waiter_claim(f->w))
		return false;
	f->w->outcome = outcome;
	return true;
}

/* On g0, or on a foreign thread. */
static bool
arm(struct rt__g *gp, void *arg)
{
	struct wait *f = arg;
	rt_time deadline = f->o->deadline;
	bool over = false;

	if (deadline != 0) {
		int64_t now = rt__nanotime();

		over = deadline <= now && end_at_once(f, ETIMEDOUT);
		f->timed = !over;
		if (f->timed)
			rt__timer_start(&f->timer, deadline, now);
	}
	if (f->o->ctx && !rt__ctx_enrol(f->o->ctx, &f->in_ctx))
		over = end_at_once(f, ECANCELED) || over;
	bool sleep = !f->unlock || f->unlock(gp, f->arg);
	rt__store_rel(&f->armed, 1u); /* pairs with wait_until_armed; the frame may be gone now */
	return sleep && !over;
}

const struct rt__wait_kind rt__wait_kind_options = {
	RT_WAIT_KIND(arm, RT_ON_OPTIONS),
	.object = RT_WAIT_ARG,
	.value = {RT_FIELD(struct wait, unlock), RT_FIELD(struct wait, arg),
		  RT_FIELD(struct wait, o)},
};

static void
wait_until_armed(const struct wait *f)
{
	for (int i = 0; !rt__load_acq(&f->armed); i++) {
		if (i < SPINS)
			rt__cpu_relax();
		else
			rt__os_yield();
	}
}

int
rt__wait_with(struct rt__waiter *w, rt__unlock_fn *unlock, void *arg, const rt_wait_options *o,
	      enum rt__wait_reason reason)
{
	struct wait f = {.w = w, .unlock = unlock, .arg = arg, .o = o, .in_ctx = {.waiter = w}};

	rt__timer_init(&f.timer, time_out);
	rt__waiter_park(w, arm, &f, reason);
	wait_until_armed(&f);
	if (f.timed)
		rt__timer_stop(&f.timer);
	if (o->ctx)
		rt__ctx_leave(o->ctx, &f.in_ctx);
	return w->outcome;
}

/* ---- queues ---- */

struct rt__node *
rt__queue_pop(struct rt__node **q, uint32_t *gone)
{
	struct rt__node *n;

	*gone = 0;
	while ((n = *q) != NULL) {
		rt__queue_remove(q, n);
		++*gone;
		if (rt__node_claim(n))
			break;
	}
	return n;
}

struct rt__node *
rt__queue_take(struct rt__node **q, uint32_t *claimed)
{
	struct rt__node *first = NULL, **end = &first;

	*claimed = 0;
	for (struct rt__node *n = *q; n; n = n->next) {
		n->queued = false;
		if (rt__node_claim(n)) {
			*end = n;
			end = &n->next;
			++*claimed;
		}
	}
	*end = NULL;
	*q = NULL;
	return first;
}

/* ---- the lock bit ---- */

void
rt__bit_wait(const uint32_t *word, uint32_t bit)
{
	if (rt__unlikely(rt__getm()->handler_sp))
		rt__park_in_handler(); /* the holder may be what it has interrupted */
	for (int i = 0; i < SPINS; i++) {
		if (!(rt__load_rlx(word) & bit))
			return;
		rt__cpu_relax();
	}
	rt__os_yield();
}

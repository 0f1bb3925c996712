/* SPDX-License-Identifier: MIT */
/*
 * Scopes. The pieces are those of others: a context, a wait group for all that were started, a
 * semaphore for the limit. What is special is how a child starts: its call lies at the top of its
 * own stack, as a deferred one does in a frame (sched/defer.h), so that it can be made from here,
 * inside a rt_try, and its result be seen.
 *
 * The wait group is told by the scheduler, when the goroutine is all but gone; who waits may free
 * the scope then, and the child has not looked at it since.
 */
#include <errno.h>

#include <rt/scope.h>

#include "sched/sched.h"
#include "usync/usync.h"

void rt__scope_newproc(struct rt__go_regs *regs) __attribute__((visibility("hidden")));

void
rt__scope_init(rt_scope *s, rt_ctx *parent, const rt_scope_options *o)
{
	int limit = o ? o->limit : 0;

	*s = (rt_scope){.rt_slots = RT_SEM_INIT(limit), .rt_limited = limit > 0};
	rt_ctx_init(&s->ctx, parent, .deadline = o ? o->deadline : 0);
	s->rt_open = true;
}

/* ---- children ---- */

struct child {
	const struct rt__deferred *call;
	int result;
};

static void
run(struct child *c)
{
	c->result = rt__defer_call(c->call);
}

static void
leave(rt_scope *s)
{
	if (s->rt_limited)
		rt_sem_release(&s->rt_slots, 1);
}

/* Only the first is kept, and ends the context. */
static void
fail(rt_scope *s, int error)
{
	if (rt__cas_rlx(&s->rt_error, 0, error)) /* read when all are done */
		rt_ctx_cancel_with(&s->ctx, error, NULL);
}

static void
panicked(rt_scope *s, const rt_caught *c)
{
	if (!rt__cas_rlx(&s->rt_panicked, 0u, 1u))
		return;
	s->rt_panic = *c;
	rt_ctx_cancel_with(&s->ctx, ECANCELED, "a goroutine of the scope has panicked");
}

/* The goroutine's outermost function; call lies on its stack. */
static void
child_main(const struct rt__deferred *call, void *arg)
{
	struct child child = {call, 0};
	rt_scope *s = arg;

	/* NOLINTBEGIN(bugprone-sizeof-expression): in the macros, of arguments */
	rt_defer(leave, s); /* by rt_goexit, too */
	const rt_caught *c = rt_try(run, &child);
	/* NOLINTEND(bugprone-sizeof-expression) */
	if (c)
		panicked(s, c);
	else if (child.result != 0)
		fail(s, child.result);
}

/* Behind rt__scope_go (switch.S): regs->fn is not the function but what the macro says. */
void
rt__scope_newproc(struct rt__go_regs *regs)
{
	struct rt__scope_call *call = (struct rt__scope_call *)regs->fn;
	rt_scope *s = call->rt_scope;

	if (s->rt_limited && !rt_sem_tryacquire(&s->rt_slots, 1)) {
		if (call->rt_try) {
			call->rt_started = rt__failed(EAGAIN);
			return;
		}
		rt_sem_acquire(&s->rt_slots, 1);
	}
	rt_wg_add(&s->rt_wg, 1);
	regs->fn = (uintptr_t)call->rt_fn;
	rt__newproc_call(regs, child_main, s, &s->rt_wg);
}

/* ---- the end ---- */

int
rt_scope_wait(rt_scope *s)
{
	rt_wg_wait(&s->rt_wg);
	s->rt_open = false;
	rt_ctx_end(&s->ctx);
	if (s->rt_panicked) {
		s->rt_panicked = 0; /* said once */
		rt_repanic(&s->rt_panic);
	}
	return s->rt_error;
}

void
rt_scope_end(rt_scope *s)
{
	if (!s->rt_open)
		return;
	rt_ctx_cancel(&s->ctx);
	rt_scope_wait(s);
}

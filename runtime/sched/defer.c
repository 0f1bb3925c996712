/* SPDX-License-Identifier: MIT */
/*
 * Deferred calls and protected calls (rt/panic.h). Their records lie in the frames of the program
 * and form a chain, the newest first. It is found by the thread pointer: each goroutine and each
 * thread has its own, and no other one ever looks at it, so nothing here is atomic. A signal
 * handler pushes and pops in order, like any call.
 *
 * Invariant: a record is on the chain only while its frame is there. Whoever leaves frames in
 * another way than by return takes the records off: a panic and rt_goexit, which run them, longjmp,
 * which runs them as well, and the end of the goroutine. setjmp notes the chain in the jmp_buf, so
 * longjmp knows what is newer, inside one function, too. A jump from one stack to another is a
 * switch of the program's own coroutines: then each has its own part of the chain, and nothing
 * runs. Code that leaves frames in a way of its own is found out by the magic numbers, if it is.
 *
 * The order is that of time, with pthread_cleanup_push's handlers among deferred calls: each record
 * notes which handlers were there before it, and the newer ones run before it does.
 *
 * A panic or rt_goexit runs deferred calls on top of the stack as it is, so that a report shows
 * where it happened. It is itself the first record of the chain, so that a panic in such a call
 * finds it: the older one then has failed, and the new one goes on with what is left. A rt_goexit
 * that a panic comes upon goes on where that is caught. Both as in Go.
 *
 * Inside a signal handler nothing of what it has interrupted runs: that may be anything, with any
 * lock held. Nor does anything on g0.
 *
 * Rejected: nested functions and blocks for the calls (an executable stack, another compiler); the
 * unwind tables that C++ uses (C is compiled without); recover, as in Go: it makes the function
 * return that has deferred, and C functions cannot be made to; a list in the G: a handler between
 * two goroutines has none.
 */
#include "sched/defer.h"

#define G0_STACK (1ul << 20) /* no frame of the scheduler is further from where g0 starts */

#define CHECK(what, type, field)                                                                   \
	_Static_assert(offsetof(type, field) == (what), "arch offsets: " #what)
CHECK(RT_UNWIND_LINK, struct rt__unwind, link);
CHECK(RT_UNWIND_MAGIC, struct rt__unwind, magic);
CHECK(RT_UNWIND_CLEANUPS, struct rt__unwind, cleanups);
CHECK(RT_DEFER_FN, struct rt__deferred, fn);
CHECK(RT_DEFER_INT, struct rt__deferred, ints);
CHECK(RT_DEFER_RAX, struct rt__deferred, rax);
CHECK(RT_DEFER_XMM, struct rt__deferred, xmm);
CHECK(RT_DEFER_STACK, struct rt__deferred, stack);
CHECK(RT_TRY_SP, struct rt__try, sp);
CHECK(RT_TRY_FPCTL, struct rt__try, fpctl);
_Static_assert(offsetof(struct rt__deferred, rax) == RT__DEFER_WORDS * sizeof(uintptr_t),
	       "panic.h");
_Static_assert(sizeof(struct rt__deferred) == RT__DEFER_ANY * sizeof(uintptr_t), "rt/panic.h");
_Static_assert(RT_DEFER_FN == RT__DEFER_FN * sizeof(uintptr_t), "rt/panic.h");
_Static_assert(sizeof(struct rt__try) == offsetof(rt_caught, value), "rt/panic.h");

/* For defer.S and longjmp.S, which jump to them. */
void rt__defer_left(struct rt__deferred *d) __attribute__((visibility("hidden")));
void rt__jump_over(uintptr_t sp, struct rt__unwind *end) __attribute__((visibility("hidden")));

static bool
is_deferred(const struct rt__unwind *u)
{
	return u->magic == RT_UNWIND_WORDS || u->magic == RT_UNWIND_ANY;
}

static void
check(const struct rt__unwind *u)
{
	if (rt__unlikely(u->magic < RT_UNWIND_WORDS || u->magic > RT_UNWIND_GOEXIT))
		rt__fatal("a function was left without the calls that it had deferred");
}

/* Takes d, which *at leads to, off the chain, and calls it, after the newer handlers. */
static void
run(struct rt__unwind **at, struct rt__unwind *d)
{
	rt__hooks.tls_unwind(rt__get_tp(), d->cleanups);
	*at = d->link;
	rt__defer_call((const struct rt__deferred *)d);
}

void
rt__deferred_of(struct rt__deferred *d, const struct rt__go_regs *regs)
{
	d->u.magic = RT_UNWIND_ANY;
	d->fn = regs->fn;
	d->rax = regs->rax;
	__builtin_memcpy(d->ints, regs->ints, sizeof d->ints);
	__builtin_memcpy(d->xmm, regs->xmm, sizeof d->xmm);
	__builtin_memcpy(d->stack, regs->stack, sizeof d->stack);
}

/* ---- the end of a block ---- */

/* It is not the first: a jump has passed over the rt_defer, and it is not on the chain, or the
 * program switches stacks by itself, and others are before it. */
void
rt__defer_left(struct rt__deferred *d)
{
	struct rt__unwind **at = rt__unwind_first();

	for (; *at && *at != &d->u; at = &(*at)->link)
		check(*at);
	if (*at) {
		*at = d->u.link;
		rt__defer_call(d);
	}
}

/* ---- protected calls ---- */

void
rt__try_begin(rt_caught *c)
{
	struct rt__unwind **first = rt__unwind_first();
	void *tp = rt__get_tp();

	*(struct rt__try *)c = (struct rt__try){.u = {*first, RT_UNWIND_TRY, *rt__tp_cleanups(tp)}};
	*first = &((struct rt__try *)c)->u;
}

const rt_caught *
rt__try_end(void)
{
	struct rt__unwind **first = rt__unwind_first();
	struct rt__try *t = (struct rt__try *)*first;

	if (rt__unlikely(!t || t->u.magic != RT_UNWIND_TRY))
		rt__fatal("a function was left without the calls that it had deferred");
	*first = t->u.link;
	if (rt__likely(!t->caught))
		return NULL;
	if (t->goexit && rt__getg())
		rt_goexit();
	if (t->goexit) {
		rt__unwind_all();
		rt__hooks.thread_exit();
	}
	return (const rt_caught *)t;
}

/* ---- running what is deferred ---- */

/* Whether what u belongs to may be left, or have its deferred calls run, from here. */
static bool
in_reach(const struct rt__unwind *u)
{
	const struct rt__m *mp = rt__getm();
	uintptr_t sp = rt__sp(), at = (uintptr_t)u;

	if (mp == &rt__m_foreign || (mp->handler_sp == 0 && rt__on_goroutine(mp)))
		return true;
	if (mp->handler_sp != 0)
		return at >= sp && at < mp->handler_sp;
	return mp->curg && mp->g0_sp - sp >= G0_STACK; /* on a stack that the program has made */
}

/* Goes past what is no deferred call and does not catch r. */
static void
pass(struct rt__running *r, struct rt__unwind *u)
{
	struct rt__running *other = (struct rt__running *)u;

	check(u);
	r->u.link = u->link;
	if (u->magic == RT_UNWIND_TRY || r->u.magic == RT_UNWIND_GOEXIT)
		return;
	r->goexit = r->goexit || u->magic == RT_UNWIND_GOEXIT || other->goexit;
	if (u->magic == RT_UNWIND_PANIC) {
		struct rt__running **oldest = &r->older;

		while (*oldest)
			oldest = &(*oldest)->older;
		*oldest = other;
	}
}

struct rt__try *
rt__run_deferred(struct rt__running *r)
{
	for (struct rt__unwind *u; (u = r->u.link) != NULL && in_reach(u);) {
		struct rt__try *t = (struct rt__try *)u;

		if (is_deferred(u)) {
			run(&r->u.link, u);
		} else if (u->magic == RT_UNWIND_TRY && t->sp != 0 &&
			   r->u.magic == RT_UNWIND_PANIC) {
			rt__hooks.tls_unwind(rt__get_tp(), u->cleanups);
			return t;
		} else {
			pass(r, u);
		}
	}
	return NULL;
}

void
rt__unwind_all(void)
{
	struct rt__unwind **first = rt__unwind_first();
	struct rt__running r = {.u = {*first, RT_UNWIND_GOEXIT, NULL}};

	*first = &r.u;
	rt__run_deferred(&r);
	rt__hooks.tls_unwind(rt__get_tp(), NULL);
	*first = NULL;
}

/* ---- longjmp ---- */

/* Whether a jump from here to sp leaves frames, and does not just go to another stack. */
static bool
leaves_frames(uintptr_t sp)
{
	const struct rt__m *mp = rt__getm();

	if (mp == &rt__m_foreign) {
		struct rt__stack stack = rt__hooks.thread_stack(rt__get_tp());

		return rt__on_this_stack(stack, rt__sp()) && rt__on_this_stack(stack, sp);
	}
	return mp->curg && rt__on_this_stack(mp->curg->stack, sp) &&
		(mp->handler_sp != 0 || rt__on_goroutine(mp));
}

static bool
is_on_chain(const struct rt__unwind *u, const struct rt__unwind *wanted)
{
	for (; u && u != wanted; u = u->link)
		check(u);
	return u == wanted;
}

/*
 * longjmp to sp, where setjmp had found `end` as the first of the chain; it is another one now.
 * What is newer is run. If `end` itself is no more, a panic has run it, and who it called jumps:
 * then only what lies in the frames that are left.
 */
void
rt__jump_over(uintptr_t sp, struct rt__unwind *end)
{
	struct rt__unwind **first = rt__unwind_first();

	if (!leaves_frames(sp)) {
		*first = end;
		return;
	}
	bool known = is_on_chain(*first, end);
	for (struct rt__unwind *u; (u = *first) != NULL && u != end;) {
		if (!known && (uintptr_t)u >= sp)
			return;
		if (is_deferred(u))
			run(first, u);
		else
			*first = u->link;
	}
}

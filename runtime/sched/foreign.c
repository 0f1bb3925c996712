/* SPDX-License-Identifier: MIT */
/*
 * Foreign threads: how many there are, and which of them wait in the runtime. While one is
 * elsewhere, in libc or busy, it may still wake somebody; when all of them wait and no goroutine
 * can run, nothing will ever happen: a deadlock, which is reported with them (deadlock.c).
 *
 * One lock has both the number and the list, so that there is no moment at which a thread is
 * missing in one of them: who makes a thread counts it before, and who ends, last of all. A thread
 * on the list whose note has not fired does nothing; one whose note has is about to run, whatever
 * the list says. So if there are as many of the former as there are threads, none of them does
 * anything, and who looks knows of the goroutines, by sched.lock, which comes before this one.
 *
 * A deadlock is looked for when a thread has begun to wait, or has ended; and by the last M that
 * becomes idle. Whoever of these is the last finds it.
 *
 * Its wait lies in the frame of who waits.
 */
#include "sched/sched_priv.h"

#include "symtab/symtab.h"

struct sleeper {
	struct sleeper *next, *prev;
	struct rt__waiter *w;
	struct rt__park_args args;
	enum rt__wait_reason reason;
	int32_t tid;
	struct rt__context context;
};

static struct {
	struct rt__lock lock;
	int n; /* threads that the program has made itself, and that have not ended */
	struct sleeper *first;
} foreign;

void
rt__foreign_init(void)
{
	rt__lock_rank(&foreign.lock, RT_RANK_FOREIGN);
}

void
rt__foreign_began(void)
{
	rt__lock(&foreign.lock);
	foreign.n++;
	rt__unlock(&foreign.lock);
}

void
rt__foreign_ended(void)
{
	rt__lock(&foreign.lock);
	foreign.n--;
	rt__unlock(&foreign.lock);
	rt__check_deadlock();
}

/* In the child of a fork, with the lock: whether its only thread is one. */
void
rt__foreign_lose_others(bool self)
{
	foreign.n = self;
	foreign.first = NULL;
}

bool
rt__foreign_may_wake(int *n)
{
	int idle = 0;

	rt__lock(&foreign.lock);
	for (const struct sleeper *s = foreign.first; s; s = s->next)
		idle += !rt__note_has_fired(&s->w->note);
	bool may = idle != foreign.n;
	*n = foreign.n;
	rt__unlock(&foreign.lock);
	return may;
}

static void
enlist(struct sleeper *s)
{
	rt__lock(&foreign.lock);
	s->prev = NULL;
	s->next = foreign.first;
	if (s->next)
		s->next->prev = s;
	foreign.first = s;
	rt__unlock(&foreign.lock);
}

static void
take_off(struct sleeper *s)
{
	rt__lock(&foreign.lock);
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		foreign.first = s->next;
	rt__unlock(&foreign.lock);
}

void
rt__waiter_sleep(struct rt__waiter *w, rt__unlock_fn *unlock, void *arg,
		 enum rt__wait_reason reason)
{
	struct sleeper s = {
		.w = w, .args = {unlock, arg}, .reason = reason, .tid = rt__os_gettid()};

	rt__context_here(&s.context);
	if (unlock && !unlock(NULL, arg))
		return;
	enlist(&s);
	if (!rt__note_has_fired(&w->note)) {
		rt__check_deadlock();
		rt__note_sleep(&w->note);
	}
	take_off(&s);
}

/* In the report of a deadlock: all of them wait, so the list stays as it is. */
void
rt__print_foreign(void)
{
	for (const struct sleeper *s = foreign.first; s; s = s->next) {
		rt__eprintf("\nthread %d [%s]:\n", s->tid, rt__wait_reason_text[s->reason]);
		rt__print_frames(&s->context, true, rt__stack_of_sp(s->context.reg[RT_REG_SP]), 0,
				 false);
		rt__print_wait_on(&s->args);
	}
}

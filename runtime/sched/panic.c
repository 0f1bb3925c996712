/* SPDX-License-Identifier: MIT */
/*
 * Panic: misuse by the program, or its own wish. Throw: a broken invariant of the runtime. Fatal:
 * what a program can do no more. Each begins on the stack of whoever found out, which may have
 * little room left, and reports on g0 where that is free: while a goroutine runs on its own stack.
 * Nothing recovers from a panic yet.
 */
#include <signal.h>

#include <rt/rt.h>

#include "sched/sched_priv.h"

#include "symtab/symtab.h"

struct report {
	enum rt__crash kind;
	bool first; /* not inside another report */
	int signal; /* to end with, or 0 */
	struct rt__where at;
};

static RT_COLD_BSS char text[4096]; /* what is wrong; of who has the turn */

/* A line break in the text does not look like its end: a tab follows, as in Go. */
static void
print_text(void)
{
	const char *s = text;

	while (*s) {
		size_t n = 0;

		while (s[n] && s[n] != '\n')
			n++;
		rt__eprint(s, n);
		s += n;
		if (*s == '\n' && *++s)
			rt__eprint("\n\t", 2);
	}
	rt__eprint("\n", 1);
}

static void
print_report(void *arg)
{
	const struct report *r = arg;

	if (r->first)
		print_text();
	rt__crash_print(r->kind, &r->at);
	if (r->signal)
		rt__crash_end_by(r->signal);
	rt__crash_end();
}

/* r->at.context is that of a function of this file: the report begins at its caller. */
static RT_NORETURN void
report(struct report *r)
{
	const struct rt__g *gp = rt__getg();
	struct rt__where *at = &r->at, caller;

	at->is_call = true;
	at->stack = rt__stack_of_sp(at->context.reg[RT_REG_SP]);
	caller = *at;
	enum rt__step step = rt__unwind(&caller.context, &caller.is_call, caller.stack);
	if (step == RT_STEP_EXACT || step == RT_STEP_GUESS)
		*at = caller;
	if (gp && at->stack.lo == gp->stack.lo)
		rt__on_stack(print_report, r, rt__getm()->g0_sp);
	else
		print_report(r);
	__builtin_unreachable();
}

void
rt__panic(const char *fmt, ...)
{
	struct report r = {RT_CRASH_PANIC, rt__crash_begin(), 0, {.gp = rt__getg()}};
	va_list ap;

	if (r.first) {
		size_t n = rt__format(text, sizeof text, "panic: ");

		va_start(ap, fmt);
		rt__vformat(text + n, sizeof text - n, fmt, ap);
		va_end(ap);
	}
	rt__context_here(&r.at.context);
	report(&r);
}

/* The same under the public name. */
void rt_panic(const char *fmt, ...) __attribute__((alias("rt__panic")));

/* rt__throw, once there is an M. */
static void throw(const char *msg)
{
	struct report r = {RT_CRASH_THROW, rt__crash_begin(), 0, {.gp = NULL}};
	const struct rt__g *gp = rt__getg();

	if (r.first)
		rt__format(text, sizeof text, "fatal error: %s", msg);
	if (gp && rt__stack_of_sp(rt__sp()).lo == gp->stack.lo)
		r.at.gp = gp;
	rt__context_here(&r.at.context);
	report(&r);
}

void
rt__crash_init(void)
{
	rt__on_throw = throw;
}

void
rt__fatal(const char *msg)
{
	if (rt__crash_begin())
		rt__eprintf("fatal error: %s\n", msg);
	rt__crash_print(RT_CRASH_FATAL, NULL);
	rt__crash_end();
}

void
rt__crash_abort(void)
{
	if (rt__traceback_level() == RT_TRACEBACK_NONE)
		rt__os_die_of_signal(SIGABRT); /* not a word, as without us */
	struct report r = {RT_CRASH_PANIC, rt__crash_begin(), SIGABRT, {.gp = rt__getg()}};

	if (r.first)
		rt__format(text, sizeof text, "SIGABRT: abort");
	rt__context_here(&r.at.context);
	report(&r);
}

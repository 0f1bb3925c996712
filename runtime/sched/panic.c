/* SPDX-License-Identifier: MIT */
/*
 * Panic: misuse by the program, or its own wish. Throw: a broken invariant of the runtime. Fatal:
 * what a program can do no more. Each begins on the stack of whoever found out, which may have
 * little room left, and reports on g0 where that is free: while a goroutine runs on its own stack.
 *
 * A panic runs what is deferred first (defer.c), on top of the frames that it will show. So all
 * that it needs is in its own frame, in part not initialized: deferred calls may want the room. It
 * may be caught; if it is not, nobody can tell any more, and the report begins.
 */
#include <signal.h>

#include <rt/rt.h>

#include "sched/defer.h"
#include "sched/sched_priv.h"

#include "symtab/symtab.h"

struct report {
	enum rt__crash kind;
	bool first; /* not inside another report */
	int signal; /* to end with, or 0 */
	struct rt__panic *panic;
	struct rt__where at;
};

enum cause { CAUSE_NONE, CAUSE_REPANICKED, CAUSE_RECOVERED };

/* A panic under way, in the frame of who panics. */
struct rt__panic {
	struct rt__running r;
	enum cause why;
	const rt_caught *cause;
	void *value;
	int signal, code;
	uintptr_t address, pc; /* of a fault */
	bool is_call;          /* context is behind a call: that of a function here */
	struct rt__context context;
	char text[1024];
};

static RT_COLD_BSS char text[1024]; /* what is wrong; of who has the turn */

/* ---- what it was ---- */

/* A line break in the text does not look like its end: a tab follows, as in Go. */
static void
print_text(const char *s, const char *end)
{
	while (*s) {
		size_t n = 0;

		while (s[n] && s[n] != '\n')
			n++;
		rt__eprint(s, n);
		s += n;
		if (*s == '\n' && *++s)
			rt__eprint("\n\t", 2);
	}
	rt__eprint(end, rt__strlen(end));
}

static void
print_panic(const struct rt__panic *p, bool *first)
{
	if (p->why == CAUSE_RECOVERED) {
		rt__eprintf("%spanic: ", *first ? "" : "\t");
		print_text(p->cause->text, " [recovered]\n");
		*first = false;
	}
	rt__eprintf("%spanic: ", *first ? "" : "\t");
	print_text(p->text, p->why == CAUSE_REPANICKED ? " [recovered, repanicked]\n" : "\n");
	*first = false;
}

/* The oldest first. The list is turned around: nobody needs it any more. */
static void
print_panics(struct rt__panic *p)
{
	struct rt__running *oldest = NULL, *next;
	bool first = true;

	for (struct rt__running *r = &p->r; r; r = next) {
		next = r->older;
		r->older = oldest;
		oldest = r;
	}
	for (struct rt__running *r = oldest; r; r = r->older)
		print_panic((const struct rt__panic *)r, &first);
	if (p->signal)
		rt__eprintf("[signal %s code=0x%x addr=0x%lx pc=0x%lx]\n",
			    rt__signal_name(p->signal), (unsigned)p->code, p->address, p->pc);
}

/* Those that run deferred calls just now, one of which has failed in another way: whether there
 * are any. */
bool
rt__print_panics_under_way(void)
{
	struct rt__running *newest = NULL, **end = &newest;
	struct rt__unwind *u = *rt__unwind_first();

	for (; u && u->magic - RT_UNWIND_WORDS <= RT_UNWIND_GOEXIT - RT_UNWIND_WORDS; u = u->link) {
		if (u->magic != RT_UNWIND_PANIC)
			continue;
		*end = (struct rt__running *)u;
		while (*end)
			end = &(*end)->older;
	}
	if (newest)
		print_panics((struct rt__panic *)newest);
	return newest != NULL;
}

static void
print_origin(const rt_caught *c)
{
	rt__eprintf(c->goid ? "\ngoroutine %lu [panicked]:\n" : "\nthread [panicked]:\n", c->goid);
	rt__print_pcs(c->frames, c->nframes, c->signal == 0);
}

static void
print_report(void *arg)
{
	const struct report *r = arg;

	if (r->first && r->panic)
		print_panics(r->panic);
	else if (r->first)
		print_text(text, "\n");
	rt__crash_print(r->kind, &r->at);
	if (r->panic && r->panic->why != CAUSE_NONE && rt__traceback_level() != RT_TRACEBACK_NONE)
		print_origin(r->panic->cause);
}

/* From a context of a function of this file to that of its caller: there the report begins. */
static void
skip_own_frame(struct rt__where *at)
{
	struct rt__where caller = *at;
	enum rt__step step = rt__unwind(&caller.context, &caller.is_call, caller.stack);

	if (step == RT_STEP_EXACT || step == RT_STEP_GUESS)
		*at = caller;
}

/* Prints on g0, where there is room for it, and dies on the stack that has failed: in a core file
 * debuggers find their way from there, and many give up where they meet another stack. */
static RT_NORETURN void
report(struct report *r)
{
	const struct rt__g *gp = rt__getg();
	struct rt__where *at = &r->at;

	at->stack = rt__stack_of_sp(at->context.reg[RT_REG_SP]);
	if (at->is_call)
		skip_own_frame(at);
	if (gp && rt__on_goroutine(rt__getm()))
		rt__on_stack(print_report, r, rt__getm()->g0_sp);
	else
		print_report(r);
	if (r->signal)
		rt__crash_end_by(r->signal);
	rt__crash_end();
}

/* ---- panics ---- */

static RT_NORETURN void catch (struct rt__try *t, struct rt__panic *p)
{
	rt_caught *c = (rt_caught *)t;
	struct rt__where at = {.is_call = p->is_call, .context = p->context};

	if (p->why == CAUSE_REPANICKED) {
		__builtin_memcpy((char *)c + sizeof *t, (const char *)p->cause + sizeof *t,
				 sizeof *c - sizeof *t);
	} else {
		at.stack = rt__stack_of_sp(at.context.reg[RT_REG_SP]);
		if (at.is_call)
			skip_own_frame(&at);
		c->value = p->value;
		c->address = (void *)p->address;
		c->signal = p->signal;
		c->code = p->code;
		c->goid = rt_goid();
		rt__format(c->text, sizeof c->text, "%s", p->text);
		c->nframes =
			rt__callers(&at.context, at.is_call, at.stack, c->frames, RT_CAUGHT_FRAMES);
	}
	t->caught = true;
	t->goexit = p->r.goexit;
	*rt__unwind_first() = &t->u;
	rt__try_land(t);
}

/* Begins a report at once if nothing is deferred, and none protects: then false is a report in a
 * report. Otherwise the text is made before, since deferred calls run before the report. */
static bool
begin_early(struct rt__panic *p)
{
	struct rt__unwind **first = rt__unwind_first();

	p->r = (struct rt__running){.u = {*first, RT_UNWIND_PANIC, NULL}};
	return *first != NULL || rt__crash_begin();
}

static RT_NORETURN void
go_on(struct rt__panic *p, bool first)
{
	struct rt__unwind **chain = rt__unwind_first();
	struct report r = {RT_CRASH_PANIC, first, 0, p, {.gp = rt__getg()}};

	if (*chain) {
		*chain = &p->r.u;
		struct rt__try *t = rt__run_deferred(&p->r);
		if (t)
			catch (t, p);
		r.first = rt__crash_begin();
	}
	r.at.is_call = p->is_call;
	r.at.context = p->context;
	report(&r);
}

static inline void
init(struct rt__panic *p, enum cause why, const rt_caught *cause, void *value)
{
	p->why = why;
	p->cause = cause;
	p->value = value;
	p->signal = p->code = 0;
	p->address = p->pc = 0;
	p->is_call = true;
}

/* In each function that panics, since its frame is where the report begins. */
#define PANIC(p, fmt)                                                                              \
	do {                                                                                       \
		bool first_ = begin_early(p);                                                      \
		va_list ap;                                                                        \
		(p)->is_call = true;                                                               \
		if (first_) {                                                                      \
			va_start(ap, fmt);                                                         \
			rt__vformat((p)->text, sizeof(p)->text, fmt, ap);                          \
			va_end(ap);                                                                \
		}                                                                                  \
		rt__context_here(&(p)->context);                                                   \
		go_on(p, first_);                                                                  \
	} while (0)

void
rt__panic(const char *fmt, ...)
{
	struct rt__panic p;

	init(&p, CAUSE_NONE, NULL, NULL);
	PANIC(&p, fmt);
}

/* The same under the public name. */
void rt_panic(const char *fmt, ...) __attribute__((alias("rt__panic")));

void
rt_panic_value(void *value, const char *fmt, ...)
{
	struct rt__panic p;

	init(&p, CAUSE_NONE, NULL, value);
	PANIC(&p, fmt);
}

void
rt_panic_from(const rt_caught *c, const char *fmt, ...)
{
	struct rt__panic p;

	init(&p, CAUSE_RECOVERED, c, NULL);
	PANIC(&p, fmt);
}

void
rt_repanic(const rt_caught *c)
{
	struct rt__panic p;

	init(&p, CAUSE_REPANICKED, c, c->value);
	p.signal = c->signal;
	p.code = c->code;
	p.address = (uintptr_t)c->address;
	p.pc = c->nframes > 0 ? c->frames[0] : 0;
	bool first = begin_early(&p);
	rt__format(p.text, sizeof p.text, "%s", c->text);
	rt__context_here(&p.context);
	go_on(&p, first);
}

static void
print_caught(void *arg)
{
	const rt_caught *c = arg;

	rt__eprintf("panic: ");
	print_text(c->text, "\n");
	print_origin(c);
}

/* On g0, as reports are: small stacks have no room for it. */
void
rt_print_caught(const rt_caught *c)
{
	if (rt__on_goroutine(rt__getm()))
		rt__on_stack(print_caught, (void *)c, rt__getm()->g0_sp);
	else
		print_caught((void *)c);
}

/* ---- faults ---- */

const char *
rt__fault_text(int sig, int code)
{
	if (sig != SIGFPE)
		return "runtime error: invalid memory address or nil pointer dereference";
	if (code == FPE_INTDIV)
		return "runtime error: integer divide by zero";
	if (code == FPE_INTOVF)
		return "runtime error: integer overflow";
	return "runtime error: floating point error";
}

bool
rt_panic_on_fault(bool on)
{
	struct rt__g *gp = rt__getg();
	bool was = gp && gp->panic_on_fault;

	if (gp)
		gp->panic_on_fault = on;
	return was;
}

/* In the place of the instruction that has failed (preempt.c); code and address are in f->what. */
void
rt__fault_panic(const struct rt__async_frame *f)
{
	struct rt__panic p;
	init(&p, CAUSE_NONE, NULL, NULL);
	bool first = begin_early(&p);
	p.signal = (int)(f->what & 0xf);
	p.code = (uint8_t)(f->what >> 4);
	p.address = f->what >> 12;
	p.pc = f->pc;
	p.is_call = false;
	rt__async_context(&p.context, f);
	rt__format(p.text, sizeof p.text, "%s", rt__fault_text(p.signal, p.code));
	go_on(&p, first);
}

/* ---- throws and the like ---- */

/* rt__throw, once there is an M. */
static void throw(const char *msg)
{
	struct report r = {RT_CRASH_THROW, rt__crash_begin(), 0, NULL, {.is_call = true}};
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
rt__fatal_here(const char *msg)
{
	struct report r = {
		RT_CRASH_FATAL, rt__crash_begin(), 0, NULL, {.gp = rt__getg(), .is_call = true}};

	if (r.first)
		rt__format(text, sizeof text, "fatal error: %s", msg);
	rt__context_here(&r.at.context);
	report(&r);
}

void
rt__fatal_deadlock(const char *msg)
{
	if (rt__crash_begin()) {
		rt__eprintf("fatal error: %s\n", msg);
		if (rt__traceback_level() != RT_TRACEBACK_NONE)
			rt__explain_deadlock(true);
	}
	rt__crash_print(RT_CRASH_FATAL, NULL);
	if (rt__traceback_level() != RT_TRACEBACK_NONE)
		rt__print_foreign();
	rt__crash_end();
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
	struct report r = {RT_CRASH_PANIC,
			   rt__crash_begin(),
			   SIGABRT,
			   NULL,
			   {.gp = rt__getg(), .is_call = true}};

	if (r.first)
		rt__format(text, sizeof text, "SIGABRT: abort");
	rt__context_here(&r.at.context);
	report(&r);
}

/* SPDX-License-Identifier: MIT */
/*
 * Faults. The texts are Go's where Go has one.
 *
 * A fault at a small address is a null pointer's, whoever followed it: rt_wg_wait(NULL) faults in
 * the runtime's text, and strlen(NULL) in libc's, but it is the program's doing. Any other fault
 * in the runtime's text, and each in the scheduler, is taken for the runtime's own.
 *
 * A stack has overflowed if the fault is in its guard; that of a goroutine, also if it is further
 * down with the stack pointer: a large frame may step over the first pages of what is not mapped.
 */
#include <signal.h>

#include "mem/mem.h"
#include "os/os.h"
#include "signal/signal_priv.h"
#include "stack/stack.h"

#define NIL_PAGE 4096
#define OVERSHOOT (1ul << 20) /* how far below its stack an overflow is recognized */
#define NEAR_SP (64ul << 10)  /* a fault this near the stack pointer is of the stack itself */
#define X86_HLT 0xf4

/* Whether x is one of the n bytes below end. */
static bool
just_below(uintptr_t x, uintptr_t end, uintptr_t n)
{
	return end - 1 - x < n;
}

static bool
in_guard(struct rt__stack stack, const struct rt__event *e)
{
	return just_below(e->addr, stack.lo, rt__stack_guard_size());
}

void
rt__find_overflow(struct rt__event *e, const struct rt__g *gp)
{
	uintptr_t lo = (uintptr_t)rt__getm()->signal_stack;
	const struct rt__stack handlers = {lo, lo + rt__os_signal_stack_size()};

	if (e->sig != SIGSEGV && e->sig != SIGBUS)
		return;
	/* First: it may lie closely below the other one. */
	if (lo != 0 && in_guard(handlers, e)) {
		e->full = handlers;
		e->in_handler = true;
	} else if (gp &&
		   (in_guard(gp->stack, e) ||
		    (just_below(e->sp, gp->stack.lo, OVERSHOOT) &&
		     just_below(e->addr, gp->stack.lo, gp->stack.lo - e->sp + NEAR_SP)))) {
		e->full = gp->stack;
	}
}

static void
print_signal(const struct rt__event *e)
{
	rt__eprintf("[signal %s code=0x%x addr=0x%lx pc=0x%lx]\n", rt__signal_name(e->sig), e->code,
		    e->addr, e->pc);
}

static RT_NORETURN void
end(enum rt__crash kind, const struct rt__event *e)
{
	rt__crash_print(kind, &e->at);
	rt__crash_end();
}

static RT_NORETURN void
panic(const struct rt__event *e, const char *text)
{
	if (rt__crash_begin()) {
		bool during = rt__print_panics_under_way();
		rt__eprintf("%spanic: %s\n", during ? "\t" : "", text);
		print_signal(e);
	}
	end(RT_CRASH_PANIC, e);
}

static RT_NORETURN void
fatal(enum rt__crash kind, const struct rt__event *e, const char *text)
{
	if (rt__crash_begin()) {
		rt__eprintf("fatal error: %s\n", text);
		print_signal(e);
	}
	end(kind, e);
}

/* ---- stack overflow ---- */

/* How to get four times as much, unless it is main's, or there is no larger one. */
static void
print_hint(const struct rt__g *gp, size_t size)
{
	int shift = __builtin_ctzl(RT_STACK_MIN);

	while (1ul << shift < 4 * size)
		shift++;
	if (gp->id == 1 || 1ul << shift > RT_STACK_MAX)
		return;
	rt__eprintf("runtime: for a larger stack: RTSTACK=%lu%c, or rt_go_attr with .stack = 1 << "
		    "%d\n",
		    1ul << (shift % 10),
		    shift < 20           ? 'K'
			    : shift < 30 ? 'M'
					 : 'G',
		    shift);
}

static RT_NORETURN void
overflow(const struct rt__event *e)
{
	const struct rt__stack *s = &e->full;

	if (rt__crash_begin()) {
		rt__eprintf("runtime: %s stack exceeds %zu-byte limit\n"
			    "runtime: sp=0x%lx stack=[0x%lx, 0x%lx]\n",
			    e->in_handler ? "signal" : "goroutine", s->hi - s->lo, e->sp, s->lo,
			    s->hi);
		if (!e->in_handler)
			print_hint(rt__getg(), s->hi - s->lo);
		rt__eprintf("fatal error: stack overflow\n");
	}
	end(RT_CRASH_FATAL, e);
}

/* ---- where and what ---- */

/* libc stops what goes on with damaged memory by this instruction: a heap whose blocks do not fit
 * together, a stack whose guard word has changed. */
static bool
is_libc_trap(const struct rt__event *e)
{
	return e->sig == SIGSEGV && e->code == SI_KERNEL && rt__text_of(e->pc) == RT_TEXT_LIBC &&
		*(const uint8_t *)e->pc == X86_HLT;
}

/* Of the heap, a block may be known that is near, or was there. */
static void
explain(uintptr_t addr)
{
	rt__eprintf("unexpected fault address 0x%lx\n", addr);
	rt__mem_explain(addr);
}

static RT_NORETURN void
report_bad_address(const struct rt__event *e)
{
	bool unmapped = e->sig == SIGBUS ? e->code == BUS_ADRERR
					 : e->code == SEGV_MAPERR || e->code == SEGV_ACCERR;

	if (unmapped && e->addr < NIL_PAGE)
		panic(e, rt__fault_text(e->sig, e->code));
	if (is_libc_trap(e))
		fatal(RT_CRASH_FATAL, e,
		      "libc found memory corrupted: a double free, an overrun, a smashed stack");
	if (rt__crash_begin()) {
		if (e->code == SI_KERNEL) /* the kernel does not know which */
			rt__eprintf("unexpected fault at a non-canonical address\n");
		else
			explain(e->addr);
		rt__eprintf("fatal error: fault\n");
		print_signal(e);
	}
	end(RT_CRASH_THROW, e);
}

/* libc's functions on memory and strings, called by the program itself: they hold no lock. All
 * other code of libc may. */
static bool
is_plain_libc(const struct rt__event *e)
{
	static const char *const begin[] = {"mem", "str", "stp", "wmem", "wcs", "bcmp", "bcopy"};
	struct rt__context c = e->at.context;
	struct rt__symbol sym;
	bool is_call = false;

	if (rt__text_of(e->pc) != RT_TEXT_LIBC || !rt__symbol_of(e->pc, &sym))
		return false;
	rt__unwind(&c, &is_call, e->at.stack);
	if (!is_call || rt__text_of(c.reg[RT_REG_PC]) != RT_TEXT_USER)
		return false;
	const char *name = sym.name + (sym.name[0] == '_' && sym.name[1] == '_' ? 2 : 0);
	if (rt__strcmp(name, "memalign") == 0)
		return false;
	for (size_t i = 0; i < RT_ARRAY_LEN(begin); i++)
		if (__builtin_strncmp(name, begin[i], rt__strlen(begin[i])) == 0)
			return true;
	return false;
}

bool
rt__fault_is_panic(const struct rt__event *e, void *uc)
{
	return !e->full.hi && (rt__text_of(e->pc) == RT_TEXT_USER || is_plain_libc(e)) &&
		rt__inject_fault(uc, e->sig, e->code, e->code == SI_KERNEL ? 0 : e->addr);
}

void
rt__report_fault(const struct rt__event *e)
{
	bool foreign = rt__getm() == &rt__m_foreign;
	bool null = e->addr < NIL_PAGE && e->code != SI_KERNEL;

	if (e->full.hi)
		overflow(e);
	if (!e->at.gp && just_below(e->addr, e->sp + rt__os.page_size, NEAR_SP))
		fatal(RT_CRASH_THROW, e, foreign ? "stack overflow" : "stack overflow on g0");
	/* On g0 with a goroutine, libc works for that (rt__on_thread), with what it was given. */
	if ((!rt__getg() && !foreign) || (!null && rt__text_of(e->pc) == RT_TEXT_RT0))
		fatal(RT_CRASH_THROW, e, "unexpected signal during runtime execution");
	if (e->sig == SIGFPE)
		panic(e, rt__fault_text(e->sig, e->code));
	report_bad_address(e);
}

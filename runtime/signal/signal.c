/* SPDX-License-Identifier: MIT */
/*
 * What each signal means, as in Go:
 *
 *	a fault in the program		panic, of the goroutine that did it: fault.c; one that
 *					rt_try can catch if the goroutine has asked for it
 *	a fault in the runtime		throw
 *	SIGQUIT, SIGABRT		all goroutines and the registers, wherever they are
 *	SIGILL, SIGTRAP, SIGSYS		the same
 *	a fault that somebody sent	the default action: nothing here is wrong
 *
 * Everything ends with exit status 2, but SIGABRT, by which C programs die of it. The handler runs
 * on the thread's signal stack, with the thread pointer of whatever it has interrupted: it touches
 * no thread-local, and no lock but the turn to report (sched/crash.c).
 */
#include "signal/signal.h"

#include "os/os.h"
#include "signal/signal_priv.h"

const uint8_t rt__reported_signals[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGTRAP,
					SIGSYS,  SIGABRT, SIGQUIT, 0};

/* ---- where ---- */

/* A jump to where there is no code: the caller has pushed a return address just before it. */
static void
skip_wild_jump(struct rt__where *at)
{
	uintptr_t sp = at->context.reg[RT_REG_SP];

	if (rt__text_of(at->context.reg[RT_REG_PC]) != RT_TEXT_NONE || sp % 8 != 0 ||
	    sp - at->stack.lo >= at->stack.hi - at->stack.lo || at->stack.hi - sp < 8)
		return;
	uintptr_t ret = *(const uintptr_t *)sp;
	if (rt__text_of(ret) == RT_TEXT_NONE)
		return;
	at->context.reg[RT_REG_PC] = ret;
	at->context.reg[RT_REG_SP] = sp + 8;
	at->is_call = true;
}

static struct rt__event
event_of(int sig, const siginfo_t *info, const void *uc)
{
	struct rt__event e = {.sig = sig, .code = info->si_code, .uc = uc};
	const struct rt__g *gp = rt__getg();

	rt__context_of_signal(&e.at.context, uc);
	e.addr = (uintptr_t)info->si_addr;
	e.pc = e.at.context.reg[RT_REG_PC];
	e.sp = e.at.context.reg[RT_REG_SP];
	rt__find_overflow(&e, gp);
	e.at.stack = e.full.hi ? e.full : rt__stack_of_sp(e.sp);
	if (e.in_handler) /* the rest is under this report's own frames */
		e.at.stack.hi = e.at.stack.lo + rt__os.page_size;
	/* A goroutine also has what runs on a stack that the program has made for it. */
	if (gp &&
	    (e.at.stack.lo == gp->stack.lo || e.in_handler || rt__text_of(e.pc) == RT_TEXT_USER))
		e.at.gp = gp;
	skip_wild_jump(&e.at);
	return e;
}

/* ---- the dump ---- */

static void
print_instruction(uintptr_t pc)
{
	char text[128];
	size_t n = rt__os_readable_bytes(pc, 16), len = 0;

	for (size_t i = 0; i < n; i++)
		len += rt__format(text + len, sizeof text - len, " 0x%x", ((const uint8_t *)pc)[i]);
	if (n > 0)
		rt__eprintf("instruction bytes:%s\n", text);
}

static RT_NORETURN void
dump(const struct rt__event *e)
{
	if (rt__crash_begin()) {
		rt__eprintf("%s\nPC=0x%lx m=%d sigcode=%d\n", rt__signal_name(e->sig), e->pc,
			    rt__getm()->id, e->code);
		if (e->sig == SIGILL)
			print_instruction(e->pc);
		if (e->sig == SIGQUIT && rt__traceback_level() != RT_TRACEBACK_NONE)
			rt__explain_deadlock(false);
	}
	rt__crash_print(RT_CRASH_SIGNAL, &e->at);
	if (rt__traceback_level() != RT_TRACEBACK_NONE) {
		rt__eprintf("\n");
		rt__print_registers(e->uc);
	}
	if (e->sig == SIGABRT)
		rt__crash_end_by(SIGABRT);
	rt__crash_end();
}

void
rt__report_signal(int sig, siginfo_t *info, void *uc)
{
	bool asks = sig == SIGQUIT || sig == SIGABRT;

	if (info->si_code <= 0 && !asks)
		rt__os_die_of_signal(sig);
	struct rt__event e = event_of(sig, info, uc);
	bool fault = sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE;
	if (fault && rt__fault_is_panic(&e, uc))
		return;
	if (fault)
		rt__report_fault(&e);
	dump(&e);
}

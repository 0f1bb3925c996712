/* SPDX-License-Identifier: MIT */
/*
 * Goroutines as Go prints them:
 *
 *	goroutine 7 [sync.WaitGroup.Wait, locked to thread]:
 *	FRAMES (symtab/)
 *	created by main in goroutine 1
 *		main.c:12 +0x3b
 *
 * A goroutine may run on while it is printed: who reports stops the others as well as it can, and
 * no lock keeps them. So its status is read before its context and after, and what does not fit
 * together is not shown. A context that is stale all the same makes nonsense of the frames and no
 * fault: a stack stays mapped for good, and frames are read inside it only.
 *
 * What it waits for comes last (waits.c). One that has waited for a minute or more says so:
 *"[sync.WaitGroup.Wait, 3 minutes]".
 *
 * Takes no lock, works on any stack.
 */
#include "sched/sched_priv.h"

#include "symtab/symtab.h"

#define UNKNOWN_STACK (256ul << 10) /* how much of a stack whose bounds nobody knows is read */
#define OVERSHOOT_PAGES 16          /* how far below its end a large frame may reach */
#define SAVED_CONTEXT 64            /* more than rt__mcall leaves on a stack */

struct rt__stack
rt__stack_of_sp(uintptr_t sp)
{
	const struct rt__g *gp = rt__getg();

	if (gp && rt__on_this_stack(gp->stack, sp))
		return gp->stack;
	/* Where a stack has overflowed, it begins above. */
	for (int i = 0; i < OVERSHOOT_PAGES && !rt__os_readable(sp); i++)
		sp = (sp | (rt__os.page_size - 1)) + 1;
	return (struct rt__stack){sp, sp + rt__os_readable_bytes(sp, UNKNOWN_STACK)};
}

/* ---- where a goroutine is ---- */

enum place {
	PLACE_KNOWN,
	PLACE_NOT_STARTED, /* its function is where it is */
	PLACE_ELSEWHERE,   /* running on another thread */
	PLACE_NONE,        /* changing under our eyes */
};

/* Frames on g0 that work for the goroutine itself (rt__on_thread): its own are below them. */
static bool
find_own_frames(const struct rt__g *gp, const struct rt__where *on_g0, struct rt__where *ret)
{
	enum rt__step step = RT_STEP_EXACT;

	*ret = *on_g0;
	for (int i = 0; i < 64 && (step == RT_STEP_EXACT || step == RT_STEP_GUESS); i++) {
		/* This frame is on the other stack, at rbp. */
		if (ret->context.reg[RT_REG_PC] == (uintptr_t)rt__on_stack_called) {
			ret->context.reg[RT_REG_SP] = ret->context.reg[RT_REG_RBP];
			ret->stack = gp->stack;
		}
		step = rt__unwind(&ret->context, &ret->is_call, ret->stack);
		if (rt__on_this_stack(gp->stack, ret->context.reg[RT_REG_SP]))
			return true;
	}
	return false;
}

static enum place
place_of(const struct rt__g *gp, uint32_t status, const struct rt__where *here,
	 struct rt__where *ret)
{
	*ret = (struct rt__where){.gp = gp, .is_call = true, .stack = gp->stack};
	switch (status) {
	case RT_G_RUNNING:
		if (here && gp == rt__getg() && find_own_frames(gp, here, ret))
			return PLACE_KNOWN;
		return PLACE_ELSEWHERE;
	case RT_G_SYSCALL:
		ret->context.reg[RT_REG_PC] = rt__load_rlx(&gp->syscall_pc);
		ret->context.reg[RT_REG_SP] = rt__load_rlx(&gp->syscall_sp);
		ret->context.reg[RT_REG_RBP] = rt__load_rlx(&gp->syscall_bp);
		break;
	default:;
		uintptr_t sp = rt__load_rlx(&gp->sp), pc = rt__load_rlx(&gp->pc);

		if (rt__is_first_frame(pc))
			return PLACE_NOT_STARTED;
		if (rt__on_this_stack(gp->stack, sp) && gp->stack.hi - sp > SAVED_CONTEXT)
			rt__context_of_saved(&ret->context, sp, pc);
	}
	return rt__on_this_stack(gp->stack, ret->context.reg[RT_REG_SP]) &&
			rt__g_status(gp) == status
		? PLACE_KNOWN
		: PLACE_NONE;
}

/* ---- printing ---- */

static const char *
status_text(const struct rt__g *gp, uint32_t status)
{
	static const char *const names[] = {
		[RT_G_IDLE] = "idle",       [RT_G_RUNNABLE] = "runnable",
		[RT_G_RUNNING] = "running", [RT_G_SYSCALL] = "syscall",
		[RT_G_WAITING] = "waiting", [RT_G_DEAD] = "dead",
	};
	unsigned reason = gp->wait_reason;

	if (status == RT_G_WAITING && reason > 0 && reason < RT_WAIT_REASONS)
		return rt__wait_reason_text[reason];
	return status < RT_ARRAY_LEN(names) && names[status] ? names[status] : "???";
}

static int64_t
minutes_waited(const struct rt__g *gp, uint32_t status)
{
	uint32_t since = rt__load_rlx(&gp->wait_since);

	if ((status != RT_G_WAITING && status != RT_G_SYSCALL) || since == 0)
		return 0;
	return (rt__nanotime() / 1000000000 - since) / 60;
}

static void
print_m(const struct rt__m *mp)
{
	if (mp)
		rt__eprintf(" m=%d mp=%p", mp->id, (const void *)mp);
	else
		rt__eprintf(" m=nil");
}

static void
print_header(const struct rt__g *gp, uint32_t status, bool details)
{
	rt__eprintf("\ngoroutine %lu", gp->id);
	if (details) {
		rt__eprintf(" gp=%p", (const void *)gp);
		print_m(gp->m);
	}
	rt__eprintf(" [%s", status_text(gp, status));
	int64_t minutes = minutes_waited(gp, status);
	if (minutes > 0)
		rt__eprintf(", %ld minutes", minutes);
	rt__eprintf("%s]:\n", gp->locked_m ? ", locked to thread" : "");
}

static void
print_frames(const struct rt__where *at, bool details)
{
	rt__print_frames(&at->context, at->is_call, at->stack, at->gp ? at->gp->start_pc : 0,
			 details);
}

static void
print_tail(const struct rt__g *gp)
{
	if (gp->creator_pc != 0)
		rt__print_creator(gp->creator_pc, gp->parent_id);
	rt__print_wait(gp);
	rt__hooks.explain_init(gp);
}

static void
print_goroutine(const struct rt__g *gp, const struct rt__where *here, bool details)
{
	uint32_t status = rt__g_status(gp);
	struct rt__where at;

	if (status == RT_G_DEAD || status == RT_G_IDLE)
		return;
	enum place place = place_of(gp, status, here, &at);
	print_header(gp, status, details);
	if (place == PLACE_KNOWN)
		print_frames(&at, details);
	else if (place == PLACE_NOT_STARTED)
		rt__print_start(gp->start_pc);
	else
		rt__eprintf("\tgoroutine running on other thread; stack unavailable\n");
	print_tail(gp);
}

/* What is no goroutine: the scheduler, and a thread that the program has made itself. */
static void
print_thread(const struct rt__where *at, const struct rt__traceback_options *o)
{
	const struct rt__m *mp = rt__getm();

	if (mp == &rt__m_foreign) {
		rt__eprintf("\nthread %d [running]:\n", rt__os_gettid());
	} else if (o->idle) {
		rt__eprintf("\ngoroutine 0");
		print_m(mp);
		rt__eprintf(" [idle]:\n");
	} else if (o->details) {
		rt__eprintf("\nruntime stack:\n");
	} else {
		return;
	}
	print_frames(at, mp != &rt__m_foreign || o->details);
}

void
rt__traceback_first(const struct rt__where *at, const struct rt__traceback_options *o)
{
	const struct rt__g *gp = rt__getg();

	if (at && at->gp) {
		print_header(at->gp, rt__g_status(at->gp), o->details);
		print_frames(at, o->details);
		print_tail(at->gp);
	} else if (at) {
		print_thread(at, o);
	}
	if (gp && (!at || gp != at->gp))
		print_goroutine(gp, at, o->details);
}

struct others {
	const struct rt__g *except;
	bool details;
};

static void
print_other(struct rt__g *gp, void *arg)
{
	const struct others *others = arg;

	if (gp != others->except && gp != rt__getg())
		print_goroutine(gp, NULL, others->details);
}

void
rt__traceback_others(const struct rt__g *except, const struct rt__traceback_options *o)
{
	struct others others = {except, o->details};

	rt__for_each_g(print_other, &others);
}

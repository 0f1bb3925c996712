/* SPDX-License-Identifier: MIT */
/*
 * rt__layout, what debuggers read. It is data that nobody in the program looks at: the note in
 * crt0.o refers to it, which brings it into every link and keeps it through --gc-sections.
 *
 * Rejected: DWARF types, which a stripped program has not; a section of its own, which a core file
 * would not tell apart. Not relocatable by itself: read it from memory, not from a PIE's file.
 */
#include <rt/chan.h>

#include "sched/layout.h"

#include "sched/sched_priv.h"

extern const char rt__text_rt0[], rt__text_rt0_end[], rt__text_libc[], rt__text_libc_end[],
	rt__text_user[], rt__text_user_end[];       /* rt0.ld */
extern const char rt__gostart[], rt__gostart_any[]; /* switch.S */

static const char *const g_status_text[] = {
	[RT_G_IDLE] = "idle",       [RT_G_RUNNABLE] = "runnable", [RT_G_RUNNING] = "running",
	[RT_G_SYSCALL] = "syscall", [RT_G_WAITING] = "waiting",   [RT_G_DEAD] = "dead",
};

static const char *const p_status_text[] = {
	[RT_P_IDLE] = "idle",     [RT_P_RUNNING] = "running", [2] = "syscall",
	[RT_P_GCSTOP] = "gcstop", [RT_P_DEAD] = "dead",
};

#define AT(x) ((uintptr_t)(x))
#define TEXTS(t)                                                                                   \
	{                                                                                          \
		AT(t), RT_ARRAY_LEN(t)                                                             \
	}
#define SAVED(number, offset) {number, offset},
#define G(field) RT_FIELD(struct rt__g, field)
#define M(field) RT_FIELD(struct rt__m, field)
#define P(field) RT_FIELD(struct rt__p, field)

const struct rt__layout rt__layout __attribute__((visibility("hidden"))) = {
	.magic = RT_LAYOUT_MAGIC,
	.version = RT_LAYOUT_VERSION,
	.size = sizeof(struct rt__layout),
	.machine = RT_ELF_MACHINE,
	.pointer_size = sizeof(void *),
	.allg = AT(&rt__allg.head),
	.allg_count = AT(&rt__allg.n),
	.all_ms = AT(&rt__sched.all_ms),
	.all_ps = AT(&rt__sched.all_ps),
	.all_ps_count = AT(&rt__sched.all_ps_len),
	.runq_count = AT(&rt__sched.runq.n),
	.g_status = TEXTS(g_status_text),
	.wait_reason = TEXTS(rt__wait_reason_text),
	.p_status = TEXTS(p_status_text),
	.text_rt0 = {AT(rt__text_rt0), AT(rt__text_rt0_end)},
	.text_libc = {AT(rt__text_libc), AT(rt__text_libc_end)},
	.text_user = {AT(rt__text_user), AT(rt__text_user_end)},
	.gostart = {AT(rt__gostart), AT(rt__gostart_any)},
	.saved_size = RT_SAVED_SIZE,
	.nsaved = RT_LAYOUT_SAVED,
	.saved = {RT_SAVED_REGISTERS(SAVED)},

	.g.size = sizeof(struct rt__g),
	.g.sp = G(sp),
	.g.pc = G(pc),
	.g.tp = G(tp),
	.g.status = G(status),
	.g.wait_reason = G(wait_reason),
	.g.m = G(m),
	.g.locked_m = G(locked_m),
	.g.id = G(id),
	.g.stack_lo = G(stack.lo),
	.g.stack_hi = G(stack.hi),
	.g.parent_id = G(parent_id),
	.g.start_pc = G(start_pc),
	.g.creator_pc = G(creator_pc),
	.g.all_link = G(all_link),
	.g.number = G(number),
	.g.syscall_sp = G(syscall_sp),
	.g.syscall_pc = G(syscall_pc),
	.g.syscall_bp = G(syscall_bp),

	.m.size = sizeof(struct rt__m),
	.m.id = M(id),
	.m.tid = M(tid),
	.m.curg = M(curg),
	.m.p = M(p),
	.m.tp = M(tp),
	.m.spinning = M(spinning),
	.m.all_link = M(all_link),

	.p.size = sizeof(struct rt__p),
	.p.id = P(id),
	.p.status = P(status),
	.p.sched_tick = P(sched_tick),
	.p.m = P(m),
	.p.runq_head = P(runq.head),
	.p.runq_tail = P(runq.tail),
	.p.runq_next = P(runq.next),

	.g_wait_since = G(wait_since),
	.clock = AT(&rt__sched.clock),

	.g_link_arg = G(link_arg),
	.wait_kind_size = sizeof(struct rt__wait_kind),
	.wait_kinds = AT(rt__wait_kinds),
	.nwait_kinds = RT_WAIT_KINDS,
	.wait_case.size = sizeof(rt_case),
	.wait_case.kind = RT_FIELD(rt_case, rt_kind),
	.wait_case.object = RT_FIELD(rt_case, rt_object),
	.wait_case.when = RT_FIELD(rt_case, rt_when),
	.wait_options.deadline = RT_FIELD(rt_wait_options, deadline),
	.wait_options.ctx = RT_FIELD(rt_wait_options, ctx),
};

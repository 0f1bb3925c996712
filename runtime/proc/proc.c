/* SPDX-License-Identifier: MIT */
/* The first M, and the offsets that assembly relies on. */
#include "proc/proc.h"

struct rt__m rt__m0;
struct rt__m rt__m_foreign = {.self = &rt__m_foreign, .id = -1, .rand = 1};

const char *const rt__wait_reason_text[RT_WAIT_REASONS] = {
	[RT_WAIT_NONE] = "",
	[RT_WAIT_CHAN_RECEIVE_NIL] = "chan receive (nil chan)",
	[RT_WAIT_CHAN_SEND_NIL] = "chan send (nil chan)",
	[RT_WAIT_SELECT_NO_CASES] = "select (no cases)",
	[RT_WAIT_SELECT] = "select",
	[RT_WAIT_CHAN_RECEIVE] = "chan receive",
	[RT_WAIT_CHAN_SEND] = "chan send",
	[RT_WAIT_SEMAPHORE] = "semacquire",
	[RT_WAIT_SLEEP] = "sleep",
	[RT_WAIT_COND] = "sync.Cond.Wait",
	[RT_WAIT_MUTEX] = "sync.Mutex.Lock",
	[RT_WAIT_RWMUTEX_READ] = "sync.RWMutex.RLock",
	[RT_WAIT_RWMUTEX_WRITE] = "sync.RWMutex.Lock",
	[RT_WAIT_WAITGROUP] = "sync.WaitGroup.Wait",
	[RT_WAIT_CONTEXT] = "context wait",
	[RT_WAIT_EXIT] = "panicwait",
};

#define CHECK(what, type, field)                                                                   \
	_Static_assert(offsetof(type, field) == (what), "arch offsets: " #what)

CHECK(RT_G_SP, struct rt__g, sp);
CHECK(RT_G_PC, struct rt__g, pc);
CHECK(RT_G_FPCTL, struct rt__g, fpctl);
CHECK(RT_G_TP, struct rt__g, tp);
CHECK(0, struct rt__m, self);
CHECK(RT_M_CURG, struct rt__m, curg);
CHECK(RT_M_G0_SP, struct rt__m, g0_sp);
CHECK(RT_M_TP_NOW, struct rt__m, tp_now);
CHECK(RT_M_HANDLER_SP, struct rt__m, handler_sp);
CHECK(RT_M_CACHE, struct rt__m, cache);
CHECK(RT_M_UNLOCKING, struct rt__m, unlocking);
CHECK(RT_M_UNLOCKS_PLAINLY, struct rt__m, unlocks_plainly);
CHECK(RT_M_RETURN_SLOT, struct rt__m, return_slot);
CHECK(RT_M_RETURN_PC, struct rt__m, return_pc);
CHECK(0, struct rt__foreign_head, self);
CHECK(RT_M_CURG, struct rt__foreign_head, curg);
CHECK(RT_M_HANDLER_SP, struct rt__foreign_head, handler_sp);
CHECK(RT_M_CACHE, struct rt__foreign_head, cache);
CHECK(RT_M_UNLOCKS_PLAINLY, struct rt__foreign_head, unlocks_plainly);
_Static_assert(offsetof(struct rt__g, wg) == RT_CACHE_LINE, "the first line of a G is full");
_Static_assert(sizeof(struct rt__g) <= 3ul * RT_CACHE_LINE, "a G should fit in three lines");
_Static_assert((RT_RUNQ_SIZE & (RT_RUNQ_SIZE - 1)) == 0, "the run queue indexes by mask");

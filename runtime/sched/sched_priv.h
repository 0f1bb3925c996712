/* SPDX-License-Identifier: MIT */
/*
 * What the files of sched/ share. Who may do what:
 *
 *	sched.lock	the global run queue, the idle lists, the counts of Ms, stop-the-world state
 *	a P's owner	its local queue's tail, its free Gs, its tick
 *	everybody	steals from local queues, reads counts that are marked (a)
 *
 * Lock order: enum rt__lock_rank (sync/sync.h); none is held across a switch.
 */
#ifndef RT_SCHED_PRIV_H
#define RT_SCHED_PRIV_H

#include "os/os.h"
#include "sched/sched.h"
#include "sync/sync.h"

/* How far the program has come, as newproc sees it. */
enum rt__stage {
	RT_STAGE_BOOT,   /* the main goroutine is not running: no Ms but the first */
	RT_STAGE_SINGLE, /* it is alone: nobody to share a P with, nothing to monitor */
	RT_STAGE_FULL,   /* sysmon runs, Ms are started as needed: other goroutines may exist */
	RT_STAGE_SEEDED, /* ... and rt_go may be followed by a switch, see sched/seed.c */
};

/* All Ps and the order to steal from them in, as one immutable value: who has no P reads a
 * snapshot, and no reader sees a count of one generation with an array of another. */
struct rt__ps {
	int32_t n;         /* gomaxprocs */
	int32_t ncoprimes; /* numbers below n that are coprime to it */
	int32_t len;       /* Ps ever made: those from n on are dead */
	struct rt__p **p;
	uint32_t *coprimes;
};

struct rt__sched {
	_Alignas(RT_CACHE_LINE) struct rt__lock lock;
	struct rt__gdeque runq;  /* (S), n also read without */
	struct rt__m *idle_ms;   /* (S) */
	struct rt__m *keeper;    /* (S) idle, and sleeps until a timer is due, */
	int64_t keeper_until;    /* (S) at this time */
	struct rt__m *lookout;   /* (S) writes, (a) reads: idle, and naps, see idle.c, */
	bool spared;             /* (a) since it lay down, somebody was not woken, thanks to it */
	int32_t nmidle;          /* (S) */
	int32_t nmidle_locked;   /* (S) locked Ms that wait for their goroutine */
	int32_t nmsys;           /* (S) Ms that do not count for deadlock: sysmon and the like */
	int32_t main_left;       /* (S) 1: main waits for all others, see rt__main_leaves, */
	uint32_t main_last;      /* (a) and they have ended */
	int32_t mcount;          /* (S) Ms that exist */
	int32_t mnext_id;        /* (S) */
	int32_t maxmcount;       /* (S) */
	struct rt__m *free_ms;   /* (S) structs of threads that have ended */
	struct rt__m *all_ms;    /* (S) */
	struct rt__m *unborn_ms; /* (S) whose threads sysmon is to make */
	struct rt__p *idle_ps;   /* (S) */
	int32_t stopwait;        /* (S) Ps still to stop */
	struct rt__note stopnote;

	_Alignas(RT_CACHE_LINE) int32_t nmspinning; /* (a) */
	int32_t npidle;                             /* (S) writes, (a) reads */
	uint32_t needspinning;                      /* (a) work turned up with no P idle */
	uint32_t gcwaiting;                         /* (a) somebody stops the world */
	uint32_t sysmonwait;                        /* (a) sysmon sleeps until kicked */
	uint32_t sysmon_slow;                       /* (a) it is to be told of system calls */
	uint32_t sysmon_kick;                       /* (a) futex: 1 and 2 wake it */
	int64_t sysmon_when;                        /* (a) it will look again by then */
	uint32_t urgent;                            /* (a) somebody waits for a preemption */
	const char *stop_reason; /* (a) of who has world_busy; NULL if nobody has */
	uint32_t world_busy;     /* (a) 1: a stop-the-world is under way */
	uint32_t stage;          /* (a) enum rt__stage */

	_Alignas(RT_CACHE_LINE) struct rt__ps *ps; /* (a) current snapshot */
	struct rt__p **all_ps;                     /* (w) all Ps ever made */
	int32_t all_ps_len, all_ps_cap;            /* (w) */
	uint64_t goid_next;                        /* (a) */
	uint64_t started;                          /* (a) goroutines, by foreign threads */
	uint32_t clock; /* (a) seconds, a little late; 0: not known. See sysmon.c */
};
extern struct rt__sched rt__sched;

/* ---- gdeque.c; the lock that protects a deque is held ---- */
void rt__gd_push_back(struct rt__gdeque *d, struct rt__g *const *gs, int32_t n);
void rt__gd_push_front(struct rt__gdeque *d, struct rt__g *gp);
struct rt__g *rt__gd_front(const struct rt__gdeque *d); /* stays there; NULL if empty */
struct rt__g *rt__gd_pop_front(struct rt__gdeque *d);
struct rt__g *rt__gd_pop_back(struct rt__gdeque *d);
/* The first and the i-th from there change places. */
void rt__gd_swap_front(struct rt__gdeque *d, int32_t i);

/* What does not fit a local run queue: half of it, and the one that was to be added. */
struct rt__gbatch {
	int32_t n;
	struct rt__g *g[RT_RUNQ_SIZE / 2 + 1];
};

/* ---- runq.c ---- */

/* Hands half of a full queue, and gp, to *ret, which need not be initialized: then true, and the
 * caller puts those on the global queue. False if a thief was faster, and gp is at the tail now. */
bool rt__runq_put_slow(struct rt__runq *q, struct rt__g *gp, struct rt__gbatch *ret);

/* Puts gp at the tail; false if the queue is full. Owner only. Inline: it is part of each yield. */
static inline bool
rt__runq_put_tail(struct rt__runq *q, struct rt__g *gp)
{
	uint32_t h = rt__load_acq(&q->head); /* pairs with consumers' release */
	uint32_t t = q->tail;

	if (rt__unlikely(t - h >= RT_RUNQ_SIZE))
		return false;
	rt__store_rlx(&q->ring[t % RT_RUNQ_SIZE], gp);
	rt__store_rel(&q->tail, t + 1); /* publishes the slot to consumers */
	return true;
}

/* Owner only: others may make room meanwhile. */
static inline bool
rt__runq_full(struct rt__runq *q)
{
	return q->tail - rt__load_rlx(&q->head) >= RT_RUNQ_SIZE;
}

/* Puts gp at the tail, or in the next slot, from which the old one moves to the tail. Result and
 * *overflow are those of put_slow. Owner only. */
static inline bool
rt__runq_put(struct rt__runq *q, struct rt__g *gp, bool next, struct rt__gbatch *overflow)
{
	if (next) {
		/* Empty, it stays so until we fill it: nobody takes what is not there, so a store
		 * does for an exchange, without the cost of a locked instruction. rel: publishes gp
		 * to thieves of next. It orders nothing behind it: see want_wake, which does. */
		if (!rt__load_rlx(&q->next)) {
			rt__store_rel(&q->next, gp);
			return false;
		}
		/* acqrel: the same; the old one, which a thief may have taken since, was our own.
		 */
		gp = rt__xchg_acqrel(&q->next, gp);
		if (!gp)
			return false;
	}
	return rt__unlikely(!rt__runq_put_tail(q, gp)) && rt__runq_put_slow(q, gp, overflow);
}

/* Takes the next slot (*inherit = true: it inherits the time slice) or the head. Owner only.
 * Inline, for the same reason. */
static inline struct rt__g *
rt__runq_get(struct rt__runq *q, bool *inherit)
{
	struct rt__g *next = rt__load_rlx(&q->next);

	/* Only the owner fills next, so it can only have been stolen: one try is enough. */
	if (next && rt__cas_acqrel(&q->next, next, (struct rt__g *)NULL)) {
		*inherit = true;
		return next;
	}
	*inherit = false;
	for (;;) {
		uint32_t h = rt__load_acq(&q->head);

		if (h == q->tail)
			return NULL;
		struct rt__g *gp = rt__load_rlx(&q->ring[h % RT_RUNQ_SIZE]);
		if (rt__likely(rt__cas_rel(&q->head, h, h + 1)))
			return gp;
	}
}

/* Moves the next slot to the tail, so that it waits its turn. Owner only. */
bool rt__runq_kick_next(struct rt__runq *q, struct rt__gbatch *overflow);
/* Moves half of victim's queue to q and returns one of them; owner of q only. */
struct rt__g *rt__runq_steal(struct rt__runq *q, struct rt__runq *victim, bool take_next);
/* Exact also while others push and pop: never true for a queue that was not empty throughout, but
 * for the moment in which its owner moves the next slot to the tail and then takes one itself. */
bool rt__runq_empty(struct rt__runq *q);

/* Owner's own look: cheap, since nobody else adds. */
static inline bool
rt__runq_empty_owner(struct rt__runq *q)
{
	return rt__load_rlx(&q->head) == q->tail && !rt__load_rlx(&q->next);
}

/* Whether something waits that pp's M could run, seen from outside; and from that M. */
static inline bool
rt__work_waits(struct rt__p *pp)
{
	return !rt__runq_empty(&pp->runq) || rt__load_rlx(&rt__sched.runq.n) != 0;
}

static inline bool
rt__work_waits_owner(struct rt__p *pp)
{
	return !rt__runq_empty_owner(&pp->runq) || rt__load_rlx(&rt__sched.runq.n) != 0;
}

/* ---- schedule.c ---- */
RT_NORETURN void rt__schedule(void);
/* Yields to all that is on the local queue, or to 61 of them: the P that the caller then has. */
struct rt__p *rt__give_way(void);
RT_NORETURN void rt__execute(struct rt__g *gp, bool inherit);
void rt__runq_put_p(struct rt__p *pp, struct rt__g *gp, bool next);
void rt__globrunq_put(struct rt__g *gp);
struct rt__g *rt__globrunq_get(struct rt__p *pp, int32_t max);
/* Takes the M off its goroutine; the goroutine is no longer this thread's to touch once it is on
 * a queue. */
static inline void
rt__dropg(struct rt__m *mp)
{
	mp->curg->m = NULL;
	mp->curg = NULL;
}

/* The first of the global queue, to be run. With sched.lock. */
struct rt__g *rt__globrunq_pop(void);

/* ---- seed.c: RTDEBUG=schedseed=N ---- */
/* Whether the order of goroutines is drawn from a seed. */
static inline bool
rt__seeded(void)
{
	return rt__debug.schedseed > 0;
}
/* Any of the goroutines that are runnable and not on another P's queue. */
struct rt__g *rt__seeded_get(struct rt__p *pp);
/* A goroutine was started: perhaps it comes before its creator goes on. */
void rt__seeded_yield(void);

/* ---- steal.c ---- */
struct rt__g *rt__steal_work(struct rt__p *pp);
/* Whether some P has work; for an M without a P. */
bool rt__any_runq_has_work(const struct rt__ps *ps);
/* The same, for the lookout: a next slot counts only if its P has not run anything since the last
 * time. */
bool rt__any_p_is_stuck(const struct rt__ps *ps);

/* ---- m.c: Ms as threads ---- */
void rt__newm(void (*fn)(void), struct rt__p *pp, bool spinning);
RT_NORETURN void rt__mexit(void);
void rt__start_unborn_ms(void);
/* An M that runs no goroutine has the thread pointer of its own. */
void rt__use_own_tp(struct rt__m *mp);
void rt__m_use_mask(struct rt__m *mp, uint64_t mask);
extern uint64_t rt__main_mask; /* (a) main's, which idle Ms have, too */

/* ---- idle.c: who sleeps, who is woken ---- */
void rt__stopm(void);
void rt__startm(struct rt__p *pp, bool spinning);
void rt__wakep(void);
/* The same for a goroutine that was put on the caller's P. */
void rt__wakep_for(const struct rt__p *pp);
void rt__handoffp(struct rt__p *pp);
void rt__become_spinning(struct rt__m *mp);
void rt__gcstopm(void);
RT_NORETURN void rt__m_wait_with(struct rt__g *gp);
void rt__m_stop_waiting(struct rt__g *gp);
void rt__start_waiting_m(struct rt__g *gp);
void rt__stop_locked_m(void);
void rt__start_locked_m(struct rt__g *gp);

/* ---- p.c ---- */
void rt__acquirep(struct rt__p *pp);
struct rt__p *rt__releasep(void);
/* With sched.lock held. */
void rt__pidle_put(struct rt__p *pp);
struct rt__p *rt__pidle_get(void);
struct rt__p *rt__pidle_get_for_work(void);
void rt__pidle_taken(struct rt__p *pp);               /* pp was unlinked from the list */
struct rt__p *rt__pidle_get_or_any(struct rt__p *pp); /* pp, if it is idle */

/* ---- g.c ---- */
struct rt__allg {
	struct rt__lock lock;
	struct rt__g *head, *tail; /* in the order of creation, through all_link */
	int32_t n;
	int32_t walkers; /* (a) */
};
extern struct rt__allg rt__allg;
struct rt__slot;
struct rt__g *rt__newg(const struct rt__slot *slot);
/* Takes dead Gs off the list of all, so that their memory can go: false, and nothing has changed,
 * while somebody walks the list. */
bool rt__allg_remove(struct rt__g *const *gs, int n);
/* Distance from a G down to where its frames start: the same for all, set with the first. */
extern uintptr_t rt__g_frames_below;
/* Where the frames of a G start, downwards; 16-aligned. */
static inline void *
rt__g_frames_top(struct rt__g *gp)
{
	return (void *)((uintptr_t)gp - rt__load_rlx(&rt__g_frames_below));
}
void rt__ginit(void);
void rt__allg_lose_others(const struct rt__g *gp);

/* ---- traceback.c ---- */
struct rt__traceback_options {
	bool details; /* addresses of Gs and Ms, the runtime's own frames */
	bool idle;    /* an M without a goroutine is shown as goroutine 0 */
	bool all;     /* not only the first */
};
/* Who fails: what is at `at`, and the goroutine of this M if that is another. */
void rt__traceback_first(const struct rt__where *at, const struct rt__traceback_options *o);
/* All others. */
void rt__traceback_others(const struct rt__g *except, const struct rt__traceback_options *o);

/* ---- gfree.c ---- */
void rt__gfree_init(void);
struct rt__g *rt__gfget(struct rt__p *pp);
/* A dead G with a stack of another class, or NULL. */
struct rt__g *rt__gfget_class(int class);
void rt__gfput(struct rt__p *pp, struct rt__g *gp);
void rt__gfpurge(struct rt__p *pp);
/*
 * Gives the memory of dead goroutines that nobody has needed for a while back to the kernel: for
 * sysmon, as often as it likes. Returns the nanoseconds after which a call will find something to
 * do, 0 if none will. Works at most about a millisecond.
 */
int64_t rt__gfree_tick(int64_t now);

/* ---- stackuse.c ---- */
/* On g0: a goroutine has ended, and is not on a free list yet. */
void rt__stackuse_init(void);
void rt__stackuse_end(struct rt__g *gp);

/* ---- deadlock.c ---- */
/* With sched.lock held, after an M became idle: ends the program when nobody can ever run. */
void rt__checkdead(void);
void rt__check_deadlock(void);

/* ---- foreign.c ---- */
void rt__foreign_init(void);
void rt__foreign_lose_others(bool self);
/* Whether a foreign thread may wake somebody; false: they all wait, or there is none. *n: how many
 * there are. */
bool rt__foreign_may_wake(int *n);
void rt__print_foreign(void);
/* waits.c: the same as rt__print_wait, of such a thread. */
void rt__print_wait_on(const struct rt__park_args *args);
/* "channel". */
const char *rt__wait_name(enum rt__wait_what what);
/* What would end gp's wait: one thing, or the cases of its select, as far as a report shows them.
 * send: that is a channel, and it is to be sent to. others: there are other cases. */
typedef void rt__wait_fn(const struct rt__wait_for *w, bool send, bool others, void *arg);
void rt__for_each_wait(const struct rt__g *gp, rt__wait_fn *fn, void *arg);
/* knows.c: names the shortest cycle of goroutines that wait for what the next one may end. NULL in
 * a program that has nothing of the kind. */
void rt__explain_by_what_is_known(void);

/* ---- syscall.c ---- */
/* Takes a P out of a system call: true if it is the caller's now. */
bool rt__retake_syscall(struct rt__p *pp, enum rt__p_status to);

/* ---- due.c; the lock of whose queue it is is held ---- */
void rt__due_push(struct rt__due_queue *q, struct rt__due e);
struct rt__due rt__due_pop(struct rt__due_queue *q);
const struct rt__due *rt__due_top(const struct rt__due_queue *q); /* stays there; NULL if empty */
/* Drops what is not to be kept. */
typedef bool rt__due_keep_fn(void *arg, uintptr_t what);
void rt__due_sweep(struct rt__due_queue *q, rt__due_keep_fn *keep, void *arg);

/* ---- timer_heap.c; all that have one take the lock of ts, but init ---- */
/* When to look at what is due then, if the clock says about `now`. */
int64_t rt__round_when(int64_t when, int64_t now);
void rt__timers_init(struct rt__timers *ts);
/* Whether t is the earliest now. */
bool rt__timers_add(struct rt__timers *ts, struct rt__timer *t, int64_t when);
/* The same for a goroutine that is to be readied then. */
bool rt__timers_add_g(struct rt__timers *ts, struct rt__g *gp, int64_t when);
/* rt__timer_stop, by self. */
bool rt__timer_stop_by(struct rt__timer *t, const struct rt__m *self);
/* Sees to at most max that are due: of how many. */
int rt__timers_fire(struct rt__timers *ts, struct rt__m *mp, int64_t now, int max);
/* All of from's, or at most max that are due, go to `to`; both may be in use. With sched.lock:
 * nobody else holds two of these. */
void rt__timers_move(struct rt__timers *to, struct rt__timers *from);
void rt__timers_move_due(struct rt__timers *to, struct rt__timers *from, int64_t now, int max);

/* ---- timers.c ---- */
/* Readies goroutines whose time has come, on g0 with a P; wakes nobody for them. */
void rt__timers_ready(struct rt__g *const *gs, int n);
/* Runs pp's timers that are due; pp is mp's. Whether there were any. */
bool rt__timers_look(struct rt__m *mp, struct rt__p *pp);
/* The same for the heaps of others, until one had any; by an M that does not spin, and by one that
 * does, and will wake somebody for the rest. */
bool rt__timers_look_far(struct rt__m *mp, struct rt__p *pp);
bool rt__timers_steal(struct rt__m *mp, const struct rt__ps *ps);
/* The P with the earliest timer, and when that is due; NULL and RT_NEVER without any. */
struct rt__p *rt__timers_first(int64_t *ret_when);
bool rt__timers_due(void);
bool rt__timers_pending(void);
/* For sysmon: has those run that nobody looks after; and when there will be some, unless somebody
 * does. */
void rt__timers_watch(int64_t now);
int64_t rt__timers_plan(void);

/* ---- interrupt.c ---- */
void rt__interrupt_round(void); /* sysmon's part */
void rt__interrupt_forget(void);

/* ---- preempt.c ---- */
void rt__preempt_init(void);
/* Asks the goroutine on pp to give way, and makes it, if it is in user text. */
void rt__preempt_one(struct rt__p *pp);
/* The same for the one that has run longest, before its slice is over; false: not now, but */
bool rt__preempt_longest(int64_t now);
/* ... then, if nothing changes; RT_NEVER if none runs. */
int64_t rt__preempt_when(void);
/* The same for the goroutine on pp, which keeps timers waiting; false: it has none. */
bool rt__preempt_for_timers(struct rt__p *pp, int64_t now);
#define RT_URGENT_EVERY_NS 1000000 /* at most so often, of one P */
/* The same, since a goroutine waits on the global queue, with every P busy. */
bool rt__preempt_for_global(void);
/* The caller was asked to give way: it does, if it may. */
void rt__preempt_poll(void);
/* The running goroutine gives way, as if it had been caught here. */
void rt__preempt_self(void);

/* ---- panic.c ---- */
RT_NORETURN void rt__fault_panic(const struct rt__async_frame *f);

/* Before somebody else may look at the stack: puts a return address back that was replaced. Its
 * frame may have been left by a jump, and be something else by now. */
static inline void
rt__return_put_back(struct rt__m *mp)
{
	if (mp->return_slot && *mp->return_slot == (uintptr_t)rt__async_return)
		*mp->return_slot = mp->return_pc;
	mp->return_slot = NULL;
}

/* ---- preempt_stress.c: RTDEBUG=preemptstress=US ---- */
void rt__preempt_stress_start(void);

/* ---- sysmon.c ---- */
void rt__sysmon(void);
void rt__new_monitor(void (*fn)(void));
/* Sets the clock that wait_since is copied from. */
void rt__clock_set(int64_t now);
void rt__sysmon_kick(void);
/* A P is no longer idle. */
void rt__sysmon_watch_again(void);
/* There is work that only a P from a system call can do: it looks at those for a while. */
void rt__sysmon_calls(void);
static inline void
rt__sysmon_tell_of_call(void)
{
	if (rt__unlikely(rt__load_rlx(&rt__sched.sysmon_slow)))
		rt__sysmon_calls();
}
/* Somebody needs it at this time. */
void rt__sysmon_look_by(int64_t when);
/* A preemption that came too early is to be made as soon as it may be. */
void rt__sysmon_want_urgent(void);

/* ---- schedtrace.c: RTDEBUG=schedtrace=MS ---- */
/* Prints, if it is time. Returns the nanoseconds until it will be, 0 for never. */
int64_t rt__schedtrace_tick(int64_t now);
/* In a report. */
void rt__schedtrace_crash(void);

/* ---- stw.c ---- */
/* reason: a short text that stays. */
void rt__stop_the_world(const char *reason);
void rt__start_the_world(int32_t procs);
/* With sched.lock: one P less to wait for. */
void rt__stop_one_less(void);
/* One at a time stops the world, or does something else to all Ps. */
void rt__world_take(const char *reason);
void rt__world_release(void);

/* ---- each_p.c ---- */

/* Runs fn for every P, by who has it. On a goroutine or a foreign thread, without locks. */
void rt__for_each_p(void (*fn)(struct rt__p *pp), const char *reason);
/* The part of who has pp. */
void rt__run_safe_point(struct rt__p *pp);

/*
 * Each G is on a page of its own: the first touch of one that has not run lately misses the TLB
 * and the cache. Whoever walks a row of them asks for the one after the next: for the line that
 * the scheduler reads, and for the one that a first frame is in.
 */
#define RT_PREFETCH 2
static inline void
rt__g_prefetch(struct rt__g *gp)
{
	__builtin_prefetch(gp, 1);
	__builtin_prefetch((char *)rt__g_frames_top(gp) - RT_CACHE_LINE, 1);
}

static inline uint32_t
rt__g_status(const struct rt__g *gp)
{
	return rt__load_rlx(&gp->status);
}

/* Status changes are made by who owns the goroutine, so a plain store is enough; what it was is
 * checked, since a goroutine on two queues shows here first. */
static inline __attribute__((always_inline)) void
rt__g_set_status(struct rt__g *gp, uint32_t from, uint32_t to)
{
	if (rt__unlikely(rt__load_rlx(&gp->status) != from))
		rt__throw("sched: bad goroutine status");
	rt__store_rlx(&gp->status, to);
}

/* xorshift64*, one state for each M; foreign threads share one. */
static inline uint32_t
rt__m_rand(struct rt__m *mp)
{
	uint64_t x = rt__load_rlx(&mp->rand);

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	rt__store_rlx(&mp->rand, x);
	return (uint32_t)((x * 0x2545f4914f6cdd1d) >> 32);
}

#endif

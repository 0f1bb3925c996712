/* SPDX-License-Identifier: MIT */
/*
 * proc: floor 3. What a G, an M and a P are: data and invariants, no policy.
 *
 *	G	a goroutine: a stack, a thread pointer, a saved context
 *	M	an OS thread ("machine") that runs Gs; its own stack, g0, is the scheduler's
 *	P	a processor: the right to run goroutines, and a queue of them; GOMAXPROCS of them
 *
 * An M must hold a P to run a G. A thread that rt0 did not make (a foreign thread) has no M.
 *
 * Keys of the fields (FreeBSD's habit): (c) constant after creation, (g) the goroutine itself or
 * who has it off every queue, (m) the owning M only, (p) the owner of the P only, (a) atomic,
 * (S) sched.lock, (w) the world is stopped, (!) the offset is known to assembly.
 */
#ifndef RT_PROC_H
#define RT_PROC_H

#include "arch/arch.h"
#include "base/base.h"

struct rt__arena;
struct rt__cache;
struct rt__m;
struct rt__p;
struct rt__timer;

/* Goroutine status, with Go's numbers. */
enum rt__g_status {
	RT_G_IDLE = 0,     /* just made, not initialized */
	RT_G_RUNNABLE = 1, /* on a run queue */
	RT_G_RUNNING = 2,  /* owns its stack; has an M and a P */
	RT_G_SYSCALL = 3, /* in a system call that may block; has an M, and a P until it is taken */
	RT_G_WAITING = 4, /* on some wait queue, or nowhere */
	RT_G_DEAD = 6,    /* finished, or on a free list */
};

/* Why a goroutine waits; the texts are Go's (rt__wait_reason_text). */
enum rt__wait_reason {
	RT_WAIT_NONE,
	RT_WAIT_CHAN_RECEIVE_NIL,
	RT_WAIT_CHAN_SEND_NIL,
	RT_WAIT_SELECT_NO_CASES,
	RT_WAIT_SELECT,
	RT_WAIT_CHAN_RECEIVE,
	RT_WAIT_CHAN_SEND,
	RT_WAIT_SEMAPHORE,
	RT_WAIT_SLEEP,
	RT_WAIT_COND,
	RT_WAIT_MUTEX,
	RT_WAIT_RWMUTEX_READ,
	RT_WAIT_RWMUTEX_WRITE,
	RT_WAIT_WAITGROUP,
	RT_WAIT_CONTEXT,
	RT_WAIT_EXIT, /* another goroutine is in exit(3) */
	RT_WAIT_REASONS,
};
extern const char *const rt__wait_reason_text[RT_WAIT_REASONS];

struct rt__stack {
	uintptr_t lo, hi; /* usable bytes: [lo, hi); the guard lies below lo */
};

static inline bool
rt__on_this_stack(struct rt__stack stack, uintptr_t sp)
{
	return sp - stack.lo < stack.hi - stack.lo;
}

/*
 * Lies at the top of its own stack, together with the goroutine's TLS: a parked goroutine that did
 * little costs one page. A G is reused and never unmapped, so a stale pointer to one is safe: what
 * it finds is this G, dead or used again, or zeros, when the memory of a dead one was given back
 * (sched/gfree.c).
 */
struct rt__g {
	/* The first line: all that the scheduler looks at when it picks a goroutine and runs it. */
	uintptr_t sp;    /* (!) saved stack pointer */
	uintptr_t pc;    /* (!) where to resume */
	uint64_t fpctl;  /* (!) MXCSR and x87 control word */
	void *tp;        /* (!) (c) thread pointer: this goroutine's struct pthread */
	uint32_t status; /* (a) enum rt__g_status */
	uint8_t wait_reason;
	bool sleepy;                /* (g) its last system call lost its P: the next one may well */
	bool own_mask;              /* its signal mask is not the process's */
	uint8_t stack_class : 7;    /* (c) stack/stack.h; 0 is the ordinary size */
	uint8_t panic_on_fault : 1; /* (g) rt_panic_on_fault */
	struct rt__m *m;            /* M that runs it now */
	struct rt__m *locked_m;     /* M that alone may run it, see rt_lock_os_thread */
	uint32_t wait_since; /* rt__sched.clock when it last began to wait; see sched/sysmon.c */
	uint32_t number;     /* (c) dense, from 1: this slot's, not the goroutine's */

	void *wg;               /* (g) told when it has ended: rt_wg_go */
	uint64_t sigmask;       /* (g) if own_mask */
	struct rt__m *wait_m;   /* (S) M that sleeps until this G gets a P, see sched/syscall.c */
	void *link_arg;         /* (g) argument of the switch under way, see rt__park */
	struct rt__stack stack; /* (c) */
	uint64_t id;            /* goid: main is 1, never reused */
	uintptr_t start_pc;     /* function it was started with */
	uintptr_t creator_pc;   /* call of rt_go that made it */
	struct rt__g *all_link; /* next and previous of all Gs: sched/g.c */
	struct rt__g *all_prev;
	struct rt__arena *arena; /* (c) where the stack lies; NULL: main's */
	uint64_t parent_id;      /* goid of the creator */
	/* (g) Where the goroutine entered a system call: the context of rt__entersyscall's caller.
	 * Valid while its status is RT_G_SYSCALL. */
	uintptr_t syscall_sp, syscall_pc, syscall_bp;
};

/*
 * A queue of Gs as an array that grows: the global run queue, the global list of free Gs. Not a
 * list linked through the Gs: walking one would touch every G, and a thousand goroutines are more
 * than a cache holds.
 */
struct rt__gdeque {
	struct rt__g **ring;
	uint32_t cap, head; /* a power of two, or 0; index of the first */
	int32_t n;
};

/* How deep a thread is in the heap's shared part, where handlers of the program are put off; and
 * which signals' have been. */
struct rt__in_heap {
	uint32_t depth;
	uint64_t put_off;
};

struct rt__m {
	/* (!) At offset 0: what %gs:0 reads. A foreign thread's %gs may lead to a head of its own
	 * (rt__foreign_head), whose self is rt__m_foreign all the same. */
	struct rt__m *self;
	struct rt__g *curg; /* (!) running goroutine, or NULL */
	uintptr_t g0_sp;    /* (!) where the scheduler's frames start on g0 */
	void *tp_now;       /* (!) the thread pointer as it is set now */
	/* (!) (m) Where the frames of the program's innermost signal handler start; 0: in none. */
	uintptr_t handler_sp;
	/* (!) (m) What it allocates from: its P's, or an empty one (mem/here.c). */
	struct rt__cache *cache;
	const void *unlocking; /* (!) (a) the mutex that it is about to unlock by a plain store */
	uint64_t unlocks_plainly; /* (!) (c) */
	/* (!) (m) Where a return address of its goroutine lies that was replaced, to stop it as it
	 * comes back to the program's code; and what that was. NULL: nowhere. */
	uintptr_t *return_slot, return_pc;

	void *tp;             /* (c) thread pointer of the OS thread itself */
	struct rt__p *p;      /* attached P, or NULL */
	struct rt__p *next_p; /* P to start with after a wake-up; set by the waker */
	int32_t id;           /* (c) */
	int32_t tid;          /* (c) the kernel's thread id */
	bool spinning;        /* looking for work, counted in sched.nmspinning */
	bool in_vain;         /* woken to spin, and has found nothing since */
	struct rt__note park;
	struct rt__m *idle_link;  /* (S) next idle M */
	struct rt__m *all_link;   /* (c) next M ever made */
	struct rt__g *locked_g;   /* goroutine that this M alone may run */
	uint32_t locked_ext;      /* (m) rt_lock_os_thread nesting */
	uint32_t locked_int;      /* (m) the runtime's own nesting (initialization) */
	uint64_t rand;            /* (m) state of the steal order and friends */
	void (*start_fn)(void);   /* (c) instead of schedule(): a monitor */
	struct rt__g *wait_g;     /* (S) what it will run when it gets a P; of that G, wait_m */
	int64_t ask_again;        /* (m) in so many ns, it asks for a P for that again */
	struct rt__p *old_p;      /* (m) the P that it entered its system call with */
	void *signal_stack;       /* (c) for handlers */
	uint64_t sigmask;         /* (m) signals that the thread blocks, outside of handlers */
	uint32_t critical;        /* (m) libc has blocked signals, and keeps its P: libc/lock.c */
	bool own_mask;            /* (m) ... which are not the process's */
	uint32_t locks_held;      /* (m) by rank; in builds with assertions */
	uint32_t urg_pending;     /* (a) a preemption signal is under way to this M */
	struct rt__timer *firing; /* (a) the timer whose function it runs, see sched/timer_heap.c */
	/* (m) */
	struct rt__in_heap in_heap;
};

/* What %gs leads to on a foreign thread that has a cache: so much of an M as is read that way. */
struct rt__foreign_head {
	struct rt__m *self; /* rt__m_foreign */
	struct rt__g *curg; /* NULL */
	uintptr_t g0_sp;
	void *tp_now;
	uintptr_t handler_sp; /* 0 */
	struct rt__cache *cache;
	const void *unlocking;
	uint64_t unlocks_plainly; /* 0 */
};

/* P status, with the numbers that Go had until 1.25. */
enum rt__p_status {
	RT_P_IDLE = 0,
	RT_P_RUNNING = 1,
	RT_P_SYSCALL = 2, /* its M is in a system call: whoever changes this by CAS has it */
	RT_P_GCSTOP = 3,  /* halted by stop-the-world */
	RT_P_DEAD = 4,    /* beyond GOMAXPROCS; kept, since an M may still look at it */
};

#define RT_RUNQ_SIZE 256u
#define RT_FREE_GS 64

/*
 * The local run queue: a ring that the owner pushes to and everybody pops from, and one slot,
 * next, for the G that was made ready last. Invariants: head and tail only grow; tail - head <=
 * RT_RUNQ_SIZE; slots [head, tail) are valid. See sched/runq.c for the argument.
 */
struct rt__runq {
	_Alignas(RT_CACHE_LINE) uint32_t head; /* (a) */
	uint32_t tail;                         /* (p) writes, (a) thieves read */
	struct rt__g *next;                    /* (a) */
	struct rt__g *ring[RT_RUNQ_SIZE];      /* (a) */
};

/* No time: later than any. */
#define RT_NEVER INT64_MAX

/* Something that is due, and a queue of that in order of time: sched/due.c. */
struct rt__due {
	int64_t when;
	uintptr_t what;
};
struct rt__due_bucket;
struct rt__due_range {
	int64_t from;
	struct rt__due_bucket *b;
};
struct rt__due_queue {
	int32_t n;                   /* entries */
	int32_t nbuckets, cap;       /* of the index */
	struct rt__due_range *index; /* the latest first */
	struct rt__due_bucket *free;
};

/* A P's timers: sched/timer_heap.c. */
struct rt__timers {
	int64_t next;         /* (a) when the earliest is due; RT_NEVER without one */
	int64_t looked;       /* (a) when the owner last compared that with the clock */
	struct rt__lock lock; /* of all that follows */
	int32_t pending;      /* (a) entries that were not stopped */
	uint32_t cap, free;   /* a free slot, the first of a chain */
	union rt__timer_slot *slots;
	struct rt__due_queue queue;
};

/* The queue is last: of a P that has run little, only the first lines have been touched. */
struct rt__p {
	int32_t id;              /* (c) */
	uint32_t status;         /* (a) enum rt__p_status */
	uint32_t sched_tick;     /* (p) grows with each time slice */
	uint32_t switches;       /* (p) writes, (a) reads: goroutines that it has run */
	uint32_t looked;         /* the lookout: the same, at its last look */
	uint32_t global_tick;    /* (p) sched_tick from which on the global queue comes first */
	uint32_t syscall_tick;   /* (p) grows with each system call */
	int32_t early_stops;     /* (p) since a slice was over */
	uint32_t gave_way;       /* (p) times that rt_go found the queue full */
	bool preempt;            /* (a) the slice is over, see sched/preempt.c */
	bool urgent;             /* (a) ... early, for a goroutine on the global queue */
	uint32_t safe_point;     /* (a) a function is to be run here, see sched/each_p.c */
	struct rt__m *m;         /* M that holds it, or NULL */
	struct rt__p *link;      /* (S) next idle P */
	struct rt__cache *cache; /* (p) blocks for malloc, see mem/here.c */
	struct rt__cache *fast_cache; /* (p) the same, or an empty one: what fast paths see */
	int32_t nfree;                /* (p) writes, (a) reads */
	uint64_t goid, goid_end;      /* (p) batch of goroutine ids */
	uint64_t started, ended;      /* (p) writes, (a) reads: goroutines, ever */
	int64_t urgent_when;          /* (S) when it was last preempted early */
	uint32_t sysmon_tick;         /* (a) sched_tick when last looked at */
	int64_t sysmon_when; /* (a) and when that was: the slice has lasted since then at least */
	uint32_t sysmon_systick; /* sysmon: the same of system calls */
	int64_t sysmon_syswhen;
	int64_t resend_when, resend_delay; /* sysmon: when to ask the same goroutine again */
	struct rt__timers timers;
	struct rt__runq runq;
	struct rt__g *free_gs[RT_FREE_GS]; /* (p) dead Gs, ready for use; the last is the warmest */
};

extern struct rt__m rt__m0;        /* the process's first thread */
extern struct rt__m rt__m_foreign; /* what a foreign thread finds in place of an M */

static inline struct rt__m *
rt__getm(void)
{
	return rt__getm_raw();
}

static inline struct rt__cache *
rt__getm_cache(void)
{
	return rt__getm_cache_raw();
}

/* A return address of the running goroutine, as it was before it was replaced. */
static inline uintptr_t
rt__true_return(uintptr_t pc)
{
	return rt__unlikely(pc == (uintptr_t)rt__async_return) ? rt__getm()->return_pc : pc;
}

/* Whether the caller runs on the stack of mp's goroutine: not on g0, a signal's or another one. */
static inline bool
rt__on_goroutine(const struct rt__m *mp)
{
	const struct rt__g *gp = mp->curg;

	return gp && rt__on_this_stack(gp->stack, rt__sp());
}

/* The running goroutine; NULL on a foreign thread, and in the scheduler between two. */
static inline struct rt__g *
rt__getg(void)
{
	return rt__getm()->curg;
}

/* ---- arch/CPU/switch.S ---- */

/* Saves the goroutine and calls fn(g) on g0. Returns when somebody resumes g. */
void rt__mcall(void (*fn)(struct rt__g *));

/* The same for a goroutine that ends: fn does not return, and nothing is saved. */
RT_NORETURN void rt__mleave(void (*fn)(struct rt__g *));

/* Resumes gp on this M, which must be on g0. Writes the thread pointer if it changes. */
RT_NORETURN void rt__gogo(struct rt__g *gp);

/* Calls fn(arg) on the stack that ends at sp and comes back. */
void rt__on_stack(void (*fn)(void *), void *arg, uintptr_t sp);
extern const char rt__on_stack_called[] __attribute__((visibility("hidden"))); /* its return */

/* ---- hooks: what lower floors need from upper ones; boot/hooks.c fills them ---- */

struct rt__hooks {
	/* libc/: bytes of TLS that a G needs; make it at mem, 16-aligned: the thread pointer. */
	size_t (*tls_size)(void);
	void *(*tls_make)(void *mem, uint32_t number, struct rt__stack stack);
	/* libc/: run the cleanup handlers that are pushed, down to `until`, for who leaves them. */
	void (*tls_unwind)(void *tp, const void *until);
	/* libc/: the stack of a foreign thread. */
	struct rt__stack (*thread_stack)(void *tp);
	/* libc/: do what C does at the end of a thread (destructors of thread-specific data), and
	 * make the TLS fit for the next goroutine. */
	void (*tls_finish)(void *tp);
	/* libc/: start a thread: 0 or an errno. Runs on the M's own thread pointer. */
	int (*thread_start)(void *(*fn)(void *), void *arg, bool small);
	/* libc/: end the calling thread, which such a start made. */
	void (*thread_exit)(void);
	/* libc/: handles a signal of the runtime's own from now on (info: siginfo_t, uc:
	 * ucontext_t); and passes one on to the program that was not for us: whether it has a
	 * handler. */
	void (*signal_take)(int sig, void (*handler)(int sig, void *info, void *uc));
	bool (*signal_chain)(int sig, void *info, void *uc);
	/* usync/: a goroutine has ended that wg counts. */
	void (*wg_done)(void *wg);
	/* ... and free what pools have cached; NULL: the program has none. */
	void (*pools_free)(void);
	/* init/: run the finis of packages, in the reverse of the order of their inits. */
	void (*run_finis)(void);
	/* init/: prints which package is being initialized, and why, if one is. */
	void (*explain_init)(const struct rt__g *gp);
};
extern const struct rt__hooks rt__hooks;

#endif

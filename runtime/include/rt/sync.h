/* SPDX-License-Identifier: MIT */
/*
 * rt/sync.h: what goroutines use to wait for each other and to keep out of each other's way. The
 * algorithms, and the texts of what misuse ends with, are those of Go's package sync.
 *
 *	rt_wg			wait until others are done
 *	rt_mutex, rt_rwmutex	one at a time; or many that only read
 *	rt_cond			wait until something that a mutex protects has changed
 *	rt_sem			so many at a time, with weights
 *	rt_once			do something once, however many want it
 *	rt_singleflight		do something once for all who ask for it at the same time
 *	rt_pool			things that are used again
 *
 * All of them are plain structs of the caller's, anywhere in memory. RT_X_INIT, which is zeros,
 * makes one ready; none needs to be destroyed. They may not be copied or moved while in use. Their
 * memory may be used for something else as soon as no call waits in them and whoever made that sure
 * was the last to use them: a call that has let go of an object, as rt_mutex_unlock has, does not
 * touch it any more, even if it has not returned yet.
 *
 * They work on threads that are no goroutines, too: these block. In a handler of a signal, only
 * what never waits may be called: done, unlock, signal, release, and the try calls. In the child
 * of a fork, an object that others were using just then is of no use, as POSIX's are.
 *
 * What waits takes options (rt/wait.h), and then returns false and sets errno if it has not got
 * what it is for: ETIMEDOUT, ECANCELED. A deadline that is past asks for a try. A wait that is
 * ended in either way leaves no trace.
 *
 * Who unlocks, signals, releases or is done publishes what it did before to who is let go by it.
 */
#ifndef RT_SYNC_PUBLIC_H
#define RT_SYNC_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rt/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A call that may not get what it waits for. */
#define RT__CHECKED __attribute__((warn_unused_result))

/*
 * plain(x) without options, timed(x, options) with them.
 */
#define RT__WAIT(plain, timed, x, ...)                                                             \
	RT__PASTE(RT__WAIT_, __VA_OPT__(SOME))(plain, timed, x, ##__VA_ARGS__)
#define RT__WAIT_(plain, timed, x) plain(x)
#define RT__WAIT_SOME(plain, timed, x, ...) timed(x, RT__WAIT_OPTIONS(__VA_ARGS__))

/* For what is inline here; the runtime's own are in base/atomic.h. True when *p was `old` and is
 * `new` now. */
#define RT__LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define RT__LOAD_ACQ(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define RT__CAS_ACQ(p, old, new) RT__CAS(p, old, new, __ATOMIC_ACQUIRE)
#define RT__CAS_REL(p, old, new) RT__CAS(p, old, new, __ATOMIC_RELEASE)
#define RT__CAS(p, old, new, order)                                                                \
	__extension__({                                                                            \
		__typeof__(*(p)) rt_old_ = (old);                                                  \
		__builtin_expect(__atomic_compare_exchange_n((p), &rt_old_, (new), 0, order,       \
							     __ATOMIC_RELAXED),                    \
				 1);                                                               \
	})

/* ---- wait groups: Go's sync.WaitGroup ---- */

/*
 * A counter that goroutines wait on until it is zero.
 *
 *	rt_wg wg = RT_WG_INIT;
 *	for (int i = 0; i < n; i++)
 *		rt_wg_go(&wg, fetch, &pages[i]);
 *	rt_wg_wait(&wg);
 */
typedef struct rt_wg {
	uint64_t rt_state; /* counter << 32 | number of waiters << 2 | flags */
	void *rt_waiters;
} rt_wg;

#define RT_WG_INIT                                                                                 \
	{                                                                                          \
		0, NULL                                                                            \
	}

/* Adds delta, which may be negative; at zero, wakes all waiters. Panics when it becomes negative,
 * or when it is used for a new round while waiters of the last one are still about to return. */
void rt_wg_add(rt_wg *wg, int delta);

/* rt_wg_add(wg, -1). May be called from any thread. */
void rt_wg_done(rt_wg *wg);

/*
 * bool rt_wg_wait(rt_wg *wg, options...): waits until the counter is zero. A round that was waited
 * for in vain (ETIMEDOUT, ECANCELED) goes on, and may be waited for again.
 */
#define rt_wg_wait(wg, ...) RT__WAIT(rt_wg_wait, rt__wg_wait, wg, ##__VA_ARGS__)
bool(rt_wg_wait)(rt_wg *wg);
RT__CHECKED bool rt__wg_wait(rt_wg *wg, const rt_wait_options *o);

/*
 * rt_wg_go(wg, fn, args...): rt_go for a goroutine that the wait group counts, as Go's wg.Go: adds
 * one, and is done when the goroutine has ended, whether fn returns or calls rt_goexit.
 */
#define rt_wg_go(wg, fn, ...)                                                                      \
	__extension__({                                                                            \
		__typeof__(&*(fn)) rt_fn_ = (fn);                                                  \
		struct rt__wg_call rt_call_ = {(wg), (const void *)rt_fn_};                        \
		RT__GO_CHECK(rt_fn_, ##__VA_ARGS__);                                               \
		(void)__builtin_call_with_static_chain(                                            \
			((__typeof__(rt_fn_))RT__WG_GO_ENTRY(rt_fn_, ##__VA_ARGS__))(__VA_ARGS__), \
			&rt_call_);                                                                \
	})

struct rt__wg_call {
	rt_wg *rt_wg;
	const void *rt_fn;
};
extern const char rt__wg_go[], rt__wg_go_words[];
#define RT__WG_GO_ENTRY(fn, ...)                                                                   \
	(const void *)(RT__ONLY_WORDS(fn, ##__VA_ARGS__) ? rt__wg_go_words : rt__wg_go)

/* ---- mutexes: Go's sync.Mutex ---- */

/*
 * One goroutine at a time. It belongs to nobody: one may lock it and another unlock it. It is not
 * recursive: who locks it twice waits for ever.
 *
 * Usually, who comes first has it, even before those that were woken and are not there yet: that is
 * what makes it fast. Who has waited for more than a millisecond gets it next, before all others.
 */
typedef struct rt_mutex {
	uint32_t rt_state, rt_unused;
	void *rt_waiters;
} rt_mutex;

#define RT_MUTEX_INIT                                                                              \
	{                                                                                          \
		0, 0, NULL                                                                         \
	}

bool rt__mutex_lock_slow(rt_mutex *m, const rt_wait_options *o);
void rt__mutex_unlock_slow(rt_mutex *m);

/* True: the mutex is the caller's now. Never waits. */
static inline RT__CHECKED bool
rt_mutex_trylock(rt_mutex *m)
{
	uint32_t rt_state = RT__LOAD(&m->rt_state);

	return (rt_state & 5) == 0 && RT__CAS_ACQ(&m->rt_state, rt_state, rt_state | 1);
}

/*
 * bool rt_mutex_lock(rt_mutex *m, options...): waits until the mutex is the caller's. Without
 * options, the result is always true.
 */
#define rt_mutex_lock(m, ...) RT__WAIT(rt_mutex_lock, rt__mutex_lock, m, ##__VA_ARGS__)

static inline bool(rt_mutex_lock)(rt_mutex *m)
{
	return RT__CAS_ACQ(&m->rt_state, 0, 1) || rt__mutex_lock_slow(m, NULL);
}

static inline RT__CHECKED bool
rt__mutex_lock(rt_mutex *m, const rt_wait_options *o)
{
	return RT__CAS_ACQ(&m->rt_state, 0, 1) || rt__mutex_lock_slow(m, o);
}

/* Lets the next one have it. One that is not locked: "fatal error: sync: unlock of unlocked mutex".
 */
static inline void
rt_mutex_unlock(rt_mutex *m)
{
	if (!RT__CAS_REL(&m->rt_state, 1, 0))
		rt__mutex_unlock_slow(m);
}

#ifdef __cplusplus
}
#endif

#endif

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

/* Behind a last call that may wait or fail: it is not made a jump, and reports show who called. */
#define RT__STAY() __asm__ volatile("")

/*
 * plain(x) without options, timed(x, options) with them.
 */
#define RT__WAIT(plain, timed, x, ...)                                                             \
	RT__PASTE(RT__WAIT_, __VA_OPT__(SOME))(plain, timed, x, ##__VA_ARGS__)
#define RT__WAIT_(plain, timed, x) plain(x)
#define RT__WAIT_SOME(plain, timed, x, ...) timed(x, RT__OPTIONS(rt_wait_options, ##__VA_ARGS__))

/* fn(args...). */
#define RT__CALL(fn, ...) RT__PASTE(RT__CALL_, __VA_OPT__(SOME))(fn, ##__VA_ARGS__)
#define RT__CALL_(fn) (fn)()
#define RT__CALL_SOME(fn, ...) (fn)(__VA_ARGS__)

/* For what is inline here; the runtime's own are in base/atomic.h. True when *p was `old` and is
 * `new` now. */
#define RT__STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
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
	(uintptr_t)(RT__ONLY_WORDS(fn, ##__VA_ARGS__) ? rt__wg_go_words : rt__wg_go)

/* ---- mutexes: Go's sync.Mutex ---- */

/*
 * One goroutine at a time. It belongs to nobody: one may lock it and another unlock it. It is not
 * recursive: who locks it twice waits for ever. When the program comes to a deadlock, the report
 * names goroutines that wait for each other.
 *
 * Usually, who comes first has it, even before those that were woken and are not there yet: that is
 * what makes it fast. Who has waited for more than a millisecond gets it next, before all others.
 */
typedef struct rt_mutex {
	uint32_t rt_state, rt_owner;
	void *rt_waiters;
} rt_mutex;

#define RT_MUTEX_INIT                                                                              \
	{                                                                                          \
		0, 0, NULL                                                                         \
	}

bool rt__mutex_lock_slow(rt_mutex *m, const rt_wait_options *o);
void rt__mutex_unlock(rt_mutex *m);

/* Who has locked it, for the report of a deadlock: half of a thread pointer. It costs nothing that
 * can be measured beside the step that locks. */
static inline uint32_t
rt__self(void)
{
#ifdef __x86_64__
	uint32_t rt_self;

	__asm__("movl %%fs:0, %0" : "=r"(rt_self));
	return rt_self;
#else
	return (uint32_t)(uintptr_t)__builtin_thread_pointer();
#endif
}

/* True: the mutex is the caller's now. Never waits. */
static inline RT__CHECKED bool
rt_mutex_trylock(rt_mutex *m)
{
	uint32_t rt_state = RT__LOAD(&m->rt_state);

	if ((rt_state & 5) != 0 || !RT__CAS_ACQ(&m->rt_state, rt_state, rt_state | 1))
		return false;
	RT__STORE(&m->rt_owner, rt__self());
	return true;
}

/*
 * bool rt_mutex_lock(rt_mutex *m, options...): waits until the mutex is the caller's. Without
 * options, the result is always true.
 */
#define rt_mutex_lock(m, ...) RT__WAIT(rt_mutex_lock, rt__mutex_lock, m, ##__VA_ARGS__)

static inline bool(rt_mutex_lock)(rt_mutex *m)
{
	if (!RT__CAS_ACQ(&m->rt_state, 0, 1))
		rt__mutex_lock_slow(m, NULL);
	RT__STORE(&m->rt_owner, rt__self());
	return true;
}

static inline RT__CHECKED bool
rt__mutex_lock(rt_mutex *m, const rt_wait_options *o)
{
	if (!RT__CAS_ACQ(&m->rt_state, 0, 1) && !rt__mutex_lock_slow(m, o))
		return false;
	RT__STORE(&m->rt_owner, rt__self());
	return true;
}

/* Lets the next one have it. One that is not locked: "fatal error: sync: unlock of unlocked mutex".
 */
static inline void
rt_mutex_unlock(rt_mutex *m)
{
	rt__mutex_unlock(m);
	RT__STAY();
}

static inline bool
rt__mutex_is_locked(const rt_mutex *m)
{
	return RT__LOAD(&m->rt_state) & 1;
}

/* ---- readers and writers: Go's sync.RWMutex ---- */

/*
 * Any number of readers at a time, or one writer. A writer that waits keeps new readers out, so a
 * reader must not lock it again while it has it: if a writer comes between, both wait for ever.
 */
typedef struct rt_rwmutex {
	rt_mutex rt_writers;
	uint32_t rt_state, rt_unused;
	void *rt_readers, *rt_writer;
} rt_rwmutex;

#define RT_RWMUTEX_INIT                                                                            \
	{                                                                                          \
		RT_MUTEX_INIT, 0, 0, NULL, NULL                                                    \
	}

bool rt__rwmutex_rlock_slow(rt_rwmutex *rw, const rt_wait_options *o);
void rt__rwmutex_runlock_slow(rt_rwmutex *rw);

/* True: the caller may read. Never waits. */
static inline RT__CHECKED bool
rt_rwmutex_tryrlock(rt_rwmutex *rw)
{
	uint32_t rt_state;

	while (((rt_state = RT__LOAD(&rw->rt_state)) & 1) == 0)
		if (RT__CAS_ACQ(&rw->rt_state, rt_state, rt_state + 16))
			return true;
	return false;
}

/* bool rt_rwmutex_rlock(rt_rwmutex *rw, options...): waits until the caller may read. */
#define rt_rwmutex_rlock(rw, ...) RT__WAIT(rt_rwmutex_rlock, rt__rwmutex_rlock, rw, ##__VA_ARGS__)

static inline bool(rt_rwmutex_rlock)(rt_rwmutex *rw)
{
	bool rt_done = rt_rwmutex_tryrlock(rw) || rt__rwmutex_rlock_slow(rw, NULL);

	RT__STAY();
	return rt_done;
}

static inline RT__CHECKED bool
rt__rwmutex_rlock(rt_rwmutex *rw, const rt_wait_options *o)
{
	bool rt_done = rt_rwmutex_tryrlock(rw) || rt__rwmutex_rlock_slow(rw, o);

	RT__STAY();
	return rt_done;
}

/* Ends one reading. Without one: "fatal error: sync: RUnlock of unlocked RWMutex". */
static inline void
rt_rwmutex_runlock(rt_rwmutex *rw)
{
	uint32_t rt_state = RT__LOAD(&rw->rt_state);

	if (rt_state < 16 || (rt_state & 1) || !RT__CAS_REL(&rw->rt_state, rt_state, rt_state - 16))
		rt__rwmutex_runlock_slow(rw);
	RT__STAY();
}

/* bool rt_rwmutex_lock(rt_rwmutex *rw, options...): waits until the caller may write. One that
 * gives up lets the readers in again that it has kept out. */
#define rt_rwmutex_lock(rw, ...) RT__WAIT(rt_rwmutex_lock, rt__rwmutex_lock, rw, ##__VA_ARGS__)
bool(rt_rwmutex_lock)(rt_rwmutex *rw);
RT__CHECKED bool rt__rwmutex_lock(rt_rwmutex *rw, const rt_wait_options *o);

/* True: the caller may write. Never waits. */
RT__CHECKED bool rt_rwmutex_trylock(rt_rwmutex *rw);

/* Ends the writing. Without one: "fatal error: sync: Unlock of unlocked RWMutex". */
void rt_rwmutex_unlock(rt_rwmutex *rw);

/* ---- condition variables: Go's sync.Cond ---- */

/*
 * Goroutines wait for something that a mutex protects:
 *
 *	rt_mutex_lock(&m);
 *	while (queue_is_empty(&q))
 *		rt_cond_wait(&more, &m);
 *	...
 *	rt_mutex_unlock(&m);
 *
 * The mutex is named at each wait, as in POSIX. A copy of one that was used panics: "sync.Cond is
 * copied".
 */
typedef struct rt_cond {
	uint32_t rt_state, rt_unused;
	void *rt_waiters;
	const void *rt_self;
} rt_cond;

#define RT_COND_INIT                                                                               \
	{                                                                                          \
		0, 0, NULL, NULL                                                                   \
	}

/*
 * bool rt_cond_wait(rt_cond *c, rt_mutex *m, options...): unlocks m, waits until signal or
 * broadcast has picked the caller, and locks m again; one that came after the unlock is not missed.
 * Nothing else wakes it, but others may have m first: hence the loop above. m is locked when it
 * returns, in any case; for that, it waits as long as it takes, whatever the options say.
 */
#define rt_cond_wait(c, m, ...) rt__cond_wait((c), (m), RT__OPTIONS(rt_wait_options, ##__VA_ARGS__))
bool rt__cond_wait(rt_cond *c, rt_mutex *m, const rt_wait_options *o);

/* Wakes the one that has waited longest, if there is one; all of them. m may be locked or not. */
void rt_cond_signal(rt_cond *c);
void rt_cond_broadcast(rt_cond *c);

/* ---- semaphores: golang.org/x/sync/semaphore ---- */

/*
 * So much of something, which is taken and given back. First come, first served: while one waits
 * for much, those behind it who want little wait as well. At most 2^61 of it.
 *
 *	rt_sem slots = RT_SEM_INIT(8);
 */
typedef struct rt_sem {
	int64_t rt_size;
	uint64_t rt_state;
	void *rt_waiters;
} rt_sem;

#define RT_SEM_INIT(size)                                                                          \
	{                                                                                          \
		(size), (uint64_t)(size) << 2, NULL                                                \
	}

/* bool rt_sem_acquire(rt_sem *s, int64_t n, options...): waits until n are left, and takes them.
 * Besides what options bring, EINVAL: n is negative, or more than there will ever be. */
#define rt_sem_acquire(s, n, ...)                                                                  \
	rt__sem_acquire((s), (n), RT__OPTIONS(rt_wait_options, ##__VA_ARGS__))
bool rt__sem_acquire(rt_sem *s, int64_t n, const rt_wait_options *o);

/* True: they are the caller's. Never waits. */
RT__CHECKED bool rt_sem_tryacquire(rt_sem *s, int64_t n);

/* Gives n back. More than are taken: a panic, "semaphore: released more than held". */
void rt_sem_release(rt_sem *s, int64_t n);

/* ---- once: Go's sync.Once ---- */

typedef struct rt_once {
	uint32_t rt_done, rt_unused;
	rt_mutex rt_mutex;
} rt_once;

#define RT_ONCE_INIT                                                                               \
	{                                                                                          \
		0, 0, RT_MUTEX_INIT                                                                \
	}

/*
 * rt_once_do(once, fn, args...): calls fn(args...), unless somebody has for the same `once`. When
 * it returns, fn has, whoever has called it: others wait for that. The arguments are evaluated by
 * who calls fn only. If fn panics or ends its goroutine, that was the once: nobody calls it again.
 * If it does the same once, it waits for itself.
 */
#define rt_once_do(once, fn, ...)                                                                  \
	__extension__({                                                                            \
		rt_once *rt_once_ = (once);                                                        \
		if (!RT__LOAD_ACQ(&rt_once_->rt_done) && rt__once_begin(rt_once_)) {               \
			rt_defer(rt__once_end, rt_once_);                                          \
			(void)RT__CALL(fn, ##__VA_ARGS__);                                         \
		}                                                                                  \
		(void)0;                                                                           \
	})

bool rt__once_begin(rt_once *once);
void rt__once_end(rt_once *once);

/* ---- doing a thing once for all who ask: golang.org/x/sync/singleflight ---- */

/*
 * While one goroutine computes what a key stands for, others who want the same wait for its result
 * instead of computing it, too:
 *
 *	rt_flight r;
 *	rt_singleflight_do(&lookups, host, look_up, host, &r);
 *	struct address *a = r.result;
 */
typedef struct rt_singleflight {
	uint32_t rt_state, rt_unused;
	void *rt_flights;
} rt_singleflight;

#define RT_SINGLEFLIGHT_INIT                                                                       \
	{                                                                                          \
		0, 0, NULL                                                                         \
	}

typedef struct rt_flight {
	void *result; /* of fn */
	bool shared;  /* others have it, too */
} rt_flight;

/*
 * bool rt_singleflight_do(rt_singleflight *g, const char *key, void *(*fn)(void *), void *arg,
 * rt_flight *ret, options...): calls fn(arg), or, if a call for the key is under way, waits for
 * what that returns. Options are for the wait; the call itself is not cut short. Whose the result
 * is, and when it may be freed, is up to those who share it. If fn panics or ends its goroutine,
 * one of those who wait calls it. The key need not outlive the call.
 */
#define rt_singleflight_do(g, key, fn, arg, ret, ...)                                              \
	rt__singleflight_do((g), (key), (fn), (arg), (ret),                                        \
			    RT__OPTIONS(rt_wait_options, ##__VA_ARGS__))
bool rt__singleflight_do(rt_singleflight *g, const char *key, void *(*fn)(void *), void *arg,
			 rt_flight *ret, const rt_wait_options *o);

/* Who asks for the key from now on does not wait for a call that is under way. */
void rt_singleflight_forget(rt_singleflight *g, const char *key);

/* ---- pools: Go's sync.Pool ---- */

/*
 * Things that are costly to make and used for a short time: buffers, encoders.
 *
 *	static rt_pool buffers = RT_POOL_INIT(new_buffer, free);
 *
 *	char *b = rt_pool_get(&buffers);
 *	...
 *	rt_pool_put(&buffers, b);
 *
 * Each processor has a cache of its own, of up to 58 items; what does not fit is freed at once.
 * Half of what nobody has used for a second is freed while the pool is in use; all of what is
 * cached, by rt_free_os_memory and rt_pool_drain. An item that was put in may not come back at all.
 */
typedef struct rt_pool {
	void *(*rt_new)(void);
	void (*rt_free)(void *item);
	void *rt_caches;
	struct rt_pool *rt_next;
} rt_pool;

/* new_fn makes an item: NULL, and rt_pool_get returns NULL when there is none. free_fn gets rid of
 * one: NULL, and they are just dropped, and rt_free_os_memory leaves the pool alone. */
#define RT_POOL_INIT(new_fn, free_fn)                                                              \
	{                                                                                          \
		(new_fn), (free_fn), NULL, NULL                                                    \
	}

/* An item, whose contents are as they were put in, or as new_fn has made them. */
void *rt_pool_get(rt_pool *p);

/* The item is the pool's from now on. NULL is nothing. */
void rt_pool_put(rt_pool *p, void *item);

/* Frees all that is cached. A pool whose memory is to be used for something else ends with this:
 * nobody may use it meanwhile. After it, the pool is as new. */
void rt_pool_drain(rt_pool *p);

#ifdef __cplusplus
}
#endif

#endif

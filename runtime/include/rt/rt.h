/* SPDX-License-Identifier: MIT */
/*
 * rt/rt.h: goroutines for C.
 *
 *	#include <rt/rt.h>
 *	#include <stdio.h>
 *
 *	static void greet(const char *who, int times) { ... }
 *
 *	int main(void) {
 *		rt_wg wg = RT_WG_INIT;
 *		rt_wg_go(&wg, greet, "world", 3);
 *		rt_wg_go(&wg, greet, "moon", 2);
 *		rt_wg_wait(&wg);
 *	}
 *
 * Build it with rt0-cc. main runs on the main goroutine; when it returns, the process ends, as in
 * Go, whatever other goroutines do. errno, _Thread_local, pthread_getspecific and uselocale belong
 * to the goroutine, and stay with it when it moves to another thread.
 */
#ifndef RT_RT_H
#define RT_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rt/chan.h>
#include <rt/init.h>
#include <rt/sync.h>
#include <rt/time.h>
#include <rt/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
#define RT__NORETURN [[noreturn]]
#else
#define RT__NORETURN _Noreturn
#endif

#define RT_VERSION "0.1.0"

/*
 * rt_go(fn, args...): starts a goroutine that calls fn(args...), as Go's `go fn(args...)`.
 *
 * fn is a function or a pointer to one, with any signature: the compiler checks and converts the
 * arguments as in an ordinary call, and they are evaluated at once, by the caller. They are copied
 * to the new goroutine's stack, so nothing has to be allocated and nothing outlives anything; at
 * most 64 bytes of them (RT_GO_MAX_BYTES), which is checked at compile time. A result of fn is
 * dropped. The goroutine ends when fn returns or calls rt_goexit. Without memory for it, the
 * program ends with a fatal error, as in Go; with fn a null pointer, with a panic.
 *
 * The new goroutine runs when its turn comes. When many wait (256 on a processor), the caller gives
 * way to some of them first, unless it has locked its thread: a loop that starts a million short
 * goroutines has a few hundred alive at a time.
 */
#define rt_go(fn, ...)                                                                             \
	__extension__({                                                                            \
		__typeof__(&*(fn)) rt_fn_ = (fn);                                                  \
		RT__GO_CHECK(rt_fn_, ##__VA_ARGS__);                                               \
		(void)__builtin_call_with_static_chain(                                            \
			((__typeof__(rt_fn_))RT__GO_ENTRY(rt_fn_, ##__VA_ARGS__))(__VA_ARGS__),    \
			(void *)(uintptr_t)rt_fn_);                                                \
	})

/*
 * rt_go_attr(attr, fn, args...): rt_go for a goroutine that is not like the others.
 *
 *	rt_go_attr(RT_ATTR(.stack = 8 << 20), parse, document);
 *
 * The value is 0, or what kept the goroutine from starting, which is no fatal error here: EINVAL
 * (a stack above 1 GB), ENOMEM (no address space for it; or, before Linux 6.13, too many mappings:
 * vm.max_map_count). attr may be NULL, and need not outlive the call.
 */
typedef struct rt_attr {
	/* Bytes of stack, 0 for the ordinary size ($RTSTACK, or 256 KB); rounded up to a power of
	 * two, and to 16 KB. A large stack costs address space; memory only where it was used. */
	size_t stack;
} rt_attr;
#define RT_ATTR(...) (&(const rt_attr){__VA_ARGS__})

#define rt_go_attr(attr, fn, ...)                                                                  \
	__extension__({                                                                            \
		__typeof__(&*(fn)) rt_fn_ = (fn);                                                  \
		struct rt__go_call rt_call_ = {(attr), (const void *)rt_fn_, 0};                   \
		RT__GO_CHECK(rt_fn_, ##__VA_ARGS__);                                               \
		(void)__builtin_call_with_static_chain(                                            \
			((__typeof__(rt_fn_))(uintptr_t)rt__go_attr)(__VA_ARGS__), &rt_call_);     \
		rt_call_.rt_result;                                                                \
	})

struct rt__go_call {
	const rt_attr *rt_attr;
	const void *rt_fn;
	int rt_result;
};

#define RT__GO_CHECK(fn, ...)                                                                      \
	_Static_assert(RT__SIZEOF_ARGS(__VA_ARGS__) <= RT_GO_MAX_BYTES,                            \
		       "rt_go: more than 64 bytes of arguments; pass a pointer");                  \
	_Static_assert(1 RT__EACH(RT__ALIGNED_16, _, ##__VA_ARGS__),                               \
		       "rt_go: an over-aligned argument; pass a pointer");                         \
	_Static_assert(RT__RETURNS(fn),                                                            \
		       "rt_go: declared to never return: then nothing after this would be "        \
		       "compiled; call it from a function of yours");                              \
	_Static_assert(sizeof((fn)(__VA_ARGS__)) <= 16,                                            \
		       "rt_go: the function returns a large struct")

/* The call of the macro returns, but the compiler would not know. gcc keeps noreturn in the type,
 * as volatile; clang does so for the attribute only, and not for _Noreturn, and cannot tell. */
#ifdef __clang__
#define RT__RETURNS(fn) 1
#else
#define RT__RETURNS(fn)                                                                            \
	(!__builtin_types_compatible_p(__typeof__(fn), __typeof__(*(fn)) volatile *))
#endif

#define RT_GO_MAX_BYTES 64

/* The assembly that stands in for fn. Declared as data, so that the compiler does not compare its
 * type with that of the call. */
extern const char rt__go[], rt__go_words[], rt__go_attr[];
#define RT__GO_ENTRY(fn, ...) (uintptr_t)(RT__ONLY_WORDS(fn, ##__VA_ARGS__) ? rt__go_words : rt__go)

/* Whether the call passes nothing but integers and pointers, in registers, as far as the compiler
 * can tell: all arguments are pointers, or are of just the types of the parameters. */
#define RT__ONLY_WORDS(fn, ...)                                                                    \
	(RT__SIZEOF_ARGS(__VA_ARGS__) <= 48 && (1 RT__EACH(RT__IS_WORD, _, ##__VA_ARGS__)) &&      \
	 ((1 RT__EACH(RT__IS_POINTER, _, ##__VA_ARGS__)) ||                                        \
	  __builtin_types_compatible_p(__typeof__(*(fn)),                                          \
				       __typeof__((fn)(__VA_ARGS__))(RT__TYPES(__VA_ARGS__)))))
#define RT__IS_POINTER(_, a) &&__builtin_classify_type(a) == 5
#define RT__IS_WORD(_, a) &&__builtin_classify_type(a) <= 5
#define RT__TYPES(...) RT__PASTE(RT__TYPES_, __VA_OPT__(SOME))(__VA_ARGS__)
#define RT__TYPES_() void
#define RT__TYPES_SOME(a, ...) __typeof__(a) RT__EACH(RT__TYPE_NEXT, _, ##__VA_ARGS__)
#define RT__TYPE_NEXT(_, a) , __typeof__(a)

#define RT__ALIGNED_16(_, a) &&_Alignof(__typeof__(a)) <= 16

/* Bytes that the arguments take as the ABI passes them: whole words, arrays as pointers. */
#define RT__SIZEOF_ARGS(...) (0 RT__EACH(RT__SIZEOF_ARG, _ __VA_OPT__(, ) __VA_ARGS__))
#define RT__SIZEOF_ARG(_, a)                                                                       \
	+((sizeof(__extension__({                                                                  \
		   __auto_type rt_arg_ = (a);                                                      \
		   rt_arg_;                                                                        \
	   })) +                                                                                   \
	   7) &                                                                                    \
	  ~(size_t)7)

/*
 * Lets other goroutines run and comes back, as Go's runtime.Gosched. The caller goes behind those
 * that wait on its P; when nobody else wants to run, it returns at once. On a thread that is not
 * a goroutine it is sched_yield.
 */
void rt_gosched(void);

/*
 * Ends the calling goroutine, as Go's runtime.Goexit: destructors of thread-specific data run,
 * other goroutines go on. When the main goroutine does it, main does not return: the process goes
 * on until somebody calls exit, or deadlocks once all others are gone. Not for foreign threads.
 */
RT__NORETURN void rt_goexit(void);

/* The number of the calling goroutine: main is 1, no number is used twice. 0 on a foreign thread.
 */
uint64_t rt_goid(void);

/* How many goroutines exist, the caller included. */
int rt_num_goroutine(void);

/*
 * Sets how many threads run goroutines at the same time, and returns what it was; n < 1 only asks.
 * Stops all goroutines meanwhile: it waits until each can be stopped, for those in libc until that
 * call is over, so do not call it casually. At most RT_MAXPROCS; from a foreign thread, it can only
 * ask. At start it is $GOMAXPROCS, or else the CPUs that the affinity mask and the cgroup allow.
 */
int rt_gomaxprocs(int n);
#define RT_MAXPROCS 4096

/*
 * Sets how many threads the program may have that run goroutines, or wait in the kernel for them,
 * and returns what it was; at first RT_MAX_THREADS. Whoever needs one more ends the program, as
 * with Go's debug.SetMaxThreads: rather that than a machine that forks itself to death, because
 * thousands of goroutines block in the kernel.
 */
int rt_set_max_threads(int n);
#define RT_MAX_THREADS 10000

/* CPUs in the process's affinity mask when it started. */
int rt_num_cpu(void);

/*
 * How deep goroutines have gone, with RTDEBUG=stackuse=1 in the environment: what to choose `stack`
 * of an rt_attr by, or $RTSTACK. The same is printed when the program exits.
 */
typedef struct rt_stack_use {
	const void *fn; /* the function that they were started with */
	size_t stack;   /* bytes of stack that each of them has */
	size_t used;    /* the most that one has used of it; thread-locals lie there, too */
	uint64_t ended, living;
} rt_stack_use;

/* Fills up to n rows, the deepest first, and returns how many there are; 0 when it is off. */
int rt_stack_usage(rt_stack_use *rows, int n);

/*
 * Gives memory that is kept for reuse back to the kernel at once, as Go's debug.FreeOSMemory: the
 * stacks of all goroutines that have ended, but for the last one on each thread; what pools have
 * cached; and the free memory of malloc, but for what threads of the program's own keep at hand.
 * It waits until each that runs right now can be stopped for a moment, for those in libc until that
 * call is over, so do not call it casually. What nobody needs for a second or two goes by itself.
 */
void rt_free_os_memory(void);

/*
 * malloc for what holds no pointers: text, numbers, pixels. free, realloc and the rest of the
 * family take it like other blocks, and realloc keeps it what it is. Such blocks lie apart from
 * others, so that who looks for pointers in memory, a collector or a leak finder, need not look
 * there.
 */
void *rt_malloc_noscan(size_t size);

/*
 * What malloc has. Reading it looks at every block: it is for reports, not for loops.
 */
typedef struct rt_mem_stats {
	size_t reserved;  /* bytes of addresses for the heap and its table */
	size_t committed; /* of those, for blocks: the heap has been so large */
	size_t in_use;    /* of those, with blocks of the program or in parts with some */
	size_t idle;      /* free, and not given back to the kernel yet */
	size_t released;  /* given back so far, again and again */
	size_t blocks;    /* the program's, */
	size_t bytes;     /* ... with room for so many */
	size_t cached;    /* bytes of free blocks at hand on some thread */
	size_t limit;     /* $RTMEMLIMIT, or the cgroup's; SIZE_MAX: none, or not known yet */
	size_t gaps;      /* in parts with blocks, given back: not counted in in_use */
} rt_mem_stats;

void rt_read_mem_stats(rt_mem_stats *ret);

/*
 * Heap profiles: who has allocated what, and what of it is still in use, as samples of one block
 * for so many bytes on average. rt_set_mem_profile_rate begins, ends (0), or changes the rate, and
 * returns what it was: at first 0, or RT_MEM_PROFILE_RATE with $RTMEMPROFILE. With 1, every block
 * is sampled. A rate is for all that is allocated from then on, by whatever thread; at the ordinary
 * one, a profile costs less than 1 % of the time of programs that do little but allocate small
 * blocks. Blocks that were allocated before are in no profile. RTDEBUG=malloc: no profile.
 *
 * rt_write_heap_profile writes what has been sampled so far, for `go tool pprof` and everything
 * else that reads its format; functions and lines are in it. 0, or an errno. Two of them show what
 * has grown meanwhile: `go tool pprof -diff_base first second`.
 */
#define RT_MEM_PROFILE_RATE (2 << 20)
size_t rt_set_mem_profile_rate(size_t bytes);
int rt_write_heap_profile(int fd);

/*
 * Ties the calling goroutine to the thread that it runs on, as Go's runtime.LockOSThread: no other
 * goroutine runs there and it runs nowhere else, until it has called rt_unlock_os_thread as many
 * times. If it ends while locked, the thread ends with it. Initializers (RT_INIT, constructors)
 * run locked to the process's first thread.
 */
void rt_lock_os_thread(void);
void rt_unlock_os_thread(void);

/*
 * What a report of a crash shows from now on, as Go's debug.SetTraceback, in the words of
 * $RTTRACEBACK: "none", "single" (the goroutine that failed), "all", "system" (and the runtime's
 * own frames), "crash" (and SIGABRT, for a core file). Less than $RTTRACEBACK says is ignored.
 * False if there is no such level.
 */
bool rt_set_traceback(const char *level);

#ifdef __cplusplus
}
#endif

#include <rt/ctx.h>
#include <rt/panic.h>
#include <rt/scope.h>

#endif

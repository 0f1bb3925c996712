/* SPDX-License-Identifier: MIT */
/*
 * rt/panic.h: deferred calls, panics, and calls that are protected from them.
 *
 *	static void parse_all(struct parser *p, const char *path)
 *	{
 *		FILE *f = fopen(path, "r");
 *
 *		if (!f)
 *			rt_panic("cannot open %s", path);
 *		rt_defer(fclose, f);			// whatever happens, when the block is left
 *		while (parse(p, f))			// may panic
 *			;
 *	}
 *
 *	const rt_caught *c = rt_try(parse_all, &p, path);
 *	if (c)
 *		fprintf(stderr, "%s: %s\n", path, c->text);
 *
 * All of it works on goroutines and on threads of the program's own alike.
 */
#ifndef RT_PANIC_H
#define RT_PANIC_H

#include <stdbool.h>
#include <stdint.h>

#include <rt/rt.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * rt_defer(fn, args...): fn(args...) is called when the enclosing BLOCK is left: at its end, by
 * return, break, continue or goto, by a panic, by rt_goexit and pthread_exit, and by a longjmp.
 * In C it is the block, and not the function as in Go: a rt_defer in the body of a loop runs in
 * each round, one inside `if (x) { ... }` runs at that brace.
 *
 * The arguments are evaluated at once and checked as in a call; any function goes, with up to 64
 * bytes of arguments, as for rt_go; its result is dropped. Several run in the reverse order.
 * Nothing is allocated: the call lies in the caller's frame (80 bytes; 352 if there are others than
 * pointers and integers) and costs a few nanoseconds.
 *
 * It is a declaration and a statement, so it stands in a block of its own right: not behind a label
 * or as the body of an `if` without braces. A jump into the block that passes it over (goto, or a
 * `case` label) leaves it out, as if it were not there. exit does not run what is deferred.
 *
 * A deferred call runs in the place of who leaves: the value of `return f(x)` is computed before.
 * Handlers of pthread_cleanup_push count like deferred calls, in the order of time, but for the one
 * that pthread_cleanup_pop runs: its block, and what is deferred there, ends behind it.
 */
#define rt_defer(fn, ...) RT__DEFER(RT__PASTE(rt_deferred_, __COUNTER__), fn, ##__VA_ARGS__)

#define RT__DEFER(name, fn, ...)                                                                   \
	__attribute__((__cleanup__(rt__defer_leave))) _Alignas(16) uintptr_t                       \
		name[RT__ONLY_WORDS(fn, ##__VA_ARGS__) ? RT__DEFER_WORDS : RT__DEFER_ANY];         \
	__extension__({                                                                            \
		__typeof__(&*(fn)) rt_fn_ = (fn);                                                  \
		RT__GO_CHECK(rt_fn_, ##__VA_ARGS__);                                               \
		name[RT__DEFER_FN] = (uintptr_t)rt_fn_;                                            \
		(void)__builtin_call_with_static_chain(                                            \
			((__typeof__(rt_fn_))RT__DEFER_ENTRY(rt_fn_, ##__VA_ARGS__))(__VA_ARGS__), \
			(void *)name);                                                             \
	})

/*
 * rt_panic(format, ...): what cannot go on. Deferred calls run, the last first; when none is left,
 * the program ends with "panic: MESSAGE", the goroutine that did it, and exit status 2, unless a
 * rt_try is on the way. A call that was deferred may panic itself: then both are reported.
 */
RT__NORETURN __attribute__((format(printf, 1, 2))) void rt_panic(const char *format, ...);

/* The same with a value for who catches it, such as an error of the program's own. It is not
 * copied: it must not lie in a frame that is left on the way. */
RT__NORETURN __attribute__((format(printf, 2, 3))) void rt_panic_value(void *value,
								       const char *format, ...);

/*
 * rt_try(fn, args...): calls fn(args...), and returns NULL when that returns; or, if it panics, the
 * panic, when the deferred calls of all that fn had called have run. Arguments as for rt_go; the
 * result of fn is dropped.
 *
 * It is a call and not a label, unlike setjmp: it returns once, and needs no volatile. What it
 * returns lies in the caller's block (some 600 bytes), and is overwritten when the same rt_try is
 * executed again. Functions of libc that lie between, such as qsort, are left as by longjmp.
 *
 * The name says what the call is for. Go's recover works on the function that has deferred its
 * caller, which C cannot return from; in Lua it is pcall.
 *
 * rt_goexit is not caught: it runs the deferred calls and ends the goroutine.
 */
#define rt_try(fn, ...)                                                                            \
	(rt__try_begin((rt_caught[1]){rt__uncaught()}), __extension__({                            \
		 __typeof__(&*(fn)) rt_fn_ = (fn);                                                 \
		 RT__GO_CHECK(rt_fn_, ##__VA_ARGS__);                                              \
		 (void)__builtin_call_with_static_chain(                                           \
			 ((__typeof__(rt_fn_))RT__TRY_ENTRY(rt_fn_, ##__VA_ARGS__))(__VA_ARGS__),  \
			 (void *)(uintptr_t)rt_fn_);                                               \
	 }),                                                                                       \
	 rt__try_end())

#define RT_CAUGHT_TEXT 256
#define RT_CAUGHT_FRAMES 24

/* A panic that rt_try has caught. */
typedef struct rt_caught {
	uintptr_t rt_private[6];
	void *value;               /* of rt_panic_value; else NULL */
	void *address;             /* of a fault, see rt_panic_on_fault */
	int signal, code;          /* ... and its signal and si_code; else 0 */
	uint64_t goid;             /* goroutine that panicked; 0: a foreign thread */
	char text[RT_CAUGHT_TEXT]; /* the message, cut to fit */
	/* Where: program counters, the innermost first. All but the first of a fault are return
	 * addresses. */
	int nframes;
	uintptr_t frames[RT_CAUGHT_FRAMES];
} rt_caught;

/* Prints it as the end of the program would, message and frames, to stderr. */
void rt_print_caught(const rt_caught *c);

/* Panics with what was caught: text and value, "[recovered, repanicked]"; if it ends the program,
 * the frames where it first happened are shown as well. */
RT__NORETURN void rt_repanic(const rt_caught *c);

/* Panics because of what was caught: "panic: OLD [recovered]", and the new message below. */
RT__NORETURN __attribute__((format(printf, 2, 3))) void rt_panic_from(const rt_caught *c,
								      const char *format, ...);

/*
 * Whether faults of the calling goroutine are panics from now on, as Go's debug.SetPanicOnFault:
 * SIGSEGV, SIGBUS and SIGFPE in the program's own code, and in functions like memcpy and strlen
 * that it has called (not in a stripped program). Returns what it was. Without it they end the
 * program at once, with nothing deferred run. For those who look at memory that may go away, such
 * as a mapped file that shrinks. What the compiler has kept in registers is lost: of variables,
 * deferred calls and who catches it see what had been stored. Not elsewhere in libc, whose locks
 * might be held; nor for foreign threads (false), full stacks, and faults in signal handlers.
 */
bool rt_panic_on_fault(bool on);

/* ---- what the macros need ---- */

#define RT__DEFER_WORDS 10
#define RT__DEFER_ANY 44
#define RT__DEFER_FN 3

extern const char rt__defer_words[], rt__defer_any[], rt__try_words[], rt__try_any[];
#define RT__DEFER_ENTRY(fn, ...)                                                                   \
	((uintptr_t)(RT__ONLY_WORDS(fn, ##__VA_ARGS__) ? rt__defer_words : rt__defer_any))
#define RT__TRY_ENTRY(fn, ...)                                                                     \
	((uintptr_t)(RT__ONLY_WORDS(fn, ##__VA_ARGS__) ? rt__try_words : rt__try_any))

void rt__defer_leave(void *deferred);
void rt__try_begin(rt_caught *c);
const rt_caught *rt__try_end(void);

/* Nothing is stored before there is something to store. */
static inline rt_caught
rt__uncaught(void)
{
	rt_caught c;

	c.rt_private[0] = 0; /* some of it, or compilers warn, and copy */
	/* cppcheck-suppress uninitvar */
	return c;
}

#ifdef __cplusplus
}
#endif

#endif

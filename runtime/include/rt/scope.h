/* SPDX-License-Identifier: MIT */
/*
 * rt/scope.h: goroutines that end before the block that started them, after Go's errgroup.
 *
 *	static int fetch(rt_ctx *ctx, const char *url, struct page *ret);	// 0 or an errno
 *
 *	int fetch_all(rt_ctx *parent, struct page *pages, int n)
 *	{
 *		RT_SCOPE(scope, parent, .limit = 8);
 *
 *		for (int i = 0; i < n; i++)
 *			rt_scope_go(&scope, fetch, &scope.ctx, pages[i].url, &pages[i]);
 *		return rt_scope_wait(&scope);		// the first error, or 0
 *	}
 *
 * The first that fails ends the scope's context, and so tells the others that nobody waits for what
 * they do; all have ended when rt_scope_wait returns, so what they were given may lie on its stack.
 */
#ifndef RT_SCOPE_H
#define RT_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

#include <rt/rt.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rt_scope {
	rt_ctx ctx; /* for what it starts; ends with the first error, or when all is done */
	rt_wg rt_wg;
	rt_sem rt_slots;
	int rt_error;
	uint32_t rt_panicked;
	bool rt_limited, rt_open;
	rt_caught rt_panic;
} rt_scope;

typedef struct rt_scope_options {
	int limit;        /* goroutines at the same time; 0: as many as there are */
	rt_time deadline; /* of the context */
} rt_scope_options;

/* RT_SCOPE(name, parent, options...): declares a scope that ends with the enclosing block. */
#define RT_SCOPE(name, parent, ...)                                                                \
	rt_scope name;                                                                             \
	rt_scope_init(&name, (parent), ##__VA_ARGS__);                                             \
	rt_defer(rt_scope_end, &name)

/* rt_scope_init(scope, parent, options...): one that somebody else ends, by rt_scope_wait or
 * rt_scope_end. parent may be NULL. */
#define rt_scope_init(scope, parent, ...)                                                          \
	rt__scope_init((scope), (parent), RT__OPTIONS(rt_scope_options, ##__VA_ARGS__))
void rt__scope_init(rt_scope *s, rt_ctx *parent, const rt_scope_options *o);

/*
 * rt_scope_go(scope, fn, args...): starts a goroutine that calls fn(args...), as rt_go. fn returns
 * int: 0, or an errno, of which the scope keeps the first. With a limit, waits for its turn. Those
 * that it has started may start others in the same scope; if they are the limit, and all of them
 * wait for a turn there, they wait for ever, as in Go.
 */
#define rt_scope_go(scope, fn, ...) ((void)RT__SCOPE_GO(scope, false, fn, ##__VA_ARGS__))

/* The same, but false (EAGAIN) when it would have to wait. */
#define rt_scope_try_go(scope, fn, ...) RT__SCOPE_GO(scope, true, fn, ##__VA_ARGS__)

/*
 * Waits until all have ended, ends the context, and returns the first error. If one has panicked,
 * so does this: with what it said, "[recovered, repanicked]", and where; the context has ended with
 * that. One that calls rt_goexit is not an error.
 */
int rt_scope_wait(rt_scope *s);

/* For who does not want the result any more: cancels the context and waits for all. What RT_SCOPE
 * does when the block is left without rt_scope_wait, by a panic for example; otherwise, nothing. */
void rt_scope_end(rt_scope *s);

/* ---- what the macros need ---- */

struct rt__scope_call {
	rt_scope *rt_scope;
	const void *rt_fn;
	bool rt_try, rt_started;
};
extern const char rt__scope_go[];

#define RT__SCOPE_GO(scope, try, fn, ...)                                                          \
	__extension__({                                                                            \
		__typeof__(&*(fn)) rt_fn_ = (fn);                                                  \
		struct rt__scope_call rt_call_ = {(scope), (const void *)rt_fn_, (try), true};     \
		RT__GO_CHECK(rt_fn_, ##__VA_ARGS__);                                               \
		_Static_assert(__builtin_types_compatible_p(__typeof__((fn)(__VA_ARGS__)), int),   \
			       "rt_scope_go: the function returns int, 0 or an errno");            \
		(void)__builtin_call_with_static_chain(                                            \
			((__typeof__(rt_fn_))(uintptr_t)rt__scope_go)(__VA_ARGS__),                \
			(void *)&rt_call_);                                                        \
		rt_call_.rt_started;                                                               \
	})

#ifdef __cplusplus
}
#endif

#endif

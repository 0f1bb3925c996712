/* SPDX-License-Identifier: MIT */
/*
 * rt/ctx.h: contexts, after Go's package context: who asks for something says how long it is of
 * use, and tells all who work on it when it is not.
 *
 *	rt_ctx ctx;
 *
 *	rt_ctx_init(&ctx, parent, .deadline = rt_after(2 * RT_SECOND));
 *	rt_defer(rt_ctx_end, &ctx);
 *	if (!rt_recv(results, &r, .ctx = &ctx))		// ECANCELED
 *		puts(rt_ctx_text(&ctx));		// context deadline exceeded
 *
 * Contexts form a tree: one that ends takes those below it along, and they end before it does. Each
 * is a struct of who makes it, and lies where that likes; it outlives all who use it: who hands it
 * to goroutines waits for them (rt/scope.h does). None of this is for signal handlers.
 */
#ifndef RT_CTX_H
#define RT_CTX_H

#include <stdbool.h>
#include <stdint.h>

#include <rt/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* typedef struct rt_ctx rt_ctx; is in rt/wait.h. */
struct rt_ctx {
	uint32_t rt_lock; /* of the list of who waits */
	int32_t rt_error; /* 0: it lives */
	int rt_cause;
	bool rt_shield, rt_timed;
	const char *rt_text;
	rt_ctx *rt_parent, *rt_children, *rt_next, *rt_prev;
	void *rt_waiters;
	const void *rt_key;
	void *rt_value;
	rt_time rt_deadline;
	uint64_t rt_timer[8];
};

/* The context that never ends, and has no values: where a tree begins. */
rt_ctx *rt_ctx_background(void);

/*
 * rt_ctx_init(ctx, parent, options...): makes ctx a context that ends when parent does, or by
 * itself. A parent that has ended already, or a deadline that is past, makes one that has ended.
 */
#define rt_ctx_init(ctx, parent, ...)                                                              \
	rt__ctx_init((ctx), (parent), RT__OPTIONS(rt_ctx_options, ##__VA_ARGS__))

typedef struct rt_ctx_options {
	rt_time deadline; /* 0: none of its own. It ends with ETIMEDOUT then */
	/* A value for who asks for this key: the address of something that is the asker's. */
	const void *key;
	void *value;
	bool without_cancel; /* lives on when parent ends, and only has its values */
} rt_ctx_options;

void rt__ctx_init(rt_ctx *ctx, rt_ctx *parent, const rt_ctx_options *o);

/* Ends it, and all below it, for good. What has ended stays as it is. */
void rt_ctx_cancel(rt_ctx *ctx);

/* The same with what rt_ctx_cause says: an errno, and a text (or NULL) that outlives the context.
 */
void rt_ctx_cancel_with(rt_ctx *ctx, int cause, const char *text);

/*
 * For who has made it: cancels it and takes it out of the tree. Every context ends in this, mostly
 * by rt_defer; from then on its memory is free for other use. Those below it that have not come to
 * their rt_ctx_end are cancelled, and have no parent any more. Another call does nothing.
 */
void rt_ctx_end(rt_ctx *ctx);

/* rt_ctx_wait(ctx, options...): waits until it has ended. The options, its own among them, end the
 * wait with ETIMEDOUT or ECANCELED, and false. */
#define rt_ctx_wait(ctx, ...) rt__ctx_wait((ctx), RT__OPTIONS(rt_wait_options, ##__VA_ARGS__))
bool rt__ctx_wait(rt_ctx *ctx, const rt_wait_options *o);

/* 0 while it lives; then ECANCELED, or ETIMEDOUT when a deadline has passed: its own or that of one
 * above it. What waits with `.ctx` has ECANCELED in either case. */
int rt_ctx_error(const rt_ctx *ctx);

/* Why it has ended, as Go's context.Cause: 0 while it lives. */
int rt_ctx_cause(const rt_ctx *ctx);

/* The same in words: of rt_ctx_cancel_with, "context canceled", "context deadline exceeded"; NULL
 * while it lives. */
const char *rt_ctx_text(const rt_ctx *ctx);

/* When it will end at the latest; 0: nobody knows. */
rt_time rt_ctx_deadline(const rt_ctx *ctx);

/* The value of this context, or of the next one above it, that has the key; or NULL. */
void *rt_ctx_value(rt_ctx *ctx, const void *key);

/*
 * rt_ctx_after_func(ctx, f, fn, arg): starts a goroutine that calls fn(arg), when ctx has ended, or
 * at once if it has. f is the caller's and lives until then, or until rt_ctx_stop_func. That is
 * true if it came before: fn is not called then; it does not wait for fn.
 */
typedef struct rt_ctx_func {
	uintptr_t rt_private[10];
} rt_ctx_func;
void rt_ctx_after_func(rt_ctx *ctx, rt_ctx_func *f, void (*fn)(void *arg), void *arg);
bool rt_ctx_stop_func(rt_ctx *ctx, rt_ctx_func *f);

#ifdef __cplusplus
}
#endif

#endif

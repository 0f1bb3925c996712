/* SPDX-License-Identifier: MIT */
/*
 * rt/chan.h: channels and select, with Go's semantics.
 *
 *	static void squares(rt_chan(int) in, rt_chan(long) out)
 *	{
 *		for (int v; rt_recv(in, &v);)           // Go: for v := range in
 *			rt_send(out, (long)v * v);      // Go: out <- v * v
 *		rt_close(out);
 *	}
 *
 *	rt_chan(int) in = rt_chan_make(int, 0);         // unbuffered
 *	rt_chan(long) out = rt_chan_make(long, 16);     // with room for 16
 *
 * rt_chan(T) is a type: it can be named anywhere, needs no typedef, and a channel of ints is not
 * one of longs; the compiler says so. It is a pointer: copies mean the same channel, NULL is Go's
 * nil channel, on which a send or a receive waits for ever.
 *
 * Any goroutine and any thread may use a channel; signal handlers may not. What was done before a
 * send is visible after the receive of that value; before a close, after a receive that finds the
 * channel closed; and before the nth receive, after send n + capacity.
 */
#ifndef RT_CHAN_H
#define RT_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rt/sync.h>
#include <rt/time.h>
#include <rt/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The type of channels with elements of type T: anything but an array, smaller than 64 KiB. */
#define rt_chan(T) __typeof__(__typeof__(T)(*)(struct rt__chan_tag *))

/*
 * rt_chan_make(T, capacity): makes a channel of Ts; 0: unbuffered, a send waits for its receive.
 * Panics when no memory could be that large ("makechan: size out of range"); without memory for
 * it, the program ends with a fatal error, as in Go.
 */
#define rt_chan_make(T, capacity)                                                                  \
	((rt_chan(T))(uintptr_t)rt__chan_make(RT__ELEM_SIZE(T), (ptrdiff_t)(capacity)))

/*
 * Frees a channel, which nobody uses any more: nothing collects it. What is in its buffer is
 * dropped. Panics if somebody waits on it, and does nothing for NULL. Who has received a value, or
 * has seen the channel closed, may free it if that was the last use of it by anybody.
 */
#define rt_chan_free(c) rt__chan_free(RT__CHAN(c))

/*
 * rt_send(c, v, options...): sends v, converted to the element type as by an assignment; waits
 * until there is a receiver or room. True, or false with errno ETIMEDOUT or ECANCELED, which
 * options alone can cause (rt/wait.h). Panics if the channel is closed. A v with commas in braces
 * needs parentheses: rt_send(c, ((struct point){1, 2})).
 */
#define rt_send(...)                                                                               \
	RT__CHAN_PICK(__VA_ARGS__, RT__SEND_OPTIONS, RT__SEND_OPTIONS, RT__SEND, RT__SEND_WHAT, )  \
	(__VA_ARGS__)

/*
 * rt_recv(c): the next value; a zero one if the channel is closed and drained.
 *
 * rt_recv(c, &v, options...): true, and v is the next value. False if there will be none: errno is
 * EPIPE and v zero when the channel is closed and drained; ETIMEDOUT or ECANCELED, as the options
 * say, and v is what it was. The pointer may be NULL: the value is dropped.
 */
#define rt_recv(...)                                                                               \
	RT__CHAN_PICK(__VA_ARGS__, RT__RECV_OPTIONS, RT__RECV_OPTIONS, RT__RECV_INTO,              \
		      RT__RECV_VALUE, )                                                            \
	(__VA_ARGS__)

/* The same if it need not wait; else false, and errno is EAGAIN (or EPIPE, as above). As Go's
 * select with one case and a default. */
#define rt_try_send(c, v) rt__chan_try_send(RT__CHAN(c), RT__VALUE(c, v))
#define rt_try_recv(c, p) rt__chan_try_recv(RT__CHAN(c), (RT__ELEM(c) *){p})

/* Closes a channel: receivers get what is in the buffer, then zeros. Senders panic, those that wait
 * too. Panics for NULL, and for one that is closed already. */
#define rt_close(c) rt__chan_close(RT__CHAN(c))

/* How many values are in the buffer, and how many have room in it; 0 for NULL. */
#define rt_chan_len(c) rt__chan_len(RT__CHAN(c))
#define rt_chan_cap(c) rt__chan_cap(RT__CHAN(c))

/*
 * rt_select(cases...): waits until one of the cases can go on, does it, and returns its index. If
 * several can, each is as likely. It is made for a switch, in which break and continue mean what
 * they do everywhere:
 *
 *	switch (rt_select(RT_RECV(jobs, &job, &ok), RT_SEND(results, r), RT_AT(deadline))) {
 *	case 0: ...
 *	case 1: ...
 *	case 2: ...
 *	}
 *
 * or, where the order may change, with names:
 *
 *	enum { JOB, RESULT, LATE };
 *	switch (rt_select([JOB] = RT_RECV(jobs, &job), [RESULT] = RT_SEND(results, r),
 *			  [LATE] = RT_AT(deadline))) {
 *	case JOB: ...
 *
 * Channels that are NULL are never ready, so that a case is switched off by a NULL. Values to send
 * are evaluated whatever happens. Without cases it waits for ever.
 */
#define rt_select(...) RT__SELECT(0, __VA_ARGS__)

/* The same, but of several that can go on, it takes the first. */
#define rt_select_ordered(...) RT__SELECT(1, __VA_ARGS__)

/* The same for arrays of cases, at most 65536. A case may be used again. */
#define rt_select_n(cases, n) rt__select((cases), (n), 0)
#define rt_select_ordered_n(cases, n) rt__select((cases), (n), 1)

/* A case: what one of the macros below makes. Zeroed, it is never ready. */
typedef struct rt_case {
	uint32_t rt_kind;
	void *rt_object;
	union {
		void *rt_elem;
		rt_time rt_when;
	};
	bool *rt_ok;
} rt_case;

/* RT_RECV(c), RT_RECV(c, &v), RT_RECV(c, &v, &ok): a receive. ok: whether there was a value;
 * false, and v is zero, when the channel is closed and drained. */
#define RT_RECV(...)                                                                               \
	RT__CHAN_PICK(__VA_ARGS__, , RT__CASE_RECV3, RT__CASE_RECV2, RT__CASE_RECV1, )             \
	(__VA_ARGS__)
/* A send. Panics if it is chosen and the channel is closed, which counts as ready. v lives as long
 * as the block that this is in: to fill an array in a loop, use RT_SEND_FROM(c, &v). */
#define RT_SEND(c, v)                                                                              \
	((rt_case){.rt_kind = RT__CASE_SEND, .rt_object = RT__CHAN(c), .rt_elem = RT__VALUE(c, v)})
#define RT_SEND_FROM(c, p)                                                                         \
	((rt_case){.rt_kind = RT__CASE_SEND,                                                       \
		   .rt_object = RT__CHAN(c),                                                       \
		   .rt_elem = (void *)(uintptr_t) * (const RT__ELEM(c) *[1]){p}})
/* A timer fires: of those who wait for it, one takes that. */
#define RT_TIMER(t)                                                                                \
	((rt_case){.rt_kind = RT__CASE_TIMER, .rt_object = *(rt_timer *[1]){t}, .rt_elem = NULL})
/* A wait group's counter is zero: rt_wg_go(&wg, f) and RT_WG(&wg) wait for the end of f. */
#define RT_WG(wg)                                                                                  \
	((rt_case){.rt_kind = RT__CASE_WG, .rt_object = *(rt_wg *[1]){wg}, .rt_elem = NULL})
/* The context has ended. NULL never does. */
#define RT_DONE(ctx)                                                                               \
	((rt_case){.rt_kind = RT__CASE_DONE, .rt_object = *(rt_ctx *[1]){ctx}, .rt_elem = NULL})
/* It is that late, and no other case is ready. 0 is never, as in every deadline. */
#define RT_AT(time) ((rt_case){.rt_kind = RT__CASE_AT, .rt_when = (time)})
/* Chosen when no other case is ready: the select does not wait. At most one. */
#define RT_DEFAULT ((rt_case){.rt_kind = RT__CASE_DEFAULT})

/* ---- what is behind it ---- */

enum rt__case_kind {
	RT__CASE_NONE,
	RT__CASE_RECV,
	RT__CASE_SEND,
	RT__CASE_DEFAULT,
	RT__CASE_TIMER,
	RT__CASE_WG,
	RT__CASE_DONE,
	RT__CASE_AT,
};

struct rt__chan;
struct rt__chan_tag; /* makes the type of a channel nobody else's */

/* A call that is never made, for its type. */
#define RT__ELEM(c) __typeof__((c)((struct rt__chan_tag *)0))
/* v in memory, converted as by an assignment; for structs, too, though an initializer would take a
 * first member for all of one. */
#define RT__VALUE(c, v)                                                                            \
	((RT__ELEM(c)[1 + 0 *sizeof(__typeof__(1 ? (c)((struct rt__chan_tag *)0) : (v)))]){v})
#define RT__CHAN(c) ((struct rt__chan *)(uintptr_t)(c))

#define RT__ELEM_SIZE(T)                                                                           \
	(sizeof(T) +                                                                               \
	 0 * sizeof(struct {                                                                       \
		 _Static_assert(sizeof(T) < 65536,                                                 \
				"rt_chan: an element of 64 KiB or more; send a pointer");          \
		 _Static_assert(_Alignof(__typeof__(T)) <= 16,                                     \
				"rt_chan: an over-aligned element; send a pointer");               \
		 char rt_unused;                                                                   \
	 }))

/* The name that is left when `a` to `d` are as many as there are arguments. */
#define RT__CHAN_PICK(a, b, c, d, name, ...) name

#define RT__SEND(c, v) rt__send(RT__CHAN(c), RT__VALUE(c, v), sizeof(RT__ELEM(c)))
#define RT__SEND_OPTIONS(c, v, ...)                                                                \
	rt__chan_send_until(RT__CHAN(c), RT__VALUE(c, v), &(const rt_wait_options){__VA_ARGS__})
#define RT__SEND_WHAT(c)                                                                           \
	sizeof(struct {                                                                            \
		_Static_assert(0, "rt_send: what?");                                               \
		char rt_unused;                                                                    \
	})

#define RT__RECV_VALUE(c)                                                                          \
	__extension__({                                                                            \
		RT__ELEM(c) rt_value_;                                                             \
		(void)rt__recv(RT__CHAN(c), &rt_value_, sizeof rt_value_);                         \
		rt_value_;                                                                         \
	})
#define RT__RECV_INTO(c, p) rt__recv(RT__CHAN(c), (RT__ELEM(c) *){p}, sizeof(RT__ELEM(c)))
#define RT__RECV_OPTIONS(c, p, ...)                                                                \
	rt__chan_recv_until(RT__CHAN(c), (RT__ELEM(c) *){p}, &(const rt_wait_options){__VA_ARGS__})

#define RT__CASE_RECV1(c) ((rt_case){.rt_kind = RT__CASE_RECV, .rt_object = RT__CHAN(c)})
#define RT__CASE_RECV2(c, p)                                                                       \
	((rt_case){.rt_kind = RT__CASE_RECV,                                                       \
		   .rt_object = RT__CHAN(c),                                                       \
		   .rt_elem = (RT__ELEM(c) *){p}})
#define RT__CASE_RECV3(c, p, ok)                                                                   \
	((rt_case){.rt_kind = RT__CASE_RECV,                                                       \
		   .rt_object = RT__CHAN(c),                                                       \
		   .rt_elem = (RT__ELEM(c) *){p},                                                  \
		   .rt_ok = (ok)})

#define RT__SELECT(ordered, ...)                                                                   \
	__extension__({                                                                            \
		rt_case rt_cases_[] = {__VA_ARGS__};                                               \
		rt__select(rt_cases_, sizeof rt_cases_ / sizeof(rt_case), (ordered));              \
	})

struct rt__chan *rt__chan_make(size_t elem_size, ptrdiff_t capacity);
void rt__chan_free(struct rt__chan *c);
void rt__chan_close(struct rt__chan *c);
size_t rt__chan_len(const struct rt__chan *c);
size_t rt__chan_cap(const struct rt__chan *c);
bool rt__chan_try_send(struct rt__chan *c, const void *elem);
bool rt__chan_try_recv(struct rt__chan *c, void *elem);
bool rt__chan_send_until(struct rt__chan *c, const void *elem, const rt_wait_options *o);
bool rt__chan_recv_until(struct rt__chan *c, void *elem, const rt_wait_options *o);
int rt__select(rt_case *cases, size_t n, int ordered);

/* Elements of 4 and 8 bytes travel in registers. */
struct rt__recv4 {
	uint32_t rt_word;
	bool rt_ok;
};
struct rt__recv8 {
	uint64_t rt_word;
	bool rt_ok;
};
void rt__chan_send4(struct rt__chan *c, uint32_t word);
void rt__chan_send8(struct rt__chan *c, uint64_t word);
void rt__chan_send(struct rt__chan *c, const void *elem);
struct rt__recv4 rt__chan_recv4(struct rt__chan *c);
struct rt__recv8 rt__chan_recv8(struct rt__chan *c);
bool rt__chan_recv(struct rt__chan *c, void *elem);

static inline __attribute__((always_inline)) bool
rt__send(struct rt__chan *c, const void *elem, size_t size)
{
	if (size == 4) {
		uint32_t word;

		__builtin_memcpy(&word, elem, 4);
		rt__chan_send4(c, word);
	} else if (size == 8) {
		uint64_t word;

		__builtin_memcpy(&word, elem, 8);
		rt__chan_send8(c, word);
	} else {
		rt__chan_send(c, elem);
	}
	return true;
}

static inline __attribute__((always_inline)) bool
rt__recv(struct rt__chan *c, void *elem, size_t size)
{
	if (size == 4) {
		struct rt__recv4 r = rt__chan_recv4(c);

		if (elem)
			__builtin_memcpy(elem, &r.rt_word, 4);
		return r.rt_ok;
	}
	if (size == 8) {
		struct rt__recv8 r = rt__chan_recv8(c);

		if (elem)
			__builtin_memcpy(elem, &r.rt_word, 8);
		return r.rt_ok;
	}
	return rt__chan_recv(c, elem);
}

#ifdef __cplusplus
}
#endif

#endif

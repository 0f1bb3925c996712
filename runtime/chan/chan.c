/* SPDX-License-Identifier: MIT */
/*
 * Channels. A sender that finds a receiver waiting copies the value into that one's frame, and the
 * other way round: stacks never move, so a wait, its queue node included, lies in the frame of who
 * waits, and nothing is allocated for it. Who is woken runs next on the P of who has woken it, as
 * in Go: a value that was just sent is still in this CPU's cache.
 *
 * Runs on goroutines and on foreign threads; only the unlocking of a channel runs on g0. The order
 * of locks is that of addresses; a channel's is never held together with one of sync/, but for
 * rt__panic's report.
 *
 * A channel may be freed by who knows, through it or another one, that all operations on it have
 * done their part: so the unlock is the last touch of the channel in each of them, and whoever is
 * woken is woken after. No answer that would let the other side free the channel (closed; a value)
 * is taken from a look without the lock, as Go may do.
 *
 * Elements of 4 and 8 bytes have functions of their own, which take and return them in registers:
 * copies of one body, in which the size is a constant.
 *
 * Rejected: a buffer without locks. It is faster for one producer and one consumer on two CPUs, but
 * a wait, a close and a select on top of it need what the lock gives, and more locked instructions.
 */
#include <errno.h>
#include <stdlib.h>

#include "chan/chan_priv.h"

#define SPINS 1000    /* pauses: 20 to 50 us */
#define PAUSES_MIN 32 /* before a look; powers of two */
#define PAUSES_MAX 256
#define YIELDS 20
#define SLEEP_NS 50000
#define MAX_ALLOC ((size_t)1 << 47) /* what a process can have of memory */

/* ---- the lock's slow way, copies of any size ---- */

/*
 * Who looks takes the line from who has the lock, and that one can send or receive dozens of values
 * while it travels there and back. So of a channel with room, look seldom: two senders and two
 * receivers on two CPUs take 15 ns for a value, not 70 as when they keep looking. Without room, and
 * in a select, who has the lock soon lets go of it for long.
 */
RT_NOINLINE void
rt__chan_lock_slow(struct rt__chan *c)
{
	const bool roomy = c->cap > 0;
	int pauses = roomy ? PAUSES_MIN : 1;

	for (int turn = 0;; turn++) {
		for (int spins = 0; spins < SPINS; spins += pauses) {
			for (int i = 0; i < pauses; i++)
				rt__cpu_relax();
			if (rt__load_rlx(&c->lock) == 0 && rt__cas_acq(&c->lock, 0u, 1u))
				return;
			if (roomy && pauses < PAUSES_MAX)
				pauses *= 2;
		}
		if (turn < YIELDS)
			rt__os_yield();
		else
			rt__os_sleep(SLEEP_NS);
	}
}

/* Out of line, and in words: musl's memcpy takes longer to begin than this for most elements. */
RT_NOINLINE void
rt__elem_copy_any(void *to, const void *from, size_t size)
{
	char *t = to;
	const char *f = from;

	if (size > 128) {
		__builtin_memcpy(t, f, size);
		return;
	}
	for (; size >= 8; size -= 8, t += 8, f += 8) {
		uint64_t word;

		__builtin_memcpy(&word, f, 8);
		__builtin_memcpy(t, &word, 8);
		__asm__ volatile("" : : : "memory"); /* or the compiler calls memcpy */
	}
	for (; size > 0; size--) {
		*t++ = *f++;
		__asm__ volatile("" : : : "memory");
	}
}

/* ---- make and free ---- */

struct rt__chan *
rt__chan_make(size_t elem_size, ptrdiff_t capacity)
{
	size_t bytes;

	if (capacity < 0 || __builtin_mul_overflow(elem_size, (size_t)capacity, &bytes) ||
	    bytes > MAX_ALLOC)
		rt__panic("makechan: size out of range");
	bytes += sizeof(struct rt__chan) + RT_CACHE_LINE;
	void *memory = malloc(bytes);
	if (!memory)
		rt__out_of_memory("a channel", bytes);
	/* Not aligned_alloc: musl's gives up to twice the memory. */
	struct rt__chan *c = (void *)RT_ALIGN_UP((uintptr_t)memory, RT_CACHE_LINE);
	*c = (struct rt__chan){.cap = (size_t)capacity, .elem_size = elem_size, .memory = memory};
	return c;
}

/* Whether somebody waits; *leaving: or was woken by something else, and is about to leave. */
static bool
has_waiter(const struct rt__waitq *q, bool *leaving)
{
	for (const struct rt__sudog *sg = q->first; sg; sg = sg->next) {
		if (sg->gp || !rt__load_rlx(&sg->w->claimed))
			return true;
		*leaving = true;
	}
	return false;
}

void
rt__chan_free(struct rt__chan *c)
{
	bool leaving = true;

	if (!c)
		return;
	while (leaving) {
		rt__chan_lock(c);
		leaving = c->leaving != 0;
		bool waits = has_waiter(&c->recvq, &leaving) || has_waiter(&c->sendq, &leaving);
		rt__chan_unlock(c);
		if (waits)
			rt__panic("rt_chan_free: goroutines wait on the channel");
		if (leaving)
			rt_gosched();
	}
	free(c->memory);
}

/* ---- waiting ---- */

static bool
unlock_chan(struct rt__g *gp, void *c)
{
	(void)gp;
	rt__chan_unlock(c);
	return true;
}

const struct rt__wait_kind rt__wait_kind_chan = {
	RT_WAIT_KIND(unlock_chan, RT_ON_CHAN),
	.object = RT_WAIT_ARG,
	.value = {RT_FIELD(struct rt__chan, count), RT_FIELD(struct rt__chan, cap),
		  RT_FIELD(struct rt__chan, elem_size)},
};
RT_WAIT_WITHOUT_OWNER;

static RT_NOINLINE void
wait_on_thread(struct rt__chan *c, struct rt__waitq *q, struct rt__sudog *sg,
	       enum rt__wait_reason reason)
{
	struct rt__waiter w;

	rt__waiter_init(&w);
	sg->w = &w;
	rt__waitq_push(q, sg);
	rt__waiter_park(&w, unlock_chan, c, reason);
	sg->w = NULL;
}

/* With the lock, which it releases. False: the channel was closed. */
static inline __attribute__((always_inline)) bool
wait_on(struct rt__chan *c, struct rt__waitq *q, void *elem, enum rt__wait_reason reason)
{
	struct rt__sudog sg; /* what nobody looks at is not written */

	sg.gp = rt__getg();
	sg.elem = elem;
	if (rt__unlikely(!sg.gp)) {
		wait_on_thread(c, q, &sg, reason);
	} else {
		rt__waitq_push(q, &sg);
		rt__park(unlock_chan, c, reason);
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.UndefReturn): who wakes us writes it */
	return sg.ok;
}

static RT_NORETURN void
wait_for_ever(enum rt__wait_reason reason)
{
	struct rt__waiter w;

	rt__waiter_init(&w);
	for (;;)
		rt__waiter_park(&w, NULL, NULL, reason);
}

/* ---- send ---- */

static RT_NORETURN RT_NOINLINE void
panic_closed(struct rt__chan *c)
{
	rt__chan_unlock(c);
	rt__panic("send on closed channel");
}

/* Whether it is done. If not, the channel is locked, unless it is NULL. */
static inline __attribute__((always_inline)) bool
send_now(struct rt__chan *c, const void *elem, size_t size)
{
	struct rt__sudog *wake;

	if (rt__unlikely(!c))
		return false;
	rt__chan_lock(c);
	if (rt__unlikely(!rt__send_locked(c, elem, size, &wake)))
		return false;
	rt__chan_unlock(c);
	if (wake)
		rt__sudog_wake(wake);
	return true;
}

static inline __attribute__((always_inline)) void
send_later(struct rt__chan *c, const void *elem)
{
	if (rt__unlikely(!c))
		wait_for_ever(RT_WAIT_CHAN_SEND_NIL);
	if (rt__unlikely(c->closed))
		panic_closed(c);
	if (rt__unlikely(!wait_on(c, &c->sendq, (void *)(uintptr_t)elem, RT_WAIT_CHAN_SEND)))
		rt__panic("send on closed channel");
}

static RT_NOINLINE void
send4_later(struct rt__chan *c, uint32_t word)
{
	send_later(c, &word);
}

static RT_NOINLINE void
send8_later(struct rt__chan *c, uint64_t word)
{
	send_later(c, &word);
}

static RT_NOINLINE void
send_any_later(struct rt__chan *c, const void *elem)
{
	send_later(c, elem);
}

void
rt__chan_send4(struct rt__chan *c, uint32_t word)
{
	if (rt__unlikely(!send_now(c, &word, 4)))
		send4_later(c, word);
}

void
rt__chan_send8(struct rt__chan *c, uint64_t word)
{
	if (rt__unlikely(!send_now(c, &word, 8)))
		send8_later(c, word);
}

void
rt__chan_send(struct rt__chan *c, const void *elem)
{
	if (rt__unlikely(!send_now(c, elem, c ? c->elem_size : 0)))
		send_any_later(c, elem);
}

bool
rt__chan_try_send(struct rt__chan *c, const void *elem)
{
	if (c && rt__send_looks_ready(c)) {
		if (send_now(c, elem, c->elem_size))
			return true;
		if (c->closed)
			panic_closed(c);
		rt__chan_unlock(c);
	}
	errno = EAGAIN;
	return false;
}

/* ---- receive ---- */

static inline __attribute__((always_inline)) bool
recv_now(struct rt__chan *c, void *elem, size_t size)
{
	struct rt__sudog *wake;

	if (rt__unlikely(!c))
		return false;
	rt__chan_lock(c);
	if (rt__unlikely(!rt__recv_locked(c, elem, size, &wake)))
		return false;
	rt__chan_unlock(c);
	if (wake)
		rt__sudog_wake(wake);
	return true;
}

/* False: the channel is closed, and *elem zero. */
static inline __attribute__((always_inline)) bool
recv_later(struct rt__chan *c, void *elem)
{
	if (rt__unlikely(!c))
		wait_for_ever(RT_WAIT_CHAN_RECEIVE_NIL);
	if (rt__unlikely(c->closed)) {
		rt__recv_nothing(c, elem);
		rt__chan_unlock(c);
	} else if (rt__likely(wait_on(c, &c->recvq, elem, RT_WAIT_CHAN_RECEIVE))) {
		return true;
	}
	errno = EPIPE;
	return false;
}

static RT_NOINLINE struct rt__recv4
recv4_later(struct rt__chan *c)
{
	struct rt__recv4 r;

	r.rt_ok = recv_later(c, &r.rt_word);
	return r;
}

static RT_NOINLINE struct rt__recv8
recv8_later(struct rt__chan *c)
{
	struct rt__recv8 r;

	r.rt_ok = recv_later(c, &r.rt_word);
	return r;
}

static RT_NOINLINE bool
recv_any_later(struct rt__chan *c, void *elem)
{
	return recv_later(c, elem);
}

struct rt__recv4
rt__chan_recv4(struct rt__chan *c)
{
	struct rt__recv4 r = {0, true};

	if (rt__likely(recv_now(c, &r.rt_word, 4)))
		return r;
	return recv4_later(c);
}

struct rt__recv8
rt__chan_recv8(struct rt__chan *c)
{
	struct rt__recv8 r = {0, true};

	if (rt__likely(recv_now(c, &r.rt_word, 8)))
		return r;
	return recv8_later(c);
}

bool
rt__chan_recv(struct rt__chan *c, void *elem)
{
	if (rt__likely(recv_now(c, elem, c ? c->elem_size : 0)))
		return true;
	return recv_any_later(c, elem);
}

bool
rt__chan_try_recv(struct rt__chan *c, void *elem)
{
	if (c && rt__recv_looks_ready(c)) {
		if (recv_now(c, elem, c->elem_size))
			return true;
		bool closed = c->closed;
		rt__chan_unlock(c);
		if (closed) {
			rt__recv_nothing(c, elem);
			errno = EPIPE;
			return false;
		}
	}
	errno = EAGAIN;
	return false;
}

/* ---- close, and what can be asked ---- */

/* Takes all waiters off a queue, onto the list that *last ends; what they wait for is not to be. */
static struct rt__sudog **
release(struct rt__chan *c, struct rt__waitq *q, struct rt__sudog **last)
{
	struct rt__sudog *sg;

	while ((sg = rt__waitq_pop(c, q)) != NULL) {
		if (q == &c->recvq)
			rt__recv_nothing(c, sg->elem);
		sg->ok = false;
		sg->next = NULL;
		*last = sg;
		last = &sg->next;
	}
	return last;
}

void
rt__chan_close(struct rt__chan *c)
{
	struct rt__sudog *all = NULL, **last = &all;

	if (!c)
		rt__panic("close of nil channel");
	rt__chan_lock(c);
	if (c->closed) {
		rt__chan_unlock(c);
		rt__panic("close of closed channel");
	}
	rt__store_rel(&c->closed, 1u); /* for looks without the lock */
	last = release(c, &c->recvq, last);
	release(c, &c->sendq, last);
	rt__chan_unlock(c);
	while (all) {
		struct rt__sudog *sg = all;

		all = sg->next;
		rt__sudog_wake(sg);
	}
}

size_t
rt__chan_len(const struct rt__chan *c)
{
	return c ? rt__load_rlx(&c->count) : 0;
}

size_t
rt__chan_cap(const struct rt__chan *c)
{
	return c ? c->cap : 0;
}

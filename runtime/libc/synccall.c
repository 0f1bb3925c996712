/* SPDX-License-Identifier: MIT */
/*
 * __synccall: runs a function on every thread, for setuid and friends. musl's own compares the tid
 * in struct pthread with the one that it has signalled; on a thread that runs a goroutine that is
 * the goroutine's, so its handler would return without a word and the caller wait for ever. This
 * one asks the kernel. The handler uses no thread-local: whose they are is left to chance.
 *
 * One thread after the other is signalled and held; then fn runs on each in turn, on the caller
 * last; then all are let go. Called on the thread's own pointer, since the list of threads starts
 * there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "os/os.h"

MUSL_HIDDEN void __synccall(void (*fn)(void *), void *arg);
MUSL_HIDDEN int __libc_sigaction(int sig, const struct sigaction *sa, struct sigaction *old);
MUSL_HIDDEN void __tl_lock(void);
MUSL_HIDDEN void __tl_unlock(void);

static struct {
	void (*fn)(void *);
	void *arg;
	int target;        /* (a) tid of the thread that is being caught */
	uint32_t caught;   /* (a) how many are held */
	uint32_t turn;     /* (a) which of them may run fn, from 1 */
	uint32_t done;     /* (a) how many have */
	uint32_t released; /* (a) 1: all may go */
	uint32_t gone;     /* (a) how many have */
} call;

/* Waits until *word is at least n. */
static void
await(uint32_t *word, uint32_t n)
{
	for (uint32_t v; (v = rt__load_acq(word)) < n;)
		rt__futex_wait(word, v, -1);
}

static void
announce(uint32_t *word, uint32_t n)
{
	rt__store_rel(word, n); /* pairs with the acquire in await */
	rt__futex_wake(word, INT32_MAX);
}

static void
handler(int sig)
{
	(void)sig;
	if (rt__os_gettid() != rt__load_acq(&call.target))
		return;
	uint32_t me = rt__load_rlx(&call.caught) + 1; /* only one is being caught at a time */
	announce(&call.caught, me);
	await(&call.turn, me);
	call.fn(call.arg);
	announce(&call.done, me);
	await(&call.released, 1);
	rt__add_acqrel(&call.gone, 1u);
	rt__futex_wake(&call.gone, 1);
}

static uint32_t
catch_all(void)
{
	struct musl_pthread *self = musl_self();
	uint32_t n = 0;

	for (struct musl_pthread *td = self->next; td != self; td = td->next) {
		long r;

		rt__store_rel(&call.target, td->tid);
		do
			r = rt__syscall3(SYS_tkill, td->tid, RT_SIGSYNCCALL, 0);
		while (r == -EAGAIN);
		if (r == 0)
			await(&call.caught, ++n);
	}
	rt__store_rel(&call.target, 0);
	return n;
}

void
__synccall(void (*fn)(void *), void *arg)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	uint64_t old = rt__os_block_signals();

	__tl_lock(); /* no thread starts or ends, and one caller at a time */
	__builtin_memset(&sa.sa_mask, -1, sizeof sa.sa_mask);
	call.fn = fn;
	call.arg = arg;
	call.caught = call.turn = call.done = call.released = call.gone = 0;
	__libc_sigaction(RT_SIGSYNCCALL, &sa, NULL);
	uint32_t n = catch_all();
	for (uint32_t i = 1; i <= n; i++) {
		announce(&call.turn, i);
		await(&call.done, i);
	}
	fn(arg);
	announce(&call.released, 1);
	await(&call.gone, n);
	sa.sa_handler = SIG_IGN;
	__libc_sigaction(RT_SIGSYNCCALL, &sa, NULL);
	__tl_unlock();
	rt__os_set_sigmask(old);
}

/* SPDX-License-Identifier: MIT */
/*
 * A goroutine's thread pointer. musl keeps errno, the locale, thread-specific data, cleanup
 * handlers and the identity of lock owners in struct pthread, and the compiler keeps thread-locals
 * below it: a goroutine has both of its own, so all of them stay with it when it moves to another
 * thread, and an address of one that the compiler has kept stays right.
 *
 * Its tid is no kernel tid: it only has to differ from every other owner's in FILE locks and
 * mutexes. Kernel tids end at 2^22 (PID_MAX_LIMIT) and musl keeps two flag bits at the top, which
 * leaves a billion numbers between. The calls that hand a tid to the kernel are replaced in
 * signal.c and tid.c.
 *
 * Main's is that of the process's first thread, as in any program. Mutexes in shared memory need
 * it: their owners must differ from those in other processes, and the kernel looks for those of a
 * process that dies in the robust ones. The struct pthread of the thread itself, which has the same
 * tid, owns nothing but libc's list of threads, and no goroutine's ever owns that (fork.c).
 *
 * These structs are not in musl's list of threads, which setuid and friends walk to signal real
 * threads: there is nobody to be signalled behind them. So libc calls that use the list run on
 * the thread's own pointer (thread.c, setxid.c).
 */
#include "libc/libc.h"

#include "libc/musl.h"

#define TID_FIRST RT_GOROUTINE_TID
#define TID_LAST 0x3ffffffeu
#define MAIN 1 /* its number */

size_t
rt__tls_size(void)
{
	/* 64 more: for place(). */
	return RT_ALIGN_UP(__libc.tls_size, 64) + 64 + __pthread_tsd_size;
}

/* How far to move a 64-aligned block so that struct pthread starts 8 bytes before a cache line:
 * what the end of a goroutine has to reset then lies in two lines. Thread-locals that ask for
 * more than 8-alignment decide for themselves. */
static size_t
place(uintptr_t block)
{
	size_t before = __libc.tls_size - sizeof(struct musl_pthread);

	return (64 + 56 - (block + before) % 64) % 64;
}

/* The first thread's data by key; there if the program uses keys. */
extern MUSL_WEAK void *__pthread_tsd_main[];

void *
rt__tls_make(void *mem, uint32_t number, struct rt__stack stack)
{
	struct musl_pthread *self = musl_self(); /* anybody's: for what all threads share */
	uintptr_t block = RT_ALIGN_UP((uintptr_t)mem + __pthread_tsd_size, 64);
	struct musl_pthread *td = __copy_tls((unsigned char *)block + place(block));

	if (number > TID_LAST - TID_FIRST)
		rt__throw("too many goroutines for libc");
	td->self = td;
	td->prev = td->next = td;
	td->tid = (int)(TID_FIRST + number);
	if (number == MAIN) {
		td->tid = self->tid;
		/* libc gives it to who makes the first key, and expects it there when it deletes
		 * one. */
		self->tsd = __pthread_tsd_main;
	}
	td->canary = self->canary;
	td->sysinfo = 0; /* ours: the chain of what is deferred */
	td->detach_state = MUSL_DETACHED;
	td->tsd = mem;
	td->stack = (void *)stack.hi;
	td->stack_size = stack.hi - stack.lo;
	td->locale = &__libc.global_locale;
	td->robust_list.head = &td->robust_list.head;
	return td;
}

/* musl runs these in pthread_exit; weak there, so absent unless keys are used. */
MUSL_WEAK void __pthread_tsd_run_dtors(void);

/* Makes td what rt__tls_make had left, but for what never changes. */
static void
reset(struct musl_pthread *td)
{
	const struct musl_tls_module *m = __libc.tls_head;

	td->errno_val = 0;
	td->cancel = 0;
	td->canceldisable = td->cancelasync = 0;
	td->h_errno_val = 0;
	td->locale = &__libc.global_locale;
	td->stdio_locks = NULL;
	td->sysinfo = 0;
	/* Destructors that set values again and again are left off after four rounds. */
	if (td->tsd_used) {
		__builtin_memset(td->tsd, 0, __pthread_tsd_size);
		td->tsd_used = 0;
	}
	if (m) { /* a static program has at most one module */
		unsigned char *block = (unsigned char *)td - m->offset;

		__builtin_memcpy(block, m->image, m->len);
		__builtin_memset(block + m->len, 0, m->size - m->len);
	}
}

struct rt__stack
rt__thread_stack(void *tp)
{
	const struct musl_pthread *td = tp;
	uintptr_t hi = (uintptr_t)td->stack;

	return (struct rt__stack){hi - td->stack_size, hi};
}

void
rt__tls_unwind(void *tp, const void *until)
{
	struct musl_pthread *td = tp;

	while (td->cancelbuf && td->cancelbuf != until) {
		struct musl_cleanup *c = td->cancelbuf;

		td->cancelbuf = c->next;
		c->fn(c->arg);
	}
}

/* On the goroutine that ends. What the next user of this G finds is prepared here, not when it
 * starts: now the lines are in the cache. */
void
rt__tls_finish(void *tp)
{
	struct musl_pthread *td = tp;

	if (td->tsd_used && __pthread_tsd_run_dtors)
		__pthread_tsd_run_dtors();
	reset(td);
}

/* SPDX-License-Identifier: MIT */
/* Tracebacks as a report prints them: the names and lines are this file's, checked by the driver.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#include "guest.h"
#include "symtab/symtab.h"

#define NOINLINE __attribute__((noinline))

static struct rt__stack
stack_around(uintptr_t sp)
{
	struct rt__g *gp = rt__getg();

	return gp ? gp->stack : (struct rt__stack){sp - 4096, sp + (32 << 10)};
}

/* What a report does: from the place of the call. */
NOINLINE static void
print_here(bool all)
{
	struct rt__context c;

	rt__context_here(&c);
	rt__print_frames(&c, true, stack_around(c.reg[RT_REG_SP]), 0, all);
}

static int
compare(const void *a, const void *b)
{
	static int once;

	if (once++ == 0)
		print_here(false);
	return *(const int *)a - *(const int *)b;
}

NOINLINE static void
sort(int *v, size_t n)
{
	qsort(v, n, sizeof *v, compare);
	v[0]++;
}

static int
run_callback(int argc, char **argv)
{
	int v[] = {3, 1, 2};

	(void)argc, (void)argv;
	sort(v, GUEST_LEN(v));
	return 0;
}

static int
run_all(int argc, char **argv)
{
	(void)argc, (void)argv;
	print_here(true);
	return 0;
}

NOINLINE static int
descend(int n)
{
	volatile int x = n;

	if (n == 0)
		print_here(false);
	else
		x += descend(n - 1);
	return x;
}

static int
run_deep(int argc, char **argv)
{
	return argc > 0 && descend(atoi(argv[0])) < 0;
}

/* ---- another goroutine, parked ---- */

static rt_wg forever = RT_WG_INIT;
static struct rt__g *other;

NOINLINE static void
wait_for(rt_wg *wg)
{
	SET(other, rt__getg());
	rt_wg_wait(wg);
	__asm__ volatile(""); /* no tail call */
}

static void
other_main(void)
{
	wait_for(&forever);
	__asm__ volatile("");
}

static int
run_parked(int argc, char **argv)
{
	struct rt__context c;

	(void)argv;
	rt_wg_add(&forever, 1);
	rt_go(other_main);
	YIELD_UNTIL(GET(other) &&
		    __atomic_load_n(&other->status, __ATOMIC_ACQUIRE) == RT_G_WAITING);
	rt__context_of_saved(&c, other->sp, other->pc);
	rt__print_frames(&c, true, other->stack, other->start_pc, argc > 0);
	rt__print_creator(other->creator_pc, other->parent_id);
	return 0;
}

/* It looks as if it had waited for longer. */
static int
run_minutes(int argc, char **argv)
{
	(void)argv;
	rt_wg_add(&forever, 1);
	rt_go(other_main);
	YIELD_UNTIL(GET(other) &&
		    __atomic_load_n(&other->status, __ATOMIC_ACQUIRE) == RT_G_WAITING);
	other->wait_since -= 150;
	if (argc == 0)
		rt_panic("minutes");
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return ok();
}

/* ---- signals ---- */

static void
print_interrupted(int sig, siginfo_t *info, void *uc)
{
	struct rt__context c;

	(void)sig, (void)info;
	rt__context_of_signal(&c, uc);
	rt__print_frames(&c, false, stack_around(c.reg[RT_REG_SP]), 0, false);
	_Exit(0);
}

static void
print_handler(int sig)
{
	(void)sig;
	print_here(false);
	_Exit(0);
}

static void
on_segv(void (*handler)(int, siginfo_t *, void *), void (*simple)(int), int flags)
{
	static char altstack[64 << 10];
	stack_t ss = {.ss_sp = altstack, .ss_size = sizeof altstack};
	struct sigaction sa = {.sa_flags = flags};

	if (simple)
		sa.sa_handler = simple;
	else
		sa.sa_sigaction = handler;
	CHECK(sigaltstack(&ss, NULL) == 0 && sigaction(SIGSEGV, &sa, NULL) == 0);
}

NOINLINE static int
load(const volatile int *p)
{
	return *p;
}

NOINLINE static int
load_indirectly(const volatile int *p)
{
	return load(p) + 1;
}

static int
run_fault(int argc, char **argv)
{
	(void)argc, (void)argv;
	on_segv(print_interrupted, NULL, SA_SIGINFO | SA_ONSTACK);
	return load_indirectly(NULL);
}

static void (*volatile nothing)(void);

NOINLINE static int
call_nothing(void)
{
	nothing();
	return 1;
}

static int
run_nil_call(int argc, char **argv)
{
	(void)argc, (void)argv;
	on_segv(print_interrupted, NULL, SA_SIGINFO | SA_ONSTACK);
	return call_nothing();
}

static int
run_in_handler(int argc, char **argv)
{
	(void)argc, (void)argv;
	on_segv(NULL, print_handler, 0);
	return load_indirectly(NULL);
}

/* ---- a thread, and a stack that makes no sense ---- */

static void *
thread_main(void *arg)
{
	print_here(false);
	return arg;
}

static int
run_thread(int argc, char **argv)
{

	(void)argc, (void)argv;
	pthread_t t = foreign_thread(thread_main, NULL);
	CHECK(pthread_join(t, NULL) == 0);
	return 0;
}

static int
run_lost(int argc, char **argv)
{
	static uintptr_t junk[512];
	struct rt__context c;
	struct rt__stack stack = {(uintptr_t)junk, (uintptr_t)(junk + GUEST_LEN(junk))};

	(void)argc, (void)argv;
	for (size_t i = 0; i < GUEST_LEN(junk); i++)
		junk[i] = i * 0x10001;
	rt__context_here(&c);
	c.reg[RT_REG_SP] = stack.lo + 64;
	c.reg[RT_REG_RBP] = stack.lo + 128;
	rt__print_frames(&c, true, stack, 0, false);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {
		{"callback", run_callback},  {"all", run_all},       {"deep", run_deep},
		{"parked", run_parked},      {"fault", run_fault},   {"nil_call", run_nil_call},
		{"handler", run_in_handler}, {"thread", run_thread}, {"lost", run_lost},
		{"minutes", run_minutes},
	};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

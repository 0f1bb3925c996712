/* SPDX-License-Identifier: MIT */
/* What C keeps for a thread, each goroutine has for itself; and the calls of libc that name
 * threads to the kernel. */
#define _GNU_SOURCE
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fenv.h>
#include <langinfo.h>
#include <locale.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "guest.h"

#define WORKERS 50
#define ROUNDS 200

/* ---- errno and thread-locals ---- */

static _Thread_local int with_value = 1234;
static _Thread_local char text[] = "initialized";
static _Thread_local int zero;
static _Thread_local struct {
	_Alignas(64) char c[64];
} aligned_zero;
static _Thread_local struct {
	_Alignas(64) int i;
} aligned_value = {7};
static _Thread_local struct {
	_Alignas(4096) int i;
} page_aligned;

static void
use_locals(int n, rt_wg *wg)
{
	int *kept = &zero; /* an address that outlives a move to another thread */

	CHECK(with_value == 1234 && strcmp(text, "initialized") == 0 && zero == 0 && errno == 0);
	CHECK((uintptr_t)&aligned_zero % 64 == 0 && (uintptr_t)&aligned_value % 64 == 0);
	CHECK((uintptr_t)&page_aligned % 4096 == 0 && page_aligned.i == 0);
	CHECK(aligned_zero.c[63] == 0 && aligned_value.i == 7);
	with_value = zero = aligned_value.i = page_aligned.i = errno = n;
	memset(aligned_zero.c, n, sizeof aligned_zero.c);
	text[0] = (char)n;
	for (int i = 0; i < ROUNDS; i++) {
		rt_gosched();
		CHECK(with_value == n && zero == n && *kept == n && errno == n);
		CHECK(aligned_value.i == n && page_aligned.i == n && text[0] == (char)n);
		CHECK(aligned_zero.c[0] == (char)n && aligned_zero.c[63] == (char)n);
	}
	rt_wg_done(wg);
}

/* Twice, so that the second lot finds the first one's Gs and must find fresh thread-locals. */
static int
thread_locals(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	for (int lot = 0; lot < 2; lot++) {
		rt_wg_add(&wg, WORKERS);
		for (int i = 1; i <= WORKERS; i++)
			rt_go(use_locals, i, &wg);
		use_locals(WORKERS + 1 + lot, (rt_wg_add(&wg, 1), &wg));
		rt_wg_wait(&wg);
		with_value = 1234, zero = errno = page_aligned.i = 0, aligned_value.i = 7;
		memset(aligned_zero.c, 0, sizeof aligned_zero.c);
		text[0] = 'i';
	}
	return ok();
}

/* ---- thread-specific data ---- */

static pthread_key_t key, stubborn_key;
static int destroyed;

static void
destroy(void *p)
{
	CHECK(pthread_getspecific(key) == NULL);
	ADD(destroyed, (int)(intptr_t)p);
}

/* Sets itself again each time: libc gives up after PTHREAD_DESTRUCTOR_ITERATIONS. */
static void
destroy_stubborn(void *p)
{
	pthread_setspecific(stubborn_key, p);
}

static void
set_specific(int n, rt_wg *wg, int how_to_end)
{
	CHECK(pthread_getspecific(key) == NULL && pthread_getspecific(stubborn_key) == NULL);
	pthread_setspecific(key, (void *)(intptr_t)n);
	pthread_setspecific(stubborn_key, &key);
	rt_gosched();
	CHECK(pthread_getspecific(key) == (void *)(intptr_t)n);
	rt_wg_done(wg);
	if (how_to_end == 1)
		rt_goexit();
	if (how_to_end == 2)
		pthread_exit(NULL);
}

static int
specific(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	CHECK(pthread_key_create(&key, destroy) == 0);
	CHECK(pthread_key_create(&stubborn_key, destroy_stubborn) == 0);
	for (int i = 0; i < 30; i++) {
		rt_wg_add(&wg, 1);
		rt_go(set_specific, 1, &wg, i % 3);
		rt_wg_wait(&wg);
		YIELD_UNTIL(rt_num_goroutine() == 1);
	}
	CHECK(GET(destroyed) == 30);
	return ok();
}

/* A key that is made anew must be NULL in every goroutine, also where the old one was set. */
static int reuse_step;

static void
keep_old_value(rt_wg *wg)
{
	pthread_setspecific(key, "old");
	SET(reuse_step, 1);
	YIELD_UNTIL(GET(reuse_step) == 2);
	CHECK(pthread_getspecific(key) == NULL);
	rt_wg_done(wg);
}

static int
key_reuse(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	pthread_key_t old, new;

	(void)argc, (void)argv;
	CHECK(pthread_key_create(&key, NULL) == 0);
	old = key;
	rt_wg_add(&wg, 1);
	rt_go(keep_old_value, &wg);
	YIELD_UNTIL(GET(reuse_step) == 1);
	CHECK(pthread_key_delete(old) == 0);
	do
		CHECK(pthread_key_create(&new, NULL) == 0);
	while (new != old);
	SET(reuse_step, 2);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- locale, rounding ---- */

static void
use_locale(bool utf8, int rounding, rt_wg *wg)
{
	locale_t l = newlocale(LC_ALL_MASK, utf8 ? "C.UTF-8" : "POSIX", NULL);
	size_t max = utf8 ? 4 : 1;

	CHECK(l && uselocale(NULL) == LC_GLOBAL_LOCALE && fegetround() == FE_TONEAREST);
	uselocale(l);
	fesetround(rounding);
	for (int i = 0; i < ROUNDS; i++) {
		rt_gosched();
		CHECK(uselocale(NULL) == l && MB_CUR_MAX == max && fegetround() == rounding);
	}
	rt_wg_done(wg);
}

static int
locales(int argc, char **argv)
{
	static const int roundings[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 40);
	for (int i = 0; i < 40; i++)
		rt_go(use_locale, i % 2 == 0, roundings[i % 4], &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- who owns a lock ---- */

static pthread_mutex_t recursive, checked;
static int lock_step;

static void
try_locks(rt_wg *wg)
{
	CHECK(ftrylockfile(stdout) != 0);
	CHECK(pthread_mutex_trylock(&recursive) == EBUSY);
	CHECK(pthread_mutex_trylock(&checked) == EBUSY);
	CHECK(pthread_mutex_unlock(&checked) == EPERM);
	SET(lock_step, 1);
	YIELD_UNTIL(GET(lock_step) == 2);
	CHECK(ftrylockfile(stdout) == 0);
	CHECK(pthread_mutex_trylock(&recursive) == 0);
	CHECK(pthread_mutex_unlock(&recursive) == 0);
	funlockfile(stdout);
	rt_wg_done(wg);
}

/* Two goroutines on one thread are two owners, and one goroutine on two threads is one. */
static int
lock_owners(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	pthread_mutexattr_t a;

	(void)argc, (void)argv;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&recursive, &a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&checked, &a);
	flockfile(stdout);
	CHECK(pthread_mutex_lock(&recursive) == 0 && pthread_mutex_lock(&recursive) == 0);
	CHECK(pthread_mutex_lock(&checked) == 0 && pthread_mutex_lock(&checked) == EDEADLK);
	rt_wg_add(&wg, 1);
	rt_go(try_locks, &wg);
	YIELD_UNTIL(GET(lock_step) == 1);
	CHECK(ftrylockfile(stdout) == 0);
	funlockfile(stdout);
	funlockfile(stdout);
	CHECK(pthread_mutex_unlock(&recursive) == 0 && pthread_mutex_unlock(&recursive) == 0);
	CHECK(pthread_mutex_unlock(&checked) == 0);
	SET(lock_step, 2);
	rt_wg_wait(&wg);
	return ok();
}

/* Lines that goroutines print at the same time stay whole. */
static void
print_lines(int n, rt_wg *wg)
{
	for (int i = 0; i < 100; i++) {
		printf("goroutine %03d line %03d of many\n", n, i);
		if (i % 10 == 0)
			rt_gosched();
	}
	rt_wg_done(wg);
}

static int
stdio_lines(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 20);
	for (int i = 0; i < 20; i++)
		rt_go(print_lines, i, &wg);
	rt_wg_wait(&wg);
	return 0;
}

/* ---- POSIX threads of the program ---- */

static void *
foreign(void *p)
{
	CHECK(rt_goid() == 0);
	CHECK(with_value == 1234 && errno == 0);
	with_value = errno = 1;
	rt_gosched();
	rt_wg_done(p);
	return p;
}

static void
ping(rt_wg *wg)
{
	CHECK(rt_goid() > 1);
	rt_wg_done(wg);
}

/* A foreign thread may start goroutines. */
static int
foreign_starts(void *p)
{
	rt_go(ping, (rt_wg *)p);
	return 17;
}

static void
make_threads(rt_wg *all)
{
	rt_wg wg = RT_WG_INIT;
	pthread_t t[4];
	thrd_t c11;
	void *result;
	int status;

	rt_wg_add(&wg, 5);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, foreign, &wg) == 0);
	CHECK(thrd_create(&c11, foreign_starts, &wg) == thrd_success);
	rt_wg_wait(&wg); /* readied by foreign threads */
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(t[i], &result) == 0 && result == &wg);
	CHECK(thrd_join(c11, &status) == thrd_success && status == 17);
	CHECK(with_value == 1234);
	rt_wg_done(all);
}

static int
foreign_threads(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 10);
	for (int i = 0; i < 10; i++)
		rt_go(make_threads, &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* exit on a foreign thread and on a goroutine at the same time: one of them runs the handlers. */
static int in_handler;

static void *
exit_on_thread(void *p)
{
	exit((int)(intptr_t)p);
}

static void
last_handler(void)
{
	CHECK(ADD(in_handler, 1) == 1);
	puts("handler");
}

static void
start_second_exit(void)
{

	foreign_thread(exit_on_thread, (void *)99);
	for (int i = 0; i < 100000; i++)
		rt_gosched();
}

static void
await_main(void)
{
	SET(in_handler, -1);
	usleep(50000); /* no one to wait for: the other exit must never get here */
	SET(in_handler, 0);
}

/* argv[0]: who is first. */
static int
two_exits(int argc, char **argv)
{

	CHECK(argc == 1);
	atexit(last_handler);
	if (strcmp(argv[0], "goroutine") == 0) {
		atexit(start_second_exit);
		return 5;
	}
	atexit(await_main);
	foreign_thread(exit_on_thread, (void *)6);
	YIELD_UNTIL(GET(in_handler) == -1 || strcmp(argv[0], "thread-only") == 0);
	if (strcmp(argv[0], "thread-only") == 0)
		for (;;)
			pause();
	return 5;
}

/* ---- signals and identity ---- */

static volatile sig_atomic_t caught;

static void
on_signal(int sig)
{
	caught = sig;
}

static void
signal_self(rt_wg *wg)
{
	CHECK(raise(SIGUSR1) == 0 && caught == SIGUSR1);
	caught = 0;
	CHECK(pthread_kill(pthread_self(), SIGUSR2) == 0 && caught == SIGUSR2);
	caught = 0;
	CHECK(kill(getpid(), 0) == 0 && gettid() >= getpid());
	CHECK(pthread_equal(pthread_self(), pthread_self()));
	rt_wg_done(wg);
}

static int
signals(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	CHECK(gettid() == getpid() || rt_gomaxprocs(0) > 1);
	rt_wg_add(&wg, 2);
	signal_self(&wg);
	rt_go(signal_self, &wg);
	rt_wg_wait(&wg);
	return ok();
}

static void
do_abort(const char *how)
{
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "assert") == 0)
		assert(!"never");
	if (strcmp(how, "raise") == 0)
		raise(SIGTERM);
	if (strcmp(how, "handled") == 0) {
		signal(SIGABRT, on_signal);
		abort();
	}
	if (strcmp(how, "ignored") == 0) {
		signal(SIGABRT, SIG_IGN);
		abort();
	}
}

/* argv[0]: how to die; argv[1], if given: on another goroutine. */
static int
die(int argc, char **argv)
{
	CHECK(argc >= 1);
	if (argc == 1)
		do_abort(argv[0]);
	rt_go(do_abort, argv[0]);
	for (;;)
		rt_gosched();
}

/* ---- the stack, as libc and the kernel see it ---- */

static void
ask_stack(size_t at_least, rt_wg *wg)
{
	pthread_attr_t a;
	void *lo;
	size_t size;

	CHECK(pthread_getattr_np(pthread_self(), &a) == 0);
	CHECK(pthread_attr_getstack(&a, &lo, &size) == 0);
	CHECK((char *)lo < (char *)&a && (char *)&a < (char *)lo + size && size >= at_least);
	rt_wg_done(wg);
}

static int
stack_of(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 2);
	ask_stack(900u << 20, &wg);
	rt_go(ask_stack, 250u << 10, &wg);
	rt_wg_wait(&wg);
	return ok();
}

__attribute__((noinline)) static int
deep(int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	return n == 0 ? frame[0] : deep(n - 1) + frame[0];
}

static void
go_deep(int n, rt_wg *wg)
{
	deep(n);
	rt_wg_done(wg);
}

/* argv[0]: pages of stack to use on a goroutine. */
static int
use_stack(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	CHECK(argc == 1);
	deep(10000); /* 40 MB on the main goroutine */
	rt_wg_add(&wg, 1);
	rt_go(go_deep, atoi(argv[0]), &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- other processes ---- */

static bool in_popen;

static void
run_others(rt_wg *wg)
{
	char line[64] = "";
	pid_t pid;
	int status;

	/* One at a time: musl's popen and pclose race on any threads. The child closes the pipes of
	 * others, also one that a pclose has closed already and whose number its own has got. */
	YIELD_UNTIL(!__atomic_test_and_set(&in_popen, __ATOMIC_ACQUIRE));
	FILE *f = popen("echo from a child; exit 3", "r");

	CHECK(f && fgets(line, sizeof line, f) && strcmp(line, "from a child\n") == 0);
	status = pclose(f);
	__atomic_clear(&in_popen, __ATOMIC_RELEASE);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	CHECK(system("exit 4") == 4 << 8);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		errno = 0;
		_exit(rt_goid() != 0 && raise(0) == 0 && gettid() == getpid() ? 5 : 6);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5);
	rt_wg_done(wg);
}

static int
processes(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 6);
	for (int i = 0; i < 5; i++)
		rt_go(run_others, &wg);
	run_others(&wg);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- user ids ---- */

static int stop;

static void
keep_busy(bool yields, rt_wg *wg)
{
	while (!GET(stop))
		if (yields)
			rt_gosched();
	rt_wg_done(wg);
}

static sem_t thread_may_end;

static void *
wait_in_thread(void *p)
{
	sem_wait(&thread_may_end);
	return p;
}

/* Prints each thread's Uid line. argv[0]: idle, yielding or spinning goroutines meanwhile. */
static int
set_uid(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	char path[64], line[128];
	int n = 0;

	CHECK(argc == 1);
	sem_init(&thread_may_end, 0, 0);
	pthread_t t = foreign_thread(wait_in_thread, NULL);
	bool busy = strcmp(argv[0], "idle") != 0, spins = strcmp(argv[0], "spinning") == 0;
	rt_wg_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		rt_go(keep_busy, !spins || i % 4 != 0, &wg);
	for (int i = 0; i < 1000; i++)
		rt_gosched();
	if (!busy) {
		SET(stop, 1);
		rt_wg_wait(&wg);
	}
	CHECK(setresgid(65534, 65534, 65534) == 0);
	CHECK(setresuid(65534, 65534, 65534) == 0);
	for (int tid = gettid() - 200; tid < gettid() + 200; tid++) {
		snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
		FILE *f = fopen(path, "r");

		for (; f && fgets(line, sizeof line, f); n += line[0] == 'U')
			CHECK(strncmp(line, "Uid:", 4) != 0 ||
			      strcmp(line, "Uid:\t65534\t65534\t65534\t65534\n") == 0);
		if (f)
			fclose(f);
	}
	CHECK(n >= 3); /* main, sysmon, the program's own thread */
	CHECK(setuid(0) == -1 && errno == EPERM);
	SET(stop, 1);
	if (busy)
		rt_wg_wait(&wg);
	sem_post(&thread_may_end);
	CHECK(pthread_join(t, NULL) == 0);
	return ok();
}

static const struct guest_case cases[] = {
	{"thread-locals", thread_locals},
	{"specific", specific},
	{"key-reuse", key_reuse},
	{"locales", locales},
	{"lock-owners", lock_owners},
	{"stdio-lines", stdio_lines},
	{"foreign-threads", foreign_threads},
	{"two-exits", two_exits},
	{"signals", signals},
	{"die", die},
	{"stack-of", stack_of},
	{"use-stack", use_stack},
	{"processes", processes},
	{"set-uid", set_uid},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

/* SPDX-License-Identifier: MIT */
/*
 * Hogs that libc has called, perhaps with a lock held: others that want the same lock wait for
 * their turn, and everything comes to its end. And the program's own signal handlers, which come
 * while hogs are stopped and started, on the goroutine's stack or on one of their own.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <search.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static int stop;

/* Does not call libc but for the clock, which is no system call. */
static void
spin(int64_t ns)
{
	for (int64_t end = now_ns() + ns; now_ns() < end;)
		;
}

static void
be_hog(long *turns, rt_wg *done)
{
	while (!GET(stop))
		__atomic_fetch_add(turns, 1, __ATOMIC_RELAXED);
	rt_wg_done(done);
}

/* ---- a comparator of qsort ---- */

static int
compare_slowly(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	spin(MS / 20);
	return x < y ? -1 : x > y;
}

static void
sort(int seed, rt_wg *done)
{
	int v[100];

	for (int i = 0; i < 100; i++)
		v[i] = i * (2 * seed + 7919) % 100;
	qsort(v, 100, sizeof *v, compare_slowly);
	for (int i = 1; i < 100; i++)
		CHECK(v[i - 1] <= v[i]);
	rt_wg_done(done);
}

static int
comparator(int argc, char **argv)
{
	rt_wg sorted = RT_WG_INIT, done = RT_WG_INIT;
	long turns = 0;

	(void)argc, (void)argv;
	rt_wg_add(&sorted, 4);
	rt_wg_add(&done, 1);
	rt_go(be_hog, &turns, &done);
	for (int i = 0; i < 4; i++)
		rt_go(sort, i, &sorted);
	rt_wg_wait(&sorted);
	YIELD_UNTIL(GET(turns) > 0);
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

/* It spins until another goroutine has had a turn: qsort and the like hold no lock. */
static int
compare_when_told(const void *a, const void *b)
{
	while (!GET(stop))
		;
	return *(const int *)a - *(const int *)b;
}

static void
sort_when_told(rt_wg *done)
{
	int v[] = {3, 1, 2, 5, 4}, key = 5;
	size_t n = GUEST_LEN(v);

	qsort(v, n, sizeof *v, compare_when_told);
	for (size_t i = 0; i < n; i++)
		CHECK(v[i] == (int)i + 1);
	SET(stop, 0);
	rt_wg_done(done);
	CHECK(bsearch(&key, v, n, sizeof *v, compare_when_told) == &v[4]);
	SET(stop, 0);
	rt_wg_done(done);
	CHECK(lfind(&key, v, &n, sizeof *v, compare_when_told) == &v[4]);
	rt_wg_done(done);
}

static int
comparator_spins(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_lock_os_thread();
	rt_go(sort_when_told, &done);
	for (int i = 0; i < 3; i++) {
		rt_wg_add(&done, 1);
		rt_gosched(); /* to the comparator; back by preemption only */
		SET(stop, 1);
		rt_wg_wait(&done);
	}
	return ok();
}

/* ---- the write callback of a FILE, whose lock is held meanwhile ---- */

enum how { SPINS, SLEEPS, YIELDS };
static enum how how;
static long written;
static int inside;

static ssize_t
write_slowly(void *cookie, const char *text, size_t n)
{
	(void)cookie, (void)text;
	CHECK(ADD(inside, 1) == 1);
	if (how == SPINS)
		spin(15 * MS);
	else if (how == SLEEPS)
		usleep(2000);
	else
		rt_gosched();
	CHECK(ADD(inside, -1) == 0);
	ADD(written, (long)n);
	return (ssize_t)n;
}

static void
print_lines(FILE *f, int me, rt_wg *done)
{
	for (int i = 0; i < 10; i++) {
		CHECK(fprintf(f, "%d %d\n", me % 10, i) == 4);
		CHECK(fflush(f) == 0);
	}
	rt_wg_done(done);
}

/* SPINS, SLEEPS or YIELDS: goroutines that share a FILE, beside a hog. */
static int
file(int argc, char **argv)
{
	static const cookie_io_functions_t io = {.write = write_slowly};
	rt_wg printed = RT_WG_INIT, done = RT_WG_INIT;
	FILE *f = fopencookie(NULL, "w", io);
	long turns = 0;

	CHECK(f && argc > 0);
	how = strcmp(argv[0], "spins") == 0      ? SPINS
		: strcmp(argv[0], "sleeps") == 0 ? SLEEPS
						 : YIELDS;
	rt_wg_add(&printed, 6);
	rt_wg_add(&done, 1);
	rt_go(be_hog, &turns, &done);
	for (int i = 0; i < 6; i++)
		rt_go(print_lines, f, i, &printed);
	rt_wg_wait(&printed);
	CHECK(GET(written) == 6 * 10 * 4);
	SET(stop, 1);
	rt_wg_wait(&done);
	CHECK(fclose(f) == 0);
	return ok();
}

/* ---- a handler of atexit; others go on meanwhile, and want stdout, too ---- */

static void
at_exit(void)
{
	spin(30 * MS);
	puts("ok");
	usleep(1000);
	spin(30 * MS);
}

static void
flush_for_ever(void)
{
	for (;;)
		fflush(stdout);
}

static int
exit_handler(int argc, char **argv)
{
	static long turns;
	static rt_wg never = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&never, 2);
	rt_go(be_hog, &turns, &never);
	rt_go(flush_for_ever);
	YIELD_UNTIL(GET(turns) > 0);
	CHECK(atexit(at_exit) == 0);
	return 0;
}

/* ---- signal handlers of the program ---- */

static int alarms, jumps;
static _Thread_local sigjmp_buf *back;
static _Thread_local volatile int jumped;

static void
count_alarm(int sig)
{
	int saved = errno;

	errno = sig; /* a handler that does not care which goroutine's it is */
	ADD(alarms, 1);
	errno = saved;
}

/* Only out of code of a goroutine that waits for it: jumping out of libc is nobody's right. */
static void
jump_back(int sig)
{
	ADD(alarms, 1);
	if (rt_goid() != 0 && back) {
		sigjmp_buf *to = back;

		back = NULL;
		siglongjmp(*to, sig);
	}
}

static void
every_ms(void (*handler)(int), int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
	struct itimerval ms = {{0, 1000}, {0, 1000}};

	sigemptyset(&sa.sa_mask);
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &ms, NULL) == 0);
}

static void
no_timer(void)
{
	CHECK(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL) == 0);
}

static void
check_errno(int me, long *turns, rt_wg *done)
{
	errno = me + 100;
	while (!GET(stop)) {
		for (int i = 0; i < 1000; i++)
			__atomic_fetch_add(turns, 1, __ATOMIC_RELAXED);
		CHECK(errno == me + 100);
	}
	rt_wg_done(done);
}

static int
onstack(int argc, char **argv)
{
	return argc > 0 && strcmp(argv[0], "onstack") == 0 ? SA_ONSTACK : 0;
}

/* Alarms each millisecond beside hogs: all keep their errno, all get turns. */
static int
handlers(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;
	long turns[4] = {0}, before;

	every_ms(count_alarm, SA_RESTART | onstack(argc, argv));
	rt_wg_add(&done, 4);
	for (int i = 0; i < 4; i++)
		rt_go(check_errno, i, &turns[i], &done);
	YIELD_UNTIL(GET(alarms) >= 300);
	for (int i = 0; i < 4; i++) {
		before = GET(turns[i]);
		YIELD_UNTIL(GET(turns[i]) > before);
	}
	no_timer();
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

/* Spins until a handler jumps out; what it had before the jump, it has after it. */
static void
be_interrupted(int me, int times, rt_wg *done)
{
	sigjmp_buf buf;
	volatile int i = 0;

	for (; i < times; i++) {
		errno = me + 100;
		if (sigsetjmp(buf, 1) == 0) {
			back = &buf;
			while (GET(back))
				;
			CHECK(!"the handler jumps");
		}
		CHECK(errno == me + 100);
		ADD(jumps, 1);
	}
	rt_wg_done(done);
}

/* The kernel gives a process's alarm to its first thread, if that one has not blocked it, and
 * this one may be idle: so all threads get one. */
static void
alarm_all(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	CHECK(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			syscall(SYS_tgkill, getpid(), atoi(e->d_name), SIGALRM);
	closedir(d);
}

static int
jump_out(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT, hogs = RT_WG_INIT;
	sigset_t now;
	long turns = 0;

	every_ms(jump_back, SA_RESTART | onstack(argc, argv));
	rt_wg_add(&done, 3);
	rt_wg_add(&hogs, 1);
	rt_go(be_hog, &turns, &hogs);
	for (int i = 0; i < 3; i++)
		rt_go(be_interrupted, i, 30, &done);
	while (GET(jumps) < 90) {
		alarm_all();
		rt_gosched();
	}
	rt_wg_wait(&done);
	no_timer();
	CHECK(GET(jumps) == 90);
	CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && !sigismember(&now, SIGALRM));
	SET(stop, 1);
	rt_wg_wait(&hogs);
	return ok();
}

static const struct guest_case cases[] = {
	{"comparator-spins", comparator_spins}, {"comparator", comparator}, {"file", file},
	{"exit-handler", exit_handler},         {"handlers", handlers},     {"jump-out", jump_out},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

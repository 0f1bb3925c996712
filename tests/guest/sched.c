/* SPDX-License-Identifier: MIT */
/*
 * What Go's proc_test asks of a scheduler, as far as it needs neither preemption nor blocking
 * calls: who gets turns, who runs beside whom, and what a locked thread keeps to itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static int stop;

/* ---- how many there are ---- */

static void
wait_and_tell(rt_wg *gate, rt_wg *done)
{
	rt_wg_wait(gate);
	rt_wg_done(done);
}

static int
count(int argc, char **argv)
{
	int n = number(argc, argv, 1000);

	CHECK(rt_num_goroutine() == 1);
	for (int round = 0; round < 3; round++) {
		rt_wg gate = RT_WG_INIT, done = RT_WG_INIT;

		rt_wg_add(&gate, 1);
		rt_wg_add(&done, n);
		for (int i = 0; i < n; i++) {
			rt_go(wait_and_tell, &gate, &done);
			CHECK(rt_num_goroutine() == i + 2);
		}
		rt_wg_done(&gate);
		rt_wg_wait(&done);
		YIELD_UNTIL(rt_num_goroutine() == 1);
	}
	return ok();
}

static void
come_and_go(rt_wg *done)
{
	while (!GET(stop)) {
		rt_wg few = RT_WG_INIT;

		for (int i = 0; i < 200; i++) /* more dead ones than a P keeps */
			rt_wg_go(&few, rt_gosched);
		rt_wg_wait(&few);
	}
	rt_wg_done(done);
}

static void
count_in_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(rt_num_goroutine() != 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* While others start and end, it is never less than those that stay, nor than there can be. */
static int
count_beside(int argc, char **argv)
{
	rt_wg gate = RT_WG_INIT, done = RT_WG_INIT;
	int n = number(argc, argv, 100), churns = 8;

	rt_wg_add(&gate, 1);
	rt_wg_add(&done, n + churns);
	for (int i = 0; i < n; i++)
		rt_go(wait_and_tell, &gate, &done);
	for (int i = 0; i < churns; i++)
		rt_go(come_and_go, &done);
	for (int i = 0; i < 20000; i++) {
		CHECK(rt_num_goroutine() >= 1 + n + churns);
		if (i % 64 == 0)
			rt_gosched();
		if (i % 4000 == 0)
			count_in_child();
	}
	SET(stop, 1);
	rt_wg_done(&gate);
	rt_wg_wait(&done);
	YIELD_UNTIL(rt_num_goroutine() == 1);
	return ok();
}

/* The number, and as many in the dump of a deadlock. */
static int
count_and_dump(int argc, char **argv)
{
	rt_wg never = RT_WG_INIT;

	rt_wg_add(&never, 1);
	for (int i = 0; i < number(argc, argv, 10); i++)
		rt_go(wait_and_tell, &never, &never);
	printf("%d\n", rt_num_goroutine());
	fflush(stdout);
	rt_wg_wait(&never);
	return 0;
}

/* ---- turns ---- */

#define CROWD 600 /* more than two local queues hold: some are on the global one */

static int turns[CROWD];

static void
take_turns(int me, rt_wg *gate, rt_wg *done)
{
	rt_wg_wait(gate);
	while (!GET(stop)) {
		ADD(turns[me], 1);
		rt_gosched();
	}
	rt_wg_done(done);
}

/* On one P, who yields goes behind everybody else, so a few are never far apart. Of more than a
 * local queue holds, some wait on the global one for many rounds, and still nobody starves. */
static int
fair(int argc, char **argv)
{
	int n = number(argc, argv, 100), least, most;
	rt_wg gate = RT_WG_INIT, done = RT_WG_INIT;

	CHECK(rt_gomaxprocs(0) == 1 && n <= CROWD);
	rt_wg_add(&gate, 1);
	rt_wg_add(&done, n);
	for (int i = 0; i < n; i++)
		rt_go(take_turns, i, &gate, &done);
	rt_wg_done(&gate);
	YIELD_UNTIL(GET(turns[n - 1]) >= 2000);
	least = most = turns[0];
	for (int i = 1; i < n; i++) {
		least = turns[i] < least ? turns[i] : least;
		most = turns[i] > most ? turns[i] : most;
	}
	SET(stop, 1);
	rt_wg_wait(&done);
	if (n < 200)
		CHECK(most - least <= 60);
	else
		CHECK(most < 50 * least);
	return ok();
}

/* Two that ready each other share a time slice; the third must get its turns all the same. */
static rt_wg turn[2];

static void
ping_pong(int me, rt_wg *done)
{
	for (;;) {
		rt_wg_wait(&turn[me]);
		rt_wg_add(&turn[me], 1);
		rt_wg_done(&turn[!me]);
		if (GET(stop))
			break;
	}
	rt_wg_done(done);
}

static int
beside_ping_pong(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&turn[1], 1);
	rt_wg_add(&done, 2);
	rt_go(ping_pong, 0, &done);
	rt_go(ping_pong, 1, &done);
	for (int i = 0; i < 30; i++)
		rt_gosched();
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

/* Work from a thread that has no P comes by the global queue; the local ones are never empty. */
static void *
release(void *gate)
{
	rt_wg_done(gate);
	return NULL;
}

static int
from_outside(int argc, char **argv)
{
	rt_wg busy = RT_WG_INIT, gate = RT_WG_INIT, open = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&busy, 50);
	for (int i = 0; i < 50; i++)
		rt_go(take_turns, i, &open, &busy);
	for (int i = 0; i < 20; i++) {
		pthread_t thread;

		rt_wg_add(&gate, 1);
		CHECK(pthread_create(&thread, NULL, release, &gate) == 0);
		rt_wg_wait(&gate);
		CHECK(pthread_detach(thread) == 0);
	}
	SET(stop, 1);
	rt_wg_wait(&busy);
	return ok();
}

/* A loop that starts goroutines faster than they end lets them end: few are alive at a time, about
 * as many as a queue holds; under preemptstress, those that were preempted as well. On a thread of
 * its own it need not, and all of them run, too. */
static int
few_alive(int argc, char **argv)
{
	int n = 20000, most = 0;
	rt_wg all = RT_WG_INIT;

	CHECK(rt_gomaxprocs(0) == 1);
	if (argc > 0 && !strcmp(argv[0], "locked"))
		rt_lock_os_thread();
	rt_wg_add(&all, n);
	for (int i = 0; i < n; i++) {
		rt_go(rt_wg_done, &all);
		most = rt_num_goroutine() > most ? rt_num_goroutine() : most;
	}
	rt_wg_wait(&all);
	CHECK(argc > 0 || most <= 4 * 256);
	return ok();
}

static void
start_for_ever(int me, rt_wg *done)
{
	rt_wg all = RT_WG_INIT;

	while (!GET(stop)) {
		rt_wg_add(&all, 1);
		rt_go(rt_wg_done, &all);
		ADD(turns[me], 1);
	}
	rt_wg_wait(&all);
	rt_wg_done(done);
}

/* Some that never stop starting goroutines keep neither each other off nor who waits globally. */
static int
starters_are_fair(int argc, char **argv)
{
	int n = number(argc, argv, 3);
	rt_wg done = RT_WG_INIT, gate = RT_WG_INIT;
	pthread_t thread;

	rt_wg_add(&done, n);
	for (int i = 0; i < n; i++)
		rt_go(start_for_ever, i, &done);
	for (int round = 0; round < 20; round++) {
		int before[CROWD];

		for (int i = 0; i < n; i++)
			before[i] = GET(turns[i]);
		rt_wg_add(&gate, 1);
		CHECK(pthread_create(&thread, NULL, release, &gate) == 0);
		rt_wg_wait(&gate);
		CHECK(pthread_join(thread, NULL) == 0);
		for (int i = 0; i < n; i++)
			YIELD_UNTIL(GET(turns[i]) > before[i]);
	}
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

/* Go's TestYieldProgress and TestYieldLockedProgress. */
static void
yield_for_ever(bool locked, rt_wg *done)
{
	if (locked)
		rt_lock_os_thread();
	while (!GET(stop)) {
		ADD(turns[0], 1);
		rt_gosched();
	}
	if (locked)
		rt_unlock_os_thread();
	rt_wg_done(done);
}

static int
progress(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;
	int before;

	(void)argv;
	rt_wg_add(&done, 1);
	rt_go(yield_for_ever, argc > 0, &done);
	for (int i = 0; i < 10; i++) {
		before = GET(turns[0]);
		YIELD_UNTIL(GET(turns[0]) > before);
	}
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

/* Go's TestPingPongHog: two pairs hand a turn back and forth, one pair works a thousand times as
 * long in each; both must get about the same time. */
static _Alignas(64) rt_wg pair_turn[2][2];
static _Alignas(64) volatile long pair_work[2];

static void
work_in_turns(int pair, int me, int limit, int64_t end_ns, rt_wg *done)
{
	for (bool late = false; !late;) {
		rt_wg_wait(&pair_turn[pair][me]);
		rt_wg_add(&pair_turn[pair][me], 1);
		for (int i = 0; i < limit; i++)
			pair_work[pair]++;
		late = now_ns() > end_ns;
		rt_wg_done(&pair_turn[pair][!me]);
	}
	rt_wg_done(done);
}

static int
hog_and_light(int argc, char **argv)
{
	static const int limits[] = {1000000, 1000};
	int64_t end = now_ns() + 1000000 * (int64_t)number(argc, argv, 500);
	rt_wg done = RT_WG_INIT;

	CHECK(rt_gomaxprocs(0) == 1);
	rt_wg_add(&done, 4);
	for (int pair = 0; pair < 2; pair++) {
		rt_wg_add(&pair_turn[pair][1], 1);
		rt_go(work_in_turns, pair, 0, limits[pair], end, &done);
		rt_go(work_in_turns, pair, 1, limits[pair], end, &done);
	}
	rt_wg_wait(&done);
	CHECK(pair_work[0] < 20 * pair_work[1]);
	CHECK(pair_work[1] < 20 * pair_work[0]);
	return ok();
}

/* ---- stopping the world beside those that spawn ---- */

/* Go's perpetuumMobile. */
static void
spawn_successor(rt_wg *done)
{
	if (GET(stop))
		rt_wg_done(done);
	else
		rt_go(spawn_successor, done);
}

static void
resize(int a, int b, int times, rt_wg *done)
{
	for (int i = 0; i < times; i++)
		rt_gomaxprocs(i & 1 ? a : b);
	rt_wg_done(done);
}

static int
stop_the_world(int argc, char **argv)
{
	int times = number(argc, argv, 1000);
	rt_wg done = RT_WG_INIT, last = RT_WG_INIT;

	rt_gomaxprocs(3);
	rt_wg_add(&done, 2);
	rt_wg_add(&last, 2);
	rt_go(spawn_successor, &last);
	rt_go(spawn_successor, &last);
	rt_go(resize, 3, 2, times, &done);
	rt_go(resize, 3, 4, times, &done);
	rt_wg_wait(&done);
	SET(stop, 1);
	rt_wg_wait(&last);
	return ok();
}

/* ---- side by side ---- */

#define SPINNERS 4

static int next_turn;

/* Never lets go of its P: it ends only if all of them run at once. */
static void
spin_for_turn(int me, int rounds, rt_wg *done)
{
	for (int i = 0; i < rounds; i++) {
		while (GET(next_turn) != SPINNERS * i + me)
			;
		SET(next_turn, SPINNERS * i + me + 1);
	}
	rt_wg_done(done);
}

static void
start_two(int first, int rounds, rt_wg *done)
{
	rt_go(spin_for_turn, first, rounds, done);
	rt_go(spin_for_turn, first + 1, rounds, done);
}

static void
meet(rt_wg *done)
{
	ADD(next_turn, 1);
	while (GET(next_turn) < SPINNERS)
		;
	rt_wg_done(done);
}

/* Go's TestGoroutineParallelism and its second: started side by side, or by each other, on Ms
 * that are asleep, or about to fall asleep. */
static int
parallel(int argc, char **argv)
{
	int tries = number(argc, argv, 10);

	rt_gomaxprocs(SPINNERS);
	for (int try = 0; try < tries; try++) {
		rt_wg done = RT_WG_INIT;

		rt_wg_add(&done, SPINNERS);
		next_turn = 0;
		if (try % 2 == 0) {
			for (int i = 0; i < SPINNERS; i++)
				rt_go(meet, &done);
			rt_wg_wait(&done);
			rt_wg_add(&done, SPINNERS);
			next_turn = 0;
		}
		if (try % 4 < 2)
			for (int i = 0; i < SPINNERS; i++)
				rt_go(spin_for_turn, i, 3, &done);
		else
			for (int i = 0; i < SPINNERS; i += 2)
				rt_go(start_two, i, 3, &done);
		rt_wg_wait(&done);
	}
	return ok();
}

static int
boot(int argc, char **argv)
{
	int n = number(argc, argv, 1024);
	rt_wg done = RT_WG_INIT;

	CHECK(rt_gomaxprocs(0) == n);
	rt_wg_add(&done, n);
	for (int i = 0; i < n; i++)
		rt_go(rt_wg_done, &done);
	rt_wg_wait(&done);
	return ok();
}

/* ---- locked threads ---- */

static int last_tid; /* where somebody else ran last */

static void
note_thread(rt_wg *done)
{
	while (!GET(stop)) {
		SET(last_tid, gettid());
		rt_gosched();
	}
	rt_wg_done(done);
}

/* Twice locked, unlocked once: still locked; unlocked twice: others run on the thread again. */
static int
nesting(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_lock_os_thread();
	rt_lock_os_thread();
	pid_t tid = gettid();
	rt_wg_add(&done, 1);
	rt_go(note_thread, &done);
	YIELD_UNTIL(GET(last_tid));
	for (int depth = 2; depth > 0; depth--) {
		for (int i = 0; i < 1000; i++) {
			rt_gosched();
			CHECK(gettid() == tid && GET(last_tid) != tid);
		}
		rt_unlock_os_thread();
	}
	rt_unlock_os_thread(); /* one too many does nothing */
	if (rt_gomaxprocs(0) == 1)
		YIELD_UNTIL(GET(last_tid) == gettid());
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

/* A thread's own state: its name, its nice value, its working directory (unshare). */
static void
taint(void)
{
	CHECK(prctl(PR_SET_NAME, "tainted") == 0);
	CHECK(setpriority(PRIO_PROCESS, (id_t)gettid(), 7) == 0);
	if (unshare(CLONE_FS) == 0)
		CHECK(chdir("/proc") == 0);
	else
		CHECK(errno == EPERM);
}

static bool
is_clean(void)
{
	char name[16], cwd[256];

	CHECK(prctl(PR_GET_NAME, name) == 0 && getcwd(cwd, sizeof cwd));
	return strcmp(name, "tainted") != 0 && strcmp(cwd, "/proc") != 0 &&
		getpriority(PRIO_PROCESS, (id_t)gettid()) == 0;
}

static void
end_tainted(int *tid)
{
	rt_lock_os_thread();
	taint();
	SET(*tid, gettid());
}

static void
stay_clean(int *arrived, int n, rt_wg *done)
{
	rt_lock_os_thread(); /* so that there are as many threads as goroutines */
	ADD(*arrived, 1);
	for (int i = 0; i < 10 || GET(*arrived) < n; i++) {
		CHECK(is_clean());
		rt_gosched();
	}
	rt_unlock_os_thread();
	rt_wg_done(done);
}

/* A goroutine that ends locked takes its thread along, with all that it has done to it. */
static int
end_locked(int argc, char **argv)
{
	int tries = number(argc, argv, 20);

	rt_lock_os_thread(); /* to the process's first thread, which cannot end */
	CHECK(gettid() == getpid());
	for (int i = 0; i < tries; i++) {
		rt_wg done = RT_WG_INIT;
		int tid = 0, arrived = 0, n = 4;

		rt_go(end_tainted, &tid);
		YIELD_UNTIL(GET(tid));
		YIELD_UNTIL(syscall(SYS_tgkill, getpid(), tid, 0) == -1 && errno == ESRCH);
		rt_wg_add(&done, n);
		for (int k = 0; k < n; k++)
			rt_go(stay_clean, &arrived, n, &done);
		rt_wg_wait(&done);
	}
	return ok();
}

/* Threads that are started for a goroutine on such a thread are not clones of it: Go's
 * TestLockOSThreadAvoidsStatePropagation. */
static void
spawn_tainted(int n, int *arrived, rt_wg *done, int *go_on)
{
	rt_lock_os_thread();
	taint();
	for (int i = 0; i < n; i++)
		rt_go(stay_clean, arrived, n, done);
	YIELD_UNTIL(GET(*go_on));
}

static int
no_propagation(int argc, char **argv)
{
	int n = number(argc, argv, 8), arrived = 0, go_on = 0;
	rt_wg done = RT_WG_INIT;

	rt_lock_os_thread();
	rt_wg_add(&done, n);
	rt_go(spawn_tainted, n, &arrived, &done, &go_on);
	rt_wg_wait(&done);
	SET(go_on, 1);
	CHECK(is_clean());
	return ok();
}

static const struct guest_case cases[] = {
	{"count", count},
	{"count-beside", count_beside},
	{"count-and-dump", count_and_dump},
	{"fair", fair},
	{"beside-ping-pong", beside_ping_pong},
	{"from-outside", from_outside},
	{"few-alive", few_alive},
	{"starters-are-fair", starters_are_fair},
	{"progress", progress},
	{"hog-and-light", hog_and_light},
	{"stop-the-world", stop_the_world},
	{"parallel", parallel},
	{"boot", boot},
	{"nesting", nesting},
	{"end-locked", end_locked},
	{"no-propagation", no_propagation},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

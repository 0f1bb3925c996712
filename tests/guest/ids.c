/* SPDX-License-Identifier: MIT */
/* What takes a thread for one that the kernel knows: signals for one, owners of mutexes in shared
 * memory, affinity and scheduling; and main that ends before the others. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

static int caught;
static pthread_t victim;

static void
count(int sig)
{
	(void)sig;
	ADD(caught, 1);
}

static void
catch_usr1(void)
{
	struct sigaction sa = {.sa_handler = count};

	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
}

/* ---- kill-main: calls of main's end with EINTR, by another thread or goroutine ---- */

static int stop;

/* Again and again: the first ones may come before main waits. */
static void *
kill_victim(void *arg)
{
	while (!GET(stop)) {
		CHECK(pthread_kill(victim, SIGUSR1) == 0);
		usleep(1000);
	}
	return arg;
}

static void
kill_from_goroutine(rt_wg *wg)
{
	kill_victim(NULL);
	rt_wg_done(wg);
}

static void
wait_for_signals(void)
{
	int fds[2];
	char c;

	CHECK(pipe(fds) == 0);
	CHECK(poll(NULL, 0, 60000) < 0 && errno == EINTR);
	CHECK(read(fds[0], &c, 1) < 0 && errno == EINTR);
	CHECK(usleep(60000000) < 0 && errno == EINTR);
	int before = GET(caught);
	YIELD_UNTIL(GET(caught) > before);
	SET(stop, 1);
}

static int
kill_main(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	catch_usr1();
	victim = pthread_self();
	CHECK(pthread_kill(victim, 0) == 0);
	if (argc > 0 && strcmp(argv[0], "goroutine") == 0) {
		rt_wg_add(&wg, 1);
		rt_go(kill_from_goroutine, &wg);
		wait_for_signals();
		rt_wg_wait(&wg);
	} else {
		pthread_t t = foreign_thread(kill_victim, NULL);
		wait_for_signals();
		CHECK(pthread_join(t, NULL) == 0);
	}
	return ok();
}

/* ---- kill-goroutine: one that blocks in the kernel, and one that is parked ---- */

static void
be_victim(int fd, rt_wg *wg)
{
	char c;

	SET(victim, pthread_self());
	CHECK(read(fd, &c, 1) < 0 && errno == EINTR);
	rt_wg_done(wg);
}

static void
park(rt_chan(int) in, rt_wg *wg)
{
	int v;

	SET(victim, pthread_self());
	CHECK(rt_recv(in, &v) && v == 7);
	rt_wg_done(wg);
}

static int
kill_goroutine(int argc, char **argv)
{
	rt_chan(int) out = rt_chan_make(int, 0);
	rt_wg wg = RT_WG_INIT;
	int fds[2];

	(void)argc, (void)argv;
	catch_usr1();
	CHECK(pipe(fds) == 0);
	rt_wg_add(&wg, 2);
	rt_go(be_victim, fds[0], &wg);
	YIELD_UNTIL(GET(victim));
	pthread_t reads = GET(victim);
	SET(victim, (pthread_t)0);
	rt_go(park, out, &wg);
	YIELD_UNTIL(GET(victim));
	CHECK(pthread_kill(GET(victim), SIGUSR1) == 0);
	YIELD_UNTIL(GET(caught) > 0); /* wherever it runs */
	rt_send(out, 7);
	SET(victim, reads);
	pthread_t t = foreign_thread(kill_victim, NULL);
	rt_wg_wait(&wg);
	SET(stop, 1);
	CHECK(pthread_join(t, NULL) == 0);
	return ok();
}

/* ---- self: what the kernel says of the caller's thread ---- */

static void
ask_about_self(void)
{
	struct sched_param param;
	struct timespec ts;
	cpu_set_t set;
	clockid_t clock;
	int policy;

	rt_lock_os_thread();
	CHECK(pthread_getaffinity_np(pthread_self(), sizeof set, &set) == 0);
	CHECK(CPU_COUNT(&set) > 0);
	CHECK(pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0);
	CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0);
	CHECK(sched_getaffinity(-1, sizeof set, &set) < 0 && errno == ESRCH);
	CHECK(pthread_getschedparam(pthread_self(), &policy, &param) == 0);
	CHECK(policy == SCHED_OTHER && param.sched_priority == 0);
	CHECK(pthread_setschedparam(pthread_self(), policy, &param) == 0);
	CHECK(pthread_setschedprio(pthread_self(), 0) == 0);
	CHECK(pthread_getcpuclockid(pthread_self(), &clock) == 0);
	CHECK(clock_gettime(clock, &ts) == 0 && (ts.tv_sec || ts.tv_nsec));
	rt_unlock_os_thread();
}

static void *
ask_on_thread(void *arg)
{
	ask_about_self();
	return arg;
}

static void
ask_on_goroutine(rt_wg *wg)
{
	ask_about_self();
	rt_wg_done(wg);
}

static int
self(int argc, char **argv)
{
	pthread_mutexattr_t attr;
	cpu_set_t set;
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	ask_about_self();
	rt_wg_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		rt_go(ask_on_goroutine, &wg);
	rt_wg_wait(&wg);
	CHECK(pthread_getaffinity_np(pthread_self(), sizeof set, &set) == 0);
	pthread_t t = foreign_thread(ask_on_thread, NULL);
	CHECK(pthread_join(t, NULL) == 0);
	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_NONE) == 0);
	CHECK(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) == ENOTSUP);
	CHECK(pthread_mutexattr_setprotocol(&attr, 99) == EINVAL);
	return ok();
}

/* ---- shared-mutex: between processes ---- */

static pthread_mutex_t *
shared_mutex(int type, int robust)
{
	pthread_mutex_t *m =
		mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;

	CHECK(m != MAP_FAILED && pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_mutexattr_settype(&attr, type) == 0);
	CHECK(pthread_mutexattr_setrobust(&attr, robust) == 0);
	CHECK(pthread_mutex_init(m, &attr) == 0);
	return m;
}

static void
await_child(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void
yield_now(void)
{
	rt_gosched();
}

static int
shared_mutexes(int argc, char **argv)
{
	pthread_mutex_t *m = shared_mutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
	pthread_mutex_t *robust = shared_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);

	(void)argc, (void)argv;
	rt_go(yield_now); /* the child's parent is no program of one thread */
	rt_gosched();
	/* Another process's main is not the owner. */
	CHECK(pthread_mutex_lock(m) == 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(pthread_mutex_trylock(m) != EBUSY);
	await_child(pid);
	CHECK(pthread_mutex_unlock(m) == 0);
	/* Of one that has died it is known. */
	pid = fork();
	if (pid == 0)
		_exit(pthread_mutex_lock(robust));
	await_child(pid);
	CHECK(pthread_mutex_lock(robust) == EOWNERDEAD);
	CHECK(pthread_mutex_consistent(robust) == 0);
	CHECK(pthread_mutex_unlock(robust) == 0);
	return ok();
}

/* ---- main-ends: by pthread_exit, and the others go on ---- */

static int keep; /* main's, since its thread-locals stay */
static _Thread_local int of_main;
static int *of_main_at = &keep;

static void
cleanup(void *text)
{
	puts(text);
}

static void
last_words(void)
{
	puts("atexit");
}

static void *
outlive_main(void *arg)
{
	usleep(20000);
	CHECK(*of_main_at == 42);
	puts(arg);
	return NULL;
}

static void
outlive_main_too(void)
{
	outlive_main("goroutine");
}

static void
wait_for_ever(void)
{
	rt_chan(int) in = rt_chan_make(int, 0);
	int v;

	rt_recv(in, &v);
}

static int
main_ends(int argc, char **argv)
{
	const char *with = argc > 0 ? argv[0] : "";

	atexit(last_words);
	of_main = 42;
	of_main_at = &of_main;
	if (strcmp(with, "thread") == 0)
		pthread_detach(foreign_thread(outlive_main, "thread"));
	if (strcmp(with, "goroutine") == 0)
		rt_go(outlive_main_too);
	if (strcmp(with, "deadlock") == 0)
		rt_go(wait_for_ever);
	pthread_cleanup_push(cleanup, "cleanup");
	pthread_exit(NULL);
	pthread_cleanup_pop(0);
	return 1;
}

/* ---- key: a program that is nothing but main ---- */

static int
delete_key(int argc, char **argv)
{
	pthread_key_t key;

	(void)argc, (void)argv;
	CHECK(pthread_key_create(&key, NULL) == 0);
	CHECK(pthread_setspecific(key, "value") == 0);
	CHECK(pthread_key_delete(key) == 0);
	CHECK(pthread_key_create(&key, NULL) == 0);
	CHECK(pthread_getspecific(key) == NULL);
	return ok();
}

static const struct guest_case cases[] = {
	{"key", delete_key}, {"kill-main", kill_main},           {"kill-goroutine", kill_goroutine},
	{"self", self},      {"shared-mutexes", shared_mutexes}, {"main-ends", main_ends},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

/* SPDX-License-Identifier: MIT */
/* Sleeping and timers, much of it as Go's sleep_test and tick_test ask; test_time.c runs it. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

static uint64_t random_state = 88172645463325252ull;

static uint32_t
random_below(uint32_t n)
{
	uint64_t x = __atomic_add_fetch(&random_state, 0x9e3779b97f4a7c15, __ATOMIC_RELAXED);

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(((x ^ x >> 31) >> 32) * n >> 32);
}

/* ---- the clock ---- */

static int
clock_and_sums(int argc, char **argv)
{
	rt_time t = rt_now();

	(void)argc, (void)argv;
	CHECK(t > 0 && now_ns() >= t);
	CHECK(rt_after(0) >= t && rt_after(RT_HOUR) >= t + RT_HOUR);
	CHECK(rt_after(-RT_HOUR) < t && rt_after(INT64_MIN) < 0);
	CHECK(rt_after(INT64_MAX) == INT64_MAX);
	CHECK(rt_after(INT64_MAX - 1) == INT64_MAX);
	return ok();
}

/* ---- sleep ---- */

static void
sleep_and_tell(rt_duration d, rt_wg *wg)
{
	rt_time t = rt_now();

	CHECK(rt_sleep(d));
	CHECK(rt_now() - t >= d);
	rt_wg_done(wg);
}

/* Not early, not for nothing; many at once take as long as one. */
static int
sleeps(int argc, char **argv)
{
	int n = number(argc, argv, 1000);
	rt_wg wg = RT_WG_INIT;
	rt_time t = rt_now();

	CHECK(rt_sleep(0) && rt_sleep(-1) && rt_sleep(INT64_MIN));
	CHECK(rt_now() - t < RT_SECOND);
	rt_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		rt_go(sleep_and_tell, (rt_duration)random_below(50 * MS), &wg);
	rt_wg_wait(&wg);
	CHECK(rt_now() - t < 10 * RT_SECOND);
	return ok();
}

/* Main alone: no other thread is made. */
static int
sleep_alone(int argc, char **argv)
{
	rt_time t = rt_now();

	(void)argc, (void)argv;
	for (int i = 0; i < 20; i++)
		rt_sleep(100 * RT_MICROSECOND);
	CHECK(rt_now() - t >= 2 * RT_MILLISECOND);
	CHECK(access("/proc/self/task", F_OK) == 0);
	return ok();
}

static void
sleep_for_ever(void)
{
	rt_sleep(INT64_MAX);
}

/* A pending timer is a reason to live: no deadlock is reported, nor after the last one is gone
 * wrongly. */
static int
sleep_then_deadlock(int argc, char **argv)
{
	rt_wg never = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_sleep(5 * RT_MILLISECOND);
	puts("awake");
	fflush(stdout);
	rt_wg_add(&never, 1);
	rt_wg_wait(&never);
	return 0;
}

/* ---- functions ---- */

static int ran;

static void
count_run(void *arg)
{
	ADD(*(int *)arg, 1);
}

static void
hog(int *stop)
{
	while (!GET(*stop))
		;
}

/* In order, also from goroutines that never look, while others keep every P busy. */
static int
after_func(int argc, char **argv)
{
	static rt_timer timers[10];
	int stop = 0;

	for (int i = 0; i < number(argc, argv, 0); i++)
		rt_go(hog, &stop);
	for (int i = 0; i < 10; i++)
		rt_after_func(&timers[i], (10 - i) * RT_MILLISECOND, count_run, &ran);
	while (GET(ran) < 10)
		;
	for (int i = 0; i < 10; i++)
		CHECK(!rt_timer_stop(&timers[i]));
	CHECK(!rt_timer_reset(&timers[0], RT_MILLISECOND));
	while (GET(ran) < 11)
		rt_sleep(RT_MILLISECOND);
	SET(stop, 1);
	return ok();
}

/* A stopped one never runs; stop and reset say what they found. */
static int
stop_func(int argc, char **argv)
{
	rt_timer t = RT_TIMER_INIT;

	(void)argc, (void)argv;
	for (int i = 0; i < 200; i++) {
		int before = GET(ran);
		rt_after_func(&t, random_below(100000), count_run, &ran);
		if (i % 2)
			rt_sleep(random_below(100000));
		bool stopped = rt_timer_stop(&t);
		rt_gosched();
		CHECK(!rt_timer_stop(&t));
		rt_sleep(150 * RT_MICROSECOND);
		if (stopped)
			CHECK(GET(ran) == before);
		else
			YIELD_UNTIL(GET(ran) > before);
	}
	return ok();
}

/* ---- timers that are waited for ---- */

static int
one_shot(int argc, char **argv)
{
	rt_timer t = RT_TIMER_INIT;
	rt_time from = rt_now();

	(void)argc, (void)argv;
	CHECK(!rt_timer_stop(&t));
	CHECK(!rt_timer_reset(&t, RT_MILLISECOND));
	CHECK(rt_timer_wait(&t));
	CHECK(rt_now() - from >= RT_MILLISECOND);
	CHECK(!rt_timer_stop(&t)); /* it was seen */
	/* One that has fired unseen is pending still, and is not seen after a stop or a reset. */
	rt_timer_reset(&t, 0);
	rt_sleep(RT_MILLISECOND);
	CHECK(rt_timer_stop(&t));
	CHECK(!rt_timer_stop(&t));
	rt_timer_reset(&t, -5);
	CHECK(rt_timer_wait(&t));
	rt_timer_reset(&t, 0);
	from = rt_now();
	CHECK(rt_timer_reset(&t, 3 * RT_MILLISECOND));
	CHECK(rt_timer_wait(&t));
	CHECK(rt_now() - from >= 3 * RT_MILLISECOND);
	CHECK(!rt_timer_reset(&t, INT64_MAX));
	CHECK(rt_timer_stop(&t));
	return ok();
}

static int
ticks(int argc, char **argv)
{
	rt_timer t = RT_TIMER_INIT;
	rt_duration d = 2 * RT_MILLISECOND;
	rt_time from = rt_now();

	(void)argc, (void)argv;
	rt_timer_every(&t, d);
	for (int i = 1; i <= 10; i++) {
		CHECK(rt_timer_wait(&t));
		CHECK(rt_now() - from >= i * d);
	}
	/* Those that nobody saw are one, and the beat goes on. */
	rt_sleep(5 * d);
	CHECK(rt_timer_wait(&t));
	rt_time now = rt_now();
	CHECK(rt_timer_wait(&t));
	CHECK(rt_now() - now <= 100 * d && (rt_now() - from) / d >= 16);
	CHECK(rt_timer_every(&t, d / 2));
	CHECK(rt_timer_wait(&t));
	CHECK(rt_timer_stop(&t));
	return ok();
}

static void
wait_and_count(rt_timer *t, int n, int *count, rt_wg *wg)
{
	for (int i = 0; i < n; i++) {
		CHECK(rt_timer_wait(t));
		ADD(*count, 1);
	}
	rt_wg_done(wg);
}

/* Several wait for one timer: each time it fires one of them goes on. */
static int
many_wait(int argc, char **argv)
{
	rt_timer t = RT_TIMER_INIT;
	rt_wg wg = RT_WG_INIT;
	int count = 0;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		rt_go(wait_and_count, &t, 5, &count, &wg);
	rt_sleep(RT_MILLISECOND);
	CHECK(GET(count) == 0);
	for (int i = 1; i <= 5; i++) {
		CHECK(!rt_timer_reset(&t, 0));
		YIELD_UNTIL(GET(count) == i);
	}
	rt_timer_reset(&t, RT_HOUR);
	rt_sleep(RT_MILLISECOND);
	CHECK(GET(count) == 5);
	rt_timer_every(&t, 50 * RT_MICROSECOND); /* earlier than what they wait for */
	rt_wg_wait(&wg);
	CHECK(count == 40);
	rt_timer_stop(&t);
	return ok();
}

/* ---- options ---- */

static int
options(int argc, char **argv)
{
	rt_timer t = RT_TIMER_INIT;
	rt_time from = rt_now();

	(void)argc, (void)argv;
	CHECK(!rt_sleep(RT_HOUR, .deadline = rt_after(2 * RT_MILLISECOND)) && errno == ETIMEDOUT);
	CHECK(rt_now() - from >= 2 * RT_MILLISECOND);
	CHECK(rt_sleep(RT_MILLISECOND, .deadline = rt_after(RT_HOUR)));
	CHECK(rt_sleep(0, .deadline = 1));
	CHECK(!rt_sleep(RT_HOUR, .deadline = 1) && errno == ETIMEDOUT);
	CHECK(!rt_timer_wait(&t, .deadline = rt_after(RT_MILLISECOND)) && errno == ETIMEDOUT);
	rt_timer_reset(&t, RT_HOUR);
	CHECK(!rt_timer_wait(&t, .deadline = rt_after(RT_MILLISECOND)) && errno == ETIMEDOUT);
	CHECK(rt_timer_reset(&t, RT_MILLISECOND));
	CHECK(rt_timer_wait(&t, .deadline = rt_after(RT_HOUR)));
	CHECK(rt_now() - from < RT_HOUR);
	return ok();
}

/* ---- very many ---- */

/* All set, half stopped, a tenth set again: the others run once each. */
static int
million(int argc, char **argv)
{
	int n = number(argc, argv, 1000000), stopped = 0;
	rt_timer *timers = calloc((size_t)n, sizeof *timers);

	CHECK(timers);
	for (int i = 0; i < n; i++)
		rt_after_func(&timers[i], 10 * RT_SECOND + random_below(1000000000), count_run,
			      &ran);
	for (int i = 0; i < n; i += 2)
		stopped += rt_timer_stop(&timers[i]);
	CHECK(stopped == (n + 1) / 2);
	for (int i = 0; i < n; i += 10)
		CHECK(!rt_timer_reset(&timers[i], random_below(100000000)));
	for (int i = 1; i < n; i += 2)
		CHECK(rt_timer_reset(&timers[i], random_below(100000000)));
	int left = n / 2 + (n + 9) / 10;
	while (GET(ran) < left)
		rt_sleep(RT_MILLISECOND);
	rt_sleep(RT_MILLISECOND);
	CHECK(GET(ran) == left);
	return ok();
}

/* ---- storms ---- */

static void
set_and_stop(rt_timer *timers, int n, int rounds, rt_wg *wg)
{
	for (int i = 0; i < rounds; i++) {
		rt_timer *t = &timers[random_below((uint32_t)n)];

		switch (random_below(4)) {
		case 0:
			rt_timer_stop(t);
			break;
		case 1:
			rt_gosched();
			break;
		default:
			rt_timer_reset(t, random_below(300000));
		}
	}
	rt_wg_done(wg);
}

/* Many goroutines set and stop the same timers, some that run functions and some with waiters. */
static int
storm(int argc, char **argv)
{
	static rt_timer funcs[8], waits[8];
	int rounds = number(argc, argv, 5000), count = 0;
	rt_wg setters = RT_WG_INIT, waiters = RT_WG_INIT;

	for (int i = 0; i < 8; i++)
		rt_after_func(&funcs[i], random_below(100000), count_run, &ran);
	rt_wg_add(&setters, 8);
	rt_wg_add(&waiters, 16);
	for (int i = 0; i < 16; i++)
		rt_go(wait_and_count, &waits[i % 8], 20, &count, &waiters);
	for (int i = 0; i < 8; i++)
		rt_go(set_and_stop, i % 2 ? waits : funcs, 8, rounds, &setters);
	rt_wg_wait(&setters);
	for (int i = 0; i < 8; i++) {
		rt_timer_stop(&funcs[i]);
		rt_timer_every(&waits[i], 20 * RT_MICROSECOND);
	}
	int before = GET(ran);
	rt_wg_wait(&waiters);
	CHECK(count == 16 * 20);
	rt_sleep(RT_MILLISECOND);
	before = GET(ran);
	rt_sleep(RT_MILLISECOND);
	CHECK(GET(ran) == before);
	YIELD_UNTIL(rt_num_goroutine() == 1);
	return ok();
}

/* Timers in frames that are left at once. */
static void
short_lived(int rounds, rt_wg *wg)
{
	for (int i = 0; i < rounds; i++) {
		rt_timer t = RT_TIMER_INIT, f = RT_TIMER_INIT;

		rt_after_func(&f, random_below(30000), count_run, &ran);
		rt_timer_reset(&t, random_below(30000));
		if (i % 4)
			rt_timer_wait(&t);
		rt_timer_stop(&f);
		memset(&t, 0xa5, sizeof t);
		memset(&f, 0xa5, sizeof f);
	}
	rt_wg_done(wg);
}

static int
frames(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, 20);
	for (int i = 0; i < 20; i++)
		rt_go(short_lived, number(argc, argv, 500), &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- the number of Ps changes, the world stops ---- */

static int
procs_change(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	int n = number(argc, argv, 2000);

	rt_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		rt_go(sleep_and_tell, (rt_duration)random_below(100 * MS), &wg);
	for (int i = 0; i < 50; i++) {
		rt_gomaxprocs(1 + i % 5);
		rt_sleep(2 * RT_MILLISECOND);
	}
	rt_wg_wait(&wg);
	return ok();
}

/* ---- foreign threads ---- */

static void *
foreign(void *arg)
{
	rt_timer t = RT_TIMER_INIT;
	rt_time from = rt_now();

	CHECK(rt_sleep(2 * RT_MILLISECOND));
	CHECK(rt_now() - from >= 2 * RT_MILLISECOND);
	rt_timer_reset(&t, 2 * RT_MILLISECOND);
	CHECK(rt_timer_wait(&t));
	CHECK(rt_now() - from >= 4 * RT_MILLISECOND);
	rt_after_func(arg, 2 * RT_MILLISECOND, count_run, &ran);
	return NULL;
}

static int
from_threads(int argc, char **argv)
{
	static rt_timer timers[8];
	pthread_t threads[8];
	int stop = 0;

	for (int i = 0; i < number(argc, argv, 0); i++)
		rt_go(hog, &stop);
	for (int i = 0; i < 8; i++)
		CHECK(pthread_create(&threads[i], NULL, foreign, &timers[i]) == 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	while (GET(ran) < 8)
		rt_sleep(RT_MILLISECOND);
	SET(stop, 1);
	return ok();
}

/* ---- fork ---- */

static int
child(rt_timer *func, rt_timer *set)
{
	rt_sleep(30 * RT_MILLISECOND);
	CHECK(GET(ran) == 0); /* the parent's */
	CHECK(rt_timer_wait(set));
	rt_timer_stop(func);
	rt_after_func(func, RT_MILLISECOND, count_run, &ran);
	while (GET(ran) == 0)
		rt_sleep(RT_MILLISECOND);
	return 0;
}

static int
forks(int argc, char **argv)
{
	rt_timer func = RT_TIMER_INIT, set = RT_TIMER_INIT;
	int status;

	(void)argc, (void)argv;
	for (int i = 0; i < 100; i++)
		rt_go(sleep_for_ever);
	rt_after_func(&func, 20 * RT_MILLISECOND, count_run, &ran);
	rt_timer_reset(&set, 10 * RT_MILLISECOND);
	pid_t pid = fork();
	if (pid == 0)
		_exit(child(&func, &set));
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(GET(ran) == 1);
	return ok();
}

/* ---- libc's sleeps ---- */

static void
nothing(int sig)
{
	(void)sig;
	ADD(ran, 1);
}

static void
be_there(rt_wg *wg)
{
	rt_wg_wait(wg);
}

/* A signal for the process ends main's sleep, whoever else there is, and says how much was left. */
static int
signal_ends_sleep(int argc, char **argv)
{
	struct itimerval soon = {.it_value = {.tv_usec = 20000}};
	struct timespec ts = {.tv_sec = 50}, rest = {0};
	struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	rt_wg never = RT_WG_INIT;

	rt_wg_add(&never, 1);
	for (int i = 0; i < number(argc, argv, 0); i++)
		rt_go(be_there, &never);
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	CHECK(nanosleep(&ts, &rest) == -1 && errno == EINTR && GET(ran) == 1);
	CHECK(rest.tv_sec >= 30 && rest.tv_sec < 50);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	CHECK(sleep(50) >= 30 && GET(ran) == 2);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	CHECK(rt_sleep(30 * RT_MILLISECOND) && GET(ran) == 3);
	return ok();
}

static void
sleep_all_ways(rt_wg *wg)
{
	struct timespec ts = {.tv_nsec = 3 * MS}, at;
	rt_time from = rt_now();

	CHECK(nanosleep(&ts, NULL) == 0 && rt_now() - from >= 3 * MS);
	CHECK(usleep(1000) == 0 && rt_now() - from >= 4 * MS);
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL) == 0 && rt_now() - from >= 7 * MS);
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += 2 * MS;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == 0);
	CHECK(rt_now() - from >= 9 * MS);
	clock_gettime(CLOCK_REALTIME, &at);
	CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL) == 0);
	ts.tv_nsec = 1000000000;
	CHECK(nanosleep(&ts, NULL) == -1 && errno == EINVAL);
	ts.tv_nsec = 0;
	ts.tv_sec = -1;
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL) == EINVAL);
	ts.tv_sec = 0;
	CHECK(nanosleep(&ts, NULL) == 0);
	rt_wg_done(wg);
}

/* Many sleep in libc, and take no thread for it. */
static int
libc_sleeps(int argc, char **argv)
{
	int n = number(argc, argv, 500), threads = 0;
	rt_wg wg = RT_WG_INIT;
	char line[256];
	FILE *f;

	rt_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		rt_go(sleep_all_ways, &wg);
	usleep(1000);
	f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		sscanf(line, "Threads: %d", &threads);
	fclose(f);
	CHECK(threads > 0 && threads <= 20);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- how late ---- */

/* A timer of 5 ms beside hogs: its greatest lateness in us, and that of all but a hundredth. */
static int
lateness(int argc, char **argv)
{
	enum { N = 200 };
	static long late[N];
	rt_timer t = RT_TIMER_INIT;
	rt_duration d = 5 * RT_MILLISECOND;
	int stop = 0;

	for (int i = 0; i < number(argc, argv, 4); i++)
		rt_go(hog, &stop);
	for (int i = 0; i < N; i++) {
		rt_time from = rt_now();

		rt_timer_reset(&t, d);
		rt_timer_wait(&t);
		late[i] = (rt_now() - from - d) / 1000;
	}
	SET(stop, 1);
	for (int i = 1; i < N; i++)
		for (int j = i; j > 0 && late[j] < late[j - 1]; j--) {
			long x = late[j];
			late[j] = late[j - 1];
			late[j - 1] = x;
		}
	printf("%ld %ld %ld\n", late[N / 2], late[N - N / 100 - 1], late[N - 1]);
	return ok();
}

static const struct guest_case cases[] = {
	{"clock", clock_and_sums},
	{"sleeps", sleeps},
	{"sleep-alone", sleep_alone},
	{"sleep-then-deadlock", sleep_then_deadlock},
	{"after-func", after_func},
	{"stop-func", stop_func},
	{"one-shot", one_shot},
	{"ticks", ticks},
	{"many-wait", many_wait},
	{"options", options},
	{"million", million},
	{"storm", storm},
	{"frames", frames},
	{"procs-change", procs_change},
	{"from-threads", from_threads},
	{"forks", forks},
	{"signal-ends-sleep", signal_ends_sleep},
	{"libc-sleeps", libc_sleeps},
	{"lateness", lateness},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

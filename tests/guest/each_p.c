/* SPDX-License-Identifier: MIT */
/* A function on every P, as rt_free_os_memory needs it: with goroutines that do not come by the
 * scheduler, in system calls, and with several who ask at once. Looks at Ps from inside. */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "guest.h"
#include "sched/sched_priv.h"

#define WORKERS 3
#define ENDED 30

static int filled, stop;
static int gate[2];
static rt_wg workers;

static void
nothing(void)
{
}

/* Leaves dead goroutines on the P of whoever runs it. */
static void
fill(void)
{
	for (int i = 0; i < ENDED; i++)
		rt_go(nothing);
	for (int i = 0; i < ENDED; i++)
		rt_gosched();
	ADD(filled, 1);
}

static void
hog(void)
{
	fill();
	while (!GET(stop))
		;
	rt_wg_done(&workers);
}

static void
sleeper(void)
{
	char c;

	fill();
	CHECK(read(gate[0], &c, 1) == 1);
	rt_wg_done(&workers);
}

static int
kept(void)
{
	int n = 0;

	for (int i = 0; i < rt__sched.ps->n; i++)
		n += __atomic_load_n(&rt__sched.ps->p[i]->nfree, __ATOMIC_RELAXED);
	return n;
}

static void
start_workers(void (*fn)(void))
{
	rt_wg_add(&workers, WORKERS);
	for (int i = 0; i < WORKERS; i++)
		rt_go(fn);
	/* Preempted ones may have others end later. */
	YIELD_UNTIL(GET(filled) == WORKERS && rt_num_goroutine() == 1 + WORKERS);
}

static int
run_busy(int argc, char **argv)
{
	(void)argc, (void)argv;
	start_workers(hog);
	CHECK(kept() > 0);
	rt_free_os_memory();
	CHECK(kept() == 0);
	SET(stop, 1);
	rt_wg_wait(&workers);
	return ok();
}

static int
run_syscall(int argc, char **argv)
{
	(void)argc, (void)argv;
	CHECK(pipe(gate) == 0);
	start_workers(sleeper);
	rt_free_os_memory();
	CHECK(kept() == 0);
	CHECK(write(gate[1], "abc", WORKERS) == WORKERS);
	rt_wg_wait(&workers);
	return ok();
}

static void *
free_all(void *arg)
{
	for (int i = 0; i < 20; i++)
		rt_free_os_memory();
	return arg;
}

static void
asker(void)
{
	fill();
	free_all(NULL);
	rt_wg_done(&workers);
}

/* From goroutines, from a foreign thread, and while the number of Ps changes. */
static int
run_many(int argc, char **argv)
{

	(void)argc, (void)argv;
	pthread_t t = foreign_thread(free_all, NULL);
	rt_wg_add(&workers, WORKERS);
	for (int i = 0; i < WORKERS; i++)
		rt_go(asker);
	for (int i = 0; i < 20; i++)
		rt_gomaxprocs(1 + i % 4);
	rt_wg_wait(&workers);
	CHECK(pthread_join(t, NULL) == 0);
	return ok();
}

/* ---- who dies while the world is being stopped ---- */

static const volatile int *volatile bad;

/* Called by libc with a FILE's lock: it cannot be stopped. */
static ssize_t
write_and_die(void *cookie, const char *text, size_t n)
{
	(void)cookie, (void)text;
	ADD(filled, 1);
	while (!__atomic_load_n(&rt__sched.stop_reason, __ATOMIC_ACQUIRE))
		;
	return *bad + (ssize_t)n;
}

static void
writer(void)
{
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_and_die});

	CHECK(f && fputs("last words", f) >= 0);
	fflush(f);
}

static int
run_dies(int argc, char **argv)
{
	rt_go(writer);
	YIELD_UNTIL(GET(filled) > 0);
	if (argc > 0 && strcmp(argv[0], "free") == 0)
		rt_free_os_memory();
	else
		rt_gomaxprocs(3);
	return 1;
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {
		{"busy", run_busy},
		{"syscall", run_syscall},
		{"many", run_many},
		{"dies", run_dies},
	};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

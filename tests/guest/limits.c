/* SPDX-License-Identifier: MIT */
/* Limits that are reached while the program runs: it has lowered them itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest.h"

/* Leaves so many KiB of address space. */
static void
leave_room(long kib)
{
	long pages;
	FILE *f = fopen("/proc/self/statm", "re");

	CHECK(f && fscanf(f, "%ld", &pages) == 1);
	fclose(f);
	rlim_t bytes = (rlim_t)(pages * sysconf(_SC_PAGESIZE) + (kib << 10));
	CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes}) == 0);
}

static int arrived;

static void
want_thread(int n, rt_wg *done)
{
	rt_lock_os_thread();
	ADD(arrived, 1);
	YIELD_UNTIL(GET(arrived) >= n);
	rt_unlock_os_thread();
	rt_wg_done(done);
}

/* KIB N: as many threads for goroutines. The goroutines themselves are there before. */
static int
threads(int argc, char **argv)
{
	int n = number(argc - 1, argv + 1, 8);
	rt_wg done = RT_WG_INIT;

	CHECK(argc > 0);
	rt_lock_os_thread(); /* nobody runs until main waits */
	rt_wg_add(&done, n);
	for (int i = 0; i < n; i++)
		rt_go(want_thread, n, &done);
	leave_room(atol(argv[0]));
	rt_wg_wait(&done);
	return ok();
}

static void *
look(void *arg)
{
	CHECK(sigaltstack(NULL, arg) == 0);
	return NULL;
}

/* KIB: a thread of the program's own that there is no room for a signal stack for. */
static int
foreign(int argc, char **argv)
{
	stack_t ss;

	leave_room(number(argc, argv, 1024));
	pthread_t t = foreign_thread(look, &ss);

	CHECK(pthread_join(t, NULL) == 0);
	CHECK(ss.ss_flags & SS_DISABLE);
	return ok();
}

/* BYTES: each thread's signal stack has room for two such frames. */
static int
signal_frame(int argc, char **argv)
{
	size_t frame = (size_t)number(argc, argv, 0);
	stack_t ss;

	look(&ss);
	CHECK(ss.ss_size > 2 * frame);
	pthread_t t = foreign_thread(look, &ss);

	CHECK(pthread_join(t, NULL) == 0);
	CHECK(!(ss.ss_flags & SS_DISABLE) && ss.ss_size > 2 * frame);
	CHECK(raise(SIGURG) == 0);
	return ok();
}

/* Leaves so many KiB of memory that can be written to. The heap has reserved its addresses long
 * before, so a limit of the address space does not keep it from using them. */
static void
leave_memory(long kib)
{
	long used = -1;
	char line[200];
	FILE *f = fopen("/proc/self/status", "re");

	CHECK(f != NULL);
	while (used < 0 && fgets(line, sizeof line, f))
		sscanf(line, "VmData: %ld kB", &used);
	fclose(f);
	CHECK(used >= 0);
	rlim_t bytes = (rlim_t)(used + kib) << 10;
	CHECK(setrlimit(RLIMIT_DATA, &(struct rlimit){bytes, bytes}) == 0);
}

/* malloc says that there is no memory, and all goes on with what is given back. */
static int
heap(int argc, char **argv)
{
	static void *block[4096];
	size_t n = 0;
	rt_wg done = RT_WG_INIT;

	rt_wg_add(&done, 1);
	rt_go(want_thread, 1, &done);
	rt_wg_wait(&done);
	leave_memory(number(argc, argv, 64 << 10));
	while (n < GUEST_LEN(block) && (block[n] = malloc(100000)))
		n++;
	CHECK(n > 0 && n < GUEST_LEN(block) && errno == ENOMEM);
	while (n > 0)
		free(block[--n]);
	rt_wg_add(&done, 1);
	rt_go(want_thread, 1, &done);
	rt_wg_wait(&done);
	return ok();
}

/* No file of ours is a standard descriptor, though some were closed, and few can be open. */
static int
descriptors(int argc, char **argv)
{
	int fd = open("/proc/self/stat", O_RDONLY);

	(void)argc, (void)argv;
	CHECK(fd > 2 || (fd == -1 && errno == EMFILE));
	return ok();
}

static const struct guest_case cases[] = {
	{"threads", threads}, {"foreign", foreign},         {"signal-frame", signal_frame},
	{"heap", heap},       {"descriptors", descriptors},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

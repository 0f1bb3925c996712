/* SPDX-License-Identifier: MIT */
/*
 * Unmodified C that blocks in the kernel, beside goroutines that never call the library.
 *
 * Lateness of a tick is what its goroutine waited for a P after the kernel was ready: n ticks, p50,
 * p99 and the maximum. The hogs count their turns, so that what the ticks take from them shows: the
 * same hogs run as long with a single tick at the end, and loss is how many fewer turns they make
 * for each second of processor time (of all threads: what the runtime uses counts as lost). By
 * the clock on the wall, loss_wall also has the time in which no hog ran, and the neighbours.
 */
#define _GNU_SOURCE
#include "yard.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 5000000
#define TURN 4096 /* steps of a hog between two looks at its count: some 10 us */

struct hog {
	_Alignas(64) long turns;
	uint64_t x;
};

static struct hog *hogs;
static int nhogs;

/* Go's hog: no call and no check; only preemption gets in. */
static void
be_hog(struct hog *me)
{
	uint64_t x = 1;

	for (long turns = 1;; turns++) {
		for (int i = 0; i < TURN && x != 0; i++)
			x = x * 6364136223846793005u + 1442695040888963407u;
		me->x = x;
		__atomic_store_n(&me->turns, turns, __ATOMIC_RELAXED);
	}
}

/* All of them have run: what is measured then is not a machine without hogs. */
static void
start_hogs(int k)
{
	alarm(BENCH_WATCHDOG_S);
	nhogs = k;
	hogs = aligned_alloc(64, (size_t)k * sizeof *hogs);
	bench_check(hogs);
	for (int i = 0; i < k; i++) {
		hogs[i] = (struct hog){0};
		rt_go(be_hog, &hogs[i]);
	}
	for (int i = 0; i < k; i++)
		while (__atomic_load_n(&hogs[i].turns, __ATOMIC_RELAXED) == 0)
			rt_gosched();
}

/* What has been spent, and what the hogs have done with it. */
struct spent {
	int64_t wall_ns, cpu_ns;
	long turns;
};

static struct spent
spent(void)
{
	struct spent s = {bench_wall_ns(), bench_cpu_ns(), 0};

	for (int i = 0; i < nhogs; i++)
		s.turns += __atomic_load_n(&hogs[i].turns, __ATOMIC_RELAXED);
	return s;
}

static struct spent
since(struct spent start)
{
	struct spent now = spent();

	return (struct spent){now.wall_ns - start.wall_ns, now.cpu_ns - start.cpu_ns,
			      now.turns - start.turns};
}

static void
sleep_ns(int64_t ns)
{
	struct timespec ts = {ns / 1000000000, ns % 1000000000};

	nanosleep(&ts, NULL);
}

static struct spent
without_ticks(long n)
{
	struct spent start = spent();

	sleep_ns(n * PERIOD_NS);
	return since(start);
}

static double
loss_percent(long turns, int64_t ns, long turns_before, int64_t ns_before)
{
	return 100 *
		(1 - ((double)turns / (double)ns) / ((double)turns_before / (double)ns_before));
}

static void
report_ticks(int64_t *late, long n, struct spent quiet, struct spent ticks)
{
	struct bench_quantiles q = bench_quantiles(late, n);

	bench_report(n, ticks.wall_ns, ticks.cpu_ns,
		     " late_p50_us=%.1f late_p99_us=%.1f late_max_us=%.1f turns_per_ms=%.1f"
		     " loss=%.2f loss_wall=%.2f",
		     (double)q.p50 / 1e3, (double)q.p99 / 1e3, (double)q.max / 1e3,
		     1e6 * (double)ticks.turns / (double)ticks.wall_ns,
		     loss_percent(ticks.turns, ticks.cpu_ns, quiet.turns, quiet.cpu_ns),
		     loss_percent(ticks.turns, ticks.wall_ns, quiet.turns, quiet.wall_ns));
	free(late);
}

/* ---- preempt: K hogs compete with a 5 ms sleep ---- */

void
preempt(long n, int k)
{
	int64_t *late = bench_alloc(n, sizeof *late);

	start_hogs(k);
	struct spent quiet = without_ticks(n), start = spent();
	for (long i = 0; i < n; i++) {
		int64_t t = bench_wall_ns();

		sleep_ns(PERIOD_NS);
		late[i] = bench_wall_ns() - t - PERIOD_NS;
	}
	report_ticks(late, n, quiet, since(start));
}

/* ---- preemptio: K hogs compete with a reader of a 5 ms timerfd ---- */

void
preemptio(long n, int k)
{
	int64_t *late = bench_alloc(n, sizeof *late);
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t expired;

	bench_check(fd >= 0);
	start_hogs(k);
	struct spent quiet = without_ticks(n), start = spent();
	int64_t due = bench_wall_ns() + PERIOD_NS;
	struct itimerspec its = {{0, PERIOD_NS}, {due / 1000000000, due % 1000000000}};
	bench_check(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) == 0);
	for (long i = 0; i < n;) {
		bench_check(read(fd, &expired, sizeof expired) == sizeof expired);
		int64_t now = bench_wall_ns();

		for (; expired > 0 && i < n; expired--, due += PERIOD_NS)
			late[i++] = now - due;
	}
	report_ticks(late, n, quiet, since(start));
	close(fd);
}

/* ---- sysread: what a system call costs that need not wait, through libc and without ---- */

static inline long
raw_read(int fd, char *byte)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "0"((long)SYS_read), "D"((long)fd), "S"(byte), "d"(1l)
			 : "rcx", "r11", "memory");
	return r;
}

void
sysread(long n, int k)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char byte;

	(void)k;
	bench_check(fd >= 0);
	int64_t wall = bench_wall_ns(), cpu = bench_cpu_ns();
	for (long i = 0; i < n; i++)
		bench_check(read(fd, &byte, 1) == 1);
	wall = bench_wall_ns() - wall;
	cpu = bench_cpu_ns() - cpu;
	int64_t raw = bench_wall_ns();
	for (long i = 0; i < n; i++)
		bench_check(raw_read(fd, &byte) == 1);
	raw = bench_wall_ns() - raw;
	bench_report(n, wall, cpu, " raw_ns=%.2f", (double)raw / (double)n);
	close(fd);
}

/* ---- pipeblk: round trips over two blocking pipes; each wait blocks in the kernel ---- */

static void
echo(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
		;
}

void
pipeblk(long n, int k)
{
	int there[2], back[2];
	char byte = 0;

	(void)k;
	alarm(BENCH_WATCHDOG_S);
	bench_check(pipe2(there, O_CLOEXEC) == 0 && pipe2(back, O_CLOEXEC) == 0);
	rt_go(echo, there[0], back[1]);
	bench_begin();
	for (long i = 0; i < n; i++)
		bench_check(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1);
	bench_end(n);
}

/* SPDX-License-Identifier: MIT */
/*
 * Unmodified C that blocks in the kernel, beside goroutines that never call the library.
 *
 * Lateness of a tick is what its goroutine waited for a P after the kernel was ready: n ticks, p50,
 * p99 and the maximum. The hogs count their turns, so that what the ticks take from them shows: in
 * between, they run as long with a single tick at the end, and loss is how many percent fewer turns
 * they make for each second of processor time (of all threads: what the runtime uses counts as
 * lost). By the clock on the wall, loss_wall also has the time in which no hog ran, and the
 * neighbours.
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
#define SEGMENTS 10
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

/* How many fewer turns, in millionths. */
static int64_t
loss(long turns, int64_t ns, long quiet_turns, int64_t quiet_ns)
{
	double rate = (double)turns / (double)ns;

	return (int64_t)(1e6 * (1 - rate * (double)quiet_ns / (double)quiet_turns));
}

/* Ticks and quiet in turn, so that both see the same machine; the loss is the median of the pairs'
 * own. tick() notes the lateness of n ticks. */
static void
measure(long n, void (*tick)(int64_t *late, long n))
{
	int64_t *late = bench_alloc(n, sizeof *late), lost[SEGMENTS], lost_wall[SEGMENTS];
	long segments = n < SEGMENTS ? n : SEGMENTS, at = 0;
	struct spent all = {0};

	for (long i = 0; i < segments; i++) {
		long part = (n - at) / (segments - i);
		struct spent quiet = without_ticks(part), start = spent();

		tick(late + at, part);
		struct spent s = since(start);
		lost[i] = loss(s.turns, s.cpu_ns, quiet.turns, quiet.cpu_ns);
		lost_wall[i] = loss(s.turns, s.wall_ns, quiet.turns, quiet.wall_ns);
		all.wall_ns += s.wall_ns;
		all.cpu_ns += s.cpu_ns;
		all.turns += s.turns;
		at += part;
	}
	struct bench_quantiles q = bench_quantiles(late, n);
	bench_report(n, all.wall_ns, all.cpu_ns,
		     " late_p50_us=%.1f late_p99_us=%.1f late_max_us=%.1f turns_per_ms=%.1f"
		     " loss=%.2f loss_wall=%.2f",
		     (double)q.p50 / 1e3, (double)q.p99 / 1e3, (double)q.max / 1e3,
		     1e6 * (double)all.turns / (double)all.wall_ns,
		     (double)bench_quantiles(lost, segments).p50 / 1e4,
		     (double)bench_quantiles(lost_wall, segments).p50 / 1e4);
	free(late);
}

/* ---- preempt: K hogs compete with a 5 ms sleep ---- */

static void
sleeps(int64_t *late, long n)
{
	for (long i = 0; i < n; i++) {
		int64_t t = bench_wall_ns();

		sleep_ns(PERIOD_NS);
		late[i] = bench_wall_ns() - t - PERIOD_NS;
	}
}

void
preempt(long n, int k)
{
	start_hogs(k);
	measure(n, sleeps);
}

/* ---- preemptio: K hogs compete with a reader of a 5 ms timerfd ---- */

static void
timer_reads(int64_t *late, long n)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int64_t due = bench_wall_ns() + PERIOD_NS;
	struct itimerspec its = {{0, PERIOD_NS}, {due / 1000000000, due % 1000000000}};
	uint64_t expired;

	bench_check(fd >= 0 && timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) == 0);
	for (long i = 0; i < n;) {
		bench_check(read(fd, &expired, sizeof expired) == sizeof expired);
		int64_t now = bench_wall_ns();

		for (; expired > 0 && i < n; expired--, due += PERIOD_NS)
			late[i++] = now - due;
	}
	close(fd);
}

void
preemptio(long n, int k)
{
	start_hogs(k);
	measure(n, timer_reads);
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

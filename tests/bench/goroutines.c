/* SPDX-License-Identifier: MIT */
/*
 * Goroutines that start, end, wait for each other and give way. Where the yardstick passes a value
 * through a channel, these store it and call rt_wg_done: one goroutine is woken for it, as there.
 */
#include "yard.h"

#define FANOUT_MAX 64

/* ---- yield: K goroutines call rt_gosched N times each ---- */

static void
yielder(long n, rt_wg *gate, rt_wg *finished)
{
	rt_wg_wait(gate);
	for (long i = 0; i < n; i++)
		rt_gosched();
	rt_wg_done(finished);
}

void
yield(long n, int k)
{
	rt_wg gate = RT_WG_INIT, finished = RT_WG_INIT;

	rt_wg_add(&gate, 1);
	rt_wg_add(&finished, k);
	for (int i = 0; i < k; i++)
		rt_go(yielder, n, &gate, &finished);
	bench_begin();
	rt_wg_done(&gate);
	rt_wg_wait(&finished);
	bench_end(n * k);
}

/* ---- spawn: N goroutines that do nothing, joined in batches of K ---- */

void
spawn(long n, int k)
{
	rt_wg wg = RT_WG_INIT;
	long spawned = 0;

	bench_begin();
	while (spawned < n) {
		rt_wg_add(&wg, k);
		for (int i = 0; i < k; i++)
			rt_go(rt_wg_done, &wg);
		rt_wg_wait(&wg);
		spawned += k;
	}
	bench_end(spawned);
}

/* ---- skynet: a tree of goroutines with N leaves; each adds up what its K children found ---- */

static int fanout;

static void
node(long number, long size, long *result, rt_wg *parent)
{
	long parts[fanout], sum = 0, sub = size / fanout;
	rt_wg children = RT_WG_INIT;

	if (size == 1) {
		*result = number;
		rt_wg_done(parent);
		return;
	}
	rt_wg_add(&children, fanout);
	for (int i = 0; i < fanout; i++)
		rt_go(node, number + i * sub, sub, &parts[i], &children);
	rt_wg_wait(&children);
	for (int i = 0; i < fanout; i++)
		sum += parts[i];
	*result = sum;
	rt_wg_done(parent);
}

void
skynet(long n, int k)
{
	rt_wg root = RT_WG_INIT;
	long result = -1;

	bench_check(k > 1 && k <= FANOUT_MAX);
	fanout = k;
	rt_wg_add(&root, 1);
	bench_begin();
	rt_go(node, 0l, n, &result, &root);
	rt_wg_wait(&root);
	bench_end(n);
	bench_check(result == n * (n - 1) / 2);
}

/* ---- fib: fork and join, a goroutine for one of the two calls ---- */

static long fork_join(long n);

static void
forked(long n, long *result, rt_wg *wg)
{
	*result = fork_join(n);
	rt_wg_done(wg);
}

static long
fork_join(long n)
{
	rt_wg wg = RT_WG_INIT;
	long x = 0, y;

	if (n < 2)
		return n;
	rt_wg_add(&wg, 1);
	rt_go(forked, n - 1, &x, &wg);
	y = fork_join(n - 2);
	rt_wg_wait(&wg);
	return x + y;
}

void
fib(long n, int k)
{
	long a = 0, b = 1; /* fib(n) and fib(n + 1); calls with n >= 2 start one goroutine each */

	(void)k;
	for (long i = 0; i < n; i++) {
		long next = a + b;

		a = b;
		b = next;
	}
	bench_check(n >= 2);
	bench_begin();
	long result = fork_join(n);
	bench_end(b - 1);
	bench_check(result == a);
}

/* ---- parked: N goroutines that wait; memory, creation, and all of them woken at once ---- */

static long arrived;

static void
parker(rt_wg *gate, rt_wg *finished)
{
	__atomic_add_fetch(&arrived, 1, __ATOMIC_RELAXED);
	rt_wg_wait(gate);
	rt_wg_done(finished);
}

void
parked(long n, int k)
{
	rt_wg gate = RT_WG_INIT, finished = RT_WG_INIT;
	long rss = bench_status_kb("VmRSS"), pte = bench_status_kb("VmPTE");

	(void)k;
	bench_check(n <= INT32_MAX);
	rt_wg_add(&gate, 1);
	rt_wg_add(&finished, (int)n);
	int64_t wall = bench_wall_ns(), cpu = bench_cpu_ns();
	for (long i = 0; i < n; i++)
		rt_go(parker, &gate, &finished);
	while (__atomic_load_n(&arrived, __ATOMIC_RELAXED) < n)
		rt_gosched();
	wall = bench_wall_ns() - wall;
	cpu = bench_cpu_ns() - cpu;
	rss = bench_status_kb("VmRSS") - rss;
	pte = bench_status_kb("VmPTE") - pte;
	int64_t wake = bench_wall_ns();
	rt_wg_done(&gate);
	rt_wg_wait(&finished);
	wake = bench_wall_ns() - wake;
	double each = 1 / (double)n;
	bench_report(n, wall, cpu, " rss_b=%.0f pte_b=%.0f wake_ns=%.1f", 1024 * (double)rss * each,
		     1024 * (double)pte * each, (double)wake * each);
}

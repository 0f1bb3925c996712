/* SPDX-License-Identifier: MIT */
/* Timers: sleeping goroutines, and timers that are set and taken back. */
#include "yard.h"

/* ---- timers: N goroutines sleep a random 1 to K ms once; an op is one of them ---- */

static void
sleeper(rt_duration d, int64_t *late, rt_wg *wg)
{
	rt_time from = rt_now();

	rt_sleep(d);
	*late = rt_now() - from - d;
	rt_wg_done(wg);
}

/* splitmix64 */
static uint64_t
draw(uint64_t *state, uint64_t n)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (x ^ x >> 31) % n;
}

void
timers(long n, int k)
{
	int64_t *late = bench_alloc(n, sizeof *late);
	rt_wg wg = RT_WG_INIT;
	uint64_t state = 1;

	bench_check(k > 1);
	bench_begin();
	int64_t wall = bench_wall_ns(), cpu = bench_cpu_ns();
	for (long i = 0; i < n; i++) {
		rt_wg_add(&wg, 1);
		rt_duration d = RT_MILLISECOND +
			(rt_duration)draw(&state, (uint64_t)(k - 1) * RT_MILLISECOND);
		rt_go(sleeper, d, &late[i], &wg);
	}
	rt_wg_wait(&wg);
	wall = bench_wall_ns() - wall;
	cpu = bench_cpu_ns() - cpu;
	struct bench_quantiles q = bench_quantiles(late, n);
	bench_report(
		n, cpu, cpu, " late_p50_us=%.1f late_p99_us=%.1f late_max_us=%.1f wall_ms=%.0f",
		(double)q.p50 / 1e3, (double)q.p99 / 1e3, (double)q.max / 1e3, (double)wall / 1e6);
}

/* ---- timeouts: a timer far away is set and stopped, beside K others that stay ---- */

void
timeouts(long n, int k)
{
	rt_timer *others = bench_alloc(k, sizeof *others);
	rt_timer t = RT_TIMER_INIT;

	for (int i = 0; i < k; i++)
		rt_after_func(&others[i], RT_HOUR, (void (*)(void *))rt_wg_done, NULL);
	bench_begin();
	for (long i = 0; i < n; i++) {
		rt_after_func(&t, 10 * RT_SECOND, (void (*)(void *))rt_wg_done, NULL);
		bench_check(rt_timer_stop(&t));
	}
	bench_end(n);
}

/* SPDX-License-Identifier: MIT */
/*
 * yard BENCH N [P] [K]: the twins of the scheduler's yardsticks (../shared/yardsticks/sched), with
 * nothing but what rt/rt.h offers every program. Names, arguments and what counts as one op are
 * theirs; tools/bench runs both in turn and prints the ratio.
 */
#include "bench.h"

/* ---- yield: K goroutines call rt_gosched N times each ---- */

static void
yielder(long n, rt_wg *gate, rt_wg *finished)
{
	rt_wg_wait(gate);
	for (long i = 0; i < n; i++)
		rt_gosched();
	rt_wg_done(finished);
}

static void
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

static void
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

static const struct bench benches[] = {
	{"yield", 2, yield, "one rt_gosched; K goroutines, N each"},
	{"spawn", 1000, spawn, "one goroutine started and ended; joined in batches of K"},
	{0},
};

int
main(int argc, char **argv)
{
	return bench_main(argc, argv, benches);
}

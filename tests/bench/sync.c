/* SPDX-License-Identifier: MIT */
/* What goroutines use to keep out of each other's way. */
#include "yard.h"

/* ---- mutex: K goroutines share N turns at one mutex ---- */

static void
locker(rt_mutex *m, long turns, volatile long *count)
{
	for (long i = 0; i < turns; i++) {
		rt_mutex_lock(m);
		++*count;
		rt_mutex_unlock(m);
	}
}

void
mutex(long n, int k)
{
	rt_mutex m = RT_MUTEX_INIT;
	rt_wg wg = RT_WG_INIT;
	volatile long count = 0;

	bench_begin();
	for (int i = 0; i < k; i++)
		rt_wg_go(&wg, locker, &m, n / k, &count);
	rt_wg_wait(&wg);
	bench_end(n / k * k);
	bench_check(count == n / k * k);
}

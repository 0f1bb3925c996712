/* SPDX-License-Identifier: MIT */
/*
 * Giving memory back to the kernel. In the background, sysmon has this done by periods of a second:
 * units that were free for all of one are due in the next, a little at a time. What a cache's shelf
 * has not needed for a period goes to its spans, and so do the caches of foreign threads that have
 * ended: blocks kept there keep whole spans from being free.
 *
 * And when there is a limit, $RTMEMLIMIT or the cgroup's: before the heap takes more than that,
 * what is free goes first. As Go's, it is soft: a program that needs more gets more.
 */
#include "mem/heap.h"
#include "mem/mem.h"

#define PERIOD_NS 1000000000l
#define PACE_NS 10000000l
#define PACE_UNITS 512u /* 32 MiB in one go: a millisecond or three */

#define ASK_CGROUP 512u /* units, 32 MiB: a smaller heap does not care */

static struct {
	int64_t period_end, pace_end; /* sysmon's */
	bool more;
} scavenge;

static void
start_period(int64_t now)
{
	rt__caches_trim();
	rt__central_trim(false);
	rt__lock(&rt__heap.lock);
	rt__units_age();
	rt__unlock(&rt__heap.lock);
	scavenge.period_end = now + PERIOD_NS;
	scavenge.more = true;
}

int64_t
rt__scavenge_tick(int64_t now)
{
	if (rt__load_rlx(&rt__heap.size) == 0)
		return 0;
	if (now >= scavenge.period_end)
		start_period(now);
	if (scavenge.more && now >= scavenge.pace_end) {
		rt__lock(&rt__heap.lock);
		scavenge.more = rt__units_release(PACE_UNITS, false) >= PACE_UNITS;
		rt__unlock(&rt__heap.lock);
		scavenge.pace_end = now + PACE_NS;
	}
	if (scavenge.more)
		return PACE_NS;
	return rt__load_rlx(&rt__heap.dirty) > 0 ? scavenge.period_end - now : 0;
}

void
rt__scavenge_all(void)
{
	rt__caches_trim();
	rt__central_trim(true);
	rt__lock(&rt__heap.lock);
	rt__units_release(SIZE_MAX, true);
	rt__unlock(&rt__heap.lock);
}

/* ---- the limit ---- */

static void
set_limit(size_t bytes)
{
	rt__heap.limit = bytes ? bytes / RT_UNIT : SIZE_MAX;
	rt__heap.limit_known = true;
}

void
rt__mem_set_limit(size_t bytes)
{
	set_limit(bytes);
}

void
rt__limit_find(void)
{
	if (!rt__heap.limit_known && rt__heap.used + rt__heap.dirty > ASK_CGROUP)
		set_limit(rt__cgroup_memory());
}

void
rt__limit_keep(size_t units)
{
	size_t over = rt__heap.used + rt__heap.dirty + units - rt__heap.limit;

	rt__units_release(over < rt__heap.dirty ? over : rt__heap.dirty, true);
}

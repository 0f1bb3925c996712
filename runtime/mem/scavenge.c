/* SPDX-License-Identifier: MIT */
/*
 * Giving memory back to the kernel. By periods of a second: units that were free for all of one
 * are due in the next, a little at a time. While more is free than a sixteenth of what is in use,
 * they are due after 20 to 40 ms, until it is no more than that: a second is long for who allocates
 * gigabytes in one, and who needs the same units again and again does so in less.
 *
 * Blocks that somebody keeps at hand keep whole spans from being free. So what a cache's shelf has
 * not needed for a period goes to its spans, as do the caches of foreign threads that have ended.
 * A cache itself belongs to its thread, which looks once in a period which classes it does not use
 * (cache.c). Of spans that stay, memory goes by pages (sparse.c).
 *
 * Two periods after something was freed last there is nothing left to do, whatever is free still:
 * an idle program is left alone.
 *
 * sysmon has this done in the background. It starts with the second goroutine; before that, who
 * frees does it (rt__scavenge_poll), now and then where free is slow anyway. Who comes while
 * another is at it leaves it alone.
 *
 * And when there is a limit, $RTMEMLIMIT or the cgroup's: before the heap takes more than that,
 * what is free goes first: units, and when those are not enough, pages of spans. As Go's, it is
 * soft: a program that needs more gets more.
 *
 * Rejected: giving back at once what goes over a bound. Who fills a heap and empties it, again and
 * again, would pay for the faults each time: 35 us for a unit.
 */
#include "mem/heap.h"
#include "mem/mem.h"

#define PERIOD_NS 1000000000l
#define PERIODS 2 /* after the one in which something was freed, until that is gone */
#define HASTY_PERIOD_NS 20000000l
#define KEPT_PART 16       /* no haste while no more than one in so many units */
#define KEPT_MIN 128u      /* ... or so many are free: 8 MiB */
#define DIRTY_MAX (1024ul) /* units, 64 MiB, that may be free where less is in use */

/* At the limit: a little more than is needed, in units, since that may take a look at many spans,
 * though not at all at once; and when they had not so much, not again for so many times as long as
 * that took. */
#define SPARE 16u
#define MOST_CHUNKS 1024u
#define IN_VAIN 9

/* In one go, and how often: for sysmon, 32 MiB, a millisecond or three; less for who frees. */
#define PACE_NS 10000000l
#define PACE_UNITS 512u
#define POLL_PACE_NS 1000000l
#define POLL_PACE_UNITS 32u
#define PACE_SPARSE 32u /* units, for each chunk that spans are looked at in */

static struct {
	bool busy;   /* (a) somebody is at it, whose the rest is */
	bool driven; /* (a) by sysmon */
	int64_t period_end, hasty_end, pace_end;
	size_t quota;       /* units that are still to go in this period, if they are due */
	int periods;        /* (a) until there is nothing to do, if nothing is freed meanwhile */
	int64_t relief_end; /* (a) for the limit, not before that */
} scavenge;

/* Units that are free beyond what may be without haste. */
static size_t
excess(void)
{
	size_t used = rt__load_rlx(&rt__heap.used), dirty = rt__load_rlx(&rt__heap.dirty);
	size_t kept = used / KEPT_PART > KEPT_MIN ? used / KEPT_PART : KEPT_MIN;

	return dirty > kept ? dirty - kept : 0;
}

/* In a large heap, to look at all spans takes more than one. */
static void
count_periods(void)
{
	bool looking = rt__sparse_step(0);

	if (rt__load_rlx(&rt__heap.freed))
		rt__store_rlx(&scavenge.periods, PERIODS);
	else if (scavenge.periods > 0 && !looking)
		rt__store_rlx(&scavenge.periods, scavenge.periods - 1);
	rt__store_rlx(&rt__heap.freed, false);
	if (!looking && scavenge.periods > 0)
		rt__sparse_begin();
}

static void
start_period(int64_t now)
{
	scavenge.quota = excess();
	if (now >= scavenge.period_end) {
		rt__store_rlx(&rt__heap.period, rt__heap.period + 1);
		rt__caches_trim();
		rt__central_trim(false);
		scavenge.period_end = now + PERIOD_NS;
		scavenge.quota = SIZE_MAX;
		count_periods();
	}
	rt__lock(&rt__heap.lock);
	rt__units_age();
	rt__unlock(&rt__heap.lock);
	scavenge.hasty_end = now + HASTY_PERIOD_NS;
}

/* A bit of what there is to do: whether there is more. */
static bool
step(int64_t now, uint32_t pace_units, int64_t pace_ns)
{
	if (now >= scavenge.period_end || (now >= scavenge.hasty_end && excess() > 0))
		start_period(now);
	bool looking = rt__sparse_step(0), more = scavenge.quota > 0 || looking;
	if (!more || now < scavenge.pace_end)
		return more;
	looking = rt__sparse_step(pace_units / PACE_SPARSE);
	if (scavenge.quota > 0) {
		size_t want = scavenge.quota < pace_units ? scavenge.quota : pace_units;
		rt__lock(&rt__heap.lock);
		size_t gone = rt__units_release(want, false);
		rt__unlock(&rt__heap.lock);
		scavenge.quota = gone >= want && gone < scavenge.quota ? scavenge.quota - gone : 0;
	}
	scavenge.pace_end = now + pace_ns;
	return scavenge.quota > 0 || looking;
}

static bool
nothing_to_do(void)
{
	return !rt__load_rlx(&rt__heap.freed) && rt__load_rlx(&scavenge.periods) == 0;
}

/* Pairs with each other. */
static bool
begin(void)
{
	return !rt__xchg_acq(&scavenge.busy, true);
}

static void
end(void)
{
	rt__store_rel(&scavenge.busy, false);
}

void
rt__scavenge_hold(void)
{
	while (!begin())
		rt__os_yield();
}

void
rt__scavenge_let_go(void)
{
	end();
}

int64_t
rt__scavenge_tick(int64_t now)
{
	if (rt__load_rlx(&rt__heap.size) == 0)
		return 0;
	rt__store_rlx(&scavenge.driven, true);
	if (!begin())
		return PACE_NS;
	bool more = step(now, PACE_UNITS, PACE_NS);
	int64_t left = scavenge.period_end - now;
	end();
	if (more)
		return PACE_NS;
	return nothing_to_do() ? 0 : left;
}

void
rt__dirty_trim(void)
{
	struct rt__heap *h = &rt__heap;
	size_t keep = h->used > DIRTY_MAX ? h->used : DIRTY_MAX;

	if (h->dirty > keep)
		rt__units_release(h->dirty - keep / 2, true);
}

void
rt__scavenge_poll(void)
{
	if (rt__load_rlx(&scavenge.driven) || nothing_to_do() || !begin())
		return;
	step(rt__nanotime(), POLL_PACE_UNITS, POLL_PACE_NS);
	rt__lock(&rt__heap.lock);
	rt__dirty_trim();
	rt__unlock(&rt__heap.lock);
	end();
}

void
rt__scavenge_forget(void)
{
	scavenge.driven = scavenge.busy = false;
}

/* Until spans need no more than so many units, or by so many chunks: also what shelves have. */
static void
trim_to(size_t units, uint32_t most)
{
	rt__caches_trim();
	rt__central_trim(true);
	rt__sparse_to(units, most);
}

void
rt__scavenge_all(void)
{
	rt__heap_enter();
	trim_to(0, UINT32_MAX);
	rt__lock(&rt__heap.lock);
	rt__units_release(SIZE_MAX, true);
	rt__unlock(&rt__heap.lock);
	rt__heap_leave();
}

/* ---- the limit ---- */

void
rt__mem_set_limit(size_t bytes)
{
	rt__heap.limit = bytes ? bytes / RT_UNIT : SIZE_MAX;
	rt__store_rel(&rt__heap.limit_known, true); /* for rt__limit_relieve */
}

void
rt__limit_keep(size_t units)
{
	const struct rt__heap *h = &rt__heap;
	size_t all = rt__heap_needed() + h->dirty + units;

	if (rt__likely(!h->limit_known || all <= h->limit))
		return;
	size_t over = all - h->limit;
	rt__units_release(over < h->dirty ? over : h->dirty, true);
}

void
rt__limit_relieve(size_t size)
{
	const struct rt__heap *h = &rt__heap;
	size_t units = size / RT_UNIT, want = units + SPARE;

	if (rt__likely(!rt__load_acq(&h->limit_known) || rt__heap_needed() + units <= h->limit))
		return;
	int64_t now = rt__nanotime();
	if (now < rt__load_rlx(&scavenge.relief_end) || !begin())
		return;
	size_t target = want < h->limit ? h->limit - want : 0;
	trim_to(target, MOST_CHUNKS);
	int64_t then = rt__nanotime();
	if (rt__heap_needed() > target)
		rt__store_rlx(&scavenge.relief_end, then + IN_VAIN * (then - now));
	end();
}

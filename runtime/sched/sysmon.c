/* SPDX-License-Identifier: MIT */
/*
 * The monitor thread: an M without a P. It sleeps 20 us at first, after 50 rounds without news
 * twice as long each time, up to 10 ms; while all Ps are idle, until somebody takes one.
 *
 * What it does: a P that has been in one time slice for 10 ms is asked to end it. Goroutines that
 * ready each other in turn share a slice through the P's next slot, and would otherwise keep it
 * for themselves for good.
 */
#include "sched/sched_priv.h"

#define SLEEP_MIN_NS 20000
#define SLEEP_MAX_NS 10000000
#define SLICE_NS 10000000
#define IDLE_ROUNDS 50

/* How many slices were found too long. */
static int
retake(int64_t now)
{
	struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	int n = 0;

	for (int32_t i = 0; i < ps->n; i++) {
		struct rt__p *pp = ps->p[i];
		uint32_t tick = rt__load_rlx(&pp->sched_tick);

		if (rt__load_rlx(&pp->status) != RT_P_RUNNING)
			continue;
		if (pp->sysmon_tick != tick) {
			pp->sysmon_tick = tick;
			pp->sysmon_when = now;
		} else if (now - pp->sysmon_when >= SLICE_NS) {
			rt__store_rlx(&pp->preempt, true);
			n++;
		}
	}
	return n;
}

static bool
nothing_to_watch(void)
{
	return rt__load_rlx(&rt__sched.npidle) == rt__load_acq(&rt__sched.ps)->n ||
		rt__load_rlx(&rt__sched.gcwaiting);
}

static void
sleep_until_needed(void)
{
	rt__lock(&rt__sched.lock);
	bool sleep = nothing_to_watch();
	if (sleep) {
		rt__note_clear(&rt__sched.sysmonnote);
		rt__store_rlx(&rt__sched.sysmonwait, 1u);
	}
	rt__unlock(&rt__sched.lock);
	if (sleep)
		rt__note_sleep(&rt__sched.sysmonnote);
}

static void
sysmon(void)
{
	int64_t delay = SLEEP_MIN_NS;
	int idle = 0;

	for (;;) {
		if (idle == 0)
			delay = SLEEP_MIN_NS;
		else if (idle > IDLE_ROUNDS && delay < SLEEP_MAX_NS)
			delay = delay * 2 < SLEEP_MAX_NS ? delay * 2 : SLEEP_MAX_NS;
		rt__os_sleep(delay);
		if (nothing_to_watch()) {
			sleep_until_needed();
			idle = 0;
		}
		idle = retake(rt__nanotime()) ? 0 : idle + 1;
	}
}

void
rt__sysmon_start(void)
{
	rt__lock(&rt__sched.lock);
	rt__sched.nmsys++;
	rt__unlock(&rt__sched.lock);
	rt__newm(sysmon, NULL, false);
}

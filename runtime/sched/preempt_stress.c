/* SPDX-License-Identifier: MIT */
/*
 * RTDEBUG=preemptstress=US: preemption requests to running Ps drawn at random, at random times US
 * microseconds apart on average, whether or not anybody waits. What is safe only between certain
 * instructions fails under it within seconds, not once in a month of slices of 10 ms.
 *
 * It has a thread of its own, an M without a P like sysmon. On sysmon's it would change what it is
 * to test: sysmon's rounds, which take Ps out of system calls and back off while nothing happens,
 * would come at the rhythm of the requests; and requests of two senders could not meet.
 *
 * Where preemption is off (asyncpreemptoff, or the order of a seed) there is no such thread.
 */
#include "sched/sched_priv.h"

/* From 1 ns to twice the interval. */
static int64_t
next_ns(struct rt__m *mp)
{
	return 1 + (int64_t)rt__m_rand(mp) % (2000ll * rt__debug.preemptstress);
}

static void
preempt_any(struct rt__m *mp)
{
	struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	struct rt__p *pp = ps->p[rt__m_rand(mp) % (uint32_t)ps->n];

	if (rt__load_rlx(&pp->status) == RT_P_RUNNING)
		rt__preempt_one(pp);
}

static void
stress(void)
{
	struct rt__m *mp = rt__getm();

	rt__os_precise_sleep(true);
	for (;;) {
		rt__os_sleep(next_ns(mp));
		preempt_any(mp);
	}
}

void
rt__preempt_stress_start(void)
{
	if (rt__debug.preemptstress > 0 && !rt__debug.asyncpreemptoff)
		rt__new_monitor(stress);
}

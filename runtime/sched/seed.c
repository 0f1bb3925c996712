/* SPDX-License-Identifier: MIT */
/*
 * RTDEBUG=schedseed=N: which of the runnable goroutines comes next is drawn from the seed N, each
 * with the same probability. Every schedule that the program's switches allow has a seed, and with
 * one P, which is the default then, a seed always gives the same one: what was found can be
 * replayed. The model is the systematic testing of Pony's runtime.
 *
 * It is one place: the global queue is the set to draw from, and what was put on the local queue
 * since the last time moves there first. So nothing changes for those who queue, nobody has a next
 * slot, and it does not matter in which order goroutines came, but for what a seed means. Two
 * others draw: rt_go, whether its goroutine comes before the caller goes on, as it may on another
 * P, and select, which of the cases that are ready it takes. Without a seed it costs nothing:
 * find_near and second_goroutine are out of the usual way.
 *
 * What is not replayed: what the program asks of the kernel. A P that was in a long system call is
 * taken from it when the clock says so. Preemption by signal is off for that reason, unless
 * asyncpreemptoff=0 asks for it. With several Ps the order is shuffled still, but the kernel has
 * a say in it.
 *
 * Rejected: drawing in ready, newproc and gosched, from where to queue: three places, and some
 * orders come up a thousand times as often as others; a list of the decisions in place of a seed,
 * which a search of all schedules would need.
 */
#include <rt/rt.h>

#include "sched/sched_priv.h"

static uint64_t state; /* sched.lock; 0: nothing was drawn yet */

/* splitmix64: neighbours among seeds are as different as any. With sched.lock. */
static uint32_t
draw(uint32_t n)
{
	if (state == 0)
		state = (uint64_t)rt__debug.schedseed << 32;
	uint64_t x = state += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	x ^= x >> 31;
	return (uint32_t)((x >> 32) * n >> 32);
}

struct rt__g *
rt__seeded_get(struct rt__p *pp)
{
	struct rt__g *gp;
	bool inherit;

	rt__store_rlx(&pp->preempt, false);
	rt__store_rlx(&pp->urgent, false);
	pp->global_tick = pp->sched_tick; /* no local turns: see only_local */
	rt__lock(&rt__sched.lock);
	while ((gp = rt__runq_get(&pp->runq, &inherit)) != NULL)
		rt__gd_push_back(&rt__sched.runq, &gp, 1);
	if (rt__sched.runq.n > 0) {
		rt__gd_swap_front(&rt__sched.runq, (int32_t)draw((uint32_t)rt__sched.runq.n));
		gp = rt__globrunq_pop();
	}
	rt__unlock(&rt__sched.lock);
	return gp;
}

void
rt__seeded_yield(void)
{
	if (!rt__may_park(rt__getm()))
		return;
	rt__lock(&rt__sched.lock);
	bool yield = draw(2) != 0;
	rt__unlock(&rt__sched.lock);
	if (yield)
		rt_gosched();
}

uint32_t
rt__random_below(uint32_t n)
{
	if (rt__likely(!rt__seeded()))
		return (uint32_t)((uint64_t)rt__m_rand(rt__getm()) * n >> 32);
	rt__lock(&rt__sched.lock);
	uint32_t x = draw(n);
	rt__unlock(&rt__sched.lock);
	return x;
}

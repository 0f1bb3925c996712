/* SPDX-License-Identifier: MIT */
/*
 * Work stealing: each thief visits all Ps in an order of its own, start + k * step modulo their
 * number with a step coprime to it, so that every P comes up once and no two thieves follow each
 * other. Four rounds; only the last one takes next slots, which are cheapest where they are. After
 * that come timers that are due.
 */
#include "sched/sched_priv.h"

#define ROUNDS 4

static struct rt__g *
steal_round(struct rt__p *pp, const struct rt__ps *ps, bool take_next)
{
	uint32_t r = rt__m_rand(rt__getm()), n = (uint32_t)ps->n;
	uint32_t pos = r % n, step = ps->coprimes[(r / n) % (uint32_t)ps->ncoprimes];

	for (uint32_t i = 0; i < n; i++, pos = (pos + step) % n) {
		struct rt__p *victim = ps->p[pos];

		if (rt__load_acq(&rt__sched.gcwaiting))
			return NULL;
		if (victim == pp || rt__load_rlx(&victim->status) == RT_P_IDLE)
			continue;
		struct rt__g *gp = rt__runq_steal(&pp->runq, &victim->runq, take_next);
		if (gp)
			return gp;
	}
	return NULL;
}

struct rt__g *
rt__steal_work(struct rt__p *pp)
{
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);

	for (int round = 0; round < ROUNDS; round++) {
		struct rt__g *gp = steal_round(pp, ps, round == ROUNDS - 1);

		if (gp)
			return gp;
	}
	bool inherit;
	return rt__timers_steal(rt__getm(), ps) ? rt__runq_get(&pp->runq, &inherit) : NULL;
}

bool
rt__any_runq_has_work(const struct rt__ps *ps)
{
	for (int32_t i = 0; i < ps->n; i++)
		if (!rt__runq_empty(&ps->p[i]->runq))
			return true;
	return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * Work stealing: each thief visits all Ps in an order of its own, start + k * step modulo their
 * number with a step coprime to it, so that every P comes up once and no two thieves follow each
 * other. Four rounds; only the last one takes next slots, which are cheapest where they are. After
 * that come timers that are due.
 */
#include "sched/sched_priv.h"

#define ROUNDS 4
#define NEXT_LOOKS 5
#define NEXT_PAUSES 50

/*
 * A goroutine that was just made ready is likely to be run by its own P within a microsecond, and
 * moving it would only cost: give it time to. Whether that P runs goroutines is to be seen from
 * their number; its thread may need our CPU for it.
 */
static bool
next_moves(struct rt__p *victim)
{
	uint32_t switches = rt__load_rlx(&victim->switches);

	if (rt__load_rlx(&victim->status) != RT_P_RUNNING)
		return false;
	for (int i = 0; i < NEXT_LOOKS; i++) {
		if (!rt__load_rlx(&victim->runq.next))
			return true;
		for (int j = 0; j < NEXT_PAUSES; j++)
			rt__cpu_relax();
		rt__os_yield();
		if (rt__load_rlx(&victim->switches) != switches)
			return true;
	}
	return false;
}

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
		struct rt__g *gp =
			rt__runq_steal(&pp->runq, &victim->runq, take_next && !next_moves(victim));
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

static bool
is_stuck(struct rt__p *pp)
{
	uint32_t switches = rt__load_rlx(&pp->switches);
	bool moves = switches != pp->looked;

	pp->looked = switches;
	return rt__load_acq(&pp->runq.head) != rt__load_acq(&pp->runq.tail) ||
		(!moves && rt__load_acq(&pp->runq.next));
}

bool
rt__any_p_is_stuck(const struct rt__ps *ps)
{
	bool stuck = false;

	for (int32_t i = 0; i < ps->n; i++)
		stuck |= is_stuck(ps->p[i]);
	return stuck;
}

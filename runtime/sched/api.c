/* SPDX-License-Identifier: MIT */
/* The rest of rt/rt.h that belongs to the scheduler. */
#include <rt/rt.h>

#include "sched/sched_priv.h"

uint64_t
rt_goid(void)
{
	struct rt__g *gp = rt__getg();

	return gp ? gp->id : 0;
}

int
rt_num_cpu(void)
{
	return rt__os.ncpu;
}

/* Ends before starts: who sees the end of a goroutine sees that it was started, so what both differ
 * by is never too small, and exact when none starts or ends meanwhile. */
int
rt_num_goroutine(void)
{
	struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	uint64_t n = 0;

	for (int32_t i = 0; i < ps->len; i++)
		n -= rt__load_acq(&ps->p[i]->ended); /* pairs with goexit0 */
	for (int32_t i = 0; i < ps->len; i++)
		n += rt__load_rlx(&ps->p[i]->started);
	return (int)(n + rt__load_rlx(&rt__sched.started));
}

int
rt_gomaxprocs(int n)
{
	int old = rt__load_acq(&rt__sched.ps)->n;

	if (n < 1 || n == old || !rt__getg())
		return old;
	rt__stop_the_world("GOMAXPROCS");
	old = rt__sched.ps->n;
	rt__start_the_world(n < RT_MAXPROCS ? n : RT_MAXPROCS);
	return old;
}

/* ---- goroutines that are tied to their thread ---- */

static void
lock_g(struct rt__g *gp)
{
	gp->locked_m = rt__getm();
	gp->locked_m->locked_g = gp;
}

static void
unlock_g(struct rt__g *gp)
{
	struct rt__m *mp = rt__getm();

	if (mp->locked_ext == 0 && mp->locked_int == 0) {
		mp->locked_g = NULL;
		gp->locked_m = NULL;
	}
}

void
rt_lock_os_thread(void)
{
	struct rt__g *gp = rt__getg();

	if (!gp)
		return;      /* a foreign thread is its own */
	rt__sysmon_ensure(); /* while this thread is as it was made */
	if (++rt__getm()->locked_ext == 0)
		rt__panic("LockOSThread nesting overflow");
	lock_g(gp);
}

void
rt_unlock_os_thread(void)
{
	struct rt__g *gp = rt__getg();

	if (!gp || rt__getm()->locked_ext == 0)
		return;
	rt__getm()->locked_ext--;
	unlock_g(gp);
}

void
rt__lock_os_thread(void)
{
	rt__getm()->locked_int++;
	lock_g(rt__getg());
}

void
rt__unlock_os_thread(void)
{
	rt__getm()->locked_int--;
	unlock_g(rt__getg());
}

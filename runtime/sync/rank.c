/* SPDX-License-Identifier: MIT */
/*
 * The runtime's static locks, in the order in which they may be taken. fork takes all of them, so
 * that its child finds none held by a thread that is not there; debug builds check, at each
 * lock, that the thread holds none of a higher rank.
 */
#include "os/os.h"
#include "sync/sync.h"

static struct ranked {
	struct rt__lock *first;
	int n;
	size_t stride;
} locks[RT_RANKS];

void
rt__lock_rank_many(struct rt__lock *first, int n, size_t stride, enum rt__lock_rank rank)
{
	locks[rank] = (struct ranked){first, n, stride};
}

void
rt__lock_rank(struct rt__lock *l, enum rt__lock_rank rank)
{
	rt__lock_rank_many(l, 1, 0, rank);
}

static struct rt__lock *
lock_at(int rank, int i)
{
	return (struct rt__lock *)((char *)locks[rank].first + (size_t)i * locks[rank].stride);
}

/* Of several of one rank, the first stands for all where ranks are checked. */
void
rt__lock_all(void)
{
	for (int rank = 0; rank < RT_RANKS; rank++) {
		for (int i = 0; i < locks[rank].n; i++) {
			struct rt__lock *l = lock_at(rank, i);

			if (i == 0)
				rt__lock(l);
			else if (!rt__cas_acq(&l->state, 0u, 1u))
				rt__lock_slow(l);
		}
	}
}

void
rt__unlock_all(void)
{
	for (int rank = RT_RANKS - 1; rank >= 0; rank--) {
		for (int i = locks[rank].n - 1; i >= 0; i--) {
			struct rt__lock *l = lock_at(rank, i);

			if (i == 0)
				rt__unlock(l);
			else if (rt__xchg_rel(&l->state, 0u) == 2)
				rt__unlock_slow(l);
		}
	}
}

#ifdef RT_LOCK_RANKS
static const char *const names[RT_RANKS] = {
	[RT_RANK_CONTEXTS] = "contexts", [RT_RANK_UNLOCK] = "unlock",
	[RT_RANK_SCHED] = "sched",       [RT_RANK_FOREIGN] = "foreign",
	[RT_RANK_GFREE] = "gfree",       [RT_RANK_ALLG] = "allg",
	[RT_RANK_STACK] = "stack",       [RT_RANK_STACKUSE] = "stackuse",
	[RT_RANK_CACHES] = "caches",     [RT_RANK_HARD] = "hard",
	[RT_RANK_CENTRAL] = "central",   [RT_RANK_PROFILE] = "profile",
	[RT_RANK_HEAP] = "heap",         [RT_RANK_TABLES] = "tables",
	[RT_RANK_ACTION] = "action",
};

/* -1 for a lock inside of a user's object, of which there is no order, and for foreign threads,
 * which have no place to note what they hold. */
static int
rank_of(const struct rt__lock *l)
{
	for (int rank = 0; rank < RT_RANKS; rank++)
		for (int i = 0; i < locks[rank].n; i++)
			if (lock_at(rank, i) == l)
				return rt__getm() == &rt__m_foreign ? -1 : rank;
	return -1;
}

void
rt__lock_check(const struct rt__lock *l)
{
	int rank = rank_of(l);

	if (rank < 0)
		return;
	uint32_t *held = &rt__getm()->locks_held;
	if (*held >> rank) {
		rt__eprintf("runtime: taking lock %s with lock %s held\n", names[rank],
			    names[31 - __builtin_clz(*held)]);
		rt__throw("lock ordering problem");
	}
	*held |= 1u << rank;
}

void
rt__unlock_check(const struct rt__lock *l)
{
	int rank = rank_of(l);

	if (rank < 0)
		return;
	uint32_t *held = &rt__getm()->locks_held;
	if (!(*held >> rank & 1))
		rt__throw("unlock of a lock that is not held");
	*held &= ~(1u << rank);
}
#endif

/* SPDX-License-Identifier: MIT */
/*
 * Notes. Who sleeps says so in the word before, in place of "nothing", and waits in the kernel only
 * while that is still there; the wake-up stores 1 and calls the kernel if it has displaced that. No
 * order of the two loses the event, and a sleeper that spins, or is late, costs no system call.
 */
#include "os/os.h"
#include "sync/sync.h"

enum { NOTHING, FIRED, AWAITED }; /* NOTHING is 0: rt__note_clear */

bool
rt__note_fired(const struct rt__note *n)
{
	return rt__load_acq(&n->fired) == FIRED; /* pairs with rt__note_wakeup */
}

void
rt__note_wakeup(struct rt__note *n)
{
	/* rel: what the waker did before is visible to the sleeper, whose loads acquire. */
	uint32_t old = rt__xchg_acqrel(&n->fired, (uint32_t)FIRED);

	if (old == FIRED)
		rt__throw("note: double wakeup");
	if (old == AWAITED)
		rt__futex_wake(&n->fired, 1);
}

/* Whether it has not fired, and the word says that somebody sleeps. */
static bool
awaited(struct rt__note *n)
{
	return !rt__note_fired(n) &&
		(rt__cas_acq(&n->fired, (uint32_t)NOTHING, (uint32_t)AWAITED) ||
		 rt__load_acq(&n->fired) == AWAITED);
}

bool
rt__note_sleep_until(struct rt__note *n, int64_t when)
{
	while (awaited(n))
		if (!rt__futex_wait_until(&n->fired, AWAITED, when))
			return rt__note_fired(n);
	return true;
}

void
rt__note_sleep(struct rt__note *n)
{
	while (awaited(n))
		rt__futex_wait(&n->fired, AWAITED, -1);
}

bool
rt__note_timedsleep(struct rt__note *n, int64_t ns)
{
	int64_t deadline = rt__nanotime() + ns;

	while (awaited(n)) {
		int64_t left = deadline - rt__nanotime();

		if (left <= 0)
			return false;
		rt__futex_wait(&n->fired, AWAITED, left);
	}
	return true;
}

bool
rt__note_spin(struct rt__note *n, int64_t ns)
{
	int64_t deadline = rt__nanotime() + ns;

	do {
		for (int i = 0; i < 20; i++)
			rt__cpu_relax();
		if (rt__note_fired(n))
			return true;
	} while (rt__nanotime() < deadline);
	return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * Notes. The wake-up stores 1 before the futex wake and the sleeper rechecks the word after every
 * wait, which the kernel enters only while it is still 0: no order of the two loses the event.
 */
#include "os/os.h"
#include "sync/sync.h"

void
rt__note_clear(struct rt__note *n)
{
	rt__store_rlx(&n->fired, 0u);
}

void
rt__note_wakeup(struct rt__note *n)
{
	/* rel: what the waker did before is visible to the sleeper, whose loads acquire. */
	if (rt__xchg_acqrel(&n->fired, 1u) != 0)
		rt__throw("note: double wakeup");
	rt__futex_wake(&n->fired, 1);
}

bool
rt__note_sleep_until(struct rt__note *n, int64_t when)
{
	while (rt__load_acq(&n->fired) == 0)
		if (!rt__futex_wait_until(&n->fired, 0, when))
			return rt__load_acq(&n->fired) != 0;
	return true;
}

void
rt__note_sleep(struct rt__note *n)
{
	while (rt__load_acq(&n->fired) == 0)
		rt__futex_wait(&n->fired, 0, -1);
}

bool
rt__note_timedsleep(struct rt__note *n, int64_t ns)
{
	int64_t deadline = rt__nanotime() + ns;

	while (rt__load_acq(&n->fired) == 0) {
		int64_t left = deadline - rt__nanotime();

		if (left <= 0)
			return false;
		rt__futex_wait(&n->fired, 0, left);
	}
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * The monotonic clock. rt__nanotime goes through libc, which calls the vDSO; on success, the only
 * case here, clock_gettime touches no thread-local. Its first call looks the function up in the
 * vDSO's symbol table, which takes longer than ten system calls: the one reading that every start
 * needs is a system call instead.
 */
#include <time.h>

#include "os/os.h"
#include "os/sysnum.h"

#define SHORT_SLICE_NS 100000 /* the least that the kernel takes */

int64_t
rt__nanotime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void
rt__os_precise_sleep(bool on)
{
	rt__syscall3(SYS_prctl, RT_PR_SET_TIMERSLACK, on, 0); /* ns; 0 is the default */
}

/* linux/sched/types.h, as of its first version. */
struct sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period; /* ns; of SCHED_OTHER: runtime is the slice */
};

void
rt__os_short_slices(bool on)
{
	struct sched_attr a = {.size = sizeof a};

	if (rt__syscall6(SYS_sched_getattr, 0, (long)&a, sizeof a, 0, 0, 0) != 0 || a.policy != 0)
		return;                      /* somebody has chosen another policy */
	a.runtime = on ? SHORT_SLICE_NS : 0; /* 0: as the kernel likes */
	rt__syscall3(SYS_sched_setattr, 0, (long)&a, 0);
}

int64_t
rt__nanotime_once(void)
{
	struct timespec ts = {0, 0};

	rt__syscall3(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&ts, 0);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

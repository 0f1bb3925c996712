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

int64_t
rt__nanotime_once(void)
{
	struct timespec ts = {0, 0};

	rt__syscall3(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&ts, 0);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* SPDX-License-Identifier: MIT */
/* Futexes, private to the process. Every caller rechecks its condition: a wait may end early. */
#include "os/os.h"
#include "os/sysnum.h"

struct kernel_timespec {
	int64_t sec, nsec;
};

void
rt__futex_wait(uint32_t *addr, uint32_t value, int64_t ns)
{
	struct kernel_timespec ts = {ns / 1000000000, ns % 1000000000};

	rt__syscall6(SYS_futex, (long)addr, RT_FUTEX_WAIT_PRIVATE, value, ns < 0 ? 0 : (long)&ts, 0,
		     0);
}

bool
rt__futex_wait_until(uint32_t *addr, uint32_t value, int64_t when)
{
	int64_t at = when > 0 ? when : 0;
	struct kernel_timespec ts = {at / 1000000000, at % 1000000000};

	return rt__syscall6(SYS_futex, (long)addr, RT_FUTEX_WAIT_BITSET_PRIVATE, value,
			    when == INT64_MAX ? 0 : (long)&ts, 0, RT_FUTEX_ANY) != -RT_ETIMEDOUT;
}

void
rt__futex_wake(uint32_t *addr, int count)
{
	rt__syscall3(SYS_futex, (long)addr, RT_FUTEX_WAKE_PRIVATE, count);
}

void
rt__os_sleep(int64_t ns)
{
	struct kernel_timespec ts = {ns / 1000000000, ns % 1000000000};

	rt__syscall3(SYS_nanosleep, (long)&ts, 0, 0);
}

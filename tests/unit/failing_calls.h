/* SPDX-License-Identifier: MIT */
/* Included before all else by every file of a test whose system calls are to fail: they go to the
 * test, which counts those about memory (test_heap_failures.c). */
#include "arch/arch.h"

long failing_syscall(long nr, long a, long b, long c, long d, long e, long f);

#define rt__syscall3(nr, a, b, c) failing_syscall(nr, a, b, c, 0, 0, 0)
#define rt__syscall6(nr, a, b, c, d, e, f) failing_syscall(nr, a, b, c, d, e, f)

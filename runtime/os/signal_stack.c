/* SPDX-License-Identifier: MIT */
/*
 * A stack for signal handlers, since the one that overflows has no room for them. Their own may
 * overflow as well, and has a guard. A fault there is reported on the same stack, from its top
 * again, if the kernel finds the stack pointer outside of it: so what the kernel knows of ends a
 * red zone early, for a function that writes into that and has not moved the stack pointer.
 */
#include <elf.h>
#include <signal.h>

#include "os/os.h"
#include "os/sysnum.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define FRAME_MIN 4096ul    /* of a kernel before 5.14, which does not say */
#define REPORT (48ul << 10) /* what a report takes, and one inside it */

size_t
rt__os_signal_stack_size(void)
{
	size_t frame = FRAME_MIN;

	if (rt__debug.minsigstksz > (int)frame)
		frame = (size_t)rt__debug.minsigstksz;
	for (const unsigned long *a = rt__args.auxv; a && a[0] != AT_NULL; a += 2)
		if (a[0] == AT_MINSIGSTKSZ && a[1] > frame)
			frame = a[1];
	return RT_ALIGN_UP(2 * frame + REPORT, rt__os.page_size);
}

static size_t
guard_size(void)
{
	return RT_GUARD_PAGES * rt__os.page_size;
}

void *
rt__os_signal_stack_new(size_t size)
{
	size_t guard = guard_size();
	char *p = rt__os_reserve(guard + size);

	if (!p)
		return NULL;
	if (rt__os_guard(p, guard) < 0) {
		rt__os_unmap(p, guard + size);
		return NULL;
	}
	return p + guard;
}

struct altstack {
	void *sp;
	int flags;
	size_t size;
};

int
rt__os_sigaltstack(void *stack, size_t size)
{
	struct altstack ss = {(char *)stack + RT_RED_ZONE, 0, size - RT_RED_ZONE};

	return (int)rt__syscall3(SYS_sigaltstack, (long)&ss, 0, 0);
}

/* Of the two, only the kernel knows whether a handler runs on it, as one that is left by
 * pthread_exit does: then it stays. */
void
rt__os_signal_stack_end(void *stack, size_t size)
{
	struct altstack now = {0}, none = {.flags = SS_DISABLE};

	rt__syscall3(SYS_sigaltstack, 0, (long)&now, 0);
	if (now.sp == (char *)stack + RT_RED_ZONE &&
	    rt__syscall3(SYS_sigaltstack, (long)&none, 0, 0) < 0)
		return;
	rt__os_unmap((char *)stack - guard_size(), guard_size() + size);
}

/* SPDX-License-Identifier: MIT */
/*
 * What the heap does when the kernel refuses: the same operations are repeated, and each time
 * another one of the system calls about memory fails, or all or some from there on. Then an
 * allocation fails, and nothing else: what is allocated keeps its contents, the heap's tables fit
 * together, and once the kernel is willing again, everything succeeds and everything that was freed
 * is free.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rt/rt.h>

#include "mem/heap.h"
#include "mem/mem.h"

#include "heap_model.h"

#undef rt__syscall3
#undef rt__syscall6

#define OPS 800
#define UNTOUCHED 42 /* exit status: nothing has failed */

static struct {
	int left;  /* calls until one fails */
	int error; /* with that */
	int every; /* and so does each such one after it; 0: none does */
	bool hit;
} failing;

static bool
about_memory(long nr)
{
	return nr == SYS_mmap || nr == SYS_munmap || nr == SYS_mprotect || nr == SYS_madvise ||
		nr == SYS_mremap || nr == 440 /* process_madvise */;
}

/* Only a mapping at a given place can be refused because that is taken. */
static bool
can_fail(long nr, long flags)
{
	return about_memory(nr) &&
		(failing.error != EEXIST || (nr == SYS_mmap && (flags & MAP_FIXED_NOREPLACE)));
}

long
failing_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	int error = failing.error;

	if (!error || !can_fail(nr, d) || failing.left-- > 0)
		return rt__syscall6(nr, a, b, c, d, e, f);
	failing.hit = true;
	failing.left = failing.every - 1;
	if (failing.every == 0)
		failing.error = 0;
	return -error;
}

#define CHECK(cond)                                                                                \
	((cond) ? (void)0                                                                          \
		: (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond), abort()))

/* Blocks that were freed while their guard could not be removed. */
static void
free_kept(void)
{
	bool zero;

	for (int i = 0; i < 1000 && rt__heap.kept; i++)
		give(caches[0], take(caches[0], 3 << 20, &zero));
	CHECK(!rt__heap.kept);
}

static RT_NORETURN void
child(int n, int error, int every)
{
	rt_mem_stats st;

	setup(0);
	failing.left = n;
	failing.every = every;
	failing.error = error;
	run(7, OPS, 5, true);
	failing.error = 0;
	rt__mem_check();
	free_kept();
	run(8, OPS, 5, false);
	drop_all();
	rt__mem_check();
	rt_read_mem_stats(&st);
	CHECK(st.blocks == 0 && st.cached == 0 && st.idle == 0);
	CHECK(st.in_use <= RT_CLASSES * RT_UNIT);
	_exit(failing.hit ? 0 : UNTOUCHED);
}

/* How many calls there were. */
static int
fail_each(int error, int every)
{
	for (int n = 0;; n++) {
		int status;
		pid_t pid = fork();

		cr_assert(pid >= 0);
		if (pid == 0)
			child(n, error, every);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		if (status == UNTOUCHED << 8)
			return n;
		cr_assert_eq(status, 0, "call %d, error %d, every %d: status %x", n, error, every,
			     (unsigned)status);
	}
}

Test(heap_failures, once)
{
	cr_expect(fail_each(ENOMEM, 0) > 50);
	cr_expect(fail_each(EINVAL, 0) > 50);
}

Test(heap_failures, from_there_on)
{
	cr_expect(fail_each(ENOMEM, 1) > 50);
	cr_expect(fail_each(EINVAL, 1) > 50);
}

/* A guard of one kind that cannot be removed when others are already of the other kind. */
Test(heap_failures, now_and_then)
{
	for (int every = 2; every <= 3; every++) {
		cr_expect(fail_each(ENOMEM, every) > 50);
		cr_expect(fail_each(EINVAL, every) > 50);
	}
}

Test(heap_failures, a_place_that_is_taken)
{
	cr_expect(fail_each(EEXIST, 0) > 5);
}

/* A block that cannot be made smaller where it is has no room in a smaller place. */
Test(heap_failures, smaller)
{
	size_t large = 5ul << 20, small = 3ul << 19;
	bool zero;

	setup(0);
	void *hole = take(caches[0], small, &zero);
	unsigned char *behind = take(caches[0], large, &zero);
	void *p = take(caches[0], large, &zero);
	cr_assert(hole && behind && p);
	memset(behind, 1, large);
	memset(p, 2, large);
	give(caches[0], hole);
	failing.error = ENOMEM; /* the next one: its guard is not removed */
	cr_expect_null(rt__large_realloc(rt__unit_of(p), small));
	cr_expect(failing.hit);
	for (size_t i = 0; i < large; i++)
		cr_assert_eq(behind[i], 1);
	rt__mem_check();
}

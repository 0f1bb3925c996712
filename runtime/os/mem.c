/* SPDX-License-Identifier: MIT */
/* Address space from the kernel. */
#include "os/os.h"
#include "os/sysnum.h"

static long
map_or_error(void *at, size_t size, int protection, long flags)
{
	return rt__syscall6(SYS_mmap, (long)at, (long)size, protection,
			    RT_MAP_PRIVATE | RT_MAP_ANONYMOUS | RT_MAP_NORESERVE | flags, -1, 0);
}

static void *
map(void *at, size_t size, int protection, long flags)
{
	long p = map_or_error(at, size, protection, flags);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}

static void *
reserve(void *at, size_t size, long flags)
{
	return map(at, size, RT_PROT_READ | RT_PROT_WRITE, flags);
}

void *
rt__os_reserve(size_t size)
{
	return reserve(NULL, size, 0);
}

void *
rt__os_reserve_stack(size_t size)
{
	return reserve(NULL, size, RT_MAP_GROWSDOWN);
}

void *
rt__os_reserve_none(size_t size)
{
	return map(NULL, size, RT_PROT_NONE, 0);
}

enum rt__mapped
rt__os_map_at(void *at, size_t size)
{
	long p = map_or_error(at, size, RT_PROT_READ | RT_PROT_WRITE, RT_MAP_FIXED_NOREPLACE);

	return p == (long)at ? RT_MAPPED : p == -RT_EEXIST ? RT_MAP_TAKEN : RT_MAP_REFUSED;
}

bool
rt__os_commit(void *p, size_t size)
{
	return rt__syscall3(SYS_mprotect, (long)p, (long)size, RT_PROT_READ | RT_PROT_WRITE) == 0;
}

bool
rt__os_move(void *from, void *to, size_t size)
{
	long p = rt__syscall6(SYS_mremap, (long)from, (long)size, (long)size,
			      RT_MREMAP_MAYMOVE | RT_MREMAP_FIXED | RT_MREMAP_DONTUNMAP, (long)to,
			      0);

	return p == (long)to;
}

bool
rt__os_reserve_again(void *p, size_t size)
{
	return reserve(p, size, RT_MAP_FIXED) != NULL;
}

static size_t
limit_of(int resource)
{
	size_t limit[2] = {SIZE_MAX, SIZE_MAX};

	rt__syscall6(SYS_prlimit64, 0, resource, 0, (long)limit, 0, 0);
	return limit[0];
}

size_t
rt__os_address_limit(void)
{
	return limit_of(RT_RLIMIT_AS);
}

size_t
rt__os_stack_limit(void)
{
	return limit_of(RT_RLIMIT_STACK);
}

void
rt__os_no_huge_pages(void *p, size_t size)
{
	/* Fails only where the kernel has no huge pages at all. */
	rt__syscall3(SYS_madvise, (long)p, (long)size, RT_MADV_NOHUGEPAGE);
}

void
rt__os_huge_pages(void *p, size_t size)
{
	rt__syscall3(SYS_madvise, (long)p, (long)size, RT_MADV_HUGEPAGE);
}

int
rt__os_guard(void *p, size_t size)
{
	if (rt__load_rlx(&rt__os.madvise_guard)) {
		long r = rt__syscall3(SYS_madvise, (long)p, (long)size, RT_MADV_GUARD_INSTALL);

		if (r != -RT_EINVAL) {
			rt__store_rlx(&rt__os.madvise_guards, true);
			return (int)r;
		}
		/* An older kernel, or one that does not do it where memory is locked. */
		rt__store_rlx(&rt__os.madvise_guard, false);
	}
	return (int)rt__syscall3(SYS_mprotect, (long)p, (long)size, RT_PROT_NONE);
}

/* Whose guard is to go has seen what rt__os_guard has found out. There may be some of either kind:
 * no error is ignored, since nobody else notices a guard that stays. */
bool
rt__os_unguard(void *p, size_t size)
{
	if (rt__load_rlx(&rt__os.madvise_guards) &&
	    rt__syscall3(SYS_madvise, (long)p, (long)size, RT_MADV_GUARD_REMOVE) != 0)
		return false;
	return rt__load_rlx(&rt__os.madvise_guard) || rt__os_commit(p, size);
}

/* One advice for all of n ranges, in one call: how many the kernel has done. */
static int
advise_many(const struct rt__range *r, int n, int advice)
{
	if (!rt__load_rlx(&rt__os.madvise_many))
		return 0;
	long bytes = rt__syscall6(RT_SYS_process_madvise, RT_PIDFD_SELF, (long)r, n, advice, 0, 0);
	int done = 0;
	for (; done < n && bytes >= (long)r[done].size; done++)
		bytes -= (long)r[done].size;
	if (done == 0) /* the kernel cannot, or may not: EBADF, EPERM, ENOSYS */
		rt__store_rlx(&rt__os.madvise_many, false);
	return done;
}

int
rt__os_guard_each(const struct rt__range *r, int n, int *err)
{
	bool many = n > 1 && rt__load_rlx(&rt__os.madvise_guard);
	int done = many ? advise_many(r, n, RT_MADV_GUARD_INSTALL) : 0;

	if (done > 0)
		rt__store_rlx(&rt__os.madvise_guards, true);
	*err = 0;
	for (int i = done; i < n; i++) {
		*err = rt__os_guard(r[i].p, r[i].size);
		if (*err)
			return i;
	}
	return n;
}

bool
rt__os_release_each(const struct rt__range *r, int n)
{
	bool done = true;

	for (int i = n > 1 ? advise_many(r, n, RT_MADV_DONTNEED) : 0; i < n; i++)
		done &= rt__syscall3(SYS_madvise, (long)r[i].p, (long)r[i].size,
				     RT_MADV_DONTNEED) == 0;
	return done;
}

bool
rt__os_resident(void *p, size_t size, uint8_t *ret)
{
	return rt__syscall3(SYS_mincore, (long)p, (long)size, (long)ret) == 0;
}

int
rt__os_protect_readonly(void *p, size_t size)
{
	return (int)rt__syscall3(SYS_mprotect, (long)p, (long)size, RT_PROT_READ);
}

/* The size by seeking: struct stat differs by CPU. */
const void *
rt__os_map_file(const char *path, size_t *ret_size)
{
	long fd = rt__syscall6(SYS_openat, RT_AT_FDCWD, (long)path, RT_O_CLOEXEC, 0, 0, 0);
	long p = -1;

	if (fd < 0)
		return NULL;
	long size = rt__syscall3(SYS_lseek, fd, 0, RT_SEEK_END);
	if (size > 0)
		p = rt__syscall6(SYS_mmap, 0, size, RT_PROT_READ, RT_MAP_PRIVATE, fd, 0);
	rt__syscall3(SYS_close, fd, 0, 0);
	if (p < 0)
		return NULL;
	*ret_size = (size_t)size;
	return (const void *)p;
}

void
rt__os_unmap(const void *p, size_t size)
{
	rt__syscall3(SYS_munmap, (long)p, (long)size, 0);
}

/* SPDX-License-Identifier: MIT */
/* osinit and the small system calls. Constant after osinit, but for what mem.c learns about guards.
 */
#include "os/os.h"
#include "os/sysnum.h"

#define O_RDONLY_ 0
#define O_RDWR_ 2
#define POLLNVAL_ 0x20
#define F_GETFD_ 1

struct rt__os rt__os;
uint8_t rt__has_fsgsbase;

/* Counts the CPUs in the affinity mask; -1 if the kernel's masks are longer than `bytes`. */
static int
count_mask(unsigned long *mask, size_t bytes)
{
	long len = rt__syscall3(SYS_sched_getaffinity, 0, (long)bytes, (long)mask);
	int n = 0;

	for (long i = 0; i < len / (long)sizeof *mask; i++)
		n += __builtin_popcountl(mask[i]);
	return len < 0 ? -1 : n;
}

/* The largest mask of any kernel, 64 Ki CPUs. Not inlined: 8 KiB more of the first stack would be
 * two pages more to touch in each start. */
static RT_NOINLINE int
count_large_mask(void)
{
	unsigned long mask[1024] = {0};

	return count_mask(mask, sizeof mask);
}

static int
count_cpus(void)
{
	unsigned long mask[16] = {0}; /* 1024 CPUs */
	int n = count_mask(mask, sizeof mask);

	if (n < 0)
		n = count_large_mask();
	return n > 0 ? n : 1;
}

static bool
register_membarrier(void)
{
	return rt__syscall3(SYS_membarrier, RT_MEMBARRIER_REGISTER_PRIVATE, 0, 0) == 0;
}

void
rt__os_membarrier(void)
{
	if (rt__syscall3(SYS_membarrier, RT_MEMBARRIER_PRIVATE, 0, 0) < 0)
		rt__throw("membarrier is not allowed any more; try RTDEBUG=no_membarrier=1");
}

void
rt__osinit(const struct rt__args *args)
{
	rt__os.ncpu = count_cpus();
	rt__os.page_size = args->page_size;
	rt__os.madvise_guard = rt__os.madvise_many = !rt__debug.no_guard;
	rt__has_fsgsbase = (args->hwcap2 & RT_HWCAP2_FSGSBASE) && !rt__debug.no_fsgsbase;
	rt__os.sigmask = rt__os_get_sigmask();
	/* While there is one thread: with more, the kernel waits for all CPUs. */
	rt__os.membarrier = !rt__debug.no_membarrier && register_membarrier();
	for (size_t i = 0; args->random16 && i < sizeof rt__os.random; i++)
		rt__os.random[i] = args->random16[i];
}

void
rt__os_check_fds(void)
{
	struct {
		int fd;
		short events, revents;
	} fds[3] = {{0, 0, 0}, {1, 0, 0}, {2, 0, 0}};

	long r = rt__syscall3(SYS_poll, (long)fds, 3, 0);
	for (int i = 0; i < 3 && r != 0; i++) {
		bool closed = fds[i].revents & POLLNVAL_;

		if (r < 0) /* three are more than RLIMIT_NOFILE */
			closed = rt__syscall3(SYS_fcntl, fds[i].fd, F_GETFD_, 0) < 0;
		if (!closed)
			continue;
		long e = rt__syscall6(SYS_openat, RT_AT_FDCWD, (long)"/dev/null", O_RDWR_, 0, 0, 0);
		if (e < 0 && e != -RT_EMFILE) /* if so, no file of the program can take its place */
			rt__die_at_boot("descriptor %d is closed and /dev/null cannot be opened",
					i);
	}
}

size_t
rt__os_huge_page_size(void)
{
	static size_t cached = SIZE_MAX; /* racing first callers compute the same value */
	size_t v = rt__load_rlx(&cached);
	char text[32];
	int32_t n = 0;

	if (v != SIZE_MAX)
		return v;
	long len = rt__os_read_file("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", text,
				    sizeof text);
	while (len > 0 && text[len - 1] == '\n')
		len--;
	bool ok = len > 0 && rt__parse_int32(text, (size_t)len, &n) && n > 0 && !(n & (n - 1));
	v = ok ? (size_t)n : 0;
	rt__store_rlx(&cached, v);
	return v;
}

long
rt__os_read_file(const char *path, char *buf, size_t size)
{
	long fd = rt__syscall6(SYS_openat, RT_AT_FDCWD, (long)path, O_RDONLY_ | RT_O_CLOEXEC, 0, 0,
			       0);
	size_t len = 0;
	long n = 0;

	if (fd < 0)
		return fd;
	while (len < size - 1) {
		n = rt__syscall3(SYS_read, fd, (long)(buf + len), (long)(size - 1 - len));
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	rt__syscall3(SYS_close, fd, 0, 0);
	buf[len] = 0;
	return n < 0 ? n : (long)len;
}

void
rt__os_exit(int status)
{
	for (;;)
		rt__syscall3(SYS_exit_group, status, 0, 0);
}

int
rt__os_gettid(void)
{
	return (int)rt__syscall3(SYS_gettid, 0, 0, 0);
}

int
rt__os_getpid(void)
{
	return (int)rt__syscall3(SYS_getpid, 0, 0, 0);
}

void
rt__os_yield(void)
{
	rt__syscall3(SYS_sched_yield, 0, 0, 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * os: floor 2. The promises that the rest of the runtime has from Linux. Functions return 0 or a
 * result, or -errno; none touches errno or any thread-local. All may run on any stack.
 */
#ifndef RT_OS_H
#define RT_OS_H

#include "arch/arch.h"
#include "base/base.h"

/* ---- args.c: what the kernel left on the initial stack ---- */

struct rt__args {
	int argc;
	char **argv; /* argv[argc] == NULL */
	char **envp; /* NULL-terminated */
	const unsigned long *auxv;
	size_t page_size;        /* AT_PAGESZ */
	unsigned long hwcap2;    /* AT_HWCAP2 */
	const uint8_t *random16; /* AT_RANDOM: 16 random bytes, or NULL */
	bool secure;             /* AT_SECURE: setuid or the like */
};
extern struct rt__args rt__args;

/* Finds argc, argv, envp and auxv above sp; unknown auxv entries are skipped. Pure. */
void rt__args_parse(struct rt__args *args, const long *sp);

/* The value of an environment variable, or NULL. */
const char *rt__args_getenv(const struct rt__args *args, const char *name);

/* ---- os.c ---- */

struct rt__os {
	int ncpu;            /* CPUs in the affinity mask, at least 1 */
	size_t page_size;    /* bytes */
	bool madvise_guard;  /* MADV_GUARD_INSTALL (Linux 6.13) is worth trying */
	bool madvise_guards; /* there may be guards of that kind */
	bool madvise_many;   /* process_madvise on ourselves (6.15) is worth trying */
	bool membarrier;     /* rt__os_membarrier works */
	bool started;        /* the main goroutine runs */
	uint64_t sigmask;    /* the signal mask that the process was started with */
	uint8_t random[16];  /* from AT_RANDOM: seeds, never secrets */
};
extern struct rt__os rt__os;

/* Fills rt__os from the auxiliary vector and a few system calls. */
void rt__osinit(const struct rt__args *args);

/* Opens /dev/null in place of standard descriptors that are closed, so that no file of the
 * program becomes descriptor 0, 1 or 2 by chance (Go's checkfds). */
void rt__os_check_fds(void);

RT_NORETURN void rt__os_exit(int status);
int rt__os_gettid(void);
int rt__os_getpid(void);
void rt__os_yield(void);

/* A full memory barrier in each thread of the process: by an interrupt in those that run. */
void rt__os_membarrier(void);

/* Reads at most size - 1 bytes of a file and terminates them: the length, or -errno. */
long rt__os_read_file(const char *path, char *buf, size_t size);

/* The size of transparent huge pages in bytes, 0 when there are none. Reads sysfs when first
 * asked: of the start of a small program, three system calls are a noticeable part. */
size_t rt__os_huge_page_size(void);

/* ---- signal.c ---- */

/* musl's own signals are 32 to 34; this one runs a function on every thread, for setuid. */
#define RT_SIGSYNCCALL 34
#define RT_SIGSET_LIBC (7ul << 31)

/* The runtime's own, as Go's: it means nothing to most, and debuggers pass it on in silence. */
#define RT_SIGURG 23

/* Go's name of a signal that ends a program with a report. */
const char *rt__signal_name(int sig);

/* Sends a signal to a thread of this process. */
int rt__os_tgkill(int tid, int sig);

/* Sets this thread's signal mask (64 signals); blocks all of them and returns what it was; reads
 * it. */
void rt__os_set_sigmask(uint64_t mask);
uint64_t rt__os_block_signals(void);
uint64_t rt__os_get_sigmask(void);
/* Unblocks some signals. */
void rt__os_remove_sigmask(uint64_t less);
/* Sends this thread a signal with what the kernel said of it when it came: false if it cannot be
 * done. */
bool rt__os_signal_again(int sig, void *info);

/* ---- throw.c; see base.h for the rest ---- */

/* Called by rt__throw in place of what it does itself, once set; does not return. */
extern void (*rt__on_throw)(const char *msg);

/* From now on, what this M prints is collected and written a block at a time; or is written, and
 * everything after it at once again. One M at a time. */
void rt__eprint_collect(bool on);

/* ---- signal_stack.c ---- */

/* What every stack has below it: more than a frame of libc (stack/arena.c). */
#define RT_GUARD_PAGES 3

/* How large a stack the handlers of this runtime need. */
size_t rt__os_signal_stack_size(void);
/* Memory for one, with a guard below; NULL if there is none. */
void *rt__os_signal_stack_new(size_t size);
/* Gives the calling thread one: 0 or -errno. */
int rt__os_sigaltstack(void *stack, size_t size);
/* Takes one that is the calling thread's, unless it has another by now, and gives it back. */
void rt__os_signal_stack_end(void *stack, size_t size);

/* ---- probe.c ---- */

/* Whether the eight bytes around p can be read; how many can from p on, by pages, at most max. */
bool rt__os_readable(uintptr_t p);
size_t rt__os_readable_bytes(uintptr_t p, size_t max);

/* Ends the process by the default action of the signal. */
RT_NORETURN void rt__os_die_of_signal(int sig);

/* ---- cgroup.c: what the cgroup lets the process have; see there who may call when ---- */

/* ceil(quota / period) of the tightest CPU limit from this process's cgroup up to the root of its
 * mount; 0 when there is none or it cannot be read. */
int rt__cgroup_cpus(void);
/* The tightest limit of memory in bytes, likewise. */
size_t rt__cgroup_memory(void);

/* The pure parts. */
struct rt__cgroup {
	int version;    /* 1 or 2 */
	size_t root;    /* length of the part of dir that is the mount point */
	char dir[4096]; /* the process's directory below it */
};
/* From the texts of /proc/self/cgroup and /proc/self/mountinfo. */
bool rt__cgroup_find(const char *cgroup, const char *mountinfo, const char *controller,
		     struct rt__cgroup *ret);
/* cpu.max of version 2 ("200000 100000", "max 100000"): CPUs, 0 without a limit or if malformed. */
int rt__cgroup_parse_max(const char *text);
/* cpu.cfs_quota_us (-1: no limit) and cpu.cfs_period_us of version 1, likewise. */
int rt__cgroup_parse_quota(const char *quota, const char *period);
/* memory.max, or memory.limit_in_bytes of version 1; 0 without a limit or if malformed. */
size_t rt__cgroup_parse_bytes(const char *text);

/* ---- clock.c ---- */

int64_t rt__nanotime(void);      /* CLOCK_MONOTONIC, nanoseconds */
int64_t rt__nanotime_once(void); /* the same, cheaper where it is the only call */
void rt__os_sleep(int64_t ns);
/* How late the kernel may end this thread's sleeps: as little as it can, or as for any thread (50
 * us, so that it can end several at once). Children inherit it. */
void rt__os_precise_sleep(bool on);
/* This thread runs seldom and briefly: when it wakes up, it need not wait for the next tick to get
 * the CPU of one that computes; or it is as any other. From Linux 6.12 on; before, nothing changes.
 * Children inherit it. */
void rt__os_short_slices(bool on);

/* ---- futex.c ---- */

/* Sleeps while *addr == value; ns < 0: without limit. May wake for no reason. */
void rt__futex_wait(uint32_t *addr, uint32_t value, int64_t ns);
/* The same with a time of CLOCK_MONOTONIC, INT64_MAX for ever: false when it has come. */
bool rt__futex_wait_until(uint32_t *addr, uint32_t value, int64_t when);
void rt__futex_wake(uint32_t *addr, int count);

/* ---- mem.c ---- */

/* Reserves zeroed memory, committed by touch and not counted against overcommit where the kernel
 * allows. The address is a multiple of a page. Returns NULL when there is none. */
void *rt__os_reserve(size_t size);
/* The same at that place, unless some of it is taken. */
enum rt__mapped { RT_MAPPED, RT_MAP_REFUSED, RT_MAP_TAKEN };
enum rt__mapped rt__os_map_at(void *at, size_t size);
/* Addresses without access, which count against no limit but that of addresses. */
void *rt__os_reserve_none(size_t size);
/* Makes whole pages of such a range usable: false if the kernel refuses. */
bool rt__os_commit(void *p, size_t size);
/* Moves the pages of one such range to another one of the same size, and leaves zeros behind: false
 * if the kernel cannot, and nothing has changed. */
bool rt__os_move(void *from, void *to, size_t size);
/* As rt__os_reserve, for one large stack: the kernel keeps a gap of 1 MiB below it free of other
 * mappings (MAP_GROWSDOWN), which is a guard that costs nothing to install. */
void *rt__os_reserve_stack(size_t size);
/* RLIMIT_AS or RLIMIT_STACK in bytes, SIZE_MAX without one. */
size_t rt__os_address_limit(void);
size_t rt__os_stack_limit(void);
/* Keeps transparent huge pages off a range: one touched page must cost one page. */
void rt__os_no_huge_pages(void *p, size_t size);
/* Asks for huge pages in a range. */
void rt__os_huge_pages(void *p, size_t size);
/* Makes pages fault on any access: 0 or -errno. Uses MADV_GUARD_INSTALL, which costs no VMA, or
 * mprotect where the kernel has not got it: then -ENOMEM means too many mappings. */
int rt__os_guard(void *p, size_t size);
/* Makes them usable again: false if the kernel refuses. */
bool rt__os_unguard(void *p, size_t size);
/* What the calls below take many of: the kernel's struct iovec. */
struct rt__range {
	void *p;
	size_t size;
};
#define RT_RANGES_MAX 64
/* Guards the first ranges of at most RT_RANGES_MAX, and returns how many; what stopped it is in
 * *err. One system call where the kernel can do it (Linux 6.15). */
int rt__os_guard_each(const struct rt__range *r, int n, int *err);
/* Gives the memory of at most RT_RANGES_MAX ranges back. They stay reserved, and read as zeros; so
 * do the guards beside them. False: something stays what it was, as locked memory does (mlock). */
bool rt__os_release_each(const struct rt__range *r, int n);
/* Whether each page of a range has memory, in bit 0 of a byte for each; false: cannot be told. */
bool rt__os_resident(void *p, size_t size, uint8_t *ret);
/* Makes a range that rt__os_reserve returned what it was then: no pages, no guards, no page tables.
 * False, and nothing has changed, if the kernel refuses. */
bool rt__os_reserve_again(void *p, size_t size);
int rt__os_protect_readonly(void *p, size_t size);
/* Maps a whole file, read-only; NULL if that is not possible or there is nothing in it. */
const void *rt__os_map_file(const char *path, size_t *ret_size);
void rt__os_unmap(const void *p, size_t size);

#endif

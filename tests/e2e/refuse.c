/* SPDX-License-Identifier: MIT */
/*
 * Runs a program on a kernel that refuses some of its system calls:
 *
 *	refuse CALL ERROR FIRST EVERY PROGRAM [ARG]...
 *
 * The FIRST call of that name in the whole process, from 1 on, fails with that error (a number),
 * and so does every EVERY-th after it; 0: no other. It ends as the program does, or with status 42
 * if there was nothing to refuse. The filter (seccomp) asks this process about each such call:
 * unlike strace's injection it counts those of all threads together, and leaves the others alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNTOUCHED 42
#define CANNOT 125

struct what {
	unsigned nr;
	int error;
	long first, every;
};

static const struct {
	const char *name;
	unsigned nr;
} calls[] = {
	{"mmap", SYS_mmap},
	{"munmap", SYS_munmap},
	{"mprotect", SYS_mprotect},
	{"madvise", SYS_madvise},
	{"mremap", SYS_mremap},
	{"process_madvise", 440}, /* which older headers lack */
	{"mincore", SYS_mincore},
	{"membarrier", SYS_membarrier},
	{"sigaltstack", SYS_sigaltstack},
	{"prlimit64", SYS_prlimit64},
};

static unsigned
number_of(const char *name)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (strcmp(name, calls[i].name) == 0)
			return calls[i].nr;
	fprintf(stderr, "refuse: %s: not a call that is known here\n", name);
	exit(CANNOT);
}

/* In the child, which shares the descriptors of this process until exec. */
static void
run(const struct what *w, int *ret_fd, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, w->nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof code / sizeof *code, code};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			      SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
	__atomic_store_n(ret_fd, fd, __ATOMIC_RELEASE);
	if (fd >= 0)
		execv(argv[0], argv);
	perror("refuse");
	_exit(CANNOT);
}

static bool
refused(const struct what *w, long n)
{
	long after = n - w->first;

	return after == 0 || (after > 0 && w->every > 0 && after % w->every == 0);
}

/* Answers until the last process with the filter is gone: how many calls there were. */
static long
answer(int fd, const struct what *w)
{
	long n = 0;

	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		struct seccomp_notif call = {0};

		if (poll(&p, 1, -1) < 0)
			continue;
		if (!(p.revents & POLLIN))
			return n;
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
			continue; /* it is gone, or asks again after a signal */
		struct seccomp_notif_resp resp = {.id = call.id};
		if (refused(w, ++n))
			resp.error = -w->error;
		else
			resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
}

int
main(int argc, char **argv)
{
	int status,
		*fd = mmap(NULL, sizeof *fd, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			   0);

	if (argc < 6 || fd == MAP_FAILED)
		return CANNOT;
	struct what w = {number_of(argv[1]), atoi(argv[2]), atol(argv[3]), atol(argv[4])};
	*fd = 0; /* which it cannot become */
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		run(&w, fd, argv + 5);
	while (pid > 0 && __atomic_load_n(fd, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	if (pid < 0 || *fd < 0)
		return CANNOT;
	long n = answer(*fd, &w);
	if (waitpid(pid, &status, 0) != pid)
		return CANNOT;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return status == 0 && n < w.first ? UNTOUCHED : WEXITSTATUS(status);
}

/* SPDX-License-Identifier: MIT */
/*
 * live.c: a process that runs, stopped for a moment; see program.h.
 *
 * PTRACE_SEIZE and PTRACE_INTERRUPT stop a thread without a signal that it could notice, and the
 * kernel lets it go on when we detach or die. A signal that was on its way to a thread is handed on
 * when we let go. Threads that cannot stop now (in an uninterruptible sleep) stay without
 * registers: their goroutines are shown where they were last known to be.
 *
 * Invariant: between ri_live_stop and ri_live_release nothing but reading happens.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

#define STOP_SECONDS 2
#define PAGE 4096
#define PARTS 16

/* In parts of a page: what is readable before a page that is not still comes back. */
static size_t
read_memory(struct ri_program *program, uint64_t address, void *to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		struct iovec parts[PARTS];
		struct iovec local = {(char *)to + done, 0};
		uint64_t at = address + done;
		size_t nparts = 0;
		ssize_t count;

		while (nparts < PARTS && done + local.iov_len < size) {
			size_t left = size - done - local.iov_len;
			size_t page = PAGE - at % PAGE;

			parts[nparts] =
				(struct iovec){(void *)(uintptr_t)at, page < left ? page : left};
			local.iov_len += parts[nparts].iov_len;
			at += parts[nparts++].iov_len;
		}
		count = process_vm_readv(program->pid, &local, 1, parts, nparts, 0);
		if (count <= 0) {
			break;
		}
		done += (size_t)count;
	}
	return done;
}

/* ---- stopping ---- */

static int
explain_refusal(int pid, int reason, struct ri_error *error)
{
	char path[64];
	char line[256];
	int tracer = 0;
	int scope = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	in = fopen(path, "re");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		if (strncmp(line, "TracerPid:", 10) == 0) {
			tracer = atoi(line + 10);
		}
	}
	if (in != NULL) {
		fclose(in);
	}
	if (tracer != 0) {
		return ri_fail(error, "is being traced by process %d: detach that first", tracer);
	}
	if (reason == ESRCH) {
		return ri_fail(error, "has ended");
	}
	in = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	if (in != NULL) {
		scope = fgets(line, sizeof(line), in) != NULL ? atoi(line) : 0;
		fclose(in);
	}
	if (scope != 0) {
		return ri_fail(error,
			       "may not be inspected: kernel.yama.ptrace_scope is %d; be root, or "
			       "set it to 0 (sysctl -w kernel.yama.ptrace_scope=0)",
			       scope);
	}
	return ri_fail(error,
		       "may not be inspected (%s): be its user or root, or have CAP_SYS_PTRACE",
		       strerror(reason));
}

static bool
known_thread(const struct ri_program *program, int tid)
{
	for (size_t i = 0; i < program->nthreads; i++) {
		if (program->threads[i].tid == tid) {
			return true;
		}
	}
	return false;
}

/* Seizes the threads that are not seized yet. Returns how many, or -1. */
static int
seize_new(struct ri_program *program, size_t *capacity, struct ri_error *error)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", program->pid);
	dir = opendir(path);
	if (dir == NULL) {
		return ri_fail(error, "has ended");
	}
	while ((entry = readdir(dir)) != NULL) {
		int tid = atoi(entry->d_name);

		if (tid <= 0 || known_thread(program, tid)) {
			continue;
		}
		if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0) {
			int reason = errno;

			if (reason == ESRCH && tid != program->pid) {
				continue; /* it has ended meanwhile */
			}
			closedir(dir);
			return explain_refusal(program->pid, reason, error);
		}
		ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
		program->threads = ri_grow(program->threads, program->nthreads, capacity,
					   sizeof(struct ri_thread));
		program->threads[program->nthreads++] = (struct ri_thread){.tid = tid};
		found++;
	}
	closedir(dir);
	return found;
}

/* Notes that the thread has stopped, or has ended. */
static void
stopped(struct ri_thread *thread, int status)
{
	struct user_regs_struct regs;
	struct iovec area = {&regs, sizeof(regs)};

	if (!WIFSTOPPED(status)) {
		return;
	}
	/* An event stop is ours, or job control's; else a signal is about to be delivered. */
	if (status >> 16 == 0) {
		thread->signal = WSTOPSIG(status);
	}
	if (ptrace(PTRACE_GETREGSET, thread->tid, (void *)1 /* NT_PRSTATUS */, &area) == 0 &&
	    area.iov_len == sizeof(regs)) {
		ri_program_registers(thread, &regs);
	}
	thread->stopped = true;
}

/* Waits until the thread has stopped or ended, or the deadline (CLOCK_MONOTONIC) is over. */
static void
wait_for(struct ri_thread *thread, time_t deadline)
{
	const struct timespec step = {.tv_nsec = 100000};
	struct timespec now;
	int status;

	for (;;) {
		int result = waitpid(thread->tid, &status, __WALL | WNOHANG);

		if (result > 0) {
			stopped(thread, status);
			return;
		}
		if (result < 0 && errno != EINTR) {
			return;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= deadline) {
			return;
		}
		nanosleep(&step, NULL);
	}
}

static int
stop_threads(struct ri_program *program, struct ri_error *error)
{
	size_t capacity = 0;
	size_t waited = 0;
	struct timespec now;
	int found;

	clock_gettime(CLOCK_MONOTONIC, &now);
	/* A thread that is not stopped yet may start others: until none turns up. */
	do {
		found = seize_new(program, &capacity, error);
		if (found < 0) {
			return -1;
		}
		for (; waited < program->nthreads; waited++) {
			wait_for(&program->threads[waited], now.tv_sec + STOP_SECONDS);
		}
	} while (found > 0);
	return 0;
}

void
ri_live_release(struct ri_program *program)
{
	for (size_t i = 0; i < program->nthreads; i++) {
		struct ri_thread *thread = &program->threads[i];

		/* One that has not stopped cannot be detached: it goes on when we end. */
		ptrace(PTRACE_DETACH, thread->tid, NULL, (void *)(intptr_t)thread->signal);
	}
}

/* ---- what there is to know without stopping ---- */

static int
open_proc(int pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int
read_exe(struct ri_program *program, struct ri_error *error)
{
	char path[PATH_MAX];
	char name[64];
	ssize_t length;
	int result;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d", program->pid);
	if (access(name, F_OK) != 0) {
		return ri_fail(error, "no such process");
	}
	snprintf(name, sizeof(name), "/proc/%d/exe", program->pid);
	length = readlink(name, path, sizeof(path) - 1);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || length < 0) {
		result = errno == ENOENT ? ri_fail(error,
						   "has no program: it is a kernel thread, or has "
						   "ended (a zombie)")
					 : explain_refusal(program->pid, errno, error);
		if (fd >= 0) {
			close(fd);
		}
		return result;
	}
	path[length] = '\0';
	program->path = ri_strdup(path);
	result = ri_program_file(program, fd, error);
	close(fd);
	return result;
}

/* /proc/PID/cmdline, with spaces between the arguments. */
static void
read_command(struct ri_program *program)
{
	char text[4096];
	int fd = open_proc(program->pid, "cmdline");
	ssize_t length = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0) {
		close(fd);
	}
	while (length > 0 && text[length - 1] == '\0') {
		length--;
	}
	for (ssize_t i = 0; i < length; i++) {
		text[i] = text[i] != '\0' ? text[i] : ' ';
	}
	if (length > 0) {
		text[length] = '\0';
		program->command = ri_strdup(text);
	}
}

static int
read_auxv(struct ri_program *program, struct ri_error *error)
{
	uint8_t auxv[4096];
	int fd = open_proc(program->pid, "auxv");
	ssize_t length = fd >= 0 ? read(fd, auxv, sizeof(auxv)) : -1;
	int reason = errno;

	if (fd >= 0) {
		close(fd);
	}
	if (length < 0) {
		return explain_refusal(program->pid, reason, error);
	}
	return ri_program_auxv(program, auxv, (size_t)length, error);
}

int
ri_live_stop(struct ri_program *program, int pid, struct ri_error *error)
{
	program->pid = pid;
	program->read = read_memory;
	if (read_exe(program, error) < 0 || read_auxv(program, error) < 0) {
		return -1;
	}
	read_command(program);
	if (stop_threads(program, error) < 0) {
		ri_live_release(program);
		return -1;
	}
	return 0;
}

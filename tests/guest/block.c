/* SPDX-License-Identifier: MIT */
/*
 * Unmodified C that blocks its thread: others go on, with one P, too. In each case what it blocks
 * for comes from another goroutine, so that it ends only if that one gets a P.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static int stop;

static void
make_pipe(int fd[2])
{
	CHECK(pipe2(fd, O_CLOEXEC) == 0);
}

/* Turns that are not disturbed for long: how many gaps between two were longer than LATE, and the
 * longest. */
struct turns {
	long n;
	long late;
	int64_t most_ns;
};

#define LATE ((int64_t)100 * MS)

static void
take_turns(struct turns *t, rt_wg *done)
{
	int64_t last = now_ns();

	while (!GET(stop)) {
		int64_t now = now_ns();

		if (now - last > t->most_ns)
			SET(t->most_ns, now - last);
		if (now - last > LATE)
			ADD(t->late, 1);
		last = now;
		ADD(t->n, 1);
		rt_gosched();
	}
	rt_wg_done(done);
}

static void
be_hog(struct turns *t, rt_wg *done)
{
	while (!GET(stop))
		ADD(t->n, 1);
	rt_wg_done(done);
}

/* Writes to fd when somebody else has had that many turns since. */
static void
write_after(int fd, const char *text, struct turns *t, long n)
{
	long start = GET(t->n);

	YIELD_UNTIL(GET(t->n) >= start + n);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

#define OTHERS 1000 /* turns that others get before what is waited for comes */

/* ---- reads ---- */

static void
read_byte(int fd, rt_wg *done)
{
	char byte;

	CHECK(read(fd, &byte, 1) == 1 && byte == 'x');
	rt_wg_done(done);
}

/* N blocked readers; then a byte for each. */
static int
reads(int argc, char **argv)
{
	int n = number(argc, argv, 8), fd[2];
	rt_wg done = RT_WG_INIT, others = RT_WG_INIT;
	struct turns t = {0};

	make_pipe(fd);
	rt_wg_add(&done, n);
	rt_wg_add(&others, 1);
	for (int i = 0; i < n; i++)
		rt_go(read_byte, fd[0], &done);
	rt_go(take_turns, &t, &others);
	for (int i = 0; i < n; i++)
		write_after(fd[1], "x", &t, OTHERS);
	rt_wg_wait(&done);
	SET(stop, 1);
	rt_wg_wait(&others);
	return ok();
}

/* Go's PreemptionAfterSyscall: eight that are in the kernel for some microseconds, again and again,
 * and one that never is; N ticks of 1 ms take less than 5 s. */
static void
call_the_kernel(int us, rt_wg *done)
{
	while (!GET(stop))
		usleep((useconds_t)us);
	rt_wg_done(done);
}

static int
short_calls(int argc, char **argv)
{
	int us = number(argc, argv, 10);
	rt_wg done = RT_WG_INIT;
	struct turns t = {0};
	int64_t start;

	rt_wg_add(&done, 9);
	rt_go(be_hog, &t, &done);
	for (int i = 0; i < 8; i++)
		rt_go(call_the_kernel, us, &done);
	start = now_ns();
	for (int i = 0; i < 50; i++) {
		usleep(1000);
		rt_gosched();
	}
	CHECK(now_ns() - start < (int64_t)5000 * MS);
	YIELD_UNTIL(GET(t.n) > 0);
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

/* ---- stdio ---- */

static void
read_lines(FILE *f, int n, rt_wg *done)
{
	char line[64];

	for (int i = 0; i < n; i++)
		CHECK(fgets(line, sizeof line, f) && strcmp(line, "a line\n") == 0);
	rt_wg_done(done);
}

/* fgets on a pipe; prints how often others got no turn for long, and the longest, in us. */
static int
lines(int argc, char **argv)
{
	int n = number(argc, argv, 10), fd[2];
	rt_wg done = RT_WG_INIT, others = RT_WG_INIT;
	struct turns t = {0};

	make_pipe(fd);
	FILE *f = fdopen(fd[0], "r");
	CHECK(f);
	rt_wg_add(&done, 1);
	rt_wg_add(&others, 1);
	rt_go(read_lines, f, n, &done);
	rt_go(take_turns, &t, &others);
	for (int i = 0; i < n; i++)
		write_after(fd[1], "a line\n", &t, OTHERS);
	rt_wg_wait(&done);
	SET(stop, 1);
	rt_wg_wait(&others);
	printf("%ld %ld\nok\n", t.late, (long)(t.most_ns / 1000));
	return 0;
}

/* ---- processes ---- */

/* What a case here does, on a goroutine of its own; fd is a pipe that is written to later. */
typedef void with_pipe(int fd);

static void
call_system(int fd)
{
	char command[64];

	snprintf(command, sizeof command, "read line <&%d && test $line = go", fd);
	CHECK(fcntl(fd, F_SETFD, 0) == 0);
	CHECK(system(command) == 0);
}

static void
call_popen(int fd)
{
	char command[64], line[64];

	CHECK(fcntl(fd, F_SETFD, 0) == 0);
	snprintf(command, sizeof command, "read line <&%d; echo \"got $line\"", fd);
	FILE *f = popen(command, "r");
	CHECK(f && fgets(line, sizeof line, f) && strcmp(line, "got go\n") == 0);
	CHECK(pclose(f) == 0);
}

static void
call_waitpid(int fd)
{
	char text[8];
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(read(fd, text, sizeof text) == 3 ? 5 : 6);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5);
}

static void
call_poll(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	CHECK(poll(&p, 1, -1) == 1 && (p.revents & POLLIN));
}

static void
call_recv(int fd)
{
	char text[8];

	CHECK(recv(fd, text, sizeof text, 0) == 3);
}

static void
resolve(int fd)
{
	struct addrinfo *found = NULL, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};

	(void)fd;
	for (int i = 0; i < 100; i++) {
		CHECK(getaddrinfo("127.0.0.1", "80", &hints, &found) == 0 && found);
		CHECK(((struct sockaddr_in *)found->ai_addr)->sin_port == htons(80));
		freeaddrinfo(found);
		/* /etc/hosts or a resolver: it may not know, but it must come back. */
		if (getaddrinfo("localhost", NULL, &hints, &found) == 0)
			freeaddrinfo(found);
	}
}

static const struct {
	const char *name;
	with_pipe *fn;
} calls[] = {
	{"system", call_system}, {"popen", call_popen}, {"waitpid", call_waitpid},
	{"poll", call_poll},     {"recv", call_recv},   {"getaddrinfo", resolve},
};

static void
run(with_pipe *fn, int fd, rt_wg *done)
{
	fn(fd);
	rt_wg_done(done);
}

/* NAME [hog]: it and another one of its kind, one after the other; beside a hog, if so said. */
static int
call(int argc, char **argv)
{
	rt_wg done = RT_WG_INIT, others = RT_WG_INIT;
	struct turns t = {0}, hog = {0};
	size_t i = 0;

	CHECK(argc > 0);
	while (strcmp(calls[i].name, argv[0]) != 0)
		CHECK(++i < GUEST_LEN(calls));
	rt_wg_add(&others, argc > 1 ? 2 : 1);
	rt_go(take_turns, &t, &others);
	if (argc > 1)
		rt_go(be_hog, &hog, &others);
	for (int k = 0; k < 2; k++) {
		int fd[2];

		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
		rt_wg_add(&done, 1);
		rt_go(run, calls[i].fn, fd[0], &done);
		write_after(fd[1], "go\n", &t, argc > 1 ? 3 : OTHERS);
		rt_wg_wait(&done);
		close(fd[0]);
		close(fd[1]);
	}
	SET(stop, 1);
	rt_wg_wait(&others);
	return ok();
}

static const struct guest_case cases[] = {
	{"reads", reads},
	{"short-calls", short_calls},
	{"lines", lines},
	{"call", call},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

/* SPDX-License-Identifier: MIT */
/* rtinspect ps and rtinspect core: goroutines of a running program and in a core file. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "report.h"
#include "waiting.h"

/* A guest that waits for its input to end. */
struct park {
	pid_t pid;
	int in, out;
	char number[16];
};

/* Of those that are started from now on. */
static const char *park_procs = "GOMAXPROCS=2";
static int park_err = 2;

static void
be_park(const char *path, const char *const *args, const int in[2], const int out[2],
	const char *dir)
{
	char *argv[8] = {(char *)path};
	char *envp[] = {(char *)park_procs, NULL};
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	for (int i = 0; args[i]; i++)
		argv[i + 1] = (char *)args[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &unlimited);
	dup2(in[0], 0);
	dup2(out[1], 1);
	dup2(park_err, 2);
	if (!dir || chdir(dir) == 0)
		execve(path, argv, envp);
	_exit(126);
}

static void
expect_line(const struct park *p, const char *line)
{
	char got[16] = "";
	size_t n = strlen(line);

	for (size_t i = 0; i < n; i++)
		cr_assert(read(p->out, got + i, 1) == 1, "it ended after \"%s\"", got);
	cr_assert_str_eq(got, line);
}

static struct park
park_in(const char *dir, const char *name, const char *const *args)
{
	struct park p;
	int in[2], out[2];

	cr_assert(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	p.pid = fork();
	cr_assert(p.pid >= 0);
	if (p.pid == 0)
		be_park(guest_path(name), args, in, out, dir);
	close(in[0]);
	close(out[1]);
	p.in = in[1];
	p.out = out[0];
	snprintf(p.number, sizeof p.number, "%d", (int)p.pid);
	expect_line(&p, "ready\n");
	return p;
}

#define PARK(name, ...) park_in(NULL, name, (const char *const[]){__VA_ARGS__, NULL})

/* Whether the thread is in a system call whose number and first argument begin the text. */
static bool
thread_is_in(const struct park *p, const char *tid, const char *call)
{
	char path[300], text[64] = "";

	snprintf(path, sizeof path, "/proc/%s/task/%s/syscall", p->number, tid);
	FILE *in = fopen(path, "re");
	bool is = in && fgets(text, sizeof text, in) && strncmp(text, call, strlen(call)) == 0;
	if (in)
		fclose(in);
	return is;
}

/* Until a thread of it is: what it has printed can be read before it has come back from that. */
static void
wait_until_in(const struct park *p, const char *call)
{
	char path[64];
	bool is = false;

	snprintf(path, sizeof path, "/proc/%s/task", p->number);
	for (int i = 0; !is && i < 10000; i++, poll(NULL, 0, 1)) {
		DIR *d = opendir(path);
		const struct dirent *e;

		cr_assert(d);
		while (!is && (e = readdir(d)) != NULL)
			is = e->d_name[0] != '.' && thread_is_in(p, e->d_name, call);
		closedir(d);
	}
	cr_assert(is, "no thread comes to the call %s", call);
}

#define IN_READ "0 0x0 "  /* of standard input */
#define IN_WRITE "1 0x2 " /* to standard error */

static int
release(struct park *p)
{
	int status;

	close(p->in);
	cr_assert(waitpid(p->pid, &status, 0) == p->pid);
	return status;
}

/* It was not disturbed: it does what it has left to do. */
static void
expect_undisturbed(struct park *p)
{
	close(p->in);
	p->in = -1;
	expect_line(p, "ok\n");
	int status = release(p);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", status);
	close(p->out);
}

static const char *
rtinspect(void)
{
	const char *path = getenv("RTINSPECT");

	cr_assert(path, "RTINSPECT is not set: run these tests through meson");
	return path;
}

#define RTINSPECT_RUN(...)                                                                         \
	guest_run(rtinspect(), .timeout_s = 100, .args = {__VA_ARGS__}, .env = {"LC_ALL=C"})

#define LINE " park\\.c:[0-9]+"
#define BY_MAIN "main" LINE " in goroutine 1$"
#define BY_MAIN_WAITS "main" LINE " in goroutine 1 +the wait group at 0x[0-9a-f]+ \\(1 to go\\)$"

static void
expect_table(const struct guest *g)
{
	guest_expect_exit(g, 0);
	guest_expect_err_is(g, "");
	guest_expect_out_matches(g, "^GOID +STATE +FOR +WHERE +CREATED BY +WAITS FOR$");
	guest_expect_out_matches(g, "^ +1  [a-z]+.* main" LINE " +-$");
	for (int i = 2; i <= 4; i++) {
		char row[200];

		snprintf(row, sizeof row,
			 "^ +%d  sync\\.WaitGroup\\.Wait +[0-9]+[sm] +inner" LINE
			 " +" BY_MAIN_WAITS,
			 i);
		guest_expect_out_matches(g, row);
	}
	guest_expect_out_matches(g,
				 "^ +[0-9]+  (running|preempted|runnable).* hog" LINE " +" BY_MAIN);
	guest_expect_out_matches(g, "^[56] goroutines; GOMAXPROCS 2: ");
}

Test(ps, lists_goroutines, .timeout = 60)
{
	static const char *const names[] = {"park", "park-pie", "park-O0"};

	for (int i = 0; i < 3; i++) {
		struct park p = PARK(names[i], "3", "hog", "late");
		struct guest g = RTINSPECT_RUN("ps", p.number);

		expect_table(&g);
		guest_expect_out_matches(&g,
					 "^ +[0-9]+  .* (parked|inner)" LINE " +main" LINE
					 " in goroutine 1( |$)");
		guest_free(&g);
		expect_undisturbed(&p);
	}
}

Test(ps, traceback, .timeout = 60)
{
	struct park p = PARK("park", "1");

	wait_until_in(&p, IN_READ);
	struct guest g = RTINSPECT_RUN("ps", "-v", p.number);
	guest_expect_exit(&g, 0);
	guest_expect_err_is(&g, "");
	/* All of it: a goroutine's own frames and the call into the runtime, libc's by name. */
	const char *two = strstr(g.out, "goroutine 2 [sync.WaitGroup.Wait]:\n");
	cr_assert(two, "%s", g.out);
	cr_assert(strstr(two, "\ninner(...)\n\t/"), "%s", g.out);
	cr_assert(strstr(two, "\nparked(...)\n\t/"), "%s", g.out);
	cr_assert(strstr(two, "\ncreated by main in goroutine 1\n\t/"), "%s", g.out);
	guest_expect_out_matches(&g, "^\t/.*/park\\.c:[0-9]+ \\+0x[0-9a-f]+$");
	guest_expect_out_matches(&g, "^read\\(\\.\\.\\.\\)$");
	guest_expect_out_matches(&g, "^\tlibc\\.a \\+0x[0-9a-f]+$");
	cr_assert(!strstr(g.out, "rt__gostart"), "%s", g.out);
	guest_free(&g);
	g = RTINSPECT_RUN("ps", "-v", "--runtime", p.number);
	guest_expect_out_matches(&g, "^rt_wg_wait\\(\\.\\.\\.\\)$");
	guest_expect_out_matches(&g, "^rt__gostart\\(\\.\\.\\.\\)$");
	guest_free(&g);
	expect_undisturbed(&p);
}

/* Goroutine 2 of that guest has been made to look as if it had waited for 150 seconds. */
Test(ps, minutes, .timeout = 60)
{
	struct park p = PARK("traceback", "minutes", "wait");
	struct guest g = RTINSPECT_RUN("ps", p.number);

	guest_expect_out_matches(&g, "^ +2  sync\\.WaitGroup\\.Wait +2m +wait_for traceback");
	guest_free(&g);
	g = RTINSPECT_RUN("ps", "-v", p.number);
	guest_expect_out_matches(&g, "^goroutine 2 \\[sync\\.WaitGroup\\.Wait, 2 minutes\\]:$");
	guest_free(&g);
	g = RTINSPECT_RUN("ps", "--json", p.number);
	guest_expect_out_matches(&g, "^      \"state\": \"sync\\.WaitGroup\\.Wait\",$");
	guest_expect_out_matches(&g, "^      \"waits_seconds\": 1[5-9][0-9],$");
	guest_free(&g);
	expect_undisturbed(&p);
}

/* A function that has jumped into the runtime, or libc, is where its goroutine is. */
Test(ps, jump, .timeout = 60)
{
	struct park p = PARK("jump", "wait");
	struct guest g = RTINSPECT_RUN("ps", p.number);

	guest_expect_out_matches(&g,
				 "^ +2  sync\\.WaitGroup\\.Wait +[-0-9s]+ +jump_to_wait jump\\.c:");
	guest_expect_out_matches(&g, "^ +3  syscall on m[0-9]+ +[-0-9s]+ +jump_to_read jump\\.c:");
	guest_free(&g);
	g = RTINSPECT_RUN("ps", "-v", p.number);
	guest_expect_out_matches(&g,
				 "\ngoroutine 2 \\[sync\\.WaitGroup\\.Wait\\]:\n" FRAME(
					 "rt_wg_wait") FRAME("jump_to_wait") CREATED("main", "1"));
	guest_free(&g);
	expect_undisturbed(&p);
}

/* A function that was inlined is where its goroutine is, and has a frame of its own. */
Test(ps, inlined, .timeout = 60)
{
	struct park p = PARK("inlined-gcc-O2", "wait");
	struct guest g = RTINSPECT_RUN("ps", p.number);

	guest_expect_out_matches(&g,
				 "^ +2  sync\\.WaitGroup\\.Wait +[0-9]+s +wait_for "
				 "inlined\\.c:42 +start inlined\\.c:56 in goroutine 1 ");
	guest_free(&g);
	g = RTINSPECT_RUN("ps", "-v", p.number);
	guest_expect_out_matches(&g,
				 "\nwait_for\\(\\.\\.\\.\\)\n\t/.*/inlined\\.c:42\n"
				 "waiter\\(\\.\\.\\.\\)\n\t/.*/inlined\\.c:48 \\+0x[0-9a-f]+\n"
				 "created by start in goroutine 1\n\t/.*/inlined\\.c:56\n");
	guest_free(&g);
	g = RTINSPECT_RUN("ps", "-v", "--json", p.number);
	guest_expect_out_matches(&g, "^          \"inlined\": true,$");
	guest_free(&g);
	expect_undisturbed(&p);
}

Test(ps, json, .timeout = 60)
{
	struct park p = PARK("park", "1");
	struct guest g = RTINSPECT_RUN("ps", "--json", "--traceback", p.number);

	guest_expect_exit(&g, 0);
	guest_expect_out_matches(&g, "^  \"version\": 1,$");
	guest_expect_out_matches(&g, "^      \"state\": \"sync\\.WaitGroup\\.Wait\",$");
	guest_expect_out_matches(&g, "^          \"function\": \"parked\",$");
	guest_expect_out_matches(&g, "^      \"parent\": 1,$");
	guest_free(&g);
	expect_undisturbed(&p);
}

/* What malloc says of itself, from outside: tests/guest/heapinfo.c. */
static void
expect_heap(const struct guest *g)
{
	guest_expect_exit(g, 0);
	guest_expect_err_is(g, "");
	guest_expect_out_matches(g,
				 "^heap: [0-9.]+ MiB in spans, [0-9.]+ MiB idle; has been "
				 "[0-9.]+ MiB; 7[0-9][0-9] blocks of 5\\.[0-9] MiB$");
	guest_expect_out_matches(g, "^ +SIZE +SPANS +BLOCKS +BYTES +AT HAND +FREE$");
	guest_expect_out_matches(g, "^ +112 +2 +70[0-3] +78[0-9]{3} +[0-9]+ +[0-9]+$");
	guest_expect_out_matches(g, "^ +huge +1 +1 +52[0-9]{5} +0 +0$");
	guest_expect_out_matches(g, "^ +all +[0-9]+ +7[0-9][0-9] +5[0-9]{6} ");
}

Test(ps, heap, .timeout = 60)
{
	struct park p = PARK("heapinfo", "parked");
	struct guest g = RTINSPECT_RUN("ps", "--heap", p.number);

	expect_heap(&g);
	guest_free(&g);
	g = RTINSPECT_RUN("ps", p.number);
	guest_expect_out_matches(&g, "^heap: [0-9.]+ MiB in spans, .* has been [0-9.]+ MiB$");
	cr_assert_eq(guest_count(g.out, "SPANS"), 0);
	guest_free(&g);
	g = RTINSPECT_RUN("ps", "--json", "--heap", p.number);
	guest_expect_out_matches(&g, "\"size\": 112,\n +\"spans\": 2,\n +\"blocks\": 70[0-3],");
	guest_free(&g);
	expect_undisturbed(&p);
}

Test(ps, stripped, .timeout = 60)
{
	struct park p = PARK("park-stripped", "3");
	struct guest g = RTINSPECT_RUN("ps", p.number);

	guest_expect_exit(&g, 0);
	guest_expect_out_matches(&g,
				 "^ +2  sync\\.WaitGroup\\.Wait +[0-9]+[sm] +0x[0-9a-f]+ "
				 "+0x[0-9a-f]+ in goroutine 1 ");
	guest_free(&g);
	expect_undisturbed(&p);
}

/* A pipe that takes no more; nobody reads it. */
static void
make_full_pipe(int pipe_ends[2])
{
	char page[4096] = "";

	cr_assert(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) == 0);
	while (write(pipe_ends[1], page, sizeof page) > 0)
		;
	cr_assert(errno == EAGAIN && fcntl(pipe_ends[1], F_SETFL, 0) == 0);
}

/* A goroutine that has a report printed is not on its own stack, but it is where it aborted. With
 * one processor it is on the process's first thread, whose own stack lies above all others. */
Test(ps, reporting, .timeout = 60)
{
	int full[2], status;

	make_full_pipe(full);
	park_procs = "GOMAXPROCS=1";
	park_err = full[1];
	struct park p = PARK("park", "1", "abort");
	close(p.in);
	wait_until_in(&p, IN_WRITE);
	struct guest g = RTINSPECT_RUN("ps", "-v", p.number);
	guest_expect_out_matches(&g,
				 "^goroutine 1 \\[running\\]:\nabort\\(\\.\\.\\.\\)\n.*\nmain\\(");
	guest_free(&g);
	close(full[0]);
	cr_assert(waitpid(p.pid, &status, 0) == p.pid && WIFSIGNALED(status), "%x", status);
}

/* ---- what they wait for ---- */

#define CYCLES                                                                                     \
	"goroutine 5 waits for the mutex" AT ", which goroutine 6 has locked\n"                    \
	"goroutine 6 waits for the mutex" AT ", which goroutine 5 has locked\n"                    \
	"(\ndeadlock:\n)?"                                                                         \
	"goroutine 10 waits for the RWMutex" AT ", which it has locked itself\n"

/* The tracebacks of these goroutines in text end in what they wait for. */
static void
expect_waits(const char *text)
{
	char pattern[512];
	regex_t re;

	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		const char *cases = i == 2 ? CASES_OF_4 : CASES_OF_16;

		/* "goroutine N [...", then lines that are not empty */
		snprintf(pattern, sizeof pattern, "(^|\n)goroutine %zu [^\n]+\n([^\n]+\n)*%s%s%s",
			 i + 2, waits[i] ? "waits for " : "", waits[i] ? waits[i] : cases,
			 waits[i] ? "\n" : "");
		cr_assert(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) == 0, "%s", pattern);
		cr_assert(regexec(&re, text, 0, NULL, 0) == 0, "no %s in:\n%s", pattern, text);
		regfree(&re);
	}
}

Test(ps, waits, .timeout = 60)
{
	static const char *const names[] = {"waiting", "waiting-pie"};

	park_procs = "GOMAXPROCS=1";
	for (int i = 0; i < 2; i++) {
		struct park p = PARK(names[i], NULL);
		struct guest g = RTINSPECT_RUN("ps", "-v", p.number);

		expect_waits(g.out);
		guest_expect_out_matches(&g, "\ndeadlock:\n" CYCLES "$");
		guest_free(&g);
		g = RTINSPECT_RUN("ps", p.number);
		guest_expect_out_matches(&g, "^ +4  select .* in goroutine 1 +one of 2 cases$");
		guest_expect_out_matches(
			&g,
			"^ +8  sync\\.WaitGroup\\.Wait .* in goroutine 1 +the wait group" AT
			" \\(3 to go\\)$");
		guest_free(&g);
		g = RTINSPECT_RUN("ps", "--json", p.number);
		guest_expect_out_matches(&g, "^        \"what\": \"mutex\",$");
		guest_expect_out_matches(&g, "^        \"locked_by\": 6,$");
		guest_expect_out_matches(
			&g, "\"deadlocks\": \\[\n +\\[\n +5,\n +6\n +\\],\n +\\[\n +10\n");
		guest_free(&g);
		expect_undisturbed(&p);
	}
}

/* The runtime's own report says the same. */
Test(ps, waits_of_report)
{
	struct guest g = guest_run("waiting", .args = {"quit"}, .env = {"GOMAXPROCS=1"});

	guest_expect_exit(&g, 2);
	guest_expect_err_matches(&g, "^SIGQUIT: quit\nPC=[^\n]+\n\n" CYCLES "\n");
	expect_waits(g.err);
	guest_free(&g);
}

Test(ps, many, .timeout = 240)
{
	const char *n = guest_goroutines("100000");
	struct park p = PARK("park", n, "hog");
	struct guest g = RTINSPECT_RUN("ps", p.number);
	char whole[64];

	guest_expect_exit(&g, 0);
	snprintf(whole, sizeof whole, "^%ld goroutines; ", atol(n) + 2); /* main and the hog */
	guest_expect_out_matches(&g, whole);
	cr_assert(guest_count(g.out, "inner park.c") >= atol(n));
	guest_free(&g);
	expect_undisturbed(&p);
}

/* Whether /proc/PID/status has the line. */
static bool
status_has(const struct park *p, const char *line)
{
	char path[64], text[4096] = "";

	snprintf(path, sizeof path, "/proc/%s/status", p->number);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
	close(fd);
	return strstr(text, line) != NULL;
}

/* Whatever becomes of rtinspect, the process goes on. */
Test(ps, killed_while_it_looks, .timeout = 240)
{
	struct park p = PARK("park", guest_goroutines("50000"));
	pid_t pid = fork();
	int status;

	cr_assert(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		execl(rtinspect(), "rtinspect", "ps", p.number, (char *)NULL);
		_exit(126);
	}
	while (!status_has(&p, "\nState:\tt (tracing stop)\n") &&
	       waitpid(pid, &status, WNOHANG) == 0)
		;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	expect_undisturbed(&p);
}

/* ---- core files ---- */

static bool
cores_are_files(void)
{
	char pattern[256] = "";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, pattern, sizeof pattern - 1) < 0)
		pattern[0] = 0;
	close(fd);
	return strcmp(pattern, "core\n") == 0;
}

/* Makes a core file in a new folder; false if this machine makes none. */
static bool
make_core(const char *name, const char *const *args, char dir[static 32], char core[static 64],
	  int pid[static 1])
{
	strcpy(dir, "/tmp/rt0-ps-XXXXXX");
	cr_assert(mkdtemp(dir));
	struct park p = park_in(dir, name, args);
	int status = release(&p);
	struct stat found;

	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status 0x%x", status);
	snprintf(core, 64, "%s/core", dir);
	if (stat(core, &found) != 0)
		snprintf(core, 64, "%s/core.%d", dir, (int)p.pid);
	*pid = p.pid;
	return stat(core, &found) == 0;
}

Test(ps, core, .timeout = 60)
{
	char dir[32], core[64], head[100], cut[64];
	int pid;

	if (!cores_are_files() ||
	    !make_core("park", (const char *const[]){"3", "hog", "abort", NULL}, dir, core, &pid))
		cr_skip_test("no core files here");
	struct guest g = RTINSPECT_RUN("core", core);
	expect_table(&g);
	snprintf(head, sizeof head, "^process %d: .*/park 3 hog abort$", pid);
	guest_expect_out_matches(&g, head);
	guest_expect_out_matches(&g,
				 "^It died of signal 6 \\(SIGABRT: Aborted\\), in thread [0-9]+ "
				 "\\(m[0-9]+\\), goroutine 1\\.$");
	guest_free(&g);

	g = RTINSPECT_RUN("core", core, guest_path("hello"));
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "hello is not the program that left this core file");
	guest_free(&g);

	/* Without its end it still tells what it can, and says that it is cut. */
	snprintf(cut, sizeof cut, "%s/cut", dir);
	cr_assert(rename(core, cut) == 0 && truncate(cut, 200000) == 0);
	g = RTINSPECT_RUN("core", cut);
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, "is truncated: it should have");
	guest_free(&g);
	unlink(cut);
	rmdir(dir);
}

Test(ps, heap_of_a_core, .timeout = 60)
{
	char dir[32], core[64];
	int pid;

	if (!cores_are_files() ||
	    !make_core("heapinfo", (const char *const[]){"parked", "abort", NULL}, dir, core, &pid))
		cr_skip_test("no core files here");
	struct guest g = RTINSPECT_RUN("core", "--heap", core);
	expect_heap(&g);
	guest_free(&g);
	unlink(core);
	rmdir(dir);
}

/* ---- what cannot be looked at ---- */

static void
expect_refusal(struct guest g, const char *why)
{
	guest_expect_exit(&g, 2);
	guest_expect_err(&g, why);
	guest_free(&g);
}

static int
become_nobody(const void *unused)
{
	(void)unused;
	return setgid(65534) != 0 || setuid(65534) != 0;
}

Test(ps, errors, .timeout = 60)
{
	char self[16];

	snprintf(self, sizeof self, "%d", (int)getpid());
	expect_refusal(RTINSPECT_RUN("ps", "2147483647"), "process 2147483647: no such process\n");
	expect_refusal(RTINSPECT_RUN("ps", self), "is not an rt0 program");
	expect_refusal(RTINSPECT_RUN("ps", "12x"), "12x is not the number of a process");
	expect_refusal(RTINSPECT_RUN("ps"), "name a process");
	expect_refusal(RTINSPECT_RUN("core", "/etc/passwd"), "it is not an ELF file");
	expect_refusal(RTINSPECT_RUN("core", "/nonexistent"), "cannot be opened: No such file");
	expect_refusal(RTINSPECT_RUN("core", guest_path("hello")), "but no core file");
}

Test(ps, permission, .timeout = 60)
{
	if (geteuid() != 0)
		cr_skip_test("only root can become somebody else");
	struct park p = PARK("park", "1");
	char folder[4096];

	/* The build folder may be closed to others, even to search. */
	snprintf(folder, sizeof folder, "%s", rtinspect());
	struct guest g = guest_run(rtinspect(), .args = {"ps", p.number}, .before = become_nobody);
	if (WIFEXITED(g.status) && WEXITSTATUS(g.status) != 126) {
		guest_expect_exit(&g, 2);
		guest_expect_err(&g, "may not be inspected");
	}
	guest_free(&g);
	expect_undisturbed(&p);
}

/* One tracer at a time: who it is, is said. */
Test(ps, traced, .timeout = 60)
{
	struct park p = PARK("park", "1");
	char who[64];

	if (access("/usr/bin/strace", X_OK) != 0)
		cr_skip_test("there is no strace");
	pid_t pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0) {
		execl("/usr/bin/strace", "strace", "-q", "-o", "/dev/null", "-e", "trace=none",
		      "-p", p.number, (char *)NULL);
		_exit(126);
	}
	snprintf(who, sizeof who, "\nTracerPid:\t%d\n", (int)pid);
	while (!status_has(&p, who))
		cr_assert(waitpid(pid, NULL, WNOHANG) == 0, "strace has ended");
	snprintf(who, sizeof who, "is being traced by process %d", (int)pid);
	struct guest g = RTINSPECT_RUN("ps", p.number);
	guest_expect_err(&g, who);
	guest_free(&g);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	expect_undisturbed(&p);
}

/* SPDX-License-Identifier: MIT */
/* malloc and its family as programs see them: corner cases, misuse, many threads. malloc_limits.c
 * has limits. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t align, size_t size);

static void *volatile sink;

static uint64_t
draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Sizes around every border there is. */
static const size_t sizes[] = {
	0,       1,       15,          16,          17,           100,     1000,
	1024,    1025,    4096,        5000,        32768,        32769,   65536,
	65537,   262144,  262145,      MIB - 1,     MIB,          MIB + 1, 2 * MIB - 4096,
	2 * MIB, 3000000, 5 * MIB + 7, 9 * MIB - 1, 30 * MIB + 5,
};

/* ---- corner cases ---- */

static int
basics(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (size_t i = 0; i < GUEST_LEN(sizes); i++) {
		unsigned char *p = malloc(sizes[i]), *q = malloc(sizes[i]);

		CHECK(p && q && p != q);
		CHECK((uintptr_t)p % 16 == 0 && (uintptr_t)q % 16 == 0);
		CHECK(malloc_usable_size(p) >= sizes[i]);
		memset(p, 0xab, malloc_usable_size(p));
		memset(q, 0xcd, malloc_usable_size(q));
		CHECK(holds(p, malloc_usable_size(p), 0xab));
		errno = 77;
		free(p);
		free_sized(q, sizes[i]);
		CHECK(errno == 77);
	}
	errno = 77;
	free(NULL);
	free_sized(NULL, 5);
	CHECK(errno == 77 && malloc_usable_size(NULL) == 0);
	return ok();
}

static int
zeroed(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < GUEST_LEN(sizes); i++) {
			unsigned char *p = calloc(sizes[i], 1);

			CHECK(p && holds(p, sizes[i], 0));
			memset(p, 0xee, malloc_usable_size(p));
			free(p);
		}
	}
	void *volatile none;
	volatile size_t half = SIZE_MAX / 2;
	errno = 0;
	none = calloc(half, 3);
	CHECK(!none && errno == ENOMEM);
	return ok();
}

static int
resized(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (size_t i = 0; i < GUEST_LEN(sizes); i++) {
		for (size_t j = 0; j < GUEST_LEN(sizes); j++) {
			size_t a = sizes[i], b = sizes[j], both = a < b ? a : b;
			unsigned char *p = malloc(a);

			memset(p, (int)(i + 1), a);
			p = realloc(p, b);
			CHECK(p && holds(p, both, (unsigned char)(i + 1)));
			CHECK(malloc_usable_size(p) >= b);
			memset(p, 1, b);
			free(p);
		}
	}
	unsigned char *p = NULL;
	for (size_t n = 1; n < 40 * MIB; n += n / 3 + 1) { /* as strings grow */
		p = realloc(p, n);
		CHECK(p && p[0] == (n == 1 ? p[0] : 9) && p[n / 2] == p[n / 2]);
		p[0] = 9;
		p[n - 1] = 9;
	}
	free(p);
	errno = 0;
	p = malloc(100);
	volatile size_t much = SIZE_MAX / 2 - 100, half = SIZE_MAX / 2;
	void *volatile none = realloc(p, much);
	CHECK(!none && errno == ENOMEM);
	none = reallocarray(p, half, 3);
	CHECK(!none);
	memset(p, 1, 100);
	p = reallocarray(p, 100, 30);
	CHECK(p && holds(p, 100, 1));
	free(p);
	return ok();
}

static int
without_pointers(int argc, char **argv)
{
	void *p[100];

	(void)argc, (void)argv;
	for (size_t i = 0; i < GUEST_LEN(sizes); i++) {
		unsigned char *a = rt_malloc_noscan(sizes[i]), *b = malloc(sizes[i]);

		CHECK(a && b && malloc_usable_size(a) >= sizes[i] && (uintptr_t)a % 16 == 0);
		memset(a, 1, sizes[i]);
		memset(b, 2, sizes[i]);
		a = realloc(a, 2 * sizes[i] + 1);
		CHECK(a && holds(a, sizes[i], 1) && holds(b, sizes[i], 2));
		memset(a, 3, 2 * sizes[i] + 1);
		free(a);
		free(b);
	}
	for (int i = 0; i < 10000; i++) {
		for (int k = 0; k < 100; k++)
			p[k] = k % 2 ? malloc(100) : rt_malloc_noscan(100);
		for (int k = 0; k < 100; k++)
			free(p[(k * 7) % 100]);
	}
	errno = 0;
	sink = rt_malloc_noscan(SIZE_MAX / 2);
	CHECK(!sink && errno == ENOMEM);
	rt__mem_check();
	return ok();
}

static int
aligned(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (size_t align = 1; align <= 16 * MIB; align *= 2) {
		for (size_t i = 0; i < GUEST_LEN(sizes); i++) {
			unsigned char *p = aligned_alloc(align, sizes[i]);

			CHECK(p && (uintptr_t)p % align == 0);
			CHECK(malloc_usable_size(p) >= sizes[i]);
			memset(p, 7, sizes[i] < 70000 ? sizes[i] : 70000);
			p = realloc(p, sizes[i] + 100);
			CHECK(p && holds(p, sizes[i] < 70000 ? sizes[i] : 70000, 7));
			free_sized(p, sizes[i] + 100);
			free_aligned_sized(aligned_alloc(align, sizes[i]), align, sizes[i]);
		}
	}
	void *p = NULL, *volatile none;
	volatile size_t odd = 24;
	CHECK(posix_memalign(&p, 64, 100) == 0 && (uintptr_t)p % 64 == 0);
	free(p);
	CHECK(posix_memalign(&p, odd, 100) == EINVAL && posix_memalign(&p, 4, 100) == EINVAL);
	none = aligned_alloc(odd, 100);
	CHECK(!none && errno == EINVAL);
	p = memalign(4096, 10);
	CHECK(p && (uintptr_t)p % 4096 == 0);
	free(p);
	p = valloc(10);
	CHECK(p && (uintptr_t)p % 4096 == 0);
	free(p);
	return ok();
}

static int
too_much(int argc, char **argv)
{
	static const size_t much[] = {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2 + 1, SIZE_MAX / 4};

	(void)argc, (void)argv;
	for (size_t i = 0; i < GUEST_LEN(much); i++) {
		volatile size_t n = much[i];

		errno = 0;
		sink = malloc(n);
		CHECK(!sink && errno == ENOMEM);
		errno = 0;
		sink = aligned_alloc(64, n);
		CHECK(!sink && errno == ENOMEM);
	}
	return ok();
}

/* ---- misuse ---- */

static int
misuse(int argc, char **argv)
{
	static char area[100];
	char *p = malloc(100), *large = malloc(5 * MIB + 1);
	const char *what = argc > 0 ? argv[0] : "";
	void *volatile bad = NULL;

	if (strcmp(what, "twice") == 0) {
		free(p);
		bad = p;
	} else if (strcmp(what, "twice-large") == 0) {
		free(large);
		bad = large;
	} else if (strcmp(what, "inside") == 0) {
		bad = p + 16;
	} else if (strcmp(what, "inside-large") == 0) {
		bad = large + 3 * MIB;
	} else if (strcmp(what, "static") == 0) {
		bad = area;
	} else if (strcmp(what, "stack") == 0) {
		bad = &what;
	} else if (strcmp(what, "wild") == 0) {
		bad = large + 200 * MIB;
	} else if (strcmp(what, "sized") == 0) {
		free_sized(p, 10000);
	} else if (strcmp(what, "overrun") == 0) {
		memset(large, 1, 5 * MIB + 8192);
	} else if (strcmp(what, "realloc") == 0) {
		free(p);
		bad = p;
		sink = realloc(bad, 200);
	}
	free(bad);
	return 0;
}

/* ---- many goroutines and threads; blocks go from one to another ---- */

#define EXCHANGE 512
static size_t *exchange[EXCHANGE];

static void
churn(int id, int n)
{
	uint64_t seed = (uint64_t)id * 0x9e3779b97f4a7c15 + 1;

	for (int i = 0; i < n; i++) {
		size_t words = 2 + draw(&seed) % (draw(&seed) % 100 ? 60 : 20000);
		size_t *p = draw(&seed) % 2 ? malloc(words * 8)
			: draw(&seed) % 4   ? calloc(words, 8)
					    : rt_malloc_noscan(words * 8);

		CHECK(p);
		p[0] = words;
		p[words - 1] = (size_t)p;
		if (draw(&seed) % 8 == 0) {
			words *= 2;
			p = realloc(p, words * 8);
			CHECK(p && p[0] == words / 2);
			p[0] = words;
			p[words - 1] = (size_t)p;
		}
		size_t *old =
			__atomic_exchange_n(&exchange[draw(&seed) % EXCHANGE], p, __ATOMIC_ACQ_REL);
		if (old) {
			CHECK(old[old[0] - 1] == (size_t)old);
			free(old);
		}
		if (draw(&seed) % 1000 == 0)
			rt_gosched();
	}
}

static void
churn_goroutine(int id, int n, rt_wg *wg)
{
	churn(id, n);
	rt_wg_done(wg);
}

static void *
churn_thread(void *arg)
{
	churn((int)(intptr_t)arg, 3000);
	return NULL;
}

static int
stress(int argc, char **argv)
{
	int n = number(argc, argv, 8), procs = rt_gomaxprocs(0);
	rt_wg wg = RT_WG_INIT;
	pthread_t t[4];

	rt_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		rt_go(churn_goroutine, i, 20000, &wg);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			CHECK(pthread_create(&t[i], NULL, churn_thread,
					     (void *)(intptr_t)(100 + i)) == 0);
		rt_gomaxprocs(round % 2 ? procs : procs + 2); /* caches come and go */
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
	rt_wg_wait(&wg);
	for (int i = 0; i < EXCHANGE; i++)
		free(exchange[i]);
	rt_free_os_memory();
	rt_mem_stats st;
	rt_read_mem_stats(&st);
	CHECK(st.blocks < 100);
	return ok();
}

static int
forks(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	int status;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		rt_go(churn_goroutine, i, 20000, &wg);
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			for (int k = 0; k < EXCHANGE; k++)
				exchange[k] = NULL; /* some may have been half done */
			rt__mem_check();
			churn(i, 5000);
			rt__mem_check();
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	rt_wg_wait(&wg);
	return ok();
}

/* Fills the caches of as many Ps as there are, and of threads, and frees everything. */
static void
fill_caches(void)
{
	rt_wg wg = RT_WG_INIT;
	pthread_t t[4];

	rt_wg_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		rt_go(churn_goroutine, i, 3000, &wg);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, churn_thread, (void *)(intptr_t)(100 + i)) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	rt_wg_wait(&wg);
	for (int i = 0; i < EXCHANGE; i++) {
		free(exchange[i]);
		exchange[i] = NULL;
	}
}

/* A child has none of its parent's other threads, but the memory that they kept at hand. */
static int
descend(int generations)
{
	rt_mem_stats before, after;
	size_t first = 0;
	int status;

	for (int i = 0; i < generations; i++) {
		fill_caches();
		rt_read_mem_stats(&before);
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid > 0) {
			CHECK(waitpid(pid, &status, 0) == pid);
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
		}
		rt_read_mem_stats(&after);
		CHECK(before.cached > 10000 && after.cached < 1000);
		CHECK(after.blocks <= before.blocks + 2);
		if (i == 2)
			first = after.in_use;
		CHECK(i <= 2 || after.in_use <= first + MIB);
	}
	return ok();
}

static int
generations(int argc, char **argv)
{
	return descend(number(argc, argv, 20));
}

static void *
descend_thread(void *arg)
{
	exit(descend((int)(intptr_t)arg));
	return NULL;
}

static int
generations_of_threads(int argc, char **argv)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, descend_thread, (void *)(intptr_t)number(argc, argv, 20)) ==
	      0);
	pthread_join(t, NULL);
	return 1;
}

/* ---- handlers that allocate ---- */

static volatile int handled;

static void
on_alarm(int sig)
{
	void *p[20];

	(void)sig;
	for (int i = 0; i < 20; i++) {
		p[i] = malloc((size_t)i * 10);
		memset(p[i], i, (size_t)i * 10);
	}
	for (int i = 0; i < 20; i++)
		free(p[i]);
	handled++;
}

/* What it interrupts is only ever malloc's fast path: one size, one block at a time. */
static int
handler(int argc, char **argv)
{
	int us = number(argc, argv, 200);
	struct itimerval every = {{0, us}, {0, us}};

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &every, NULL);
	while (handled < 500) {
		size_t *p = malloc(64), *q = malloc(64);

		CHECK(p && q && p != q);
		*p = 1;
		*q = 2;
		CHECK(*p == 1);
		free(p);
		free(q);
	}
	return ok();
}

/* Whatever malloc is at, in the locks of the heap, too: one that came then is put off. */
static struct {
	char *p[500];
	uint64_t seed;
} busy = {.seed = 88172645463325252};

static void
keep_busy(int until)
{
	rt_mem_stats st;

	while (handled < until) {
		size_t i = draw(&busy.seed) % GUEST_LEN(busy.p);
		size_t size = 1 + draw(&busy.seed) % (draw(&busy.seed) % 50 ? 400 : 200000);

		free(busy.p[i]);
		CHECK((busy.p[i] = malloc(size)));
		busy.p[i][0] = busy.p[i][size - 1] = (char)i;
		if (draw(&busy.seed) % 100 == 0)
			rt_read_mem_stats(&st);
	}
	for (size_t i = 0; i < GUEST_LEN(busy.p); i++) {
		CHECK(!busy.p[i] || busy.p[i][0] == (char)i);
		free(busy.p[i]);
		busy.p[i] = NULL;
	}
}

static void
on_alarm_all_sizes(int sig)
{
	int saved = errno;

	(void)sig;
	for (size_t size = 1; size < 3 * MIB; size *= 7) {
		char *p = malloc(size);

		CHECK(p);
		p[0] = p[size - 1] = 1;
		free(p);
	}
	handled++;
	errno = saved;
}

static void
on_alarm_fork(int sig)
{
	int saved = errno, status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		on_alarm_all_sizes(sig);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	handled++;
	errno = saved;
}

static void *
keep_busy_thread(void *until)
{
	keep_busy((int)(intptr_t)until);
	return NULL;
}

/* handler-anywhere N US [fork] [thread]: N signals, so far apart, on a goroutine or a thread. */
static int
handler_anywhere(int argc, char **argv)
{
	int n = number(argc, argv, 1000), us = number(argc - 1, argv + 1, 200);
	struct itimerval every = {{0, us}, {0, us}};
	bool forks = false, thread = false;
	sigset_t set;
	pthread_t t;

	for (int i = 2; i < argc; i++) {
		forks |= strcmp(argv[i], "fork") == 0;
		thread |= strcmp(argv[i], "thread") == 0;
	}
	signal(SIGALRM, forks ? on_alarm_fork : on_alarm_all_sizes);
	if (thread) {
		CHECK(pthread_create(&t, NULL, keep_busy_thread, (void *)(intptr_t)n) == 0);
		sigemptyset(&set);
		sigaddset(&set, SIGALRM);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
	}
	setitimer(ITIMER_REAL, &every, NULL);
	if (thread)
		pthread_join(t, NULL);
	else
		keep_busy(n);
	rt__mem_check();
	return ok();
}

/* A handler that is for one signal only gets that one, if it was put off, too. */
static int
handler_once(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_alarm_all_sizes, .sa_flags = (int)SA_RESETHAND};
	struct itimerval soon = {{0, 0}, {0, 50}};

	for (int i = 1; i <= number(argc, argv, 1000); i++) {
		struct sigaction after;

		CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
		setitimer(ITIMER_REAL, &soon, NULL);
		keep_busy(i);
		CHECK(sigaction(SIGALRM, NULL, &after) == 0 && after.sa_handler == SIG_DFL);
	}
	return ok();
}

static const struct guest_case cases[] = {
	{"basics", basics},
	{"zeroed", zeroed},
	{"resized", resized},
	{"without-pointers", without_pointers},
	{"aligned", aligned},
	{"too-much", too_much},
	{"misuse", misuse},
	{"stress", stress},
	{"forks", forks},
	{"handler", handler},
	{"handler-anywhere", handler_anywhere},
	{"handler-once", handler_once},
	{"generations", generations},
	{"generations-of-threads", generations_of_threads},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

/* SPDX-License-Identifier: MIT */
/* Programs whose heap profile is known. They write it to stdout. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define KEEP 2000
#define SIZE 1000 /* in blocks of 1024 bytes */

static void *kept[10 * KEEP];
static void *volatile sink;

#define NOINLINE __attribute__((noinline))

static NOINLINE void
keeps(int n)
{
	for (int i = 0; i < n; i++)
		kept[i] = malloc(SIZE);
}

static NOINLINE void
drops(int n)
{
	for (int i = 0; i < n; i++) {
		sink = calloc(SIZE, 1);
		free(sink);
	}
}

static NOINLINE void
resizes(void)
{
	void *p = malloc(100);

	for (size_t size = 50; size < 8 * MIB; size += size / 2)
		p = realloc(p, size);
	p = realloc(p, 10 * MIB);
	kept[KEEP] = realloc(p, 10 * MIB - 1); /* which is the same block, still in use */
}

static NOINLINE void
aligns(void)
{
	for (int i = 0; i < 10; i++)
		kept[KEEP + 1 + i] = aligned_alloc(64, 192);
	free(aligned_alloc(MIB, 3 * MIB));
}

/* Two calls from one place have one stack. */
static inline void
copies(void)
{
	for (int i = 0; i < 2; i++)
		kept[KEEP + 20 + i] = strdup("copied by libc");
}

static int
exact(int argc, char **argv)
{
	(void)argc, (void)argv;
	CHECK(rt_set_mem_profile_rate(1) == 0);
	keeps(KEEP);
	drops(KEEP / 2);
	resizes();
	aligns();
	copies();
	CHECK(rt_set_mem_profile_rate(0) == 1);
	drops(10); /* not seen */
	free(kept[7]);
	CHECK(rt_write_heap_profile(1) == 0);
	CHECK(rt_write_heap_profile(-1) == EBADF);
	return 0;
}

/* A block that stays and some that do not, in turn: always the same ones reach deepest into what
 * malloc has at hand. */
static int
estimated(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_set_mem_profile_rate(8 << 10);
	for (int i = 0; i < 10; i++) {
		keeps(KEEP);
		memmove(kept + KEEP, kept, KEEP * sizeof *kept);
		for (int k = 0; k < KEEP; k++) {
			void *p = malloc(SIZE);

			drops(2);
			free(p);
		}
	}
	CHECK(rt_write_heap_profile(1) == 0);
	return 0;
}

/* ---- by every way that there is ---- */

#define EACH (16 * MIB) /* bytes, of blocks that are freed at once */

#define WAY(name, block, alloc)                                                                    \
	static NOINLINE void name(void)                                                            \
	{                                                                                          \
		for (size_t n = EACH / (block); n > 0; n--) {                                      \
			sink = (alloc);                                                            \
			free(sink);                                                                \
		}                                                                                  \
	}

WAY(nothing, 16, malloc(0))
WAY(small, 32, malloc(17))
WAY(zeroed, 1024, calloc(2, 500))
WAY(middling, 5376, malloc(5000))
WAY(medium, 131072, malloc(70000))
WAY(zeroed_medium, 131072, calloc(1, 100000))
WAY(aligned, 512, aligned_alloc(512, 100))
WAY(grown, 2048 + 8192, realloc(malloc(2000), 8000))
WAY(text, 208, rt_malloc_noscan(200))
WAY(more_text, 4096, rt_malloc_noscan(4000))

static NOINLINE void
on_signal(int sig)
{
	(void)sig;
	for (int n = 0; n < 1024; n++) {
		sink = malloc(SIZE);
		free(sink);
	}
}

static NOINLINE void *
on_thread(void *arg)
{
	for (size_t n = EACH / 256; n > 0; n--) {
		sink = malloc(256);
		free(sink);
	}
	return arg;
}

/* Two large blocks in each turn: each of them is sampled. */
static NOINLINE void
large(void)
{
	for (int i = 0; i < 10; i++) {
		sink = realloc(malloc(MIB), 3 * MIB);
		free(sink);
	}
}

static int
ways(int argc, char **argv)
{
	pthread_t t;

	(void)argc, (void)argv;
	signal(SIGUSR1, on_signal);
	rt_set_mem_profile_rate(8 << 10);
	nothing(), small(), zeroed(), middling(), medium(), zeroed_medium();
	aligned(), grown(), text(), more_text(), large();
	for (unsigned i = 0; i < EACH / MIB; i++)
		raise(SIGUSR1);
	CHECK(pthread_create(&t, NULL, on_thread, NULL) == 0);
	CHECK(pthread_join(t, NULL) == 0);
	CHECK(rt_write_heap_profile(1) == 0);
	return 0;
}

/* ---- on threads that have allocated before ---- */

#define CREW 3
static pthread_barrier_t barrier;

static NOINLINE void *
works(void *arg)
{
	for (int i = 0; i < KEEP; i++) {
		sink = malloc(SIZE);
		free(sink);
	}
	return arg;
}

static void *
work_twice(void *arg)
{
	on_thread(arg);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return works(arg);
}

static int
at_once(int argc, char **argv)
{
	pthread_t t[CREW];

	(void)argc, (void)argv;
	CHECK(pthread_barrier_init(&barrier, NULL, CREW + 1) == 0);
	for (int i = 0; i < CREW; i++)
		CHECK(pthread_create(&t[i], NULL, work_twice, NULL) == 0);
	pthread_barrier_wait(&barrier);
	rt_set_mem_profile_rate(1);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < CREW; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	CHECK(rt_write_heap_profile(1) == 0);
	return 0;
}

/* ---- many threads, with the rate changed meanwhile ---- */

#define SLOTS 256
static size_t *slots[SLOTS];

static uint64_t
draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static NOINLINE void
churns(int id)
{
	uint64_t seed = (uint64_t)id * 0x9e3779b97f4a7c15 + 1;

	for (int i = 0; i < 20000; i++) {
		size_t words = 2 + draw(&seed) % (draw(&seed) % 200 ? 100 : 100000);
		size_t *p = malloc(words * 8), k = draw(&seed) % SLOTS;

		if (draw(&seed) % 4 == 0)
			p = realloc(p, (words *= 2) * 8);
		CHECK(p);
		p[0] = words;
		p[words - 1] = (size_t)p;
		p = __atomic_exchange_n(&slots[k], p, __ATOMIC_ACQ_REL);
		CHECK(!p || p[p[0] - 1] == (size_t)p);
		free(p);
	}
}

static void *
churn_thread(void *arg)
{
	churns((int)(intptr_t)arg);
	return NULL;
}

static void
churn_goroutine(int id)
{
	churns(id);
}

static int
threads(int argc, char **argv)
{
	static const size_t rates[] = {1, 4096, 0, 100000, 1, 0, 512, 1};
	rt_wg wg = RT_WG_INIT;
	pthread_t t[2];

	(void)argc, (void)argv;
	rt_set_mem_profile_rate(1);
	for (int i = 0; i < 4; i++)
		rt_wg_go(&wg, churn_goroutine, i);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&t[i], NULL, churn_thread, (void *)(intptr_t)(10 + i)) == 0);
	for (size_t i = 0; i < GUEST_LEN(rates); i++) {
		rt_set_mem_profile_rate(rates[i]);
		drops(500);
		rt_gosched();
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	rt_wg_wait(&wg);
	for (int i = 0; i < SLOTS; i++)
		free(slots[i]);
	rt_free_os_memory();
	CHECK(rt_write_heap_profile(1) == 0);
	return 0;
}

/* ---- at exit ---- */

static int
at_exit(int argc, char **argv)
{
	int status;

	(void)argc, (void)argv;
	keeps(KEEP);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		drops(KEEP); /* the file is not the child's to write */
		exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	return 0;
}

static const struct guest_case cases[] = {{"exact", exact},     {"estimated", estimated},
					  {"ways", ways},       {"at-once", at_once},
					  {"threads", threads}, {"at-exit", at_exit}};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

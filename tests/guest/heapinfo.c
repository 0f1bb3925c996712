/* SPDX-License-Identifier: MIT */
/* What a program can see of its heap, by glibc's interfaces and ours; and what it looks like after
 * a long life. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static void *blocks[4000];

/* ---- the figures ---- */

static void
compare(void)
{
	rt_mem_stats st;
	struct mallinfo2 m = mallinfo2();
	struct mallinfo small = mallinfo();

	rt_read_mem_stats(&st);
	CHECK(m.uordblks + m.hblkhd == st.bytes);
	CHECK(m.uordblks + m.fordblks == m.arena);
	CHECK(m.fsmblks == st.cached && m.keepcost == st.idle);
	CHECK(m.smblks <= m.ordblks && m.fsmblks <= m.fordblks);
	/* But for the ends of spans that no block fits into, and of chunks with huge blocks. */
	size_t memory = st.in_use + st.gaps + st.idle;
	CHECK(m.arena + m.hblkhd <= memory && memory - m.arena - m.hblkhd <= memory / 8 + 2 * MIB);
	CHECK(small.uordblks == (int)m.uordblks && small.hblks == (int)m.hblks);
	CHECK(st.in_use + st.gaps <= st.committed && st.committed <= st.reserved);
}

static int
figures(int argc, char **argv)
{
	struct mallinfo2 before = mallinfo2(), m;

	(void)argc, (void)argv;
	compare();
	for (int i = 0; i < 4000; i++)
		CHECK((blocks[i] = malloc((size_t)i * 10)));
	compare();
	void *huge = malloc(9 * MIB);
	m = mallinfo2();
	compare();
	CHECK(m.hblks == before.hblks + 1 && m.hblkhd >= before.hblkhd + 9 * MIB);
	size_t usable = 0;
	for (int i = 0; i < 4000; i++)
		usable += malloc_usable_size(blocks[i]);
	CHECK(m.uordblks >= before.uordblks + usable &&
	      m.uordblks <= before.uordblks + usable + 100000);
	for (int i = 0; i < 4000; i++)
		free(blocks[i]);
	free(huge);
	compare();
	struct mallinfo2 after = mallinfo2();
	CHECK(after.hblks == before.hblks && after.uordblks == m.uordblks - usable);
	CHECK(after.keepcost > 10 * MIB);
	CHECK(malloc_trim(0) == 1 && malloc_trim(0) == 0);
	CHECK(mallinfo2().keepcost == 0 && mallinfo2().arena < MIB * 40);
	compare();
	puts("ok");
	return 0;
}

static int
printed(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 1000; i++)
		blocks[i] = malloc(100);
	for (int i = 0; i < 300; i++)
		free(blocks[i]);
	blocks[0] = malloc(5 * MIB);
	errno = 0;
	CHECK(malloc_info(1, stdout) == -1 && errno == EINVAL);
	CHECK(malloc_info(0, stdout) == 0);
	malloc_stats();
	return 0;
}

/* ---- a long life ---- */

#define LIVE (48 * MIB)
#define SLOTS 400000
#define STEPS 400000 /* in each phase */

static struct {
	unsigned char *p[SLOTS];
	uint32_t size[SLOTS];
	uint32_t used[SLOTS], n; /* which slots are */
	size_t bytes, most;
	uint64_t seed;
} life = {.seed = 88172645463325252};

static uint64_t
draw(void)
{
	life.seed ^= life.seed << 13;
	life.seed ^= life.seed >> 7;
	life.seed ^= life.seed << 17;
	return life.seed;
}

/* What programs allocate: mostly small, with a long tail; around what differs by phase. */
static size_t
draw_size(int phase)
{
	static const uint32_t around[] = {40, 700, 24, 3000, 160, 12000, 90};
	double u = (double)(draw() >> 11) * 0x1p-53 + 1e-9;
	size_t size = (size_t)(around[(size_t)phase % GUEST_LEN(around)] * -log(u)) + 1;

	return draw() % 500 ? size : size * 100;
}

static void
add(uint32_t slot, size_t size)
{
	unsigned char *p = malloc(size);

	CHECK(p);
	memset(p, (int)(slot & 0xff), size);
	life.p[slot] = p;
	life.size[slot] = (uint32_t)size;
	life.used[life.n++] = slot;
	life.bytes += size;
}

static void
drop(uint32_t i)
{
	uint32_t slot = life.used[i];
	unsigned char *p = life.p[slot];

	CHECK(p[0] == (slot & 0xff) && p[life.size[slot] - 1] == (slot & 0xff));
	free(p);
	life.p[slot] = NULL;
	life.bytes -= life.size[slot];
	life.used[i] = life.used[--life.n];
}

/* At random, but the young die first: half of what goes is among the latest. */
static uint32_t
draw_victim(void)
{
	uint32_t young = life.n < 1000 ? life.n : 1000;

	return draw() % 2 ? (uint32_t)(draw() % life.n) : life.n - 1 - (uint32_t)(draw() % young);
}

static size_t
resident(void)
{
	long pages[2];
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%ld %ld", &pages[0], &pages[1]) == 2);
	fclose(f);
	return (size_t)pages[1] * (size_t)sysconf(_SC_PAGESIZE);
}

static void
live_through(int phase, size_t target)
{
	for (int step = 0; step < STEPS; step++) {
		uint32_t slot = (uint32_t)(draw() % SLOTS);

		if (!life.p[slot])
			add(slot, draw_size(phase));
		while (life.bytes > target)
			drop(draw_victim());
	}
}

/* Fragmentation: the memory of spans, in hundredths of what the program has asked for. What is
 * resident is that and what is idle, and what is at hand: nothing is forgotten. */
static int
report(const char *what, int phase, size_t own)
{
	rt_mem_stats st;
	size_t rss = resident() - own;

	rt__mem_check();
	rt_read_mem_stats(&st);
	CHECK(st.bytes >= life.bytes);
	CHECK(rss <= st.in_use + st.idle + 4 * MIB);
	int percent = (int)(st.in_use * 100 / life.bytes);
	printf("%s %d: asked for %zu KiB, blocks %zu, spans %zu, idle %zu, resident %zu: %d %%\n",
	       what, phase, life.bytes >> 10, st.bytes >> 10, st.in_use >> 10, st.idle >> 10,
	       rss >> 10, percent);
	return percent;
}

static int
long_life(int argc, char **argv)
{
	int phases = number(argc, argv, 14), worst = 0, percent;

	memset(life.used, 1, sizeof life.used);
	memset(life.size, 1, sizeof life.size);
	for (int i = 0; i < SLOTS; i++)
		life.p[i] = (unsigned char *)&life; /* touched */
	for (int i = 0; i < SLOTS; i++)
		life.p[i] = NULL;
	size_t own = resident();
	for (int phase = 0; phase < phases; phase++) {
		live_through(phase, LIVE);
		percent = report("phase", phase, own);
		worst = percent > worst ? percent : worst;
	}
	CHECK(worst < 250);
	while (life.bytes > LIVE / 10)
		drop((uint32_t)(draw() % life.n));
	rt_free_os_memory();
	report("a tenth left", phases, own);
	live_through(0, LIVE); /* of small blocks, in what others have left */
	report("grown again", phases, own);
	while (life.n > 0)
		drop(life.n - 1);
	rt_free_os_memory();
	size_t rest = resident() - own;
	printf("worst %d %%, in the end %zu KiB\n", worst, rest >> 10);
	CHECK(rest < 6 * MIB);
	return 0;
}

/* Who never starts a goroutine has no sysmon: what it frees goes back all the same, while it goes
 * on to allocate. */
static int
alone(int argc, char **argv)
{
	static void *many[100000];
	rt_mem_stats st;
	struct stat task;
	time_t end = time(NULL) + 20;

	(void)argc, (void)argv;
	for (size_t i = 0; i < GUEST_LEN(many); i++)
		many[i] = memset(malloc(600), 1, 600);
	for (size_t i = 0; i < GUEST_LEN(many); i++)
		free(many[i]);
	rt_read_mem_stats(&st);
	CHECK(st.committed > 60 * MIB);
	do {
		for (size_t i = 0; i < 1000; i++)
			many[i] = malloc(100);
		for (size_t i = 0; i < 1000; i++)
			free(many[i]);
		rt_read_mem_stats(&st);
		CHECK(time(NULL) < end);
	} while (st.idle > 8 * MIB);
	CHECK(st.released > 40 * MIB);
	rt__mem_check();
	CHECK(stat("/proc/self/task", &task) == 0);
	CHECK(task.st_nlink == 3); /* ., .. and one thread */
	puts("ok");
	return 0;
}

/* 40 MiB of one size after the other, and what limit the heap keeps to meanwhile. */
static int
limited(int argc, char **argv)
{
	rt_mem_stats st;

	(void)argc, (void)argv;
	for (size_t size = 200; size < 12000; size += 700) {
		size_t n = 40 * MIB / size;
		char **p = malloc(n * sizeof *p);

		CHECK(p);
		for (size_t i = 0; i < n; i++)
			CHECK((p[i] = malloc(size)));
		rt_read_mem_stats(&st);
		CHECK(st.in_use + st.idle <= st.limit);
		for (size_t i = 0; i < n; i++)
			free(p[i]);
		free(p);
	}
	if (st.limit == SIZE_MAX)
		puts("none");
	else
		printf("%zu KiB\n", st.limit >> 10);
	return 0;
}

/* For who looks from outside: 700 blocks of 112 bytes and one of 5 MiB, until its input ends. */
static int
parked(int argc, char **argv)
{
	char c;

	for (int i = 0; i < 1000; i++)
		blocks[i] = malloc(100);
	for (int i = 0; i < 300; i++)
		free(blocks[i]);
	blocks[0] = malloc(5 * MIB);
	CHECK(write(1, "ready\n", 6) == 6);
	CHECK(read(0, &c, 1) == 0);
	if (argc > 0 && strcmp(argv[0], "abort") == 0)
		abort();
	CHECK(write(1, "ok\n", 3) == 3);
	return 0;
}

static const struct guest_case cases[] = {
	{"parked", parked},       {"figures", figures}, {"printed", printed},
	{"long-life", long_life}, {"alone", alone},     {"limited", limited},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

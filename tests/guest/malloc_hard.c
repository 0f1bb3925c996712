/* SPDX-License-Identifier: MIT */
/* Bugs that RTDEBUG=malloc=hard and malloc=sample are there to find, one in each case. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

void free_sized(void *p, size_t size);

#define NOINLINE __attribute__((noinline))

static char *volatile block;
static volatile char sink;

/* In functions of their own, for the report to name. */
static NOINLINE char *
make(size_t size)
{
	char *p = malloc(size);

	memset(p, 'x', size);
	return p;
}

static NOINLINE void
drop(char *p)
{
	free(p);
	sink = 0; /* no tail call */
}

/* Write `arg` bytes beyond a block of `size`, or before it: then free it. */
static int
overrun(int argc, char **argv)
{
	size_t size = (size_t)atol(argv[0]);
	char *p = block = make(size);

	memset(p + size, argc > 1 ? 'A' : 0, argc > 1 ? (size_t)atol(argv[1]) : 1);
	drop(p);
	return 0;
}

static int
underrun(int argc, char **argv)
{
	size_t size = (size_t)atol(argv[0]), n = (size_t)number(argc - 1, argv + 1, 1);
	char *p = block = make(size);

	memset(p - n, 0, n);
	drop(p);
	return 0;
}

/* Neighbours, of which each may be the one that is overrun: who did it is named, whoever is freed
 * first. */
static int
neighbours(int argc, char **argv)
{
	char *p[100];

	(void)argc, (void)argv;
	for (int i = 0; i < 100; i++)
		p[i] = make(24);
	memset(p[50], 'B', 24 + 8 + 16);
	for (int i = 0; i < 100; i++)
		if (i != 50)
			free(p[i]);
	drop(p[50]);
	return 0;
}

static int
grown(int argc, char **argv)
{
	char *p = block = make((size_t)number(argc, argv, 100));

	p[malloc_usable_size(p)] = 0;
	sink = *(char *)realloc(p, 200);
	return 0;
}

static int
twice(int argc, char **argv)
{
	char *p = block = make((size_t)number(argc, argv, 100));

	drop(p);
	free(block);
	return 0;
}

static void
free_it(char *p)
{
	free(p);
	sink = 0;
}

static int
twice_by_others(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	char *p = block = make((size_t)number(argc, argv, 100));

	rt_wg_go(&wg, free_it, p);
	rt_wg_wait(&wg);
	free(block);
	return 0;
}

static void *
free_on_thread(void *p)
{
	free(p);
	sink = 0;
	return NULL;
}

static int
twice_by_a_thread(int argc, char **argv)
{
	pthread_t t;
	char *p = block = make((size_t)number(argc, argv, 100));

	pthread_create(&t, NULL, free_on_thread, p);
	pthread_join(t, NULL);
	free(block);
	return 0;
}

static int
inside(int argc, char **argv)
{
	block = make((size_t)number(argc, argv, 100));
	free(block + 16);
	return 0;
}

static int
resize_freed(int argc, char **argv)
{
	char *p = block = make((size_t)number(argc, argv, 100));

	drop(p);
	sink = *(char *)realloc(block, 200);
	return 0;
}

static int
wrong_size(int argc, char **argv)
{
	block = make((size_t)number(argc, argv, 100));
	free_sized(block, 101);
	return 0;
}

/* Written to after it was freed: found when it leaves quarantine, which many frees bring about; or
 * at exit. */
static int
write_after(int argc, char **argv)
{
	size_t size = (size_t)atol(argv[0]);
	char *p = block = make(size);

	drop(p);
	block[8] = 'C';
	if (argc > 1)
		for (int i = 0; i < 200000; i++)
			free(malloc(size));
	return 0;
}

static int
read_after(int argc, char **argv)
{
	char *p = block = make((size_t)number(argc, argv, 100));

	drop(p);
	sink = block[8];
	return 0;
}

/* What a small one leads to is no address. */
static int
follow_after(int argc, char **argv)
{
	char **p = malloc(64);

	(void)argc, (void)argv;
	p[0] = make(10);
	block = (char *)p;
	drop((char *)p);
	sink = **(char **)block;
	return 0;
}

static int
exits(int argc, char **argv)
{
	int n = number(argc, argv, 1);

	for (int i = 0; i < n; i++) {
		char *p = block = make(100);

		p[100] = 0;
	}
	puts("done");
	return 0;
}

/* Something like this happens often; that it is found is a matter of time. */
static int
often(int argc, char **argv)
{
	bool writes = argc > 0 && strcmp(argv[0], "write") == 0;

	for (int i = 0; i < 100000000; i++) {
		char *p = block = make(64);

		drop(p);
		if (writes)
			block[8] = 1;
		else
			sink = block[8];
	}
	return 0;
}

static int
often_overrun(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 100000000; i++) {
		char *p = block = make(64);

		p[64] = 0;
		drop(p);
	}
	return 0;
}

/* ---- without bugs ---- */

/* How many of 100,000 are sampled: those whose size is what was asked for. */
static int
sampled(int argc, char **argv)
{
	int n = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 100000; i++) {
		char *p = malloc(100);

		n += malloc_usable_size(p) == 100;
		free(p);
	}
	printf("%d\n", n);
	return 0;
}

/* Blocks of a place do not come in order. */
static int
shuffled(int argc, char **argv)
{
	char *p[64];
	int up = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 64; i++)
		p[i] = make(40);
	for (int i = 1; i < 64; i++)
		up += p[i] > p[i - 1];
	CHECK(up > 8 && up < 55);
	puts("ok");
	return 0;
}

/* What was freed is not given out again soon. */
static int
kept(int argc, char **argv)
{
	size_t size = (size_t)number(argc, argv, 100);
	char *p = make(size);

	free(p);
	for (int i = 0; i < 50; i++) {
		char *q = malloc(size);

		CHECK(q != p);
		free(q);
	}
	puts("ok");
	return 0;
}

/* Memory of what was freed, and of stacks that were noted, is bounded. */
static int
bounded(int argc, char **argv)
{
	char text[64] = "";
	long pages = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 300000; i++) {
		char *p = malloc((size_t)(16 + i % 3000));

		p[0] = 1;
		free(p);
	}
	for (int i = 0; i < 3000; i++) {
		char *p = make(100000);

		free(p);
	}
	FILE *f = fopen("/proc/self/statm", "r");
	CHECK(f && fgets(text, sizeof text, f) && sscanf(text, "%*d %ld", &pages) == 1);
	fclose(f);
	CHECK(pages < 60 << 8); /* 60 MiB, of 600 */
	puts("ok");
	return 0;
}

static const struct guest_case cases[] = {
	{"overrun", overrun},
	{"underrun", underrun},
	{"neighbours", neighbours},
	{"grown", grown},
	{"twice", twice},
	{"twice-by-others", twice_by_others},
	{"twice-by-a-thread", twice_by_a_thread},
	{"inside", inside},
	{"resize-freed", resize_freed},
	{"wrong-size", wrong_size},
	{"write-after", write_after},
	{"read-after", read_after},
	{"follow-after", follow_after},
	{"exits", exits},
	{"often", often},
	{"often-overrun", often_overrun},
	{"sampled", sampled},
	{"shuffled", shuffled},
	{"kept", kept},
	{"bounded", bounded},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

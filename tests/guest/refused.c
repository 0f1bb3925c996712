/* SPDX-License-Identifier: MIT */
/*
 * A bit of everything for which the runtime asks the kernel for memory, or gives some back: for
 * test_refused, where any of these calls may fail. What the program is told of that is all that may
 * be different.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define GOROUTINES 2
#define CROWD 70
#define STEPS 20
#define BLOCKS 8
#define PAGE 4096

struct block {
	char *p;
	size_t size;
};

static const size_t sizes[] = {10, 2000, 70000, 500000, 1500000, 5000000};

/* Marked is a byte at either end, and one in each page that is behind a smaller block in the same
 * place: there may have been a guard. */
static void
mark_block(const struct block *b, char mark)
{
	b->p[0] = b->p[b->size - 1] = mark;
	for (size_t i = 0; i < GUEST_LEN(sizes) && sizes[i] + PAGE < b->size; i++)
		b->p[sizes[i] + PAGE - 1] = mark;
}

/* So much of it is what it was. */
static void
look_at_part(const char *p, size_t size, char mark)
{
	CHECK(size == 0 || p[0] == mark);
	for (size_t i = 0; i < GUEST_LEN(sizes) && sizes[i] + PAGE < size; i++)
		CHECK(p[sizes[i] + PAGE - 1] == mark);
}

static void
look_at(const struct block *b, char mark)
{
	if (!b->p)
		return;
	CHECK(b->p[b->size - 1] == mark);
	look_at_part(b->p, b->size, mark);
}

static void
new_block(struct block *b, char mark, size_t size)
{
	look_at(b, mark);
	free(b->p);
	errno = 0;
	b->p = malloc(size);
	CHECK(b->p || errno == ENOMEM);
	b->size = size;
	if (b->p)
		mark_block(b, mark);
}

static void
resize_block(struct block *b, char mark, size_t size)
{
	size_t same = b->p ? b->size < size ? b->size : size : 0;

	errno = 0;
	char *p = realloc(b->p, size);
	CHECK(p || errno == ENOMEM);
	if (!p)
		return;
	look_at_part(p, same, mark);
	*b = (struct block){p, size};
	mark_block(b, mark);
}

static void
use_blocks(unsigned seed)
{
	struct block blocks[BLOCKS] = {{0}};

	for (int i = 0; i < STEPS; i++) {
		int k = rand_r(&seed) % BLOCKS;
		size_t size = sizes[(size_t)rand_r(&seed) % GUEST_LEN(sizes)];

		if (rand_r(&seed) % 3 == 0)
			resize_block(&blocks[k], 'a' + (char)k, size);
		else
			new_block(&blocks[k], 'a' + (char)k, size);
		if (i == STEPS / 2)
			rt_free_os_memory();
	}
	for (int k = 0; k < BLOCKS; k++) {
		look_at(&blocks[k], 'a' + (char)k);
		free(blocks[k].p);
	}
}

static void
goroutine(unsigned seed, rt_wg *done)
{
	use_blocks(seed);
	rt_wg_done(done);
}

static void *
thread(void *unused)
{
	use_blocks(9);
	return unused;
}

/* No room behind it: the kernel moves its pages. And then it is smaller again, where there is some
 * room before it. */
static void
move_block(void)
{
	struct block before = {0}, b = {0}, behind = {0};

	new_block(&before, '<', 3 * MIB / 2);
	new_block(&b, 'b', 5 * MIB);
	new_block(&behind, '>', 5 * MIB);
	resize_block(&b, 'b', 16 * MIB);
	look_at(&behind, '>');
	new_block(&before, '<', 5 * MIB);
	resize_block(&b, 'b', 3 * MIB / 2);
	look_at(&before, '<');
	look_at(&behind, '>');
	free(before.p);
	free(behind.p);
	free(b.p);
}

static _Thread_local int own; /* of a goroutine */

/* A stack and thread-locals that somebody may have had before. */
static void
one_of_a_crowd(rt_wg *done)
{
	char deep[2000];

	CHECK(own == 0);
	own = 1;
	memset(deep, 1, sizeof deep);
	__asm__ volatile("" : : "r"(deep) : "memory");
	rt_gosched();
	rt_wg_done(done);
}

static void
crowd(void)
{
	rt_wg done = RT_WG_INIT;

	rt_wg_add(&done, CROWD);
	for (int i = 0; i < CROWD - 1; i++)
		rt_go(one_of_a_crowd, &done);
	if (rt_go_attr(RT_ATTR(.stack = 2 * MIB), one_of_a_crowd, &done) != 0)
		rt_wg_done(&done);
	rt_wg_wait(&done);
}

static volatile sig_atomic_t signals;

static void
on_signal(int sig)
{
	(void)sig;
	signals = signals + 1;
	free(malloc(100000));
}

static void
child_of_fork(void)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		use_blocks(11);
		rt__mem_check();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int
main(void)
{
	rt_wg done = RT_WG_INIT;
	pthread_t t;

	signal(SIGUSR1, on_signal);
	rt_wg_add(&done, GOROUTINES);
	for (unsigned i = 0; i < GOROUTINES; i++)
		rt_go(goroutine, i + 1, &done);
	bool have = pthread_create(&t, NULL, thread, NULL) == 0;
	raise(SIGUSR1);
	rt_wg_wait(&done);
	if (have)
		pthread_join(t, NULL);
	CHECK(signals == 1);
	move_block();
	for (int i = 0; i < 2; i++) {
		crowd();
		rt_free_os_memory();
	}
	rt__mem_check();
	child_of_fork();
	return ok();
}

/* SPDX-License-Identifier: MIT */
/*
 * A heap that many Ps and threads use at once: goroutines wander from P to P, blocks go from one to
 * another and are freed or resized by whoever has them, spans change their class and their owner,
 * and every block holds what was put into it. In between, the world is stopped and the heap
 * compares all that it knows. More Ps than CPUs: each is often out of the way for long, with its
 * cache and its view of the heap as they were.
 */
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "sched/sched.h"

#define SLOTS 6000
#define GOROUTINES 100
#define THREADS 3
#define STAMPS 8 /* words of a block that are looked at */

struct block {
	size_t size;
	uint64_t id; /* of its contents */
};

static struct block *slots[SLOTS];
static int running; /* (a) goroutines that have not ended */

static uint64_t
draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* ---- blocks ---- */

/* Which words: at both ends, and in between. */
static size_t
stamp_at(size_t words, size_t i)
{
	return 2 + (words - 3) * i / (STAMPS - 1);
}

static void
stamp(struct block *b, size_t size, uint64_t id)
{
	uint64_t *w = (uint64_t *)(void *)b;

	b->size = size;
	b->id = id;
	for (size_t i = 0; i < STAMPS; i++)
		w[stamp_at(size / 8, i)] = id + i;
}

static void
check(const struct block *b)
{
	const uint64_t *w = (const uint64_t *)(const void *)b;

	CHECK(malloc_usable_size((void *)b) >= b->size);
	for (size_t i = 0; i < STAMPS; i++) {
		size_t at = stamp_at(b->size / 8, i);

		/* Small blocks have the same word for several stamps: the last one counts. */
		if (i + 1 == STAMPS || stamp_at(b->size / 8, i + 1) != at)
			CHECK(w[at] == b->id + i);
	}
}

/* Words of 8: mostly small ones, of which there are more the smaller they are. What is usual
 * changes: spans of one class empty, and become another's. */
static size_t
draw_size(uint64_t *seed, int phase)
{
	static const uint16_t usual[] = {100, 24, 700, 40, 3000, 60, 11000};
	uint64_t r = draw(seed);
	size_t limit = usual[(size_t)phase % GUEST_LEN(usual)];

	if (r % 400 == 0)
		limit = 3u << 20;
	else if (r % 40 == 0)
		limit = 300000;
	limit = 64 + (size_t)(draw(seed) % limit);
	return 24 + (size_t)(draw(seed) % limit) / 8 * 8;
}

static struct block *
make(uint64_t *seed, int phase)
{
	size_t size = draw_size(seed, phase);
	struct block *b;

	switch (draw(seed) % 8) {
	case 0:
		b = calloc(1, size);
		CHECK(b && b->size == 0 && ((uint64_t *)(void *)b)[size / 8 - 1] == 0);
		break;
	case 1:
		b = aligned_alloc(64ul << draw(seed) % 7, size);
		break;
	case 2:
		b = rt_malloc_noscan(size);
		break;
	default:
		b = malloc(size);
	}
	CHECK(b);
	stamp(b, size, draw(seed));
	return b;
}

static struct block *
resize(struct block *b, uint64_t *seed, int phase)
{
	size_t was = b->size, size = draw_size(seed, phase);
	uint64_t id = b->id;

	check(b);
	b = realloc(b, size);
	CHECK(b && b->size == was && b->id == id);
	if (size >= was)
		check(b);
	stamp(b, size, draw(seed));
	return b;
}

static void
drop(struct block *b)
{
	if (!b)
		return;
	check(b);
	b->id = 0;
	free(b);
}

/* ---- who uses them ---- */

static void
use(uint64_t seed, int phase, int ops, bool goroutine)
{
	for (int i = 0; i < ops; i++) {
		struct block **slot = &slots[draw(&seed) % SLOTS], *b = NULL;

		switch (draw(&seed) % 4) {
		case 0:
			b = __atomic_exchange_n(slot, NULL, __ATOMIC_ACQ_REL);
			if (b)
				b = resize(b, &seed, phase);
			break;
		case 1: /* those of a young one's own */
			drop(make(&seed, phase));
			break;
		case 2:
			b = make(&seed, phase);
		}
		drop(__atomic_exchange_n(slot, b, __ATOMIC_ACQ_REL));
		if (goroutine && draw(&seed) % 64 == 0)
			rt_gosched();
		if (goroutine && draw(&seed) % 2000 == 0)
			usleep(draw(&seed) % 50); /* and go on wherever there is a P */
	}
}

static void
user(uint64_t seed, int phase, int ops)
{
	use(seed, phase, ops, true);
	ADD(running, -1);
}

struct thread {
	pthread_t id;
	uint64_t seed;
	int phase, ops;
};

static void *
user_thread(void *arg)
{
	const struct thread *t = arg;

	use(t->seed, t->phase, t->ops, false);
	return NULL;
}

/* Goroutines alone, so that a stopped world is all there is; then with threads, which no stopped
 * world stops. */
static void
round_of(int n, uint64_t *seed, int ops)
{
	struct thread t[THREADS];

	SET(running, GOROUTINES);
	for (int i = 0; i < GOROUTINES; i++)
		rt_go(user, draw(seed), n, ops);
	while (n % 2 == 0 && GET(running) > 0) {
		rt__mem_check_stopped();
		usleep(3000);
	}
	for (int i = 0; n % 2 && i < THREADS; i++) {
		t[i] = (struct thread){0, draw(seed), n, ops};
		t[i].id = foreign_thread(user_thread, &t[i]);
	}
	for (int i = 0; n % 2 && i < THREADS; i++)
		pthread_join(t[i].id, NULL);
	YIELD_UNTIL(GET(running) == 0);
	rt__mem_check_stopped();
}

/* crowd [ROUNDS [OPS]]: of each goroutine, in a round. Ps come and go between rounds. */
static int
crowd(int argc, char **argv)
{
	int rounds = number(argc, argv, 6), ops = number(argc - 1, argv + 1, 1500);
	int procs = rt_gomaxprocs(0);
	uint64_t seed = 0x9e3779b97f4a7c15 * (uint64_t)getpid() + 1;
	rt_mem_stats st;

	for (int n = 0; n < rounds; n++) {
		rt_gomaxprocs(n % 3 == 2 ? procs / 4 + 1 : procs);
		round_of(n, &seed, ops);
		if (n % 4 == 3)
			rt_free_os_memory();
		for (int i = 0; n % 2 && i < SLOTS; i += 1 + n % 3) {
			drop(slots[i]); /* here, whoever has made it */
			slots[i] = NULL;
		}
	}
	for (int i = 0; i < SLOTS; i++)
		drop(slots[i]);
	rt_free_os_memory();
	rt__mem_check_stopped();
	rt_read_mem_stats(&st);
	CHECK(st.blocks < 100);
	return ok();
}

/* ---- beside who starts other programs ---- */

static int parents; /* (a) that have not done yet */

static void
beside(uint64_t seed)
{
	while (GET(parents) > 0)
		use(draw(&seed), (int)(seed % 7), 200, true);
	ADD(running, -1);
}

/* By all the ways of libc, vfork's and fork's. But popen by one of them only: in musl, one call of
 * it may close the pipe of another (a FILE is on the list of open ones still when its descriptor is
 * closed already, and free for others), on threads as well. */
static void
start_one(int way, bool alone)
{
	char *const args[] = {"true", NULL};
	int status = -1;
	pid_t pid = -1;
	FILE *f;

	switch (way % (alone ? 4 : 3)) {
	case 0:
		CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, args, NULL) == 0);
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		break;
	case 1:
		CHECK(system("exit 7") == 7 << 8);
		break;
	case 2:
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			free(malloc(100));
			execv("/bin/true", args);
			_exit(9);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		break;
	default:
		f = popen("echo a; exit 5", "r");
		CHECK(f && fgetc(f) == 'a' && pclose(f) == 5 << 8);
	}
}

static void
parent(int n, bool first)
{
	for (int i = 0; i < n; i++)
		start_one(i, first);
	ADD(parents, -1);
}

/* children [N]: each of 4 parents has so many, one after the other. */
static int
children(int argc, char **argv)
{
	int n = number(argc, argv, 12);

	SET(parents, 4);
	SET(running, 12);
	for (int i = 0; i < 4; i++)
		rt_go(parent, n, i == 0);
	for (uint64_t i = 0; i < 12; i++)
		rt_go(beside, (i + 1) * 0x9e3779b97f4a7c15);
	YIELD_UNTIL(GET(running) == 0);
	rt__mem_check_stopped();
	return ok();
}

static const struct guest_case cases[] = {
	{"crowd", crowd},
	{"children", children},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

/* SPDX-License-Identifier: MIT */
/* Many goroutines on many threads. Each case is short; the driver runs it again and again. */
#include <errno.h>

#include "guest.h"

/* ---- 10,000 goroutines look at what is theirs after every yield ---- */

static _Thread_local int mine = -1;
static _Thread_local int mine_too;

static void
look_after(int n, int rounds, rt_wg *wg)
{
	CHECK(mine == -1 && mine_too == 0);
	mine = errno = n;
	mine_too = ~n;
	for (int i = 0; i < rounds; i++) {
		rt_gosched();
		CHECK(mine == n && errno == n && mine_too == ~n);
	}
	rt_wg_done(wg);
}

static int
locals(int argc, char **argv)
{
	int n = argc > 0 ? atoi(argv[0]) : 10000, rounds = argc > 1 ? atoi(argv[1]) : 20;
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		rt_go(look_after, i, rounds, &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- a tree in which each parent waits for its children ---- */

static int leaves;

static void
grow(int depth, rt_wg *parent)
{
	rt_wg wg = RT_WG_INIT;

	if (depth == 0) {
		ADD(leaves, 1);
	} else {
		rt_wg_add(&wg, 2);
		rt_go(grow, depth - 1, &wg);
		rt_go(grow, depth - 1, &wg);
		rt_wg_wait(&wg);
	}
	rt_wg_done(parent);
}

static int
tree(int argc, char **argv)
{
	int depth = argc > 0 ? atoi(argv[0]) : 12;
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, 1);
	rt_go(grow, depth, &wg);
	rt_wg_wait(&wg);
	CHECK(GET(leaves) == 1 << depth);
	return ok();
}

/* ---- pairs that hand the turn back and forth ---- */

struct pair {
	rt_wg turn[2];
	int count;
};

static void
play(struct pair *p, int me, int rounds, rt_wg *done)
{
	for (int i = 0; i < rounds; i++) {
		rt_wg_wait(&p->turn[me]);
		rt_wg_add(&p->turn[me], 1);
		p->count++; /* only who has the turn gets here */
		rt_wg_done(&p->turn[!me]);
	}
	rt_wg_done(done);
}

static int
ping_pong(int argc, char **argv)
{
	int n = argc > 0 ? atoi(argv[0]) : 20, rounds = argc > 1 ? atoi(argv[1]) : 2000;
	struct pair *pairs = calloc((size_t)n, sizeof *pairs);
	rt_wg done = RT_WG_INIT;

	CHECK(pairs);
	rt_wg_add(&done, 2 * n);
	for (int i = 0; i < n; i++) {
		rt_wg_add(&pairs[i].turn[1], 1);
		rt_go(play, &pairs[i], 0, rounds, &done);
		rt_go(play, &pairs[i], 1, rounds, &done);
	}
	rt_wg_wait(&done);
	for (int i = 0; i < n; i++)
		CHECK(pairs[i].count == 2 * rounds);
	return ok();
}

/* ---- bursts with pauses in which everything falls asleep ---- */

static void
nothing(rt_wg *wg)
{
	rt_wg_done(wg);
}

static int
bursts(int argc, char **argv)
{
	int n = argc > 0 ? atoi(argv[0]) : 3000;
	rt_wg wg = RT_WG_INIT;

	for (int i = 0; i < n; i++) {
		int burst = i % 7 + 1;

		rt_wg_add(&wg, burst);
		for (int k = 0; k < burst; k++)
			rt_go(nothing, &wg);
		rt_wg_wait(&wg);
	}
	return ok();
}

/* ---- many wait for one ---- */

static void
wait_and_tell(rt_wg *gate, rt_wg *done)
{
	rt_wg_wait(gate);
	rt_wg_done(done);
}

static int
gates(int argc, char **argv)
{
	int n = argc > 0 ? atoi(argv[0]) : 100;

	(void)argv;
	for (int i = 0; i < n; i++) {
		rt_wg gate = RT_WG_INIT, done = RT_WG_INIT;

		rt_wg_add(&gate, 1);
		rt_wg_add(&done, 200);
		for (int k = 0; k < 200; k++)
			rt_go(wait_and_tell, &gate, &done);
		for (int k = 0; k < i % 5; k++)
			rt_gosched();
		rt_wg_done(&gate);
		rt_wg_wait(&done);
	}
	return ok();
}

/* ---- spawning faster than anybody can run: queues overflow ---- */

static int
flood(int argc, char **argv)
{
	int n = argc > 0 ? atoi(argv[0]) : 20000;
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		rt_go(nothing, &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- memory from libc, on all threads at once ---- */

static void
churn(int n, rt_wg *wg)
{
	void *p[32] = {NULL};

	for (int i = 0; i < 500; i++) {
		size_t size = (size_t)(n * 37 + i * 101) % 3000 + 1;
		void **slot = &p[(n + i) % 32];

		free(*slot);
		*slot = malloc(size);
		CHECK(*slot);
		memset(*slot, n, size);
		if (i % 16 == 0)
			rt_gosched();
	}
	for (size_t i = 0; i < GUEST_LEN(p); i++)
		free(p[i]);
	rt_wg_done(wg);
}

static int
memory(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 100);
	for (int i = 0; i < 100; i++)
		rt_go(churn, i, &wg);
	rt_wg_wait(&wg);
	return ok();
}

static const struct guest_case cases[] = {
	{"locals", locals}, {"tree", tree},   {"ping-pong", ping_pong}, {"bursts", bursts},
	{"gates", gates},   {"flood", flood}, {"memory", memory},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

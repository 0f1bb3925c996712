/* SPDX-License-Identifier: MIT */
/* Wait groups, mutexes, readers and writers: what Go's tests of package sync check, and what is
 * ours: deadlines, foreign threads, memory that is used for something else at once. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "guest.h"

/* ---- wait groups ---- */

static void
add_one(int *n)
{
	ADD(*n, 1);
}

static void
add_and_exit(int *n)
{
	ADD(*n, 1);
	rt_goexit();
}

static void
add_sum(int *n, double a, float b, long c)
{
	ADD(*n, (int)(a + b) + (int)c);
}

static int
wg_go(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	int n = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 1000; i++) {
		rt_wg_go(&wg, add_one, &n);
		rt_wg_go(&wg, add_and_exit, &n);
		rt_wg_go(&wg, add_sum, &n, 1.5, 1.5f, 2l);
	}
	CHECK(rt_wg_wait(&wg));
	CHECK(GET(n) == 7000);
	return ok();
}

static int
wg_deadline(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	int64_t start = now_ns();

	(void)argc, (void)argv;
	CHECK(rt_wg_wait(&wg, .deadline = 1)); /* zero: nothing to wait for */
	rt_wg_add(&wg, 1);
	CHECK(!rt_wg_wait(&wg, .deadline = 1) && errno == ETIMEDOUT);
	CHECK(!rt_wg_wait(&wg, .deadline = rt_after(20 * RT_MILLISECOND)) && errno == ETIMEDOUT);
	CHECK(now_ns() - start >= 20 * MS);
	rt_go(rt_wg_done, &wg);
	CHECK(rt_wg_wait(&wg, .deadline = rt_after(RT_MINUTE)));
	rt_wg_add(&wg, 1); /* as new */
	rt_go(rt_wg_done, &wg);
	CHECK(rt_wg_wait(&wg));
	return ok();
}

/* Some wait with deadlines that pass just then, some without; nobody is lost, nobody is early. */
struct round {
	rt_wg wg;
	int over, in_time, late;
};

static void
wait_round(struct round *r, unsigned seed)
{
	if (seed % 2 == 0) {
		CHECK(rt_wg_wait(&r->wg));
		CHECK(GET(r->over));
		ADD(r->in_time, 1);
	} else if (rt_wg_wait(&r->wg, .deadline = soon(&seed))) {
		CHECK(GET(r->over));
		ADD(r->in_time, 1);
	} else {
		CHECK(errno == ETIMEDOUT);
		ADD(r->late, 1);
	}
}

static void
end_round(struct round *r, unsigned seed)
{
	rt_sleep(rand_r(&seed) % 100 * RT_MICROSECOND);
	SET(r->over, 1);
	rt_wg_done(&r->wg);
}

static int
wg_stress(int argc, char **argv)
{
	int rounds = number(argc, argv, 300), late = 0;

	for (int i = 0; i < rounds; i++) {
		struct round r = {.wg = RT_WG_INIT};
		rt_wg all = RT_WG_INIT;

		rt_wg_add(&r.wg, 1);
		for (unsigned k = 0; k < 20; k++)
			rt_wg_go(&all, wait_round, &r, (unsigned)i * 20 + k);
		rt_wg_go(&all, end_round, &r, (unsigned)i);
		rt_wg_wait(&all);
		CHECK(r.in_time + r.late == 20 && r.in_time >= 10);
		late += r.late;
	}
	CHECK(late > 0);
	return ok();
}

static int in_vain;

static void *
wait_in_thread(void *wg)
{
	CHECK(!rt_wg_wait(wg, .deadline = rt_after(RT_MILLISECOND)) && errno == ETIMEDOUT);
	SET(in_vain, 1);
	CHECK(rt_wg_wait(wg));
	return NULL;
}

static int
wg_foreign(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 1);
	pthread_t t = foreign_thread(wait_in_thread, &wg);
	YIELD_UNTIL(GET(in_vain));
	rt_wg_done(&wg);
	pthread_join(t, NULL);
	return ok();
}

/* ---- mutexes ---- */

#define WAS_CONTENDED 32u /* may be left in the state of one that nobody has */

struct shared {
	rt_mutex m;
	long count; /* plain: the mutex protects it */
	int timeouts;
};

static void
hammer(struct shared *s, long n, unsigned seed)
{
	for (long i = 0; i < n; i++) {
		switch (rand_r(&seed) % 4) {
		case 0:
			if (rt_mutex_trylock(&s->m))
				break;
			rt_mutex_lock(&s->m);
			break;
		case 1:
			if (rt_mutex_lock(&s->m, .deadline = soon(&seed)))
				break;
			CHECK(errno == ETIMEDOUT);
			ADD(s->timeouts, 1);
			rt_mutex_lock(&s->m);
			break;
		default:
			CHECK(rt_mutex_lock(&s->m));
		}
		s->count++;
		if (i % 64 == 0)
			rt_gosched(); /* so that others queue up */
		if (i % 1024 == 0)
			rt_sleep(10 * RT_MICROSECOND);
		rt_mutex_unlock(&s->m);
	}
}

static void *
hammer_in_thread(void *s)
{
	hammer(s, 5000, 99);
	return NULL;
}

static int
mutex_hammer(int argc, char **argv)
{
	struct shared s = {.m = RT_MUTEX_INIT};
	int n = number(argc, argv, 5000);
	rt_wg wg = RT_WG_INIT;

	for (unsigned i = 0; i < 10; i++)
		rt_wg_go(&wg, hammer, &s, (long)n, i);
	pthread_t t = foreign_thread(hammer_in_thread, &s);
	rt_wg_wait(&wg);
	pthread_join(t, NULL);
	CHECK(s.count == 10l * n + 5000);
	CHECK(rt_mutex_trylock(&s.m) && !rt_mutex_trylock(&s.m));
	rt_mutex_unlock(&s.m);
	CHECK((s.m.rt_state & ~WAS_CONTENDED) == 0 && !s.m.rt_waiters);
	return ok();
}

/*
 * Turns that mostly nobody waits for, so that they end by a plain store; now and then somebody
 * begins to wait in the middle of one, and a handler that unlocks a mutex, too, comes in between.
 * That handlers and waiters get on with it, and the count is right; the few instructions in which
 * somebody could be forgotten are hit too rarely here, and are for tests/model/unlock.pml.
 */
static rt_mutex in_handler;
static int handled;

static void
use_another(int sig)
{
	(void)sig;
	if (rt_mutex_trylock(&in_handler)) {
		ADD(handled, 1);
		rt_mutex_unlock(&in_handler);
	}
}

static void
take_turns(struct shared *s, long n, unsigned seed)
{
	for (long i = 0; i < n; i++) {
		rt_mutex_lock(&s->m);
		s->count++;
		if (rand_r(&seed) % 32 == 0)
			for (int64_t end = now_ns() + 5000; now_ns() < end;)
				;
		rt_mutex_unlock(&s->m);
		for (int pause = rand_r(&seed) % 64; pause > 0; pause--)
			__asm__ volatile("pause");
	}
}

static int
mutex_signals(int argc, char **argv)
{
	const struct itimerval every = {{0, 50}, {0, 50}}, off = {{0, 0}, {0, 0}};
	struct shared s = {.m = RT_MUTEX_INIT};
	long n = number(argc, argv, 30000);
	rt_wg wg = RT_WG_INIT;

	CHECK(signal(SIGALRM, use_another) != SIG_ERR);
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
	for (unsigned i = 0; i < 4; i++)
		rt_wg_go(&wg, take_turns, &s, n, i);
	rt_wg_wait(&wg);
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	CHECK(s.count == 4 * n && GET(handled) > 0);
	CHECK((s.m.rt_state & ~WAS_CONTENDED) == 0 && !s.m.rt_waiters);
	return ok();
}

/* A context that ends just as the mutex becomes free: each either has it or has ECANCELED. */
static void
lock_unless(struct shared *s, rt_ctx *ctx)
{
	if (rt_mutex_lock(&s->m, .ctx = ctx)) {
		s->count++;
		rt_mutex_unlock(&s->m);
	} else {
		CHECK(errno == ECANCELED);
		ADD(s->timeouts, 1);
	}
}

static int
mutex_cancel(int argc, char **argv)
{
	int rounds = number(argc, argv, 300);
	unsigned seed = 1;

	for (int i = 0; i < rounds; i++) {
		struct shared s = {.m = RT_MUTEX_INIT};
		rt_wg wg = RT_WG_INIT;
		rt_ctx ctx;

		rt_ctx_init(&ctx, rt_ctx_background());
		rt_mutex_lock(&s.m);
		for (int k = 0; k < 8; k++)
			rt_wg_go(&wg, lock_unless, &s, &ctx);
		rt_sleep(rand_r(&seed) % 50 * RT_MICROSECOND);
		rt_wg_go(&wg, rt_ctx_cancel, &ctx);
		if (i % 2)
			rt_gosched();
		rt_mutex_unlock(&s.m);
		rt_wg_wait(&wg);
		CHECK(s.count + s.timeouts == 8 && (s.m.rt_state & ~WAS_CONTENDED) == 0 &&
		      !s.m.rt_waiters);
		rt_ctx_end(&ctx);
	}
	return ok();
}

/* TestMutexFairness: one that keeps it for long and lets go of it for a moment only. */
static void
hog(rt_mutex *m, int *stop)
{
	while (!GET(*stop)) {
		rt_mutex_lock(m);
		for (int64_t end = now_ns() + 100 * 1000; now_ns() < end;)
			;
		rt_mutex_unlock(m);
	}
}

static int
mutex_fairness(int argc, char **argv)
{
	rt_mutex m = RT_MUTEX_INIT;
	rt_wg wg = RT_WG_INIT;
	int stop = 0;

	(void)argc, (void)argv;
	rt_wg_go(&wg, hog, &m, &stop);
	for (int i = 0; i < 10; i++) {
		rt_sleep(100 * RT_MICROSECOND);
		CHECK(rt_mutex_lock(&m, .deadline = rt_after(10 * RT_SECOND)));
		rt_mutex_unlock(&m);
	}
	SET(stop, 1);
	rt_wg_wait(&wg);
	return ok();
}

/* Who has waited for long has it before those who push in, and in the order in which they came; if
 * they were there by then, which is tried again if not. Who unlocks it need not have locked it. */
static struct {
	rt_mutex m;
	int came, order[8], n;
} line;

static void
stand_in_line(int i)
{
	SET(line.came, i + 1);
	rt_mutex_lock(&line.m);
	line.order[line.n++] = i;
	rt_mutex_unlock(&line.m);
}

static void
push_in(const int *stop)
{
	while (!GET(*stop))
		if (rt_mutex_trylock(&line.m))
			rt_mutex_unlock(&line.m);
		else
			rt_gosched();
}

static void
unlock_it(rt_mutex *m)
{
	rt_mutex_unlock(m);
}

static bool
came_in_order(int pause)
{
	rt_wg wg = RT_WG_INIT, others = RT_WG_INIT;
	int stop = 0, sorted = 0;

	line.n = line.came = 0;
	rt_mutex_lock(&line.m);
	for (int i = 0; i < 8; i++) {
		rt_wg_go(&wg, stand_in_line, i);
		YIELD_UNTIL(GET(line.came) == i + 1);
		rt_sleep(pause * RT_MILLISECOND);
	}
	rt_wg_go(&others, push_in, &stop);
	rt_wg_go(&others, unlock_it, &line.m);
	rt_wg_wait(&wg);
	SET(stop, 1);
	rt_wg_wait(&others);
	for (int i = 0; i < 8; i++)
		sorted += line.order[i] == i;
	return sorted == 8;
}

static int
mutex_order(int argc, char **argv)
{
	int pause = 2; /* longer than it takes to starve */

	(void)argc, (void)argv;
	while (!came_in_order(pause))
		CHECK(pause++ < 20);
	return ok();
}

static int
mutex_deadline(int argc, char **argv)
{
	rt_mutex m = RT_MUTEX_INIT;
	int64_t start = now_ns();

	(void)argc, (void)argv;
	CHECK(rt_mutex_lock(&m, .deadline = 1)); /* free: a try is enough */
	CHECK(!rt_mutex_lock(&m, .deadline = 1) && errno == ETIMEDOUT);
	CHECK(!rt_mutex_lock(&m, .deadline = rt_after(20 * RT_MILLISECOND)) && errno == ETIMEDOUT);
	CHECK(now_ns() - start >= 20 * MS);
	CHECK(!rt_mutex_trylock(&m));
	rt_mutex_unlock(&m);
	CHECK(rt_mutex_trylock(&m));
	rt_mutex_unlock(&m);
	return ok();
}

static int
mutex_unlocked(int argc, char **argv)
{
	rt_mutex m = RT_MUTEX_INIT;

	(void)argc, (void)argv;
	rt_mutex_lock(&m);
	rt_mutex_unlock(&m);
	rt_mutex_unlock(&m);
	return ok();
}

/* Whoever is the last to unlock one takes the memory away at once: others that unlocked it before
 * must not touch it any more, though their calls may not have returned. */
struct counted {
	union {
		rt_mutex m;
		rt_rwmutex rw;
	};
	int users;
};

static void
use_mutex(struct counted *c, size_t size)
{
	for (int i = 0; i < 3; i++) {
		rt_mutex_lock(&c->m);
		rt_mutex_unlock(&c->m);
	}
	rt_mutex_lock(&c->m);
	int left = --c->users;
	rt_mutex_unlock(&c->m);
	if (left == 0)
		CHECK(munmap(c, size) == 0);
}

static void
use_rwmutex(struct counted *c, size_t size)
{
	for (int i = 0; i < 3; i++) {
		rt_rwmutex_rlock(&c->rw);
		rt_rwmutex_runlock(&c->rw);
	}
	rt_rwmutex_lock(&c->rw);
	int left = --c->users;
	rt_rwmutex_unlock(&c->rw);
	if (left == 0)
		CHECK(munmap(c, size) == 0);
}

static int
unmapped(int argc, char **argv)
{
	int rounds = number(argc, argv, 2000);
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < rounds; i++) {
		struct counted *c = mmap(NULL, size, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		rt_wg wg = RT_WG_INIT;

		CHECK(c != MAP_FAILED);
		c->users = 4;
		for (int k = 0; k < 4; k++)
			rt_wg_go(&wg, i % 2 ? use_mutex : use_rwmutex, c, size);
		rt_wg_wait(&wg);
	}
	return ok();
}

/* ---- readers and writers ---- */

struct library {
	rt_rwmutex rw;
	int readers, writers, reads, writes;
};

static bool
enter(struct library *l, bool write, unsigned *seed)
{
	unsigned how = (unsigned)rand_r(seed) % 4;

	if (how == 0)
		return write ? rt_rwmutex_trylock(&l->rw) : rt_rwmutex_tryrlock(&l->rw);
	if (how == 1)
		return write ? rt_rwmutex_lock(&l->rw, .deadline = soon(seed))
			     : rt_rwmutex_rlock(&l->rw, .deadline = soon(seed));
	return write ? rt_rwmutex_lock(&l->rw) : rt_rwmutex_rlock(&l->rw);
}

static void
read_or_write(struct library *l, int n, unsigned seed, bool writer)
{
	for (int i = 0; i < n; i++) {
		bool write = writer || rand_r(&seed) % 100 == 0;

		if (!enter(l, write, &seed))
			continue;
		if (write) {
			CHECK(ADD(l->writers, 1) == 1 && GET(l->readers) == 0);
			l->writes++;
		} else {
			ADD(l->readers, 1);
			CHECK(GET(l->writers) == 0);
			ADD(l->reads, 1);
		}
		if (i % 16 == 0)
			rt_gosched();
		ADD(*(write ? &l->writers : &l->readers), -1);
		write ? rt_rwmutex_unlock(&l->rw) : rt_rwmutex_runlock(&l->rw);
	}
}

static int
rwmutex_hammer(int argc, char **argv)
{
	struct library l = {.rw = RT_RWMUTEX_INIT};
	int n = number(argc, argv, 3000);
	rt_wg wg = RT_WG_INIT;

	for (unsigned i = 0; i < 10; i++)
		rt_wg_go(&wg, read_or_write, &l, n, i, false);
	for (unsigned i = 0; i < 3; i++)
		rt_wg_go(&wg, read_or_write, &l, n / 10, i, true);
	rt_wg_wait(&wg);
	CHECK(l.reads > 0 && l.writes > 0);
	CHECK(rt_rwmutex_trylock(&l.rw));
	CHECK(!rt_rwmutex_tryrlock(&l.rw) && !rt_rwmutex_trylock(&l.rw));
	rt_rwmutex_unlock(&l.rw);
	CHECK(rt_rwmutex_tryrlock(&l.rw) && rt_rwmutex_tryrlock(&l.rw));
	CHECK(!rt_rwmutex_trylock(&l.rw));
	rt_rwmutex_runlock(&l.rw);
	rt_rwmutex_runlock(&l.rw);
	CHECK(rt_rwmutex_trylock(&l.rw));
	return ok();
}

static void
read_once(rt_rwmutex *rw, int *reads)
{
	rt_rwmutex_rlock(rw);
	ADD(*reads, 1);
	rt_rwmutex_runlock(rw);
}

static void
write_once(rt_rwmutex *rw, const int *reads, int *at)
{
	rt_rwmutex_lock(rw);
	SET(*at, GET(*reads));
	rt_rwmutex_unlock(rw);
}

/* A writer that waits keeps new readers out; one that gives up lets them in. */
static int
rwmutex_order(int argc, char **argv)
{
	rt_rwmutex rw = RT_RWMUTEX_INIT;
	rt_wg wg = RT_WG_INIT;
	int reads = 0, at = -1;

	(void)argc, (void)argv;
	rt_rwmutex_rlock(&rw);
	CHECK(!rt_rwmutex_lock(&rw, .deadline = rt_after(RT_MILLISECOND)) && errno == ETIMEDOUT);
	CHECK(rt_rwmutex_tryrlock(&rw));
	rt_rwmutex_runlock(&rw);
	rt_wg_go(&wg, write_once, &rw, &reads, &at);
	while (rt_rwmutex_tryrlock(&rw)) { /* until the writer has come */
		rt_rwmutex_runlock(&rw);
		rt_gosched();
	}
	CHECK(!rt_rwmutex_rlock(&rw, .deadline = rt_after(RT_MILLISECOND)) && errno == ETIMEDOUT);
	for (int i = 0; i < 5; i++)
		rt_wg_go(&wg, read_once, &rw, &reads);
	rt_sleep(RT_MILLISECOND);
	CHECK(GET(reads) == 0);
	rt_rwmutex_runlock(&rw);
	rt_wg_wait(&wg);
	CHECK(at == 0 && reads == 5);
	return ok();
}

/* Readers that wait for a writer come before the next one; if they were there by then, which is
 * tried again if not. */
static int
rwmutex_readers_first(int argc, char **argv)
{
	rt_rwmutex rw = RT_RWMUTEX_INIT;
	rt_wg wg = RT_WG_INIT;
	int reads, at = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 50 && at != 5; i++) {
		reads = 0;
		rt_rwmutex_lock(&rw);
		for (int k = 0; k < 5; k++)
			rt_wg_go(&wg, read_once, &rw, &reads);
		rt_sleep(i * RT_MILLISECOND);
		rt_wg_go(&wg, write_once, &rw, &reads, &at);
		rt_sleep(i * RT_MILLISECOND);
		rt_rwmutex_unlock(&rw);
		rt_wg_wait(&wg);
	}
	CHECK(at == 5);
	return ok();
}

static int
rwmutex_unlocked(int argc, char **argv)
{
	rt_rwmutex rw = RT_RWMUTEX_INIT;
	const char *how = argc > 0 ? argv[0] : "";

	if (strcmp(how, "write-read") == 0) {
		rt_rwmutex_lock(&rw);
		rt_rwmutex_runlock(&rw);
	} else if (strcmp(how, "read-write") == 0) {
		rt_rwmutex_rlock(&rw);
		rt_rwmutex_unlock(&rw);
	} else if (strcmp(how, "read") == 0) {
		rt_rwmutex_runlock(&rw);
	} else {
		rt_rwmutex_unlock(&rw);
	}
	return ok();
}

/* What a report says of those who wait. */
static int
deadlock(int argc, char **argv)
{
	static rt_mutex m = RT_MUTEX_INIT;
	static rt_rwmutex rw = RT_RWMUTEX_INIT;
	const char *what = argc > 0 ? argv[0] : "";

	rt_mutex_lock(&m);
	rt_rwmutex_lock(&rw);
	if (strcmp(what, "mutex") == 0)
		rt_mutex_lock(&m);
	else if (strcmp(what, "rlock") == 0)
		rt_rwmutex_rlock(&rw);
	else if (strcmp(what, "lock") == 0)
		rt_rwmutex_lock(&rw);
	return ok();
}

/* N goroutines at a table with N forks; each has its left one, and waits for the right one. */
static struct {
	rt_mutex forks[8];
	int n, seated;
} table;

static void
dine(int i)
{
	rt_mutex_lock(&table.forks[i]);
	ADD(table.seated, 1);
	YIELD_UNTIL(GET(table.seated) == table.n);
	rt_mutex_lock(&table.forks[(i + 1) % table.n]);
}

static int
dinner(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	table.n = number(argc, argv, 3);
	for (int i = 0; i < table.n; i++)
		rt_wg_go(&wg, dine, i);
	rt_wg_wait(&wg);
	return ok();
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {
		{"wg-go", wg_go},
		{"wg-deadline", wg_deadline},
		{"wg-stress", wg_stress},
		{"wg-foreign", wg_foreign},
		{"mutex-hammer", mutex_hammer},
		{"mutex-signals", mutex_signals},
		{"mutex-cancel", mutex_cancel},
		{"mutex-fairness", mutex_fairness},
		{"mutex-order", mutex_order},
		{"mutex-deadline", mutex_deadline},
		{"mutex-unlocked", mutex_unlocked},
		{"unmapped", unmapped},
		{"rwmutex-hammer", rwmutex_hammer},
		{"rwmutex-order", rwmutex_order},
		{"rwmutex-readers-first", rwmutex_readers_first},
		{"rwmutex-unlocked", rwmutex_unlocked},
		{"deadlock", deadlock},
		{"dinner", dinner},
	};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

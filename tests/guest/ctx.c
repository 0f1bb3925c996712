/* SPDX-License-Identifier: MIT */
/* Contexts and scopes: what Go's context_test and errgroup_test check, for C. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define NOINLINE __attribute__((noinline))

static bool
is(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

#define CANCELED "context canceled"
#define EXCEEDED "context deadline exceeded"

/* ---- contexts ---- */

static int key, other_key;

static int
basics(int argc, char **argv)
{
	rt_ctx top, mid, low, beside;

	(void)argc, (void)argv;
	CHECK(rt_ctx_error(rt_ctx_background()) == 0 && !rt_ctx_text(rt_ctx_background()));
	CHECK(!rt_ctx_value(rt_ctx_background(), &key));
	rt_ctx_init(&top, NULL, .key = &key, .value = "top");
	rt_ctx_init(&mid, &top, .key = &other_key, .value = "mid");
	rt_ctx_init(&low, &mid, .key = &key, .value = "low");
	rt_ctx_init(&beside, &top);
	CHECK(is(rt_ctx_value(&low, &key), "low") && is(rt_ctx_value(&mid, &key), "top"));
	CHECK(is(rt_ctx_value(&low, &other_key), "mid") && !rt_ctx_value(&beside, &other_key));
	CHECK(!rt_ctx_value(&low, &argc) && !rt_ctx_value(&low, NULL));
	CHECK(rt_ctx_error(&low) == 0 && rt_ctx_cause(&low) == 0 && !rt_ctx_text(&low));
	rt_ctx_cancel_with(&mid, EPIPE, "nobody listens");
	rt_ctx_cancel_with(&mid, EIO, "too late");
	CHECK(rt_ctx_error(&low) == ECANCELED && rt_ctx_cause(&low) == EPIPE);
	CHECK(is(rt_ctx_text(&low), "nobody listens") && is(rt_ctx_text(&mid), "nobody listens"));
	CHECK(rt_ctx_error(&top) == 0 && rt_ctx_error(&beside) == 0);
	rt_ctx_end(&low);
	rt_ctx_end(&low);
	rt_ctx_init(&low, &mid); /* of one that has ended */
	CHECK(rt_ctx_error(&low) == ECANCELED && rt_ctx_cause(&low) == EPIPE);
	rt_ctx_end(&top); /* before those below it */
	CHECK(rt_ctx_error(&beside) == ECANCELED && is(rt_ctx_text(&beside), CANCELED));
	CHECK(rt_ctx_cause(&beside) == ECANCELED);
	rt_ctx_end(&beside);
	rt_ctx_end(&low);
	rt_ctx_end(&mid);
	return ok();
}

static int
deadlines(int argc, char **argv)
{
	rt_time soon = rt_after(5 * RT_MILLISECOND), late = rt_after(RT_HOUR);
	rt_ctx top, low, lower, past, shield;

	(void)argc, (void)argv;
	rt_ctx_init(&top, NULL, .deadline = soon);
	rt_ctx_init(&low, &top, .deadline = late);
	rt_ctx_init(&lower, &low);
	rt_ctx_init(&shield, &lower, .without_cancel = true, .key = &key, .value = "s");
	CHECK(rt_ctx_deadline(&top) == soon && rt_ctx_deadline(&lower) == soon);
	CHECK(rt_ctx_deadline(&shield) == 0);
	CHECK(rt_ctx_wait(&lower) && rt_now() >= soon);
	CHECK(rt_ctx_wait(&top) && rt_ctx_error(&top) == ETIMEDOUT);
	CHECK(rt_ctx_error(&lower) == ETIMEDOUT && is(rt_ctx_text(&lower), EXCEEDED));
	CHECK(rt_ctx_error(&shield) == 0);
	CHECK(!rt_ctx_wait(&shield, .deadline = rt_after(RT_MILLISECOND)) && errno == ETIMEDOUT);
	CHECK(!rt_ctx_wait(&shield, .ctx = &top) && errno == ECANCELED);
	CHECK(!rt_ctx_wait(rt_ctx_background(), .ctx = &top) && errno == ECANCELED);
	rt_ctx_init(&past, rt_ctx_background(), .deadline = rt_now() - 1);
	CHECK(rt_ctx_error(&past) == ETIMEDOUT && rt_ctx_wait(&past));
	rt_ctx_end(&past);
	rt_ctx_init(&past, NULL, .deadline = late);
	rt_ctx_cancel(&past);
	CHECK(rt_ctx_error(&past) == ECANCELED);
	rt_ctx_end(&past);
	rt_ctx_end(&shield);
	rt_ctx_end(&lower);
	rt_ctx_end(&low);
	rt_ctx_end(&top);
	return ok();
}

/* ---- what waits with a context ---- */

static struct {
	rt_mutex mutex;
	rt_rwmutex rwmutex;
	rt_sem sem;
	rt_cond cond;
	rt_wg wg;
	rt_timer timer;
	rt_chan(int) empty, full;
} busy = {.sem = RT_SEM_INIT(1)};
static int waiting;

static bool
wait_for(int what, rt_ctx *ctx)
{
	switch (what) {
	case 0:
		return rt_mutex_lock(&busy.mutex, .ctx = ctx);
	case 1:
		return rt_rwmutex_lock(&busy.rwmutex, .ctx = ctx);
	case 2:
		return rt_rwmutex_rlock(&busy.rwmutex, .ctx = ctx, .deadline = rt_after(RT_HOUR));
	case 3:
		return rt_sem_acquire(&busy.sem, 1, .ctx = ctx);
	case 4:
		return rt_wg_wait(&busy.wg, .ctx = ctx);
	case 5:
		return rt_sleep(RT_HOUR, .ctx = ctx);
	case 6:
		return rt_timer_wait(&busy.timer, .ctx = ctx);
	case 7:
		return rt_ctx_wait(rt_ctx_background(), .ctx = ctx);
	case 8:
		return rt_recv(busy.empty, NULL, .ctx = ctx);
	case 9:
		return rt_send(busy.full, 2, .ctx = ctx, .deadline = rt_after(RT_HOUR));
	default:
		switch (rt_select(RT_RECV(busy.empty), RT_DONE(rt_ctx_background()), RT_DONE(ctx),
				  RT_DONE(NULL), RT_SEND(busy.full, 3))) {
		case 2:
			errno = ECANCELED;
			return false;
		default:
			return true;
		}
	}
}
#define WAITS 11

static void
wait_one(int what, rt_ctx *ctx, rt_wg *wg)
{
	rt_defer(rt_wg_done, wg);
	ADD(waiting, 1);
	errno = 0;
	CHECK(!wait_for(what, ctx) && errno == ECANCELED);
	CHECK(!wait_for(what, ctx) && errno == ECANCELED); /* it has ended before */
}

static void *
wait_on_thread(void *ctx)
{
	ADD(waiting, 1);
	for (int i = 0; i < WAITS; i++)
		CHECK(!wait_for(i, ctx) && errno == ECANCELED);
	return NULL;
}

static int
waits(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	rt_ctx top, low;

	(void)argc, (void)argv;
	rt_mutex_lock(&busy.mutex);
	rt_rwmutex_lock(&busy.rwmutex);
	CHECK(rt_sem_acquire(&busy.sem, 1));
	rt_wg_add(&busy.wg, 1);
	busy.empty = rt_chan_make(int, 0);
	busy.full = rt_chan_make(int, 1);
	rt_send(busy.full, 1);
	rt_ctx_init(&top, NULL);
	rt_ctx_init(&low, &top);
	rt_wg_add(&wg, 2 * WAITS);
	for (int i = 0; i < 2 * WAITS; i++)
		rt_go(wait_one, i / 2, i % 2 ? &top : &low, &wg);
	pthread_t t = foreign_thread(wait_on_thread, &low);
	YIELD_UNTIL(GET(waiting) == 2 * WAITS + 1);
	rt_ctx_cancel(&top);
	rt_wg_wait(&wg);
	CHECK(pthread_join(t, NULL) == 0);
	rt_ctx_end(&low);
	rt_ctx_end(&top);
	rt_mutex_unlock(&busy.mutex); /* nobody is left in there */
	CHECK(rt_mutex_trylock(&busy.mutex));
	CHECK(rt_chan_len(busy.full) == 1);
	rt_chan_free(busy.empty); /* nor there */
	rt_chan_free(busy.full);
	return ok();
}

/* ---- functions ---- */

static int called;

static void
call(void *arg)
{
	ADD(called, *(int *)arg);
}

static int
functions(int argc, char **argv)
{
	rt_ctx ctx;
	rt_ctx_func f, g, h;
	int one = 1, ten = 10, hundred = 100;

	(void)argc, (void)argv;
	rt_ctx_init(&ctx, NULL);
	rt_ctx_after_func(&ctx, &f, call, &one);
	rt_ctx_after_func(&ctx, &g, call, &ten);
	CHECK(rt_ctx_stop_func(&ctx, &g) && !called);
	rt_ctx_cancel(&ctx);
	YIELD_UNTIL(GET(called) == 1);
	CHECK(!rt_ctx_stop_func(&ctx, &f));
	rt_ctx_after_func(&ctx, &h, call, &hundred); /* at once */
	YIELD_UNTIL(GET(called) == 101);
	CHECK(!rt_ctx_stop_func(&ctx, &h));
	rt_ctx_end(&ctx);
	rt_ctx_init(&ctx, NULL, .deadline = rt_after(RT_MILLISECOND));
	rt_ctx_after_func(&ctx, &f, call, &one); /* started by the timer, with no goroutine there */
	YIELD_UNTIL(GET(called) == 102);
	rt_ctx_end(&ctx);
	return ok();
}

/* ---- many at once ---- */

/* When one has ended, so have those below it. */
static void
observe(rt_ctx *tree, int n, rt_wg *wg)
{
	rt_defer(rt_wg_done, wg);
	for (bool done = false; !done;) {
		done = rt_ctx_error(&tree[0]) != 0;
		for (int i = 1; i < n; i++)
			if (rt_ctx_error(&tree[(i - 1) / 2]) != 0)
				CHECK(rt_ctx_error(&tree[i]) != 0);
		rt_gosched();
	}
}

static void
cancel(rt_ctx *ctx, rt_wg *wg)
{
	rt_ctx_cancel(ctx);
	rt_wg_done(wg);
}

/* One that comes and goes below a context that ends meanwhile. */
static void
come_and_go(rt_ctx *parent, rt_wg *wg)
{
	rt_defer(rt_wg_done, wg);
	for (int i = 0; i < 50; i++) {
		rt_ctx own;

		rt_ctx_init(&own, parent, .deadline = rt_after((i % 3) * RT_MICROSECOND * 100));
		rt_defer(rt_ctx_end, &own);
		if (i % 2)
			CHECK(rt_ctx_wait(&own));
		else
			CHECK(!rt_sleep(RT_HOUR, .ctx = &own) && errno == ECANCELED);
	}
}

#define TREE 63

static int
trees(int argc, char **argv)
{
	int rounds = number(argc, argv, 20);

	for (int round = 0; round < rounds; round++) {
		static rt_ctx tree[TREE];
		rt_wg wg = RT_WG_INIT;

		rt_ctx_init(&tree[0], NULL);
		for (int i = 1; i < TREE; i++)
			rt_ctx_init(&tree[i], &tree[(i - 1) / 2]);
		rt_wg_add(&wg, 2 + 8 + 8);
		for (int i = 0; i < 2; i++)
			rt_go(observe, tree, TREE, &wg);
		for (int i = 0; i < 8; i++)
			rt_go(come_and_go, &tree[TREE - 1 - i], &wg);
		for (int i = 0; i < 8; i++)
			rt_go(cancel, &tree[i * 7 % TREE], &wg);
		rt_wg_wait(&wg);
		for (int i = 0; i < TREE; i++)
			rt_ctx_end(&tree[(i * 5 + round) % TREE]);
	}
	return ok();
}

static int
in_child(int argc, char **argv)
{
	rt_ctx top, ctx;
	int status;

	(void)argc, (void)argv;
	rt_ctx_init(&top, NULL);
	if (fork() == 0) {
		rt_ctx_init(&ctx, &top, .deadline = rt_after(RT_MILLISECOND));
		CHECK(rt_ctx_wait(&ctx));
		rt_ctx_end(&ctx);
		rt_ctx_end(&top);
		_exit(0);
	}
	CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	rt_ctx_end(&top);
	return ok();
}

/* ---- scopes ---- */

static int running, most, ended;

static int
answer(int error)
{
	int now = ADD(running, 1), max = GET(most);

	while (now > max &&
	       !__atomic_compare_exchange_n(&most, &max, now, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE))
		;
	rt_gosched();
	ADD(running, -1);
	ADD(ended, 1);
	return error;
}

static int
until_canceled(rt_ctx *ctx, double x, const char *s)
{
	CHECK(x == 1.5 && is(s, "s"));
	rt_ctx_wait(ctx);
	ADD(ended, 1);
	return ECANCELED;
}

static int
exit_here(void)
{
	ADD(ended, 1);
	rt_goexit();
}

static int
start_more(rt_scope *s, int depth)
{
	if (depth > 0)
		for (int i = 0; i < 2; i++)
			rt_scope_go(s, start_more, s, depth - 1);
	ADD(ended, 1);
	return 0;
}

static int
results(int argc, char **argv)
{
	rt_scope s;

	(void)argc, (void)argv;
	rt_scope_init(&s, NULL);
	CHECK(rt_scope_wait(&s) == 0 && rt_ctx_error(&s.ctx) == ECANCELED);
	rt_scope_init(&s, NULL);
	for (int i = 0; i < 10; i++)
		rt_scope_go(&s, answer, 0);
	rt_scope_go(&s, exit_here);
	CHECK(rt_scope_wait(&s) == 0 && ended == 11);
	ended = 0;
	rt_scope_init(&s, rt_ctx_background());
	for (int i = 0; i < 5; i++)
		rt_scope_go(&s, until_canceled, &s.ctx, 1.5, "s");
	rt_scope_go(&s, answer, EIO);
	CHECK(rt_scope_wait(&s) == EIO && ended == 6 && rt_ctx_cause(&s.ctx) == EIO);
	ended = 0;
	rt_scope_init(&s, NULL);
	rt_scope_go(&s, start_more, &s, 5);
	CHECK(rt_scope_wait(&s) == 0 && ended == 63);
	ended = 0;
	rt_scope_init(&s, NULL, .deadline = rt_after(RT_MILLISECOND));
	rt_scope_go(&s, until_canceled, &s.ctx, 1.5, "s");
	CHECK(rt_scope_wait(&s) == ECANCELED && rt_ctx_error(&s.ctx) == ETIMEDOUT);
	return ok();
}

static int
limits(int argc, char **argv)
{
	rt_scope s;

	(void)argc, (void)argv;
	rt_scope_init(&s, NULL, .limit = 3);
	for (int i = 0; i < 100; i++)
		rt_scope_go(&s, answer, 0);
	CHECK(rt_scope_wait(&s) == 0 && ended == 100 && most <= 3);
	rt_scope_init(&s, NULL, .limit = 2);
	CHECK(rt_scope_try_go(&s, until_canceled, &s.ctx, 1.5, "s"));
	CHECK(rt_scope_try_go(&s, exit_here)); /* gives its slot back, too */
	YIELD_UNTIL(rt_scope_try_go(&s, until_canceled, &s.ctx, 1.5, "s"));
	CHECK(!rt_scope_try_go(&s, answer, 0) && errno == EAGAIN);
	rt_ctx_cancel(&s.ctx);
	CHECK(rt_scope_wait(&s) == ECANCELED);
	return ok();
}

static int thing;

static int
fail(void)
{
	rt_panic_value(&thing, "child %d", 1);
}

static void
leave_early(void)
{
	RT_SCOPE(s, NULL);

	for (int i = 0; i < 3; i++)
		rt_scope_go(&s, until_canceled, &s.ctx, 1.5, "s");
}

static void
panic_inside(void)
{
	RT_SCOPE(s, NULL);

	for (int i = 0; i < 3; i++)
		rt_scope_go(&s, until_canceled, &s.ctx, 1.5, "s");
	rt_panic("parent");
}

static void
panic_below(bool waits)
{
	RT_SCOPE(s, NULL);

	rt_scope_go(&s, until_canceled, &s.ctx, 1.5, "s");
	rt_scope_go(&s, fail);
	if (waits)
		rt_scope_wait(&s);
	else
		rt_ctx_wait(&s.ctx); /* and leave it to the end of the block */
}

static int
panics(int argc, char **argv)
{
	const rt_caught *c;

	(void)argc, (void)argv;
	leave_early();
	CHECK(ended == 3);
	c = rt_try(panic_inside);
	CHECK(c && is(c->text, "parent") && ended == 6);
	for (int i = 0; i < 2; i++) {
		c = rt_try(panic_below, i == 0);
		CHECK(c && is(c->text, "child 1") && c->value == &thing && ended == 7 + i);
		CHECK(c->goid != rt_goid() && c->nframes > 0);
	}
	return ok();
}

/* Whichever way its block is left, what it has started has ended by then: with what that has
 * deferred, and below it. */
static jmp_buf out;

static int
wait_below(rt_ctx *parent)
{
	RT_SCOPE(s, parent);

	for (int i = 0; i < 2; i++)
		rt_scope_go(&s, until_canceled, &s.ctx, 1.5, "s");
	return rt_scope_wait(&s);
}

static void
leave_by(char how)
{
	RT_SCOPE(s, NULL);

	for (int i = 0; i < 2; i++)
		rt_scope_go(&s, wait_below, &s.ctx);
	if (how == 'l')
		longjmp(out, 1);
	if (how == 'g')
		rt_goexit();
	if (how == 'p')
		rt_panic("left");
	if (how == 'e')
		rt_scope_go(&s, answer, EIO);
	CHECK(rt_scope_wait(&s) == (how == 'e' ? EIO : ECANCELED));
}

static int
left(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	rt_scope s;

	(void)argc, (void)argv;
	if (setjmp(out) == 0)
		leave_by('l');
	CHECK(GET(ended) == 4);
	rt_wg_go(&wg, leave_by, 'g');
	rt_wg_wait(&wg);
	CHECK(GET(ended) == 8);
	const rt_caught *c = rt_try(leave_by, 'p');
	CHECK(c && is(c->text, "left") && GET(ended) == 12);
	leave_by('e');
	CHECK(GET(ended) == 17);
	rt_scope_init(&s, NULL); /* canceled from above */
	rt_scope_go(&s, wait_below, &s.ctx);
	rt_ctx_cancel(&s.ctx);
	CHECK(rt_scope_wait(&s) == ECANCELED && GET(ended) == 19);
	YIELD_UNTIL(rt_num_goroutine() == 1);
	return ok();
}

static void *
scope_on_thread(void *unused)
{
	RT_SCOPE(s, NULL, .limit = 2);

	for (int i = 0; i < 20; i++)
		rt_scope_go(&s, answer, i == 19 ? EDOM : 0);
	CHECK(rt_scope_wait(&s) == EDOM && ended == 20);
	return unused;
}

static int
thread(int argc, char **argv)
{

	(void)argc, (void)argv;
	pthread_t t = foreign_thread(scope_on_thread, NULL);

	CHECK(pthread_join(t, NULL) == 0);
	return ok();
}

static int
stress_child(rt_ctx *ctx, unsigned n)
{
	switch (n % 5) {
	case 0:
		return rt_sleep(RT_HOUR, .ctx = ctx) ? 0 : errno;
	case 1:
		rt_goexit();
	case 2:
		return n % 3 ? 0 : EIO;
	case 3:
		if (n % 7 == 0)
			rt_panic_value(ctx, "%u", n);
		return 0;
	default:
		rt_gosched();
		return EPIPE;
	}
}

static void
stress_parent(unsigned n)
{
	RT_SCOPE(s, NULL, .limit = n % 4);

	for (unsigned i = 0; i < 10; i++)
		rt_scope_go(&s, stress_child, &s.ctx, n % 4 ? 5 * i + 2 + i % 2 : n + i);
	if (n % 3)
		rt_scope_wait(&s);
}

static void
stress_one(unsigned n, rt_wg *wg)
{
	rt_defer(rt_wg_done, wg);
	for (unsigned i = 0; i < 20; i++)
		rt_try(stress_parent, n + i);
}

static int
stress(int argc, char **argv)
{
	int n = number(argc, argv, 50);
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, n);
	for (int i = 0; i < n; i++)
		rt_go(stress_one, (unsigned)i, &wg);
	rt_wg_wait(&wg);
	return ok();
}

/* ---- bad ends ---- */

NOINLINE static int
fail_in_child(void)
{
	rt_panic("child");
}

static int
panic_of_child(int argc, char **argv)
{
	RT_SCOPE(s, NULL);

	(void)argc, (void)argv;
	rt_scope_go(&s, fail_in_child);
	return rt_scope_wait(&s);
}

static int
deadlock(int argc, char **argv)
{
	rt_ctx ctx;

	(void)argc, (void)argv;
	rt_ctx_init(&ctx, NULL);
	rt_ctx_wait(&ctx);
	return 0;
}

static int
end_background(int argc, char **argv)
{
	(void)argc, (void)argv;
	rt_ctx_cancel(rt_ctx_background());
	return 0;
}

static const struct guest_case cases[] = {
	{"basics", basics},
	{"deadlines", deadlines},
	{"waits", waits},
	{"functions", functions},
	{"trees", trees},
	{"in-child", in_child},
	{"results", results},
	{"limits", limits},
	{"panics", panics},
	{"left", left},
	{"thread", thread},
	{"stress", stress},
	{"panic-of-child", panic_of_child},
	{"deadlock", deadlock},
	{"end-background", end_background},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}

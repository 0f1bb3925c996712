/* SPDX-License-Identifier: MIT */
/* rt/sync.h: with one processor and several, under random preemption, and in drawn orders. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "guest.h"

static void
everywhere(const char *guest, const char *name, const char *arg)
{
	guest_ok_on_procs(guest, .args = {name, arg}, .timeout_s = 60);
}

/* What depends on the order, as well where goroutines are stopped all the time, and in orders that
 * are drawn. */
static void
hard(const char *guest, const char *name, const char *arg)
{
	char seed[64];

	everywhere(guest, name, NULL);
	guest_ok(guest, .args = {name, arg}, .timeout_s = 60,
		 .env = {"GOMAXPROCS=4", "RTDEBUG=preemptstress=50"});
	for (int i = 1; i <= 5; i++) {
		snprintf(seed, sizeof seed, "RTDEBUG=schedseed=%d,asyncpreemptoff=0", i);
		guest_ok(guest, .args = {name, arg}, .timeout_s = 60,
			 .env = {seed, guest_procs[i % 3]});
	}
}

static void
fails(const char *guest, const char *name, const char *arg, const char *text)
{
	for (int i = 0; i < GUEST_PROCS; i++) {
		struct guest g = guest_run(guest, .args = {name, arg}, .env = {guest_procs[i]});

		guest_expect_exit(&g, 2);
		guest_expect_err(&g, text);
		cr_assert_not(strstr(g.err, "stack unavailable"), "%s", g.err);
		guest_free(&g);
	}
}

/* ---- wait groups ---- */

Test(waitgroup, go)
{
	everywhere("locks", "wg-go", NULL);
}

Test(waitgroup, deadline)
{
	everywhere("locks", "wg-deadline", NULL);
}

Test(waitgroup, foreign_thread)
{
	everywhere("locks", "wg-foreign", NULL);
}

Test(waitgroup, stress, .timeout = 300)
{
	hard("locks", "wg-stress", "50");
}

/* ---- mutexes ---- */

Test(mutex, hammer, .timeout = 300)
{
	hard("locks", "mutex-hammer", "500");
}

Test(mutex, unlocked_plainly, .timeout = 300)
{
	hard("locks", "mutex-signals", "3000");
}

/* As on a kernel without membarrier: by compare-and-swap. */
Test(mutex, unlocked_by_compare_and_swap, .timeout = 300)
{
	static const char *const cases[] = {"mutex-hammer", "mutex-signals", "unmapped",
					    "mutex-deadline"};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		guest_ok("locks", .args = {cases[i]}, .timeout_s = 60,
			 .env = {"GOMAXPROCS=4", "RTDEBUG=no_membarrier=1"});
}

Test(mutex, cancel, .timeout = 300)
{
	hard("locks", "mutex-cancel", "100");
}

Test(mutex, fairness, .timeout = 120)
{
	everywhere("locks", "mutex-fairness", NULL);
}

Test(mutex, order)
{
	everywhere("locks", "mutex-order", NULL);
}

Test(mutex, deadline)
{
	everywhere("locks", "mutex-deadline", NULL);
}

Test(mutex, is_not_touched_after_the_last_unlock, .timeout = 300)
{
	hard("locks", "unmapped", "500");
}

Test(mutex, unlocked)
{
	fails("locks", "mutex-unlocked", NULL,
	      "fatal error: sync: unlock of unlocked mutex\n\ngoroutine 1 [running]:\n"
	      "rt_mutex_unlock(");
}

Test(mutex, deadlock)
{
	fails("locks", "deadlock", "mutex", "goroutine 1 [sync.Mutex.Lock]:\nrt_mutex_lock(");
	fails("locks", "deadlock", "lock", "goroutine 1 [sync.Mutex.Lock]:\nrt_rwmutex_lock(");
	fails("locks", "deadlock", "rlock", "goroutine 1 [sync.RWMutex.RLock]:\nrt_rwmutex_rlock(");
}

/* Who waits for whom is named, once, and in the order of the cycle. */
Test(mutex, cycles)
{
	for (int i = 0; i < GUEST_PROCS; i++) {
		struct guest g =
			guest_run("locks", .args = {"dinner", "5"}, .env = {guest_procs[i]});

		guest_expect_exit(&g, 2);
		guest_expect_err_matches(&g,
					 "^fatal error: all goroutines are asleep - deadlock!\n\n"
					 "goroutine [0-9]+ waits for the mutex at 0x[0-9a-f]+, "
					 "which goroutine [0-9]+ has locked\n");
		cr_assert_eq(guest_count(g.err, " waits for the mutex at "), 5, "%s", g.err);
		cr_assert_eq(guest_count(g.err, " [sync.Mutex.Lock]:\n"), 5, "%s", g.err);
		guest_free(&g);
	}
	fails("locks", "deadlock", "mutex", "goroutine 1 waits for the mutex at 0x");
	fails("locks", "deadlock", "mutex", ", which it has locked itself\n\ngoroutine 1 [");
	fails("locks", "deadlock", "rlock", "goroutine 1 waits for the RWMutex at 0x");
}

/* ---- readers and writers ---- */

Test(rwmutex, hammer, .timeout = 300)
{
	hard("locks", "rwmutex-hammer", "500");
}

Test(rwmutex, order)
{
	everywhere("locks", "rwmutex-order", NULL);
	everywhere("locks", "rwmutex-readers-first", NULL);
}

Test(rwmutex, unlocked)
{
	static const char *const read = "fatal error: sync: RUnlock of unlocked RWMutex\n\n";
	static const char *const write = "fatal error: sync: Unlock of unlocked RWMutex\n\n";

	fails("locks", "rwmutex-unlocked", "read", read);
	fails("locks", "rwmutex-unlocked", "write-read", read);
	fails("locks", "rwmutex-unlocked", "write", write);
	fails("locks", "rwmutex-unlocked", "read-write", write);
}

/* ---- condition variables ---- */

Test(cond, signal)
{
	everywhere("waits", "cond-signal", NULL);
	everywhere("waits", "cond-signal", "1000");
}

Test(cond, broadcast)
{
	everywhere("waits", "cond-broadcast", NULL);
}

Test(cond, deadline)
{
	everywhere("waits", "cond-deadline", NULL);
}

Test(cond, stress, .timeout = 300)
{
	hard("waits", "cond-stress", "500");
}

Test(cond, misuse)
{
	fails("waits", "cond-copied", NULL, "panic: sync.Cond is copied\n");
	fails("waits", "cond-unlocked", NULL, "fatal error: sync: unlock of unlocked mutex\n");
}

/* ---- semaphores ---- */

Test(sem, try_and_misuse)
{
	everywhere("waits", "sem-try", NULL);
	fails("waits", "sem-too-much", NULL, "panic: semaphore: released more than held\n");
}

Test(sem, first_come_first_served, .timeout = 120)
{
	everywhere("waits", "sem-large", NULL);
	everywhere("waits", "sem-gives-up", NULL);
}

Test(sem, stress, .timeout = 300)
{
	hard("waits", "sem-stress", "500");
}

/* ---- once, singleflight, pools ---- */

Test(once, once)
{
	everywhere("waits", "once", NULL);
}

Test(singleflight, shares)
{
	everywhere("waits", "flight", NULL);
}

Test(singleflight, fails)
{
	everywhere("waits", "flight-fails", NULL);
	everywhere("waits", "flight-fails", "exit");
}

Test(pool, stress, .timeout = 300)
{
	hard("waits", "pool", "2000");
}

Test(pool, of_one_p)
{
	guest_ok("waits", .args = {"pool-of-one-p"}, .env = {"GOMAXPROCS=1"});
}

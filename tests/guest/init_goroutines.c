/* SPDX-License-Identifier: MIT */
/* Initializers run on the main goroutine, locked to the process's first thread, and may start
 * goroutines and wait for them; those run on other threads meanwhile. */
#define _GNU_SOURCE
#include <unistd.h>

#include "guest.h"

static int other_tid, release;

static void
work(rt_wg *wg)
{
	SET(other_tid, gettid());
	rt_wg_done(wg);
}

static void
outlive(rt_wg *wg)
{
	YIELD_UNTIL(GET(release));
	rt_wg_done(wg);
}

static rt_wg outliving = RT_WG_INIT;

static __attribute__((constructor)) void
construct(void)
{
	rt_wg wg = RT_WG_INIT;

	CHECK(rt_goid() == 1 && gettid() == getpid());
	rt_wg_add(&wg, 1);
	rt_go(work, &wg);
	rt_wg_wait(&wg);
	CHECK(other_tid != getpid() && gettid() == getpid());
}

RT_PACKAGE(app);
RT_INIT(app)
{
	rt_wg wg = RT_WG_INIT;

	CHECK(rt_goid() == 1 && gettid() == getpid());
	for (int i = 0; i < 100; i++) {
		rt_wg_add(&wg, 1);
		rt_go(work, &wg);
		rt_wg_wait(&wg);
		CHECK(other_tid != getpid() && gettid() == getpid());
	}
	rt_wg_add(&outliving, 1);
	rt_go(outlive, &outliving);
}

int
main(void)
{
	SET(release, 1);
	rt_wg_wait(&outliving);
	return ok();
}

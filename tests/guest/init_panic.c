/* SPDX-License-Identifier: MIT */
/* Initializers that go wrong: $INIT_FAULT says how. main imports app, app imports store. */
#define _GNU_SOURCE
#include <unistd.h>

#include "guest.h"

void rt__main_init(void); /* not public: nothing that is leads into initialization again */

static bool
fault(const char *name)
{
	const char *value = getenv("INIT_FAULT");

	return value && strcmp(value, name) == 0;
}

static void
panic_elsewhere(void)
{
	rt_panic("on another goroutine");
}

RT_PACKAGE(store);
RT_INIT(store)
{
	rt_wg wg = RT_WG_INIT;

	if (fault("panic"))
		rt_panic("no such store");
	if (fault("recursion"))
		rt__main_init();
	if (fault("negative"))
		rt_wg_add(&wg, -1);
	if (fault("elsewhere")) {
		rt_go(panic_elsewhere);
		for (;;)
			rt_gosched();
	}
	if (fault("deadlock")) {
		rt_wg_add(&wg, 1);
		rt_wg_wait(&wg);
	}
	if (fault("goexit"))
		rt_goexit();
}

RT_PACKAGE(app, store);
RT_PACKAGE(top, app);
RT_PACKAGE(unrelated);

RT_FINI(store)
{
	puts("fini store");
}

RT_FINI(unrelated)
{
	if (fault("panic-in-fini"))
		rt_panic("in fini");
}

int
main(void)
{
	puts("main");
	return 0;
}

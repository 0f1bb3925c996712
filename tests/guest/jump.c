/* SPDX-License-Identifier: MIT */
/* Goroutines whose functions end with a jump, into the runtime and into libc, as compilers make it
 * of a last call: no frame of theirs is left. Then it panics (panic), or waits. */
#include <unistd.h>

#include "guest.h"

static rt_wg forever = RT_WG_INIT;

static void
jump_to_wait(rt_wg *wg)
{
	rt_wg_wait(wg);
}

static ssize_t
jump_to_read(int fd, void *buf, size_t n)
{
	return read(fd, buf, n);
}

int
main(int argc, char **argv)
{
	int fds[2];
	char c;

	rt_gomaxprocs(1);
	CHECK(pipe(fds) == 0);
	rt_wg_add(&forever, 1);
	rt_go(jump_to_wait, &forever);
	rt_go(jump_to_read, fds[0], (void *)&c, sizeof c);
	rt_gosched(); /* both have run then, until they wait */
	if (argc > 1 && strcmp(argv[1], "panic") == 0)
		rt_panic("jump");
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return ok();
}

/* SPDX-License-Identifier: MIT */
/*
 * Goroutines that end before the block that started them: the first that fails tells the others to
 * stop, and a deadline does the same. Nothing is allocated: what they are given lies on the stack
 * of who waits for them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rt/rt.h>

struct part {
	int number, done;
};

/* Works in steps; stops when nobody wants it any more. 0, or an errno. */
static int
work(rt_ctx *ctx, struct part *part, int fails_at)
{
	for (; part->done < 100; part->done++) {
		if (part->done == fails_at)
			return EIO;
		if (!rt_sleep(RT_MILLISECOND, .ctx = ctx))
			return errno;
	}
	return 0;
}

static void
do_all(const char *what, rt_duration limit, int fails_at)
{
	struct part parts[4];
	rt_ctx ctx;

	rt_ctx_init(&ctx, NULL, .deadline = rt_after(limit));
	rt_defer(rt_ctx_end, &ctx);
	RT_SCOPE(scope, &ctx, .limit = 3);
	for (int i = 0; i < 4; i++) {
		parts[i] = (struct part){i, 0};
		rt_scope_go(&scope, work, &scope.ctx, &parts[i], i == 2 ? fails_at : -1);
	}
	int error = rt_scope_wait(&scope);
	printf("%s: %s\n", what, error ? strerror(error) : "all done");
	if (error == ECANCELED)
		printf("\t%s\n", rt_ctx_text(&scope.ctx));
	if (error == 0)
		printf("\t%d steps\n",
		       parts[0].done + parts[1].done + parts[2].done + parts[3].done);
}

int
main(void)
{
	do_all("enough time", RT_MINUTE, -1);
	do_all("a part that fails", RT_MINUTE, 10);
	do_all("a deadline", 20 * RT_MILLISECOND, -1);
}

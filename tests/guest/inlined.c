/* SPDX-License-Identifier: MIT */
/* Crashes inside of functions that are inlined, at lines that the driver knows. */
#include <stdio.h>
#include <string.h>

#include <rt/rt.h>

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

static const volatile int *bad;
static rt_wg never = RT_WG_INIT;

INLINE int
load(const volatile int *p)
{
	return *p; /* line 17 */
}

INLINE int
load_twice(const volatile int *p)
{
	return load(p) + load(p); /* line 23 */
}

NOINLINE static int
outer(void)
{
	int n = 1;

	if (bad == NULL) {
		int first = load_twice(bad); /* line 32 */

		n += first;
	}
	return n;
}

INLINE void
wait_for(rt_wg *wg)
{
	rt_wg_wait(wg); /* line 42 */
}

static void
waiter(void)
{
	wait_for(&never); /* line 48 */
	wait_for(&never);
}

INLINE void
start(void)
{
	rt_wg_add(&never, 1);
	rt_go(waiter); /* line 56 */
}

/* Deeper than the runtime keeps. */
INLINE int
at_1(const volatile int *p)
{
	return load(p) + 1;
}
#define DEEPER(n, m)                                                                               \
	INLINE int at_##n(const volatile int *p)                                                   \
	{                                                                                          \
		return at_##m(p) + 1;                                                              \
	}
DEEPER(2, 1)
DEEPER(3, 2)
DEEPER(4, 3)
DEEPER(5, 4)
DEEPER(6, 5)
DEEPER(7, 6)
DEEPER(8, 7)
DEEPER(9, 8)
DEEPER(10, 9)
DEEPER(11, 10)
DEEPER(12, 11)
DEEPER(13, 12)
DEEPER(14, 13)
DEEPER(15, 14)

NOINLINE static int
deep(void)
{
	return at_15(bad);
}

/* For who looks at it meanwhile. */
static int
wait_for_input(void)
{
	rt_gosched();
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	puts("ok");
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "deep") == 0)
		return deep() + 1;
	start();
	if (argc > 1)
		return wait_for_input();
	rt_gosched();
	int n = outer();                /* line 113 */
	__asm__ volatile("" : "+r"(n)); /* no tail call */
	return n;
}

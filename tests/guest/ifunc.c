/* SPDX-License-Identifier: MIT */
/* IRELATIVE relocations: a function whose code is chosen at start, called directly and by pointer.
 * The resolver runs after libc is up: it may use a thread-local. */
#include <stdio.h>

static _Thread_local int chosen = 40;

static int
plain(int x)
{
	return x + 1;
}

static int
fancy(int x)
{
	return x + 2;
}

static int (*resolve(void))(int)
{
	return chosen == 40 ? fancy : plain;
}

int add(int x) __attribute__((ifunc("resolve")));

static int (*volatile pointer)(int) = add;

int
main(void)
{
	printf("%d %d\n", add(40), pointer(1));
	return 0;
}

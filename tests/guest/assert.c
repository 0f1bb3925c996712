/* SPDX-License-Identifier: MIT */
/* A failed assertion, and nothing else: abort and raise are called by libc alone. */
#include <assert.h>

int
main(int argc, char **argv)
{
	(void)argv;
	assert(argc > 5);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* The smallest program that does something: what is left of its time is the runtime's start. */
#include <unistd.h>

int
main(void)
{
	return write(1, "hello\n", 6) != 6;
}

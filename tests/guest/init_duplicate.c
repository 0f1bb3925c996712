/* SPDX-License-Identifier: MIT */
/* Two packages with one name, which the linker cannot see: the second has another C identifier. */
#include <stdio.h>

#include <rt/init.h>

RT_PACKAGE(same);
RT__PACKAGE(2, other, "same");

int
main(void)
{
	puts("main");
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <rt/init.h>

RT_PACKAGE(store, log);

RT_INIT(store)
{
	puts("store");
}

RT_FINI(store)
{
	puts("fini store");
}

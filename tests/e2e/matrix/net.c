/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <rt/init.h>

RT_PACKAGE(net, log);

RT_INIT(net)
{
	puts("net");
}

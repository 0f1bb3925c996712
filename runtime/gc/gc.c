/* SPDX-License-Identifier: MIT */
/* See gc.h: the order is enforced, so that the collector finds it kept when it comes. */
#include "gc/gc.h"

#include "base/base.h"

enum rt__gc_phase rt__gc_phase;

void
rt__gcinit(void)
{
	if (rt__gc_phase != RT_GC_UNSET)
		rt__throw("gcinit: called twice");
	rt__gc_phase = RT_GC_INIT;
}

void
rt__gcenable(void)
{
	if (rt__gc_phase != RT_GC_INIT)
		rt__throw("gcenable: before gcinit, or twice");
	rt__gc_phase = RT_GC_OFF;
}

/* SPDX-License-Identifier: MIT */
/*
 * gc: floor 12. The collector's place in the boot order. There is no collector yet, so the phase
 * can only be "off": nothing is collected, and malloc and free are all there is.
 */
#ifndef RT_GC_H
#define RT_GC_H

enum rt__gc_phase {
	RT_GC_UNSET, /* before gcinit */
	RT_GC_INIT,  /* may not run: initialization of the runtime is under way */
	RT_GC_OFF,   /* may run, and there is nothing to run */
};
extern enum rt__gc_phase rt__gc_phase;

void rt__gcinit(void);   /* in schedinit, before there are Ps */
void rt__gcenable(void); /* on the main goroutine, after runtime_init */

#endif

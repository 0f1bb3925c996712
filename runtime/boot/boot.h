/* SPDX-License-Identifier: MIT */
/* boot: floor 14. The story of how a program starts; see boot.c. */
#ifndef RT_BOOT_H
#define RT_BOOT_H

#include "base/base.h"

/* Entered from crt/start.c with the initial stack pointer, relocated, with libc initialized. */
RT_NORETURN __attribute__((visibility("hidden"))) void rt__rt0_go(const long *sp);

#endif

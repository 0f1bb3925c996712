/* SPDX-License-Identifier: MIT */
/* usync: floor 9. What goroutines use to wait for each other; its interface is rt/rt.h. */
#ifndef RT_USYNC_H
#define RT_USYNC_H

#include <rt/rt.h>

#endif

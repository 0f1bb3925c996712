/* SPDX-License-Identifier: MIT */
/* chan: floor 9. Channels and select; their interface is rt/chan.h. */
#ifndef RT_CHAN_FLOOR_H
#define RT_CHAN_FLOOR_H

#include <rt/rt.h>

#endif

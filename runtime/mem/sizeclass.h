/* SPDX-License-Identifier: MIT */
/*
 * Size classes. A small block lies in a span of one unit (64 KiB) with others of its size; a medium
 * one is a run of one to four units. Steps of 16 bytes up to 256, then eight for each doubling up
 * to 1 KiB, four above; from 5 KiB on, sizes that divide a unit with little left over. All are
 * multiples of 16, and for each power of two there is a class of just that size.
 */
#ifndef RT_MEM_SIZECLASS_H
#define RT_MEM_SIZECLASS_H

#include "base/base.h"

#define RT_UNIT_SHIFT 16
#define RT_UNIT (1ul << RT_UNIT_SHIFT)

#define RT_FAST_MAX 1024u /* what malloc's fast path is for */
#define RT_SMALL_MAX 32768u
#define RT_MEDIUM_UNITS 4u
#define RT_MEDIUM_MAX (RT_MEDIUM_UNITS * RT_UNIT)

/* 0 is no class: that of a request of no bytes, for which malloc takes a block of one. */
enum {
	RT_CLASS_SMALL_END = 51,                  /* 1 .. 50 */
	RT_CLASS_MEDIUM = RT_CLASS_SMALL_END - 1, /* and n units: RT_CLASS_MEDIUM + n */
	RT_CLASSES = RT_CLASS_MEDIUM + RT_MEDIUM_UNITS + 1,
	RT_CLASS_LARGE = RT_CLASSES, /* larger: not kept in caches */
	RT_CLASS_HUGE,
	RT_CLASS_END,
};

/* Bytes of a block, 0 for large and huge. */
extern const uint32_t rt__class_size[RT_CLASS_END];
/* Blocks that a cache keeps. */
extern const uint8_t rt__class_cap[RT_CLASS_END];
extern const uint8_t rt__class_of_16[RT_FAST_MAX / 16 + 1];    /* of up to RT_FAST_MAX */
extern const uint8_t rt__class_of_128[RT_SMALL_MAX / 128 + 1]; /* of up to RT_SMALL_MAX */

/*
 * To divide an offset in a unit by a block size (Lemire, Kaser, Kurz, "Faster remainder by direct
 * computation"): with m = rt__magic(size), the high half of offset * m is the quotient, and the low
 * half is below m if nothing is left. Exact, since 16 bits of offset and 16 of size fit in 32.
 */
static inline uint32_t
rt__magic(uint32_t size)
{
	return UINT32_MAX / size + 1;
}

/* The class of a request of at most RT_MEDIUM_MAX bytes; 0 for none. */
static inline unsigned
rt__size_class(size_t size)
{
	if (size <= RT_FAST_MAX)
		return rt__class_of_16[(size + 15) / 16];
	if (size <= RT_SMALL_MAX)
		return rt__class_of_128[(size + 127) / 128];
	return RT_CLASS_MEDIUM + (unsigned)((size + RT_UNIT - 1) >> RT_UNIT_SHIFT);
}

#endif

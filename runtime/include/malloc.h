/* SPDX-License-Identifier: MIT */
/*
 * malloc.h: musl's, and what glibc has besides to look at the heap. The figures are those of
 * rt_read_mem_stats (rt/rt.h), as far as glibc's names fit. All look at every block, so they are
 * for reports, not for loops.
 */
#ifdef __GNUC__
#pragma GCC system_header
#endif

#include_next <malloc.h>

#ifndef RT_MALLOC_H
#define RT_MALLOC_H

#include <stddef.h>
#include <stdio.h>

#ifndef __GLIBC__ /* this header may be seen there, by tools; then it has nothing to add */

#ifdef __cplusplus
extern "C" {
#endif

/* A huge block, of more than 1 MiB, is what glibc calls mapped. */
struct mallinfo2 {
	size_t arena;    /* bytes of memory for other blocks: used, or free and not given back */
	size_t ordblks;  /* free blocks */
	size_t smblks;   /* ... of which so many are at hand on some thread */
	size_t hblks;    /* huge blocks in use, */
	size_t hblkhd;   /* and their bytes */
	size_t usmblks;  /* 0, as in glibc */
	size_t fsmblks;  /* bytes of what smblks counts */
	size_t uordblks; /* bytes of other blocks in use */
	size_t fordblks; /* arena - uordblks */
	size_t keepcost; /* bytes that malloc_trim can give back */
};

/* The same in ints, which what does not fit is INT_MAX in. */
struct mallinfo {
	int arena, ordblks, smblks, hblks, hblkhd;
	int usmblks, fsmblks, uordblks, fordblks, keepcost;
};

struct mallinfo2 mallinfo2(void);
struct mallinfo mallinfo(void);

/* Prints the sizes of the heap to stderr, as glibc does. */
void malloc_stats(void);

/*
 * Prints an XML document of glibc's form, with an entry for each class of blocks: `size` has how
 * many are free, and, which glibc has not, how many are `used`, and the `spans` of 64 KiB that they
 * lie in. options is 0: else -1, and EINVAL.
 */
int malloc_info(int options, FILE *fp);

/* Gives free memory back to the kernel: whether there was any. pad is ignored. What goroutines'
 * processors have at hand stays; rt_free_os_memory gives that back, too. */
int malloc_trim(size_t pad);

#ifdef __cplusplus
}
#endif

#endif
#endif

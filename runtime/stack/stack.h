/* SPDX-License-Identifier: MIT */
/* stack: floor 7. Address space for goroutine stacks: reserved, guarded, committed by touch. */
#ifndef RT_STACK_H
#define RT_STACK_H

#include "os/os.h"
#include "proc/proc.h"

#define RT_STACK_DEFAULT (256ul << 10) /* bytes of address space, and a guard below */
#define RT_STACK_MIN (16ul << 10)      /* smallest RTSTACK */
#define RT_STACK_MAX (1ul << 30)       /* largest RTSTACK */
#define RT_STACK_MAIN 1000000000ul     /* main's, Go's maxstacksize on 64-bit: decimal on purpose */

/* Sets the size of ordinary stacks; 0 is the default. */
void rt__stackinit(size_t size, size_t tls_size);

/* The main goroutine's stack: as much of RT_STACK_MAIN as the address space limit allows. */
struct rt__stack rt__stack_alloc_main(void);

/* Size classes. 0 is the ordinary size, RT_STACK_CLASSES - 1 others are powers of two. */
#define RT_STACK_CLASSES 18

/* The class of the smallest stacks that have `size` bytes (0: ordinary); -1 above RT_STACK_MAX. */
int rt__stack_class(size_t size);
/* Usable bytes of its stacks. */
size_t rt__stack_size(int class);
/* Bytes below each of them that cannot be touched: whole pages, more than a frame of libc. */
size_t rt__stack_guard_size(void);

/* A place for a stack and, at its top, for a G. It is never unmapped. */
struct rt__slot {
	struct rt__stack stack;
	struct rt__arena *arena; /* NULL: the main goroutine's */
	uint32_t number;         /* dense, and this place's for good: main's is 1 */
	uint8_t class;
};

/* Why there is no stack: no address space, or no guard (without MADV_GUARD_INSTALL: too many
 * mappings). */
enum rt__stack_error { RT_STACK_OK, RT_STACK_NO_SPACE, RT_STACK_NO_GUARD };

/* Fills *ret with a guarded slot whose memory reads as zeros. */
enum rt__stack_error rt__stack_alloc(int class, struct rt__slot *ret);

/* Ends the program for lack of a stack of that class, and says what to raise. */
RT_NORETURN void rt__stack_fatal(int class, enum rt__stack_error why);

/* Takes the slots of at most RT_RANGES_MAX Gs back and gives all their memory to the kernel. From
 * now on the Gs read as zeros, until the slots are used again for Gs at the same addresses. */
void rt__stack_free(struct rt__g *const *gs, int n);

#endif

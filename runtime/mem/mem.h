/* SPDX-License-Identifier: MIT */
/*
 * mem: floor 6. Memory: of the runtime itself (persistent.c), and the program's heap, with malloc
 * and its family over it (heap.h and malloc.c say how).
 */
#ifndef RT_MEM_H
#define RT_MEM_H

#include "base/base.h"
#include "proc/proc.h"

/* Makes memory usable, of the runtime and of the program; the heap takes address space only when
 * somebody allocates. Called once, in schedinit, before there is an M. */
void rt__mallocinit(void);

/* Zeroed memory that lives as long as the process, as Go's persistentalloc: for Ms, Ps, tables.
 * align is a power of two, at most a page. Never returns NULL: without memory, nothing works. */
void *rt__persistent_alloc(size_t size, size_t align);

/* malloc and its family, whoever else defines those names. */
void *rt__malloc(size_t size);
void rt__free(void *p);
void *rt__calloc(size_t n, size_t size);
void *rt__realloc(void *p, size_t size);
void *rt__aligned_alloc(size_t align, size_t size);

/* What malloc, calloc and realloc have handed out to the goroutine `counting_g`
 * since it was set; NULL counts nobody. For inittrace, as Go counts the init goroutine only. While
 * `on`, nobody has a cache. */
struct rt__malloc_count {
	bool on;
	const void *counting_g;
	uint64_t bytes, allocs;
};
extern struct rt__malloc_count rt__malloc_count;

/* ---- caches ---- */

extern struct rt__cache rt__cache_none;

/* The cache of a P that goes: its blocks are for others. */
void rt__cache_flush(struct rt__cache *c);
/* In the child of a fork, when no lock is held: blocks in caches of threads that are not there are
 * free. */
void rt__caches_recover(void);
/* In a handler of the program's for a signal that can wait: true if it has interrupted the heap.
 * The signal is to be blocked then, and sent to the thread again: it is unblocked when the heap
 * has done what it was at. */
bool rt__heap_put_off(int sig);
/* On a foreign thread: around a handler of the program; and when the thread ends. */
void rt__cache_hide(void);
void rt__cache_unhide(void);
void rt__cache_leave(void);

/* ---- giving memory back ---- */

/* For sysmon: does a bit of what there is to do, and says after how many ns it wants to be called
 * again; 0: need not be. */
int64_t rt__scavenge_tick(int64_t now);
/* In the child of a fork, which has no sysmon yet. */
void rt__scavenge_forget(void);
/* All that can be had, at once. */
void rt__scavenge_all(void);

/* $RTMEMLIMIT in bytes; 0: what the cgroup says. */
void rt__mem_set_limit(size_t bytes);

/* ---- RTDEBUG=malloc=hard ---- */

/* When the program exits: ends it with a report if blocks were overrun and the like. */
void rt__mem_exit(void);
/* For the report of a fault there: names the block that it may be about, if one is known. */
void rt__mem_explain(uintptr_t p);

/* ---- looking at it ---- */

/* $RTMEMPROFILE: a heap profile is taken from now on, at that rate or the ordinary one, and written
 * there at exit. */
void rt__profile_at_exit_init(const char *path, int rate);
void rt__profile_at_exit(void);

struct rt__mem_block {
	uintptr_t start;
	size_t size;
	bool in_use;
	bool pointers; /* may hold some */
};

/*
 * The block of the heap that an address lies in, if there is one: in constant time, without locks,
 * for any address whatever, also while others allocate and free. A block is all that
 * malloc_usable_size tells of it. One that is free may be told, as not in use; one that is
 * allocated, freed or resized meanwhile is what it was or what it becomes, or not there.
 * The address behind a block's end is in the next one, or in none. In none are the rest of a span
 * that no block fits into, the guard behind a huge block and the rest of its last chunk, and the
 * heap's tables. Under RTDEBUG=malloc it is the place of a block that is told, with what lies
 * around the block there.
 */
bool rt__mem_find(uintptr_t p, struct rt__mem_block *ret);
/* The same, but what the program has got of it, also under RTDEBUG=malloc. For reports. */
bool rt__mem_find_given(uintptr_t p, struct rt__mem_block *ret);

/* How debuggers find all of it: mem/heap_layout.h. */
extern const struct rt__heap_layout rt__heap_layout __attribute__((visibility("hidden")));

/* Compares everything that the heap knows with everything else; throws if it does not fit. Only
 * while nobody else allocates. */
void rt__mem_check(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * musl's own use of the heap (atexit, locales, dlerror, posix_spawn, time zones), which goes by
 * these names in case malloc is replaced. Defined here, so that a program has one heap, and musl's
 * allocator is not linked; by another object than malloc, which a program may replace.
 */
#include "mem/mem.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

void *
__libc_malloc(size_t size)
{
	return rt__malloc(size);
}

void *
__libc_calloc(size_t n, size_t size)
{
	return rt__calloc(n, size);
}

void *
__libc_realloc(void *p, size_t size)
{
	return rt__realloc(p, size);
}

void
__libc_free(void *p)
{
	rt__free(p);
}

/* SPDX-License-Identifier: MIT */
/*
 * malloc and its family, as C and POSIX have them. Everything is 16-aligned; a size of 0 is a
 * block like others; what fails sets errno to ENOMEM; free leaves errno alone.
 *
 * Fast paths: a block of a size class comes from the cache of the caller's P, and goes there; no
 * lock, no atomic operation, no call. free checks what it is given on the way, since it has to
 * look at the span for the class anyway: that the address is that of a block, and in use. Blocks of
 * spans that another cache owns lie aside and go back there (cache.c). For the heap profile, what
 * is allocated counts (profile.c); free knows of it by the state RT_BLOCK_WATCHED only.
 *
 * All are weak: a program that brings an allocator keeps it. libc's own use of the heap comes by
 * libc_malloc.c.
 *
 * RTDEBUG=malloc=hard and =sample act where the fast paths end (hard.h); there is no profile then.
 *
 * Not there: guard regions round blocks of less than 1 MiB, but in hard mode; and the child of a
 * fork in a handler that has interrupted malloc loses what other threads' caches held.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include <rt/rt.h>

#include "mem/hard.h"
#include "mem/mem.h"
#include "mem/profile.h"

#define WEAK(name) __attribute__((weak, alias(#name), visibility("default")))
#define WEAK_DEFINITION __attribute__((weak, visibility("default")))

/* C23's; musl has no declaration. */
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t align, size_t size);

#define KEEP_MAX 64 /* realloc to less than half of what is more moves it */

/* ---- fast ---- */

static inline size_t
in_16(size_t size)
{
	return (size + 15) / 16;
}

/* A block of so many times 16 bytes has come from c, by rt__bin_of. */
static inline void *
counted(struct rt__cache *c, void *p, size_t n)
{
	return rt__likely(!rt__profile_count(&c->sampler, n)) ? p : rt__profile_sample(c, p, n);
}

/* Or from another bin. */
static inline void *
counted_slow(struct rt__cache *c, void *p, size_t n)
{
	return rt__likely(!rt__profile_count_slow(&c->sampler, n)) ? p
								   : rt__profile_sample(c, p, n);
}

/* ---- slow ---- */

static void
count(size_t size)
{
	if (rt__load_rlx(&rt__malloc_count.counting_g) == rt__getg()) {
		rt__malloc_count.allocs++;
		rt__malloc_count.bytes += size;
	}
}

/* A block of a class from central, for who has no cache. */
static void *
alloc_central(struct rt__cache *none, unsigned class, bool *zero)
{
	struct rt__block b;

	if (rt__central_take(none, class, &b, 1) == 0)
		return NULL;
	*zero = *b.state == RT_BLOCK_ZERO;
	rt__store_rlx(b.state, (uint8_t)RT_BLOCK_USED);
	return b.p;
}

/* From whichever cache, or none. */
static void *
counted_here(struct rt__cache *c, void *p, size_t size)
{
	return rt__likely(!c->none) ? counted_slow(c, p, size / 16)
				    : rt__profile_shared(p, size / 16);
}

static void *
alloc_class(unsigned class, bool noscan, bool *zero)
{
	struct rt__cache *own = rt__cache_here(), *c = noscan ? own->twin : own;
	void *p = rt__bin_pop_zero(&c->bins[class], zero);

	if (rt__unlikely(!p)) {
		rt__heap_must_enter();
		c = rt__cache_twin(own, noscan);
		if (c->none)
			p = alloc_central(c, class, zero);
		else if (rt__cache_refill(c, class))
			p = rt__bin_pop_zero(&c->bins[class], zero);
		rt__heap_leave();
	}
	return p ? counted_here(c, p, rt__class_size[class]) : NULL;
}

/* A large block has come, or has another size; or p is NULL. */
static void *
counted_large(void *p)
{
	if (!p || rt__likely(!rt__profile_on()))
		return p;
	return counted_here(rt__cache_here(), p, rt__usable(rt__unit_of(p)));
}

static void *
alloc_large(size_t size, size_t align, bool noscan, bool *zero)
{
	rt__heap_must_enter();
	rt__limit_relieve(size);
	void *p = rt__large_alloc(size, align, noscan, zero);
	rt__heap_leave();
	return counted_large(p);
}

/* Under RTDEBUG=malloc: false if it is to be an ordinary block. */
static bool
alloc_watched(size_t size, size_t align, bool *zero, void **ret)
{
	if (rt__debug.malloc == RT_MALLOC_HARD) {
		*ret = rt__hard_alloc(size, align, zero);
		return true;
	}
	*ret = rt__sample(rt__cache_here(), size, align, zero);
	return *ret != NULL;
}

static RT_NOINLINE void *
alloc_slow(size_t size, size_t align, bool noscan, bool *zero)
{
	void *p;

	if (rt__unlikely(rt__debug.malloc) && alloc_watched(size, align, zero, &p))
		; /* p is what it is */
	else if (size <= RT_MEDIUM_MAX && align <= RT_UNIT)
		p = alloc_class(rt__aligned_class(size, align), noscan, zero);
	else
		p = alloc_large(size > RT_MEDIUM_MAX ? size : RT_MEDIUM_MAX + 1, align, noscan,
				zero);
	if (!p)
		errno = ENOMEM;
	else if (rt__unlikely(rt__malloc_count.on))
		count(size);
	return p;
}

/* An ordinary block under RTDEBUG=malloc=sample, if the next sampled one is not due. */
static void *
sample_pop(struct rt__cache *c, size_t size)
{
	if (size > RT_MEDIUM_MAX || c->until_sample <= 1)
		return NULL;
	void *p = rt__bin_pop(&c->bins[rt__size_class(size)]);
	c->until_sample -= p != NULL;
	return p;
}

/* Also of larger blocks that the cache has. */
static RT_NOINLINE void *
malloc_slow(size_t size)
{
	struct rt__cache *c = rt__getm_cache();
	void *p = NULL;
	bool zero;

	if (rt__unlikely(rt__debug.malloc > 0)) {
		p = sample_pop(c->real, size);
		if (p)
			return p;
	} else if (size > RT_FAST_MAX && size <= RT_MEDIUM_MAX) {
		p = rt__bin_pop(&c->bins[rt__size_class(size)]);
		if (rt__likely(p != NULL))
			return counted_slow(c, p, in_16(size));
	}
	return alloc_slow(size, 16, false, &zero);
}

/* p is no block in use, as far as spans know: RTDEBUG=malloc knows of others. */
static RT_NORETURN RT_NOINLINE void
bad_pointer(const char *what, const void *p)
{
	if (rt__debug.malloc)
		rt__blame_pointer(what, p);
	rt__bad_pointer(what, p);
}

/* The span of a block in use, which nobody watches any more; NULL in a handler that was not put
 * off. */
static struct rt__span *
unwatched(const char *what, const void *p, uint8_t **state)
{
	struct rt__span *sp = rt__span_in_use(p, state);

	if (sp)
		return sp;
	sp = rt__span_watched(p, state);
	if (!sp)
		bad_pointer(what, p);
	if (!rt__heap_try_enter())
		return NULL;
	if (!rt__profile_free(p))
		bad_pointer(what, p);
	rt__store_rlx(*state, (uint8_t)RT_BLOCK_USED);
	rt__heap_leave();
	return sp;
}

static RT_NOINLINE void
free_slow(void *p)
{
	uint8_t *state;

	if (!p)
		return;
	struct rt__span *sp = rt__span_in_use(p, &state);
	if (!sp && rt__debug.malloc) {
		if (!rt__hard_free("free", p))
			bad_pointer("free", p);
		return;
	}
	if (!sp)
		sp = unwatched("free", p, &state);
	if (!sp)
		return; /* rather lose it */
	struct rt__cache *c = rt__cache_here();
	if (rt__bin_push(c, sp, p, state))
		return;
	if (!rt__heap_try_enter())
		return; /* in a handler that was not put off: rather lose it */
	c = rt__cache_twin(c, sp->noscan);
	if (!c->none && sp->class < RT_CLASSES) {
		if (rt__bin_full(&c->bins[sp->class]))
			rt__cache_spill(c, sp->class);
		rt__bin_push(c, sp, p, state);
	} else {
		rt__store_rlx(state, (uint8_t)RT_BLOCK_CACHED);
		if (sp->class < RT_CLASSES)
			rt__central_return(sp->class, &(struct rt__block){p, state}, 1);
		else
			rt__large_free(sp);
	}
	if (!c->none && rt__unlikely(c->slow_frees++ % RT_POLL_FREES == 0))
		rt__scavenge_poll();
	rt__heap_leave();
}

/* A block of a span that is not the cache's own, or for which there is no room. */
static RT_NOINLINE void
free_other(struct rt__cache *c, struct rt__span *sp, void *p, uint8_t *state)
{
	if (!rt__bin_push(c, sp, p, state))
		free_slow(p);
}

/* ---- the family ---- */

void *
rt__malloc(size_t size)
{
	if (rt__likely(size <= RT_FAST_MAX)) {
		struct rt__cache *c = rt__getm_cache();
		void *p = rt__bin_pop(rt__bin_of(c, in_16(size)));

		if (rt__likely(p != NULL))
			return counted(c, p, in_16(size));
	}
	return malloc_slow(size);
}

void *
rt_malloc_noscan(size_t size)
{
	bool zero;

	if (rt__likely(size <= RT_MEDIUM_MAX)) {
		struct rt__cache *c = rt__getm_cache()->twin;
		void *p = rt__bin_pop(&c->bins[rt__size_class(size)]);

		if (rt__likely(p != NULL))
			return counted_slow(c, p, in_16(size));
	}
	return alloc_slow(size, 16, true, &zero);
}

void
rt__free(void *p)
{
	uint8_t *state;
	struct rt__span *sp = rt__span_in_use(p, &state);

	if (rt__unlikely(!sp)) {
		free_slow(p);
		return;
	}
	struct rt__cache *c = rt__getm_cache();
	if (rt__unlikely(!rt__bin_push_own(c, sp, p, state)))
		free_other(c, sp, p, state);
}

void *
rt__calloc(size_t n, size_t size)
{
	bool zero = false;
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	struct rt__cache *c = rt__getm_cache();
	void *p = NULL;
	if (bytes <= RT_FAST_MAX)
		p = rt__bin_pop_zero(rt__bin_of(c, in_16(bytes)), &zero);
	if (rt__likely(p != NULL))
		counted(c, p, in_16(bytes));
	else
		p = alloc_slow(bytes, 16, false, &zero);
	if (p && !zero)
		__builtin_memset(p, 0, bytes);
	return p;
}

/* The span of a block in use, watched or not; NULL if spans know of none. */
static struct rt__span *
span_of(const void *p)
{
	uint8_t *state;
	struct rt__span *sp = rt__span_in_use(p, &state);

	return sp ? sp : rt__span_watched(p, &state);
}

/* Of a block in use; known: to RTDEBUG=malloc, which says what was asked for. */
static size_t
must_be_in_use(const char *what, const void *p, bool *known)
{
	const struct rt__span *sp = span_of(p);
	size_t size;

	*known = !sp;
	if (sp)
		return rt__usable(sp);
	if (!rt__debug.malloc || !rt__hard_size(p, &size))
		bad_pointer(what, p);
	return size;
}

#define COPY_MAX 512 /* from here on, libc's is as fast */

/* By 16 bytes, the last of which may be among those before. */
static inline void
copy(void *to, const void *from, size_t n)
{
	if (rt__unlikely(n < 16 || n > COPY_MAX)) {
		__builtin_memcpy(to, from, n);
		return;
	}
	for (size_t i = 0; i + 16 < n; i += 16)
		__builtin_memcpy((char *)to + i, (const char *)from + i, 16);
	__builtin_memcpy((char *)to + n - 16, (const char *)from + n - 16, 16);
}

static void *
copy_to(size_t size, const void *old, size_t have, bool noscan)
{
	void *p = noscan ? rt_malloc_noscan(size) : rt__malloc(size);

	if (p)
		copy(p, old, size < have ? size : have);
	return p;
}

static void *
realloc_known(void *old, size_t size)
{
	bool known;
	size_t have = must_be_in_use("realloc", old, &known);
	void *p = copy_to(size, old, have, false);

	if (p)
		rt__hard_free("realloc", old);
	return p;
}

/* In place, or as far as the kernel can move its pages; NULL: it is what it was. */
static void *
realloc_large(struct rt__span *sp, void *old, size_t size)
{
	uint8_t *state;

	if (rt__large_fits(sp, size))
		return old;
	if (!unwatched("realloc", old, &state))
		return NULL;
	rt__heap_must_enter();
	if (size > rt__usable(sp))
		rt__limit_relieve(size - rt__usable(sp));
	void *p = rt__large_realloc(sp, size);
	rt__heap_leave();
	return counted_large(p);
}

/* Whether a block of so many bytes is good enough for that size; one of 0 bytes never is. */
static inline bool
stays(size_t have, size_t size)
{
	return size <= have && (size > (have - 1) / 2 || have - 1 < KEEP_MAX);
}

static RT_NOINLINE void *
realloc_slow(void *old, size_t size)
{
	struct rt__span *sp = span_of(old);
	void *p = NULL;

	if (!sp)
		return realloc_known(old, size);
	if (sp->class >= RT_CLASSES)
		p = realloc_large(sp, old, size);
	else if (stays(rt__class_size[sp->class], size))
		p = old;
	if (p)
		return p;
	p = copy_to(size, old, rt__usable(sp), sp->noscan);
	if (p)
		rt__free(old);
	return p;
}

void *
rt__realloc(void *old, size_t size)
{
	uint8_t *state;

	if (!old)
		return rt__malloc(size);
	const struct rt__span *sp = rt__span_in_use(old, &state);
	if (rt__likely(sp && stays(rt__class_size[sp->class], size)))
		return old; /* a large one is of 0 bytes there */
	return realloc_slow(old, size);
}

unsigned
rt__aligned_class(size_t size, size_t align)
{
	unsigned class = rt__size_class(RT_ALIGN_UP(size ? size : 1, align));

	while (rt__class_size[class] & (align - 1))
		class ++;
	return class;
}

static void *
alloc_aligned(size_t align, size_t size)
{
	bool zero;

	if (align <= 16)
		return rt__malloc(size);
	if (size > PTRDIFF_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	return alloc_slow(size, align, false, &zero);
}

static bool
power_of_two(size_t n)
{
	return n && (n & (n - 1)) == 0;
}

void *
rt__aligned_alloc(size_t align, size_t size)
{
	if (!power_of_two(align)) {
		errno = EINVAL;
		return NULL;
	}
	return alloc_aligned(align, size);
}

/* ---- under their names; musl's posix_memalign, memalign, valloc and reallocarray call these ----
 */

WEAK(rt__malloc) void *malloc(size_t size);
WEAK(rt__free) void free(void *p);
WEAK(rt__calloc) void *calloc(size_t n, size_t size);
WEAK(rt__realloc) void *realloc(void *p, size_t size);
WEAK(rt__aligned_alloc) void *aligned_alloc(size_t align, size_t size);

WEAK_DEFINITION size_t
malloc_usable_size(void *p)
{
	bool known;

	return p ? must_be_in_use("malloc_usable_size", p, &known) : 0;
}

/* C23: the size is what it was allocated with, which we can check, more or less. */
static void
free_checked(void *p, size_t size)
{
	bool known = false;
	size_t have = p ? must_be_in_use("free_sized", p, &known) : size;

	if (known && size != have)
		rt__blame_size(p, size);
	if (size > have)
		rt__bad_size(p, size);
	rt__free(p);
}

WEAK_DEFINITION void
free_sized(void *p, size_t size)
{
	free_checked(p, size);
}

WEAK_DEFINITION void
free_aligned_sized(void *p, size_t align, size_t size)
{
	(void)align;
	free_checked(p, size);
}

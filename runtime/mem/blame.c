/* SPDX-License-Identifier: MIT */
/*
 * What is said of a block that malloc=hard or =sample knows, in reports of misuse and of faults:
 * what has happened to it, its size, who allocated it and who freed it.
 *
 *	runtime: free(0x7f52c2010010): overrun by 1 byte: 00
 *	runtime: block of 100 bytes (class 128) at 0x7f52c2010010
 *	runtime: allocated by goroutine 1 at
 *	store_new(...)
 *		/home/me/store.c:12 +0x1d
 *	fatal error: free: overrun
 *
 * Frames are printed on g0 where that is free: small stacks have no room for it. No lock is taken:
 * what is told of a block that others use meanwhile may be out of date.
 */
#include "mem/hard.h"
#include "mem/mem.h"

#define BYTES_SHOWN 16

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* "block of 100 bytes (class 128) at 0x7f52c2010010, which is free" */
static void
print_block(const struct rt__record *r)
{
	char place[32] = "on pages of its own";

	if (!r->guarded)
		rt__format(place, sizeof place, "class %u", rt__class_size[r->class]);
	rt__eprintf("block of %zu byte%s (%s) at %p%s\n", r->size, plural(r->size), place,
		    (void *)r->p, r->life == RT_LIFE_USED ? "" : ", which is free");
}

static void
print_origins(void *arg)
{
	const struct rt__record *r = arg;

	rt__origin_print("allocated", r->allocated);
	if (r->life != RT_LIFE_USED)
		rt__origin_print("freed", r->freed);
}

static void
say_origins(const struct rt__record *r)
{
	if (rt__on_goroutine(rt__getm()))
		rt__on_stack(print_origins, (void *)r, rt__getm()->g0_sp);
	else
		print_origins((void *)r);
}

/* ---- damage ---- */

static void
print_bytes(const struct rt__damage *d)
{
	uintptr_t at = d->first;

	for (; at <= d->last && at < d->first + BYTES_SHOWN; at++)
		rt__eprintf(" %02x", *(const uint8_t *)at);
	rt__eprintf(at <= d->last ? " ...\n" : "\n");
}

static void
print_damage(const char *what, const struct rt__record *r, const struct rt__damage *d)
{
	size_t behind = d->last + 1 - (r->p + r->size), before = r->p - d->first;
	const char *more = d->more ? " or more" : "";

	rt__eprintf("runtime: %s(%p): ", what, (void *)r->p);
	if (d->kind == RT_DAMAGE_BEHIND)
		rt__eprintf("overrun by %zu byte%s%s:", behind, plural(behind), more);
	else if (d->kind == RT_DAMAGE_BEFORE)
		rt__eprintf("underrun by %zu byte%s%s:", before, plural(before), more);
	else
		rt__eprintf("write after free at offset %ld:", (long)(d->first - r->p));
	print_bytes(d);
}

/* Zones of neighbours touch: what has run over the end of the block before into this one's is that
 * one's. */
static const struct rt__record *
culprit(const struct rt__record *r, struct rt__damage *d)
{
	const struct rt__record *before = NULL;
	struct rt__damage its;

	if (!r->guarded && d->kind == RT_DAMAGE_BEFORE && d->more)
		before = rt__record_find((uintptr_t)r->place.p - 1);
	if (!before || before->life != RT_LIFE_USED || rt__redzone_check(before, &its) ||
	    its.kind != RT_DAMAGE_BEHIND || !its.more)
		return r;
	*d = its;
	return before;
}

static const struct rt__record *
say_damage(const char *what, const struct rt__record *r, struct rt__damage *d)
{
	r = culprit(r, d);
	print_damage(what, r, d);
	rt__eprintf("runtime: ");
	print_block(r);
	say_origins(r);
	return r;
}

void
rt__blame_print(const char *what, const struct rt__record *r, const struct rt__damage *damage)
{
	struct rt__damage d = *damage;

	say_damage(what, r, &d);
}

RT_NORETURN void
rt__blame(const char *what, const struct rt__record *r, const struct rt__damage *damage)
{
	static const char *const names[] = {[RT_DAMAGE_BEHIND] = "overrun",
					    [RT_DAMAGE_BEFORE] = "underrun",
					    [RT_DAMAGE_FREE] = "write after free"};
	struct rt__damage d = *damage;

	say_damage(what, r, &d);
	rt__misuse(what, names[d.kind]);
}

/* ---- pointers ---- */

/* "12 bytes into a block of ...": what an address is, seen from a block. */
static void
print_where(uintptr_t p, const struct rt__record *r)
{
	size_t n = p < r->p ? r->p - p : p - r->p;
	const char *where = "into";

	if (n == 0) {
		rt__eprintf("start of a ");
	} else {
		if (p < r->p)
			where = "before";
		else if (n >= r->size)
			n -= r->size, where = "behind";
		rt__eprintf("%zu byte%s %s a ", n, plural(n), where);
	}
	print_block(r);
}

RT_NORETURN void
rt__blame_pointer(const char *what, const void *p)
{
	const struct rt__record *r = rt__record_find((uintptr_t)p);

	if (!r)
		rt__bad_pointer(what, p);
	bool start = (uintptr_t)p == r->p, used = r->life == RT_LIFE_USED;
	rt__eprintf("runtime: %s(%p): ", what, p);
	print_where((uintptr_t)p, r);
	say_origins(r);
	rt__misuse(what,
		   used            ? "not the start of a block"
			   : start ? "double free"
				   : "invalid pointer");
}

RT_NORETURN void
rt__blame_size(const void *p, size_t size)
{
	const struct rt__record *r = rt__record_find((uintptr_t)p);

	rt__eprintf("runtime: free_sized(%p, %zu): start of a ", p, size);
	print_block(r);
	say_origins(r);
	rt__throw("free_sized: wrong size");
}

void
rt__mem_explain(uintptr_t p)
{
	const struct rt__record *r = rt__debug.malloc ? rt__record_find(p) : NULL;

	if (!r)
		return;
	rt__eprintf("runtime: %p: ", (void *)p);
	print_where(p, r);
	say_origins(r);
}

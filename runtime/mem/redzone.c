/* SPDX-License-Identifier: MIT */
/*
 * What is written where nobody may write, and whether it is still there.
 *
 * Around a block, up to the ends of its place (or of its pages): bytes that depend on the address
 * and on a word drawn at the start, so that what is copied from other zones does not fit. All have
 * the top bit: a 0 or text behind a buffer, which is what overruns mostly write, never looks right.
 *
 * In a block that was freed: 0xdf. Eight of them are no address, so who follows a pointer found
 * there faults.
 */
#include "mem/hard.h"

#define POISON 0xdfdfdfdfdfdfdfdful
#define TOP_BITS 0x8080808080808080ul

static uint64_t secret;

void
rt__redzone_init(void)
{
	__builtin_memcpy(&secret, rt__os.random, sizeof secret);
}

static uint64_t
zone_word(uintptr_t at)
{
	return ((secret ^ at >> 3) * 0x9e3779b97f4a7c15u) | TOP_BITS;
}

static uint64_t
word_for(uintptr_t at, bool poison)
{
	return poison ? POISON : zone_word(at & ~(uintptr_t)7);
}

static uint8_t
byte_for(uintptr_t at, bool poison)
{
	return (uint8_t)(word_for(at, poison) >> at % 8 * 8);
}

static void
fill(uintptr_t from, uintptr_t to, bool poison)
{
	for (; from < to && from % 8 != 0; from++)
		*(uint8_t *)from = byte_for(from, poison);
	for (; to - from >= 8; from += 8)
		*(uint64_t *)from = word_for(from, poison);
	for (; from < to; from++)
		*(uint8_t *)from = byte_for(from, poison);
}

/* The first and the last byte that is not what it should be. */
static bool
changed(uintptr_t from, uintptr_t to, bool poison, struct rt__damage *ret)
{
	bool found = false;

	for (uintptr_t at = from; at < to; at++) {
		if (at % 8 == 0 && to - at >= 8 && *(uint64_t *)at == word_for(at, poison)) {
			at += 7;
		} else if (*(uint8_t *)at != byte_for(at, poison)) {
			ret->first = found ? ret->first : at;
			ret->last = at;
			found = true;
		}
	}
	return found;
}

/* Where the zones around a block begin and end. */
static void
bounds(const struct rt__record *r, uintptr_t *from, uintptr_t *to)
{
	if (r->guarded) {
		rt__guarded_pages(r, from, to);
	} else {
		*from = (uintptr_t)r->place.p;
		*to = *from + rt__class_size[r->class];
	}
}

void
rt__redzone_surround(const struct rt__record *r)
{
	uintptr_t from, to;

	bounds(r, &from, &to);
	fill(from, r->p, false);
	fill(r->p + r->size, to, false);
}

void
rt__redzone_poison(const struct rt__record *r)
{
	fill(r->p, r->p + r->size, true);
}

bool
rt__redzone_check(const struct rt__record *r, struct rt__damage *ret)
{
	uintptr_t end = r->p + r->size, from, to;

	bounds(r, &from, &to);
	*ret = (struct rt__damage){.kind = RT_DAMAGE_NONE};
	if (changed(end, to, false, ret)) {
		ret->kind = RT_DAMAGE_BEHIND;
		ret->more = ret->last == to - 1;
	} else if (changed(from, r->p, false, ret)) {
		ret->kind = RT_DAMAGE_BEFORE;
		ret->more = ret->first == from;
	}
	if (r->life == RT_LIFE_HELD) {
		if (ret->kind != RT_DAMAGE_NONE || changed(r->p, end, true, ret))
			ret->kind = RT_DAMAGE_FREE;
	}
	return ret->kind == RT_DAMAGE_NONE;
}

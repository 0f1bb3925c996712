/* SPDX-License-Identifier: MIT */
/*
 * What is known of each block that malloc=hard or =sample has given out: 64 bytes out of band, for
 * each place of a span from the first time on that one of its places is used so. They stay when
 * the block is freed, until its place is given out again: a second free finds them.
 *
 * By chunk, unit and place: from an address to its record in constant time. Only hard.lock's holder
 * writes; reports read without.
 */
#include "mem/hard.h"
#include "mem/mem.h"

struct unit {
	struct rt__record *records;
	uint32_t class; /* that they are for; 0: none */
};

static struct unit **chunks; /* an array of RT_CHUNK_UNITS for each chunk */
static struct rt__record *spare[RT_CLASS_END];

/* How many places a span of the class has. */
static uint32_t
places(unsigned class)
{
	return class < RT_CLASS_SMALL_END ? RT_UNIT / rt__class_size[class] : 1;
}

static struct unit *
unit_at(uint32_t unit)
{
	struct unit *u = chunks ? chunks[unit / RT_CHUNK_UNITS] : NULL;

	return u ? &u[unit % RT_CHUNK_UNITS] : NULL;
}

static struct unit *
unit_make(uint32_t unit)
{
	struct unit **chunk;

	if (!chunks)
		chunks = rt__persistent_try(rt__heap.max_chunks * sizeof(struct unit *),
					    RT_CACHE_LINE);
	if (!chunks)
		return NULL;
	chunk = &chunks[unit / RT_CHUNK_UNITS];
	if (!*chunk)
		*chunk = rt__persistent_try(RT_CHUNK_UNITS * sizeof **chunk, RT_CACHE_LINE);
	return *chunk ? &(*chunk)[unit % RT_CHUNK_UNITS] : NULL;
}

/* Those that the unit's last span had may be for another class: they wait for one of that. */
static void
put_aside(struct unit *u)
{
	if (!u->records)
		return;
	u->records->p = (uintptr_t)spare[u->class];
	spare[u->class] = u->records;
	*u = (struct unit){NULL, 0};
}

static struct rt__record *
new_records(unsigned class)
{
	size_t size = places(class) * sizeof(struct rt__record);
	struct rt__record *r = spare[class];

	if (!r)
		return rt__persistent_try(size, RT_CACHE_LINE);
	spare[class] = (struct rt__record *)r->p;
	__builtin_memset(r, 0, size);
	return r;
}

static struct rt__record *
place_in(const struct unit *u, uintptr_t p)
{
	uint32_t class = u->class;

	if (class >= RT_CLASS_SMALL_END)
		return u->records;
	return &u->records[(p - rt__heap.base) % RT_UNIT / rt__class_size[class]];
}

static uint32_t
unit_of(const void *p)
{
	return (uint32_t)(((uintptr_t)p - rt__heap.base) >> RT_UNIT_SHIFT);
}

struct rt__record *
rt__record_make(struct rt__block b, unsigned class)
{
	struct unit *u = unit_make(unit_of(b.p));

	if (!u)
		return NULL;
	if (u->class != class) {
		put_aside(u);
		u->records = new_records(class);
		if (!u->records)
			return NULL;
		u->class = class;
	}
	struct rt__record *r = place_in(u, (uintptr_t)b.p);
	r->place = b;
	r->class = (uint8_t) class;
	return r;
}

struct rt__record *
rt__record_find(uintptr_t p)
{
	struct rt__mem_block b = {0};

	if (p - rt__heap.base >= rt__load_acq(&rt__heap.size)) /* pairs with commit in pages.c */
		return NULL;
	/* Also of what lies behind a huge block, where its guard is: start is the span's. */
	rt__mem_find(p, &b);
	if (b.start == 0)
		return NULL;
	const struct unit *u = unit_at(unit_of((void *)b.start));
	if (!u || !u->records)
		return NULL;
	struct rt__record *r = place_in(u, b.start);
	return r->life != RT_LIFE_NONE && (uintptr_t)r->place.p == b.start ? r : NULL;
}

bool
rt__mem_find_given(uintptr_t p, struct rt__mem_block *ret)
{
	const struct rt__record *r = rt__debug.malloc ? rt__record_find(p) : NULL;

	if (!rt__mem_find(p, ret))
		return false;
	if (r) {
		ret->start = r->p;
		ret->size = r->size;
		ret->in_use = r->life == RT_LIFE_USED;
	}
	return p - ret->start < ret->size;
}

void
rt__record_each(bool (*fn)(struct rt__record *r, void *arg), void *arg)
{
	for (uint32_t unit = 0; chunks && unit < rt__heap.nchunks * RT_CHUNK_UNITS; unit++) {
		const struct unit *u = unit_at(unit);

		for (uint32_t i = 0; u && u->records && i < places(u->class); i++)
			if (!fn(&u->records[i], arg))
				return;
	}
}

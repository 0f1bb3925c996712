/* SPDX-License-Identifier: MIT */
/*
 * Protocol buffers, as far as pprof.c writes them: messages with fields that are numbers, bytes or
 * messages, each put together in a buffer of its own. What does not fit is left out, and
 * remembered.
 */
#ifndef RT_MEM_PROTO_H
#define RT_MEM_PROTO_H

#include "base/base.h"

struct rt__proto {
	uint8_t *p;
	size_t n, cap;
	bool full;
};

static inline void
rt__proto_bytes(struct rt__proto *m, const void *p, size_t n)
{
	if (m->cap - m->n < n) {
		m->full = true;
		return;
	}
	__builtin_memcpy(m->p + m->n, p, n);
	m->n += n;
}

static inline void
rt__proto_varint(struct rt__proto *m, uint64_t v)
{
	uint8_t text[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		text[n++] = (uint8_t)(v | 0x80);
	text[n++] = (uint8_t)v;
	rt__proto_bytes(m, text, n);
}

/* Wire types: 0 a number, 2 bytes with their length before them. */
static inline void
rt__proto_number(struct rt__proto *m, unsigned field, uint64_t v)
{
	if (v == 0)
		return; /* which is what a field that is missing means */
	rt__proto_varint(m, field << 3);
	rt__proto_varint(m, v);
}

static inline void
rt__proto_field(struct rt__proto *m, unsigned field, const void *p, size_t n)
{
	rt__proto_varint(m, field << 3 | 2);
	rt__proto_varint(m, n);
	rt__proto_bytes(m, p, n);
}

#endif

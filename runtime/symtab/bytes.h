/* SPDX-License-Identifier: MIT */
/*
 * A reader of tables that may be damaged: it never leaves [p, end). Past the end it gives 0 and
 * becomes bad, and stays so; whoever parses looks at `bad` before using what was read.
 */
#ifndef RT_SYMTAB_BYTES_H
#define RT_SYMTAB_BYTES_H

#include "base/base.h"

struct rt__bytes {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct rt__bytes
rt__bytes(const void *p, size_t n)
{
	return (struct rt__bytes){p, (const uint8_t *)p + n, false};
}

static inline size_t
rt__bytes_left(const struct rt__bytes *b)
{
	return (size_t)(b->end - b->p);
}

/* Where n bytes lie, and goes behind them; NULL if there are not so many. */
static inline const uint8_t *
rt__bytes_take(struct rt__bytes *b, uint64_t n)
{
	const uint8_t *p = b->p;

	if (b->bad || n > rt__bytes_left(b)) {
		b->p = b->end;
		b->bad = true;
		return NULL;
	}
	b->p += n;
	return p;
}

/* A part of the bytes from offset on, empty and bad if it is not all there. */
static inline struct rt__bytes
rt__bytes_part(const struct rt__bytes *b, uint64_t offset, uint64_t n)
{
	size_t left = rt__bytes_left(b);

	if (offset > left || n > left - offset)
		return (struct rt__bytes){b->end, b->end, true};
	return (struct rt__bytes){b->p + offset, b->p + offset + n, false};
}

#define RT_BYTES_FIXED(name, type)                                                                 \
	static inline type rt__bytes_##name(struct rt__bytes *b)                                   \
	{                                                                                          \
		type v = 0;                                                                        \
		const uint8_t *p = rt__bytes_take(b, sizeof v);                                    \
                                                                                                   \
		if (p)                                                                             \
			__builtin_memcpy(&v, p, sizeof v);                                         \
		return v;                                                                          \
	}
RT_BYTES_FIXED(u8, uint8_t)
RT_BYTES_FIXED(u16, uint16_t)
RT_BYTES_FIXED(u32, uint32_t)
RT_BYTES_FIXED(u64, uint64_t)
RT_BYTES_FIXED(i8, int8_t)
RT_BYTES_FIXED(i16, int16_t)
RT_BYTES_FIXED(i32, int32_t)
#undef RT_BYTES_FIXED

/* bytes.c: a LEB128 number. What does not fit 64 bits is cut, as by binutils. */
uint64_t rt__bytes_uleb(struct rt__bytes *b);
int64_t rt__bytes_sleb(struct rt__bytes *b);

/* A string that is terminated inside the bytes; NULL and bad if there is none. */
static inline const char *
rt__bytes_string(struct rt__bytes *b)
{
	const char *s = (const char *)b->p;

	while (rt__bytes_u8(b) != 0)
		;
	return b->bad ? NULL : s;
}

#endif

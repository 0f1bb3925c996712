/* SPDX-License-Identifier: MIT */
/* Numbers of variable length, most of which have one byte. Not inline: a kilobyte for each reader.
 */
#include "symtab/bytes.h"

/* The bits of a number, and how many; *last is its last byte. */
static inline uint64_t
leb(struct rt__bytes *b, unsigned *bits, uint8_t *last)
{
	uint64_t v = 0;

	*bits = 0;
	do {
		*last = rt__bytes_u8(b);
		if (*bits < 64)
			v |= (uint64_t)(*last & 0x7f) << *bits;
		*bits += 7;
	} while ((*last & 0x80) != 0 && !b->bad);
	return v;
}

uint64_t
rt__bytes_uleb(struct rt__bytes *b)
{
	unsigned bits;
	uint8_t last;

	return leb(b, &bits, &last);
}

int64_t
rt__bytes_sleb(struct rt__bytes *b)
{
	unsigned bits;
	uint8_t last;
	uint64_t v = leb(b, &bits, &last);

	if (bits < 64 && (last & 0x40) != 0)
		v |= ~(uint64_t)0 << bits;
	return (int64_t)v;
}

/* SPDX-License-Identifier: MIT */
/*
 * rtinspect's reader of the heap, on a heap that lies in an array here: as it should be, and with
 * every byte of what describes it replaced by others.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "heap.h"

#define BASE 0x7f0000001000u
#define UNITS 40
#define UNIT_SHIFT 16

/* A span's entry, unlike the runtime's own: what it is like is in the layout. */
struct entry {
	uint16_t nblocks, carved;
	uint32_t magic;
	uint64_t state;
	uint8_t class_;
	uint32_t pages;
};

static struct memory {
	struct rt__heap_layout layout;
	uint64_t committed, entries, in_use, idle, released, gaps;
	uint32_t sizes[4];
	uint8_t states[64];
	struct entry table[UNITS];
} memory;

#define AT(field) (BASE + offsetof(struct memory, field))
#define FIELD(field)                                                                               \
	(struct rt__heap_field)                                                                    \
	{                                                                                          \
		offsetof(struct entry, field), sizeof(((struct entry *)0)->field)                  \
	}

static size_t reads;

static size_t
read_memory(struct ri_program *program, uint64_t address, void *to, size_t size)
{
	uint64_t skip = address - BASE;

	(void)program;
	reads++;
	if (address < BASE || skip >= sizeof memory)
		return 0;
	size = size < sizeof memory - skip ? size : sizeof memory - skip;
	memcpy(to, (const char *)&memory + skip, size);
	return size;
}

static struct entry *
unit(int n)
{
	return &memory.table[UNITS - 1 - n];
}

/* Three spans of 16-byte blocks and a large block, of 40 pages. */
static void
make_heap(void)
{
	memset(&memory, 0, sizeof memory);
	memory.layout = (struct rt__heap_layout){
		.size = sizeof memory.layout,
		.unit_shift = UNIT_SHIFT,
		.entry_size = sizeof(struct entry),
		.nclasses = 4,
		.committed = AT(committed),
		.entries = AT(entries),
		.in_use = AT(in_use),
		.idle = AT(idle),
		.released = AT(released),
		.class_sizes = AT(sizes),
		.entry = {FIELD(state), FIELD(magic), FIELD(class_), FIELD(nblocks), FIELD(carved),
			  FIELD(pages)},
		.used_states = 1 << 1 | 1 << 4,
		.cached_states = 1 << 2 | 1 << 3,
		.gaps = AT(gaps),
	};
	memory.committed = (uint64_t)UNITS << UNIT_SHIFT;
	memory.entries = AT(table[UNITS - 1]);
	memory.in_use = 6;
	memory.idle = 2;
	memory.released = 12345;
	memory.gaps = 8;
	memory.sizes[1] = 16;
	for (int i = 0; i < 64; i++)
		memory.states[i] = (uint8_t)(i % 5);
	for (int i = 0; i < 3; i++)
		*unit(i * 2) = (struct entry){4096, 20, 1, AT(states), 1, 0};
	*unit(39) = (struct entry){1, 1, 1, AT(states[1]), 2, 40};
}

static struct ri_heap
read_heap(void)
{
	static struct ri_heap heap;
	struct ri_program program = {.read = read_memory};

	reads = 0;
	ri_heap_read(&heap, &program, BASE, true);
	return heap;
}

Test(rtinspect_heap, counts, .init = make_heap)
{
	struct ri_heap h = read_heap();

	cr_assert(h.known && h.counted);
	cr_assert_str_eq(h.damage.text, "");
	cr_assert(h.committed == 40 << 16 && h.in_use == (5 << 16) + (1 << 15) &&
		  h.idle == 2 << 16);
	cr_assert_eq(h.released, 12345u);
	/* Of 20: four in each state, two of which are in use and two at hand. */
	const struct ri_class *c = &h.classes[1];
	cr_assert(c->size == 16 && c->spans == 3 && c->used == 24 && c->bytes == 384);
	cr_assert(c->cached == 24 && c->cached_bytes == 384 && c->free == 3 * 4096 - 48);
	c = &h.classes[2];
	cr_assert(c->spans == 1 && c->used == 1 && c->bytes == 40 * 4096 && c->free == 0);
	cr_assert(h.total.spans == 4 && h.total.bytes == 384 + 40 * 4096);
}

Test(rtinspect_heap, none)
{
	static struct ri_heap heap;
	struct ri_program program = {.read = read_memory};

	ri_heap_read(&heap, &program, 0, true);
	cr_assert(!heap.known && heap.damage.text[0] == '\0');
	ri_heap_read(&heap, &program, 0x1000, true);
	cr_assert(!heap.known && heap.damage.text[0] != '\0');
}

Test(rtinspect_heap, spans_that_cannot_be, .init = make_heap)
{
	static const struct entry bad[] = {
		{4096, 4097, 1, AT(states), 1, 0}, {20, 20, 1, 0, 1, 0},
		{20, 20, 1, UINT64_MAX - 5, 1, 0}, {20, 20, 1, AT(states), 4, 0},
		{20, 20, 1, AT(states), 255, 0},   {65535, 65535, 1, AT(states), 1, 0},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		*unit(2) = bad[i];
		struct ri_heap h = read_heap();
		cr_assert(h.known && h.classes[1].spans == 1, "%zu", i); /* those before it */
		cr_assert_str_not_empty(h.damage.text);
	}
}

/* Whatever a byte is: it ends, soon, and counts no more than there can be. */
Test(rtinspect_heap, damaged_anywhere, .init = make_heap, .timeout = 60)
{
	static const uint8_t values[] = {0, 1, 4, 0x7f, 0x80, 0xff};
	unsigned char *bytes = (unsigned char *)&memory;

	for (size_t at = 0; at < sizeof memory; at++) {
		uint8_t was = bytes[at];

		for (size_t i = 0; i < sizeof values; i++) {
			bytes[at] = values[i];
			struct ri_heap h = read_heap();
			cr_assert(reads < 100, "byte %zu is %u: %zu reads", at, values[i], reads);
			cr_assert(h.known || h.damage.text[0] != '\0');
			cr_assert(h.total.spans <= UNITS && h.nclasses <= RI_CLASSES_MAX);
			cr_assert(h.total.used <= (uint64_t)UNITS * 65536);
		}
		bytes[at] = was;
	}
}

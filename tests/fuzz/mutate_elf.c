/* SPDX-License-Identifier: MIT */
/*
 * mutate_elf.c: damages an ELF file where a reader of it would notice.
 *
 * Bytes changed at random in a file of some kilobytes mostly hit padding and code. So most
 * mutations here aim: at a field of a header, at a record of .rt_init, at a word of some section,
 * and put in the values at which range checks go wrong.
 *
 * Invariant: the same data and seed give the same result, on every machine.
 */
#include "mutate_elf.h"

#include <elf.h>
#include <string.h>

struct mutation {
	uint8_t *data;
	size_t size;
	uint64_t state;
};

/* splitmix64, Steele et al., OOPSLA 2014. */
static uint64_t
next(struct mutation *m)
{
	uint64_t z = m->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint64_t
below(struct mutation *m, uint64_t limit)
{
	return limit != 0 ? next(m) % limit : 0;
}

/* A value at which a check may go wrong, near the one that is there. */
static uint64_t
nasty(struct mutation *m, uint64_t old)
{
	switch (below(m, 12)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return m->size;
	case 3:
		return m->size - below(m, 64);
	case 4:
		return (uint64_t)1 << below(m, 64);
	case 5:
		return ((uint64_t)1 << below(m, 64)) - 1;
	case 6:
		return old + 1 + below(m, 16);
	case 7:
		return old - 1 - below(m, 16);
	case 8:
		return below(m, 64);
	case 9:
		return ~old;
	case 10:
		return UINT64_MAX - below(m, 4096);
	default:
		return next(m);
	}
}

static void
spoil(struct mutation *m, uint64_t offset, size_t width)
{
	uint64_t value = 0;

	if (offset > m->size || width > m->size - offset) {
		return;
	}
	memcpy(&value, m->data + offset, width);
	value = nasty(m, value);
	memcpy(m->data + offset, &value, width);
}

static void
spoil_header(struct mutation *m)
{
	static const uint8_t fields[][2] = {
		{offsetof(Elf64_Ehdr, e_type), 2},
		{offsetof(Elf64_Ehdr, e_machine), 2},
		{offsetof(Elf64_Ehdr, e_entry), 8},
		{offsetof(Elf64_Ehdr, e_phoff), 8},
		{offsetof(Elf64_Ehdr, e_shoff), 8},
		{offsetof(Elf64_Ehdr, e_phentsize), 2},
		{offsetof(Elf64_Ehdr, e_phnum), 2},
		{offsetof(Elf64_Ehdr, e_shentsize), 2},
		{offsetof(Elf64_Ehdr, e_shnum), 2},
		{offsetof(Elf64_Ehdr, e_shstrndx), 2},
		{EI_CLASS, 1},
		{EI_DATA, 1},
	};
	size_t pick = below(m, sizeof(fields) / sizeof(fields[0]));

	spoil(m, fields[pick][0], fields[pick][1]);
}

static void
spoil_program_header(struct mutation *m, const Elf64_Ehdr *header)
{
	uint64_t at = header->e_phoff + below(m, header->e_phnum) * sizeof(Elf64_Phdr);
	uint64_t field = below(m, 8);

	/* Two fields of 4 bytes, then six of 8. */
	spoil(m, at + (field < 2 ? field * 4 : field * 8 - 8), field < 2 ? 4 : 8);
}

static void
spoil_section_header(struct mutation *m, const Elf64_Ehdr *header)
{
	static const uint8_t fields[][2] = {
		{offsetof(Elf64_Shdr, sh_name), 4},      {offsetof(Elf64_Shdr, sh_type), 4},
		{offsetof(Elf64_Shdr, sh_flags), 8},     {offsetof(Elf64_Shdr, sh_addr), 8},
		{offsetof(Elf64_Shdr, sh_offset), 8},    {offsetof(Elf64_Shdr, sh_size), 8},
		{offsetof(Elf64_Shdr, sh_link), 4},      {offsetof(Elf64_Shdr, sh_info), 4},
		{offsetof(Elf64_Shdr, sh_addralign), 8}, {offsetof(Elf64_Shdr, sh_entsize), 8},
	};
	size_t pick = below(m, sizeof(fields) / sizeof(fields[0]));
	uint64_t at = header->e_shoff + below(m, header->e_shnum) * sizeof(Elf64_Shdr);

	spoil(m, at + fields[pick][0], fields[pick][1]);
}

/* Reads a section header. Returns 0 if it does not lie in the file. */
static int
read_section(const struct mutation *m, const Elf64_Ehdr *header, size_t index, Elf64_Shdr *ret)
{
	uint64_t at = header->e_shoff + index * sizeof(Elf64_Shdr);

	if (at > m->size || sizeof(*ret) > m->size - at) {
		return 0;
	}
	memcpy(ret, m->data + at, sizeof(*ret));
	return ret->sh_type != SHT_NOBITS && ret->sh_offset <= m->size &&
		ret->sh_size <= m->size - ret->sh_offset;
}

static void
spoil_section(struct mutation *m, const Elf64_Ehdr *header)
{
	static const uint8_t widths[] = {1, 1, 2, 4, 8};
	Elf64_Shdr section;

	if (read_section(m, header, below(m, header->e_shnum), &section)) {
		spoil(m, section.sh_offset + below(m, section.sh_size), widths[below(m, 5)]);
	}
}

static int
find_table(const struct mutation *m, const Elf64_Ehdr *header, Elf64_Shdr *ret)
{
	Elf64_Shdr names;

	if (!read_section(m, header, header->e_shstrndx, &names)) {
		return 0;
	}
	for (size_t i = 0; i < header->e_shnum; i++) {
		if (read_section(m, header, i, ret) && ret->sh_name < names.sh_size &&
		    names.sh_size - ret->sh_name >= sizeof(".rt_init") &&
		    memcmp(m->data + names.sh_offset + ret->sh_name, ".rt_init",
			   sizeof(".rt_init")) == 0) {
			return 1;
		}
	}
	return 0;
}

/* A field of a record, or a record over another one; PREL32 moves along and then points wrong. */
static void
spoil_record(struct mutation *m, const Elf64_Ehdr *header)
{
	static const uint8_t fields[][2] = {{0, 1}, {1, 1},  {2, 2}, {4, 4},
					    {8, 4}, {12, 4}, {16, 4}};
	Elf64_Shdr table;
	uint64_t count;
	uint64_t at;
	size_t pick = below(m, 10);

	if (!find_table(m, header, &table) || table.sh_size < 20) {
		return;
	}
	count = table.sh_size / 20;
	at = table.sh_offset + below(m, count) * 20;
	if (pick < sizeof(fields) / sizeof(fields[0])) {
		spoil(m, at + fields[pick][0], fields[pick][1]);
	} else if (pick == 7) {
		memmove(m->data + at, m->data + table.sh_offset + below(m, count) * 20, 20);
	} else if (pick == 8) {
		m->data[at] = (uint8_t)(1 + below(m, 4));
	} else {
		/* To another record's target: cycles, orphans, functions that are names. */
		uint32_t target;
		uint64_t other = table.sh_offset + below(m, count) * 20;

		memcpy(&target, m->data + other + 12, 4);
		target += (uint32_t)(other - at);
		memcpy(m->data + at + 12, &target, 4);
	}
}

static void
mutate_once(struct mutation *m)
{
	Elf64_Ehdr header;

	if (m->size < sizeof(header)) {
		return;
	}
	memcpy(&header, m->data, sizeof(header));
	switch (below(m, 16)) {
	case 0:
		m->size = below(m, m->size);
		break;
	case 1:
		spoil_header(m);
		break;
	case 2:
	case 3:
		spoil_program_header(m, &header);
		break;
	case 4:
	case 5:
		spoil_section_header(m, &header);
		break;
	case 6:
		spoil(m, below(m, m->size), 1);
		break;
	case 7:
	case 8:
	case 9:
	case 10:
		spoil_section(m, &header);
		break;
	default:
		spoil_record(m, &header);
		break;
	}
}

size_t
mutate_elf(uint8_t *data, size_t size, uint64_t seed)
{
	struct mutation m = {.data = data, .size = size, .state = seed};
	uint64_t count = 1 + below(&m, 6);

	for (uint64_t i = 0; i < count; i++) {
		mutate_once(&m);
	}
	return m.size;
}

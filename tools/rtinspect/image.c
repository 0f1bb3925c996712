/* SPDX-License-Identifier: MIT */
/*
 * image.c: a checked view of a 64-bit little-endian ELF file held in memory.
 *
 * What runs is described by the program headers, so they must make sense or the file is refused.
 * Section headers are hearsay: a linker wrote them, anybody may have stripped or changed them, and
 * the kernel never looks. Where they make no sense the view goes on without them and says why.
 *
 * Rejected: libelf for this part. It checks against the file, not against the segments, it hands
 * out pointers whose alignment and life differ by file, and its errors do not say what is wrong.
 * libdw, which needs it, is fed the same bytes (lines.c).
 */
#include "image.h"

#include <stdlib.h>
#include <string.h>

static int
by_address(const void *left, const void *right)
{
	const struct ri_segment *a = left;
	const struct ri_segment *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

static int
load_program(struct ri_image *image, struct ri_error *error)
{
	const Elf64_Ehdr *header = &image->header;
	size_t count = header->e_phnum;

	if (count == 0) {
		return 0;
	}
	if (count == PN_XNUM) {
		return ri_fail(error,
			       "has more than %d program headers, which rtinspect does "
			       "not read",
			       PN_XNUM - 1);
	}
	if (header->e_phentsize != sizeof(Elf64_Phdr)) {
		return ri_fail(error, "is malformed: program headers of %u bytes, must be %zu",
			       header->e_phentsize, sizeof(Elf64_Phdr));
	}
	if (!ri_in_range(header->e_phoff, count * sizeof(Elf64_Phdr), image->size)) {
		return ri_fail(
			error,
			"is malformed or truncated: its %zu program headers at offset %#llx do "
			"not fit into its %zu bytes",
			count, (unsigned long long)header->e_phoff, image->size);
	}
	image->program = ri_calloc(count, sizeof(Elf64_Phdr));
	memcpy(image->program, image->data + header->e_phoff, count * sizeof(Elf64_Phdr));
	image->nprogram = count;
	return 0;
}

static int
check_segment(const struct ri_image *image, size_t index, struct ri_error *error)
{
	const Elf64_Phdr *ph = &image->program[index];

	if (!ri_in_range(ph->p_offset, ph->p_filesz, image->size)) {
		return ri_fail(
			error,
			"is truncated, malformed or a separate debug file: segment %zu is said "
			"to lie at offset %#llx, %llu bytes long, but the file has %zu bytes",
			index, (unsigned long long)ph->p_offset, (unsigned long long)ph->p_filesz,
			image->size);
	}
	if (ph->p_type != PT_LOAD) {
		return 0;
	}
	if (ph->p_filesz > ph->p_memsz || ph->p_memsz > UINT64_MAX - ph->p_vaddr) {
		return ri_fail(error,
			       "is malformed: segment %zu has %llu bytes for %llu bytes of memory "
			       "at %#llx",
			       index, (unsigned long long)ph->p_filesz,
			       (unsigned long long)ph->p_memsz, (unsigned long long)ph->p_vaddr);
	}
	return 0;
}

static int
load_segments(struct ri_image *image, struct ri_error *error)
{
	image->segments = ri_calloc(image->nprogram, sizeof(struct ri_segment));
	for (size_t i = 0; i < image->nprogram; i++) {
		const Elf64_Phdr *ph = &image->program[i];

		if (check_segment(image, i, error) < 0) {
			return -1;
		}
		if (ph->p_type == PT_LOAD && ph->p_filesz != 0) {
			image->segments[image->nsegments++] = (struct ri_segment){
				.address = ph->p_vaddr,
				.size = ph->p_filesz,
				.bytes = image->data + ph->p_offset,
				.executable = (ph->p_flags & PF_X) != 0,
			};
		}
	}
	qsort(image->segments, image->nsegments, sizeof(struct ri_segment), by_address);
	for (size_t i = 1; i < image->nsegments; i++) {
		const struct ri_segment *before = &image->segments[i - 1];

		if (image->segments[i].address - before->address < before->size) {
			return ri_fail(error, "is malformed: two of its segments overlap at %#llx",
				       (unsigned long long)image->segments[i].address);
		}
	}
	return 0;
}

static int
load_interpreter(struct ri_image *image, struct ri_error *error)
{
	for (size_t i = 0; i < image->nprogram; i++) {
		const Elf64_Phdr *ph = &image->program[i];
		const char *text = (const char *)image->data + ph->p_offset;

		if (ph->p_type != PT_INTERP) {
			continue;
		}
		if (ph->p_filesz == 0 || ph->p_filesz > RI_STRING_MAX ||
		    memchr(text, '\0', ph->p_filesz) == NULL) {
			return ri_fail(error,
				       "is malformed: its interpreter's name (PT_INTERP) is "
				       "not a terminated string");
		}
		image->interpreter = text;
		return 0;
	}
	return 0;
}

static void
load_dynamic_entry(struct ri_dynamic *dynamic, const Elf64_Dyn *entry)
{
	uint64_t value = entry->d_un.d_val;

	switch (entry->d_tag) {
	case DT_NEEDED:
		dynamic->needed = true;
		break;
	case DT_SONAME:
		dynamic->soname = true;
		break;
	case DT_FLAGS_1:
		dynamic->flags_1 = value;
		break;
	case DT_RELA:
		dynamic->rela = value;
		break;
	case DT_RELASZ:
		dynamic->rela_size = value;
		break;
	case DT_SYMTAB:
		dynamic->symbols = value;
		break;
	case DT_INIT_ARRAY:
		dynamic->init_array = value;
		break;
	case DT_INIT_ARRAYSZ:
		dynamic->init_array_size = value;
		break;
	case DT_FINI_ARRAY:
		dynamic->fini_array = value;
		break;
	case DT_FINI_ARRAYSZ:
		dynamic->fini_array_size = value;
		break;
	default:
		break;
	}
}

static void
load_dynamic(struct ri_image *image)
{
	for (size_t i = 0; i < image->nprogram; i++) {
		const Elf64_Phdr *ph = &image->program[i];

		if (ph->p_type != PT_DYNAMIC) {
			continue;
		}
		image->dynamic.present = true;
		for (size_t at = 0; at + sizeof(Elf64_Dyn) <= ph->p_filesz;
		     at += sizeof(Elf64_Dyn)) {
			Elf64_Dyn entry;

			memcpy(&entry, image->data + ph->p_offset + at, sizeof(entry));
			if (entry.d_tag == DT_NULL) {
				return;
			}
			load_dynamic_entry(&image->dynamic, &entry);
		}
		return;
	}
}

/* The string at an offset of a string table section, or NULL. */
static const char *
table_string(const struct ri_image *image, const Elf64_Shdr *strings, uint64_t offset)
{
	const char *text;
	size_t room;

	if (strings->sh_type == SHT_NOBITS || offset >= strings->sh_size ||
	    !ri_in_range(strings->sh_offset, strings->sh_size, image->size)) {
		return NULL;
	}
	text = (const char *)image->data + strings->sh_offset + offset;
	room = strings->sh_size - offset;
	if (memchr(text, '\0', room < RI_STRING_MAX ? room : RI_STRING_MAX) == NULL) {
		return NULL;
	}
	return text;
}

/* Finds out how many section headers there are and which one names them; both may be extended. */
static int
count_sections(const struct ri_image *image, size_t *ret_count, size_t *ret_names,
	       struct ri_error *error)
{
	const Elf64_Ehdr *header = &image->header;
	Elf64_Shdr first;
	uint64_t count = header->e_shnum;

	if (header->e_shoff == 0) {
		return ri_fail(error, "it has no section headers");
	}
	if (header->e_shentsize != sizeof(Elf64_Shdr)) {
		return ri_fail(error, "its section headers have %u bytes, must be %zu",
			       header->e_shentsize, sizeof(Elf64_Shdr));
	}
	if (!ri_in_range(header->e_shoff, sizeof(first), image->size)) {
		return ri_fail(error,
			       "its section headers lie past the end of the file, which "
			       "may be truncated");
	}
	memcpy(&first, image->data + header->e_shoff, sizeof(first));
	if (count == 0) {
		count = first.sh_size;
	}
	if (count == 0) {
		return ri_fail(error, "it has no section headers");
	}
	if (count > (image->size - header->e_shoff) / sizeof(Elf64_Shdr)) {
		return ri_fail(error,
			       "its %llu section headers run past the end of the file, "
			       "which may be truncated",
			       (unsigned long long)count);
	}
	*ret_count = count;
	*ret_names = header->e_shstrndx == SHN_XINDEX ? first.sh_link : header->e_shstrndx;
	return 0;
}

static void
load_sections(struct ri_image *image)
{
	size_t count = 0;
	size_t names = 0;
	const uint8_t *at;

	if (count_sections(image, &count, &names, &image->sections_error) < 0) {
		return;
	}
	if (names >= count) {
		ri_fail(&image->sections_error, "its section headers have no names");
		return;
	}
	image->sections = ri_calloc(count, sizeof(struct ri_section));
	image->nsections = count;
	at = image->data + image->header.e_shoff;
	for (size_t i = 0; i < count; i++) {
		memcpy(&image->sections[i].header, at + i * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr));
	}
	for (size_t i = 0; i < count; i++) {
		struct ri_section *section = &image->sections[i];

		section->name = table_string(image, &image->sections[names].header,
					     section->header.sh_name);
		if (section->name == NULL) {
			section->name = "";
		}
	}
}

int
ri_image_open(struct ri_image *image, const uint8_t *data, size_t size, struct ri_error *error)
{
	*image = (struct ri_image){.data = data, .size = size};
	if (size < sizeof(Elf64_Ehdr)) {
		return ri_fail(error, "is truncated: %zu bytes are too few for a 64-bit ELF header",
			       size);
	}
	memcpy(&image->header, data, sizeof(image->header));
	if (load_program(image, error) < 0 || load_segments(image, error) < 0 ||
	    load_interpreter(image, error) < 0) {
		ri_image_close(image);
		return -1;
	}
	load_dynamic(image);
	load_sections(image);
	ri_symbols_load(image);
	return 0;
}

void
ri_image_close(struct ri_image *image)
{
	free(image->program);
	free(image->segments);
	free(image->sections);
	free(image->symbols);
	*image = (struct ri_image){0};
}

static const struct ri_segment *
find_segment(const struct ri_image *image, uint64_t address)
{
	size_t low = 0;
	size_t high = image->nsegments;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->segments[middle].address <= address) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == 0 ||
	    address - image->segments[low - 1].address >= image->segments[low - 1].size) {
		return NULL;
	}
	return &image->segments[low - 1];
}

const uint8_t *
ri_image_bytes(const struct ri_image *image, uint64_t address, uint64_t length)
{
	const struct ri_segment *segment = find_segment(image, address);

	if (segment == NULL || !ri_in_range(address - segment->address, length, segment->size)) {
		return NULL;
	}
	return segment->bytes + (address - segment->address);
}

const char *
ri_image_string(const struct ri_image *image, uint64_t address)
{
	const struct ri_segment *segment = find_segment(image, address);
	const char *text;
	uint64_t room;

	if (segment == NULL) {
		return NULL;
	}
	room = segment->size - (address - segment->address);
	text = (const char *)segment->bytes + (address - segment->address);
	if (memchr(text, '\0', room < RI_STRING_MAX ? room : RI_STRING_MAX) == NULL) {
		return NULL;
	}
	return text;
}

bool
ri_image_executable(const struct ri_image *image, uint64_t address)
{
	const struct ri_segment *segment = find_segment(image, address);

	return segment != NULL && segment->executable;
}

const struct ri_section *
ri_image_section(const struct ri_image *image, const char *name)
{
	for (size_t i = 0; i < image->nsections; i++) {
		if (strcmp(image->sections[i].name, name) == 0) {
			return &image->sections[i];
		}
	}
	return NULL;
}

const struct ri_section *
ri_image_section_at(const struct ri_image *image, uint64_t address)
{
	for (size_t i = 0; i < image->nsections; i++) {
		const Elf64_Shdr *header = &image->sections[i].header;

		/* .tbss has an address, but what lies there is something else. */
		if ((header->sh_flags & SHF_ALLOC) == 0 ||
		    ((header->sh_flags & SHF_TLS) != 0 && header->sh_type == SHT_NOBITS)) {
			continue;
		}
		if (address >= header->sh_addr && address - header->sh_addr < header->sh_size) {
			return &image->sections[i];
		}
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * image.h: a checked view of a 64-bit little-endian ELF file held in memory.
 *
 * Invariants: every pointer handed out points into the file's bytes and was checked against their
 * size; every string handed out is terminated inside its segment or string table. Addresses are
 * the file's own (for a PIE: before it is moved).
 */
#ifndef RTINSPECT_IMAGE_H
#define RTINSPECT_IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

/* The longest name or path that is believed; what is longer is garbage. */
#define RI_STRING_MAX 4096

/* A PT_LOAD: size counts the bytes that the file has for it. */
struct ri_segment {
	uint64_t address;
	uint64_t size;
	const uint8_t *bytes;
	bool executable;
};

struct ri_section {
	const char *name;
	Elf64_Shdr header;
};

/* What PT_DYNAMIC says; zero where it says nothing. */
struct ri_dynamic {
	bool present;
	bool needed; /* it has at least one DT_NEEDED */
	bool soname;
	uint64_t flags_1;
	uint64_t rela, rela_size;
	uint64_t init_array, init_array_size;
	uint64_t fini_array, fini_array_size;
	uint64_t symbols;
};

struct ri_symbol {
	uint64_t address;
	const char *name;
	uint32_t index;
	uint8_t preference; /* lower is better among those at one address */
};
#define RI_UNTYPED 8 /* the preference of a symbol that may be no function, at least */

struct ri_image {
	const uint8_t *data;
	size_t size;
	Elf64_Ehdr header;
	struct ri_segment *segments; /* sorted by address */
	size_t nsegments;
	Elf64_Phdr *program; /* all program headers as they are in the file */
	size_t nprogram;
	struct ri_section *sections; /* NULL where there are none or they make no sense */
	size_t nsections;
	struct ri_error sections_error; /* why there are no sections */
	struct ri_dynamic dynamic;
	const char *interpreter;   /* NULL where there is none */
	struct ri_symbol *symbols; /* sorted by address, then preference; from .symtab */
	size_t nsymbols;
};

/* Opens the view; the bytes must stay. On failure nothing needs closing. */
int ri_image_open(struct ri_image *image, const uint8_t *data, size_t size, struct ri_error *error);
void ri_image_close(struct ri_image *image);

/* The bytes that the file has for [address, address + length), or NULL. */
const uint8_t *ri_image_bytes(const struct ri_image *image, uint64_t address, uint64_t length);

/* The terminated string at the address, or NULL. */
const char *ri_image_string(const struct ri_image *image, uint64_t address);

/* True if the address lies in the file's bytes of an executable segment. */
bool ri_image_executable(const struct ri_image *image, uint64_t address);

/* The first section of that name; the first allocated one that covers an address; or NULL. */
const struct ri_section *ri_image_section(const struct ri_image *image, const char *name);
const struct ri_section *ri_image_section_at(const struct ri_image *image, uint64_t address);

/* The best function symbol at exactly this address, or NULL. */
const char *ri_image_function(const struct ri_image *image, uint64_t address);

/* The function that the address is in, as far as symbols tell; NULL before the first one. */
const char *ri_image_function_at(const struct ri_image *image, uint64_t address,
				 uint64_t *ret_start);

/* The address of the symbol of that name. */
bool ri_image_symbol(const struct ri_image *image, const char *name, uint64_t *ret_address);

/* The rt0 note, from a PT_NOTE segment or else an SHT_NOTE section. */
bool ri_image_note(const struct ri_image *image, uint32_t *ret_abi, uint32_t *ret_record_size);

/* Where the note says that rt__layout lies; false if it does not say so. */
bool ri_image_layout(const struct ri_image *image, uint64_t *ret_address);

/* The words of an array of function pointers as they are after relocation at base 0. */
struct ri_array {
	uint64_t *words;
	size_t count;
	bool known;            /* it was found, or there is surely none */
	struct ri_error error; /* why it is not known */
};

void ri_array_read(const struct ri_image *image, bool fini, struct ri_array *ret_array);

/* symbols.c; ri_image_open calls it. */
void ri_symbols_load(struct ri_image *image);

#endif

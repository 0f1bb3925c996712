/* SPDX-License-Identifier: MIT */
/* Inside symtab/ only. */
#ifndef RT_SYMTAB_PRIV_H
#define RT_SYMTAB_PRIV_H

#include <elf.h>

#include "symtab/bytes.h"
#include "symtab/cfi.h"
#include "symtab/symtab.h"

/* ---- elf.c: a file in memory that may be anything ---- */

struct rt__elf {
	struct rt__bytes file;
	struct rt__bytes sections; /* the section headers */
	struct rt__bytes names;    /* .shstrtab */
	struct rt__bytes symbols, strings;
};

/* false if it is no 64-bit ELF file of this CPU. What is damaged in it is left out. */
bool rt__elf_open(struct rt__elf *elf, const void *data, size_t size);

/* The contents of a section by name; empty if there is none, or it is compressed. */
struct rt__bytes rt__elf_section(const struct rt__elf *elf, const char *name);

struct rt__elf_symbol {
	const char *name;
	uint64_t start, size;
};
/* The symbol that the code at an address is of, as addresses are in the file: its index, 0 if there
 * is none. `was` is what was found for the address before, or 0: all are looked at. */
uint64_t rt__elf_symbol_of(const struct rt__elf *elf, uint64_t addr, uint64_t was,
			   struct rt__elf_symbol *ret);

/* ---- symbols.c: the program's own file ---- */

/* Maps it at the first call; NULL if it cannot be read or is not what runs. */
const struct rt__elf *rt__program_file(void);
/* The symbol that an address is in, as addresses are in the file; false, too, if nobody has asked
 * for that yet. No system call. */
bool rt__program_symbol(uint64_t addr, struct rt__elf_symbol *ret);
/* Its path, as far as known. */
const char *rt__program_path(void);

/* ---- text.c: the program in memory ---- */

struct rt__image {
	const Elf64_Ehdr *ehdr;
	uintptr_t bias;     /* what the addresses in the file are off by */
	struct rt__cfi cfi; /* empty if there are no unwind tables */
};
/* A few dozen instructions, no system call. false if the program has no headers in memory. */
bool rt__image_find(struct rt__image *ret);

/* All of the program's text. */
void rt__text_bounds(uintptr_t *ret_lo, uintptr_t *ret_hi);

#endif

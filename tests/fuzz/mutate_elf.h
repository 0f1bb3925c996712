/* SPDX-License-Identifier: MIT */
/*
 * mutate_elf.h: damages an ELF file where a reader of it would notice.
 */
#ifndef MUTATE_ELF_H
#define MUTATE_ELF_H

#include <stddef.h>
#include <stdint.h>

/* A few mutations, decided by the seed alone. Returns the new size, at most the old one. */
size_t mutate_elf(uint8_t *data, size_t size, uint64_t seed);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * identify.h: says what a file is, in words, from its first bytes.
 */
#ifndef RTINSPECT_IDENTIFY_H
#define RTINSPECT_IDENTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"

/* A file that is not a 64-bit little-endian ELF file: fills in what it is and returns true. */
bool ri_identify_foreign(const uint8_t *data, size_t size, char *ret_text, size_t room);

/* How a program is linked: "static", "static-pie", "dynamic", "dynamic-pie", "shared-library",
 * "relocatable-object", "core-file" or "elf-file". */
const char *ri_identify_linkage(const struct ri_image *image, bool ours);

/* The machine's name, as in "x86-64"; NULL if it is not known here. */
const char *ri_identify_machine(unsigned machine);

#endif

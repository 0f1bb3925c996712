/* SPDX-License-Identifier: MIT */
/*
 * lines.h: from an address to file and line, by DWARF. Only places that no record tells are looked
 * up: the entry and C constructors.
 */
#ifndef RTINSPECT_LINES_H
#define RTINSPECT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* file is malloc'd, or NULL where nothing is known. */
struct ri_line {
	char *file;
	uint32_t line;
};

/* Looks up all addresses at once. What cannot be found, for whatever reason, stays unknown. Paths
 * are as the compiler was given them, or absolute. */
void ri_lines_find(const uint8_t *data, size_t size, const uint64_t *addresses, size_t count,
		   bool absolute, struct ri_line *ret_lines);

#endif

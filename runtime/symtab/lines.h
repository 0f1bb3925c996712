/* SPDX-License-Identifier: MIT */
/* Line tables (.debug_line): pure, on whatever memory it is given. */
#ifndef RT_SYMTAB_LINES_H
#define RT_SYMTAB_LINES_H

#include "symtab/bytes.h"
#include "symtab/symtab.h"

struct rt__debug_lines {
	struct rt__bytes line, line_str, str; /* .debug_line, .debug_line_str, .debug_str */
};

/* Fills lines[i] for the address addrs[i], as it is in the file; text begins at lo. The names point
 * into the sections. */
void rt__lines_find(const struct rt__debug_lines *debug, uint64_t lo, const uint64_t *addrs, int n,
		    struct rt__line *lines);

#endif

/* SPDX-License-Identifier: MIT */
/* Source lines, from .debug_line. */
#include "symtab/symtab_priv.h"

void
rt__lines_of(const uintptr_t *pcs, int n, struct rt__line *lines)
{
	(void)pcs;
	for (int i = 0; i < n; i++)
		lines[i] = (struct rt__line){0};
}

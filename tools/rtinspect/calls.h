/* SPDX-License-Identifier: MIT */
/*
 * calls.h: the functions that were inlined at an address, by the runtime's own reader of debug
 * information (runtime/symtab), so that both show the same frames.
 */
#ifndef RTINSPECT_CALLS_H
#define RTINSPECT_CALLS_H

#include <stddef.h>
#include <stdint.h>

/* Escaped; NULL where unknown. */
struct ri_call {
	char *function;
	char *from_file; /* where it was called */
	uint32_t from_line;
};

/* From the inside out. */
struct ri_calls {
	struct ri_call *call;
	size_t count;
};

/* Looks up all addresses at once; code begins at text. */
void ri_calls_find(const uint8_t *data, size_t size, uint64_t text, const uint64_t *addresses,
		   size_t count, struct ri_calls *ret_calls);

#endif

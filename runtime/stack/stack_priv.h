/* SPDX-License-Identifier: MIT */
/* What the files of stack/ share. */
#ifndef RT_STACK_PRIV_H
#define RT_STACK_PRIV_H

#include "stack/stack.h"

/* Reserves up to *size bytes, less when the address space is limited, but not less than min. */
uintptr_t rt__stack_reserve(void *(*how)(size_t), size_t *size, size_t min);

void rt__arena_init(void);

#endif

/* SPDX-License-Identifier: MIT */
/* The settings that a user can give in the environment. */
#ifndef RT_BOOT_ENV_H
#define RT_BOOT_ENV_H

#include "base/base.h"

struct rt__env {
	int32_t gomaxprocs; /* $GOMAXPROCS, or 0 */
};
extern struct rt__env rt__env;

/* Reads RTDEBUG into rt__debug. */
void rt__env_debug(void);
/* $RTSTACK in bytes, or 0: the size of goroutine stacks. */
size_t rt__env_stack_size(void);
/* Go's goargs and goenvs. */
void rt__goargs(void);
void rt__goenvs(void);

/* Parses a size: a number and K, M or G (powers of 1024), or none for bytes; 0 if it is none. */
size_t rt__parse_size(const char *s);

/* Parses $RTMEMLIMIT as Go does GOMEMLIMIT, and K, M, G, T alone: SIZE_MAX for "off", 0 for what is
 * none. */
size_t rt__parse_limit(const char *s);

#endif

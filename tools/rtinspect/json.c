/* SPDX-License-Identifier: MIT */
/* json.c: jansson's calls, with the checks that each of them wants. */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void
must(int failed)
{
	if (failed) {
		fputs("rtinspect: out of memory\n", stderr);
		exit(2);
	}
}

void
ri_json_put(json_t *object, const char *key, json_t *value)
{
	must(value == NULL || json_object_set_new(object, key, value) < 0);
}

void
ri_json_append(json_t *array, json_t *value)
{
	must(value == NULL || json_array_append_new(array, value) < 0);
}

json_t *
ri_json_address(uint64_t value)
{
	return json_sprintf("0x%" PRIx64, value);
}

json_t *
ri_json_number(uint64_t value)
{
	return json_integer((json_int_t)(value <= INT64_MAX ? value : INT64_MAX));
}

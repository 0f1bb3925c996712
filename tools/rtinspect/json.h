/* SPDX-License-Identifier: MIT */
/* json.h: what the reports in JSON share. Running out of memory ends the program. */
#ifndef RI_JSON_H
#define RI_JSON_H

#include <jansson.h>
#include <stdint.h>

/* Take over value. */
void ri_json_put(json_t *object, const char *key, json_t *value);
void ri_json_append(json_t *array, json_t *value);

/* "0x..": JSON's readers round large numbers. */
json_t *ri_json_address(uint64_t value);
/* Numbers of a damaged program or file may be larger than JSON's integers are here: those are cut.
 */
json_t *ri_json_number(uint64_t value);

#endif

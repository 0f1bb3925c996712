/* SPDX-License-Identifier: MIT */
/*
 * util.h: memory, error texts and safe printing for rtinspect.
 *
 * Allocation never fails: there is nothing that a one-shot tool could do about it, so it says so
 * and exits. Whatever sizes come from a file are checked against the file's size before they get
 * here, which bounds what is asked for.
 */
#ifndef RTINSPECT_UTIL_H
#define RTINSPECT_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* An error text; empty means that there is none. It may quote bytes of the file: escape it. */
struct ri_error {
	char text[512];
};

/* Formats into the error and returns -1, so that a check fails in one line. */
int ri_fail(struct ri_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

void *ri_calloc(size_t count, size_t size);
char *ri_strdup(const char *text);
char *ri_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more element: returns the array, moved if need be. */
void *ri_grow(void *array, size_t count, size_t *capacity, size_t size);

/* The text with every byte that is not printable ASCII, and the backslash, written as \xNN, so
 * that a name in a file cannot send escape sequences to a terminal. The caller frees it. */
char *ri_escape(const char *text);

/* True if [offset, offset + length) lies inside [0, size). */
static inline bool
ri_in_range(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

/* Fields of records, as rt__layout and what it leads to tell them: where.offset and where.size. */
#define RI_FIELD(record, where) ri_field(record, (where).offset, (where).size)
#define RI_IS_FIELD(where, in) ri_is_field((where).offset, (where).size, in)

/* Whether a number of that width is inside a record of so many bytes. */
static inline bool
ri_is_field(uint16_t offset, uint16_t width, uint32_t size)
{
	return (width == 1 || width == 2 || width == 4 || width == 8) &&
		ri_in_range(offset, width, size);
}

static inline uint64_t
ri_field(const uint8_t *record, uint16_t offset, uint16_t width)
{
	uint64_t value = 0;

	memcpy(&value, record + offset, width); /* little-endian, as we are */
	return value;
}

#endif

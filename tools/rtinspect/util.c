/* SPDX-License-Identifier: MIT */
/*
 * util.c: memory, error texts and safe printing for rtinspect; see util.h.
 *
 * Rejected: passing valid UTF-8 through to the terminal. It would have to exclude C1 controls and
 * the bidirectional and invisible characters, and the columns would need wcwidth.
 */
#include "util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void
out_of_memory(void)
{
	fputs("rtinspect: out of memory\n", stderr);
	exit(2);
}

int
ri_fail(struct ri_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return -1;
}

void *
ri_calloc(size_t count, size_t size)
{
	void *memory = calloc(count != 0 ? count : 1, size);

	if (memory == NULL) {
		out_of_memory();
	}
	return memory;
}

char *
ri_strdup(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL) {
		out_of_memory();
	}
	return copy;
}

char *
ri_format(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0) {
		out_of_memory();
	}
	va_end(args);
	return text;
}

void *
ri_grow(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity) {
		return array;
	}
	*capacity = *capacity != 0 ? *capacity * 2 : 16;
	array = reallocarray(array, *capacity, size);
	if (array == NULL) {
		out_of_memory();
	}
	return array;
}

char *
ri_escape(const char *text)
{
	static const char hex[] = "0123456789abcdef";
	char *escaped = ri_calloc(strlen(text) + 1, 4);
	char *out = escaped;

	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte >= 0x20 && byte < 0x7f && byte != '\\') {
			*out++ = *text;
			continue;
		}
		*out++ = '\\';
		*out++ = 'x';
		*out++ = hex[byte >> 4];
		*out++ = hex[byte & 15];
	}
	*out = '\0';
	return escaped;
}

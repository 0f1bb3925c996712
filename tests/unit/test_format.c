/* SPDX-License-Identifier: MIT */
/* test_format.c: rt__format against libc's snprintf, which it imitates. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

/* Both ways give the same text and length. */
#define SAME(...)                                                                                  \
	do {                                                                                       \
		char mine[256], libc[256];                                                         \
		size_t n = rt__format(mine, sizeof mine, __VA_ARGS__);                             \
		size_t m = (size_t)snprintf(libc, sizeof libc, __VA_ARGS__);                       \
		cr_expect_str_eq(mine, libc);                                                      \
		cr_expect_eq(n, m, "length %zu instead of %zu: %s", n, m, mine);                   \
	} while (0)

Test(format, text)
{
	SAME("plain");
	SAME("%s", "");
	SAME("[%s|%s]", "a", "bc");
	SAME("%c%c", 'x', '%');
	SAME("100%%");
	SAME("%s", "\xc3\xa4");
}

Test(format, signed_numbers)
{
	SAME("%d %d %d", 0, 1, -1);
	SAME("%d %d", INT_MAX, INT_MIN);
	SAME("%i", -42);
	SAME("%ld %ld", LONG_MAX, LONG_MIN);
	SAME("%lld %lld", LLONG_MAX, LLONG_MIN);
	SAME("%zd", (ssize_t)-5);
}

Test(format, unsigned_numbers)
{
	SAME("%u %u", 0u, UINT_MAX);
	SAME("%lu", ULONG_MAX);
	SAME("%llu", ULLONG_MAX);
	SAME("%zu", SIZE_MAX);
	SAME("%x %x", 0u, 0xdeadbeefu);
	SAME("%lx", ULONG_MAX);
	SAME("%zx", (size_t)0xabcdef);
}

Test(format, widths)
{
	SAME("%5u|%05u|%2u", 42u, 42u, 12345u);
	SAME("%8x|%08x|%016lx", 0xabu, 0xabu, 0x123456789ul);
	SAME("%5d|%05d", 42, 42);
	SAME("%3d|%03d", 123456, 123456);
	SAME("%10ld|%010lu", 7l, 7ul);
}

/* The sign counts. */
Test(format, widths_of_negative_numbers)
{
	SAME("%5d|%05d|%3d|%02d", -42, -42, -42, -42);
	SAME("%010ld", LONG_MIN + 1);
}

Test(format, pointers_and_null)
{
	char text[64];

	SAME("%p", (void *)0x7fff1234);
	rt__format(text, sizeof text, "%p %s", NULL, (char *)NULL);
	cr_expect_str_eq(text, "0x0 (null)");
}

Test(format, cut_to_size)
{
	char text[8];

	memset(text, 'x', sizeof text);
	cr_expect_eq(rt__format(text, 5, "%s", "abcdefgh"), 8u);
	cr_expect_str_eq(text, "abcd");
	cr_expect_eq(text[5], 'x');
	cr_expect_eq(rt__format(text, 8, "1234567"), 7u);
	cr_expect_str_eq(text, "1234567");
	cr_expect_eq(rt__format(text, 8, "12345678"), 8u);
	cr_expect_str_eq(text, "1234567");
	cr_expect_eq(rt__format(text, 4, "ab%d", 123456), 8u);
	cr_expect_str_eq(text, "ab1");
	cr_expect_eq(rt__format(text, 1, "%s", "abc"), 3u);
	cr_expect_str_eq(text, "");
}

Test(format, size_zero_writes_nothing)
{
	char c = 'x';

	cr_expect_eq(rt__format(&c, 0, "%s %d", "abc", 7), 5u);
	cr_expect_eq(c, 'x');
	cr_expect_eq(rt__format(NULL, 0, "abc"), 3u);
}

/* vformat may be called twice on one list. */
static size_t
twice(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	size_t n = rt__vformat(NULL, 0, fmt, ap);
	cr_expect_eq(rt__vformat(buf, size, fmt, ap), n);
	va_end(ap);
	return n;
}

Test(format, leaves_the_list_alone)
{
	char text[64];

	cr_expect_eq(twice(text, sizeof text, "%s %d %lu", "abc", -7, 9ul), 8u);
	cr_expect_str_eq(text, "abc -7 9");
}

/* Formats that no compiler lets through, reached through a variable. */
Test(format, odd_formats)
{
	const char *volatile lone = "50%";
	const char *volatile unknown = "[%q]";
	char text[64];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	rt__format(text, sizeof text, lone);
	cr_expect_str_eq(text, "50");
	rt__format(text, sizeof text, unknown);
	cr_expect_str_eq(text, "[q]");
#pragma GCC diagnostic pop
}

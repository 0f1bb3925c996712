/* SPDX-License-Identifier: MIT */
/* test_debug.c: RTDEBUG, numbers, and the two string functions of base/. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

/* What was complained about, as "item:why;" after each other. */
static char complaints[512];

static void
complain(const char *item, size_t len, const char *why)
{
	size_t n = strlen(complaints);

	snprintf(complaints + n, sizeof complaints - n, "%.*s:%s;", (int)len, item, why);
}

static struct rt__debug
parse(const char *text)
{
	struct rt__debug d = {0};

	complaints[0] = 0;
	rt__debug_parse(&d, text, complain);
	return d;
}

Test(rtdebug, sets_what_it_names)
{
	struct rt__debug d = parse("inittrace=1,no_guard=7");

	cr_expect_eq(d.inittrace, 1);
	cr_expect_eq(d.no_guard, 7);
	cr_expect_eq(d.no_fsgsbase, 0);
	cr_expect_str_empty(complaints);
}

Test(rtdebug, the_last_one_wins)
{
	cr_expect_eq(parse("inittrace=1,inittrace=2,inittrace=0").inittrace, 0);
	cr_expect_eq(parse("inittrace=1,inittrace=x").inittrace, 1);
	cr_expect_str_eq(complaints, "inittrace=x:wants key=NUMBER;");
}

Test(rtdebug, malloc_takes_words)
{
	cr_expect_eq(parse("").malloc, 0);
	cr_expect_eq(parse("malloc=hard").malloc, RT_MALLOC_HARD);
	cr_expect_eq(parse("malloc=sample").malloc, RT_MALLOC_SAMPLE);
	cr_expect_eq(parse("malloc=hard,malloc=sample:7").malloc, 7);
	cr_expect_str_empty(complaints);
	static const char *const bad[] = {
		"malloc",           "malloc=",        "malloc=1",        "malloc=har",
		"malloc=harder",    "malloc=sample:", "malloc=sample:0", "malloc=sample:x",
		"malloc=sample:-1", "malloc=samples"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_expect_eq(parse(bad[i]).malloc, 0, "%s", bad[i]);
		cr_expect_neq(strstr(complaints, ":wants malloc=hard, malloc=sample or"), NULL);
	}
}

Test(rtdebug, empty_items_are_nothing)
{
	cr_expect_eq(parse("").inittrace, 0);
	cr_expect_eq(parse(",,,").inittrace, 0);
	cr_expect_eq(parse(",inittrace=3,").inittrace, 3);
	cr_expect_str_empty(complaints);
}

Test(rtdebug, unknown_keys)
{
	struct rt__debug d = parse("inittrac=1,inittracee=1,=1,Inittrace=1, inittrace=1");

	cr_expect_eq(d.inittrace, 0);
	cr_expect_str_eq(complaints,
			 "inittrac=1:unknown key;inittracee=1:unknown key;=1:unknown key;"
			 "Inittrace=1:unknown key; inittrace=1:unknown key;");
}

Test(rtdebug, malformed_values)
{
	static const char *const bad[] = {"inittrace",
					  "inittrace=",
					  "inittrace=-",
					  "inittrace=1x",
					  "inittrace=1=1",
					  "inittrace= 1",
					  "inittrace=+1",
					  "inittrace=2147483648",
					  "inittrace=99999999999999999999999999",
					  "inittrace=-2147483649"};
	char expected[128];

	for (size_t i = 0; i < RT_ARRAY_LEN(bad); i++) {
		cr_expect_eq(parse(bad[i]).inittrace, 0, "%s", bad[i]);
		snprintf(expected, sizeof expected, "%s:wants key=NUMBER;", bad[i]);
		cr_expect_str_eq(complaints, expected);
	}
}

Test(rtdebug, limits)
{
	cr_expect_eq(parse("inittrace=2147483647").inittrace, INT32_MAX);
	cr_expect_eq(parse("inittrace=-2147483648").inittrace, INT32_MIN);
	cr_expect_str_empty(complaints);
}

static bool
number(const char *s, int32_t *ret)
{
	*ret = 12345;
	return rt__parse_int32(s, strlen(s), ret);
}

Test(parse_int32, good)
{
	static const struct {
		const char *text;
		int32_t value;
	} good[] = {{"0", 0},
		    {"-0", 0},
		    {"7", 7},
		    {"007", 7},
		    {"000000000000000000000001", 1},
		    {"2147483647", INT32_MAX},
		    {"-2147483647", -INT32_MAX},
		    {"-2147483648", INT32_MIN}};
	int32_t v;

	for (size_t i = 0; i < RT_ARRAY_LEN(good); i++) {
		cr_expect(number(good[i].text, &v), "%s", good[i].text);
		cr_expect_eq(v, good[i].value, "%s is not %d", good[i].text, v);
	}
}

Test(parse_int32, bad_ones_leave_the_result_alone)
{
	static const char *const bad[] = {
		"",    "-",    "--1",        "+1",          " 1",         "1 ",
		"1-",  "0x10", "2147483648", "-2147483649", "4294967296", "18446744073709551616",
		"1.0", "\x80"};
	int32_t v;

	for (size_t i = 0; i < RT_ARRAY_LEN(bad); i++) {
		cr_expect_not(number(bad[i], &v), "%s", bad[i]);
		cr_expect_eq(v, 12345);
	}
}

Test(parse_int32, looks_at_len_bytes_only)
{
	const char text[4] = {'1', '2', '3', '4'}; /* unterminated: ASan would see more */
	int32_t v;

	cr_expect(rt__parse_int32(text, sizeof text, &v));
	cr_expect_eq(v, 1234);
	cr_expect(rt__parse_int32(text, 2, &v));
	cr_expect_eq(v, 12);
	cr_expect_not(rt__parse_int32(text, 0, &v));
}

Test(strings, strlen_and_strcmp)
{
	cr_expect_eq(rt__strlen(""), 0u);
	cr_expect_eq(rt__strlen("abc"), 3u);
	cr_expect_eq(rt__strcmp("abc", "abc"), 0);
	cr_expect_lt(rt__strcmp("ab", "abc"), 0);
	cr_expect_gt(rt__strcmp("abd", "abc"), 0);
	cr_expect_gt(rt__strcmp("\xff", "a"), 0, "bytes are unsigned");
	cr_expect_eq(rt__strcmp("", ""), 0);
}

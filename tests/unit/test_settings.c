/* SPDX-License-Identifier: MIT */
/* test_settings.c: sizes of RTSTACK, the milliseconds of RTDEBUG=inittrace=1, and RTTRACEBACK. */
#include <criterion/criterion.h>

#include "boot/env.h"
#include "init/init.h"
#include "os/os.h"

Test(parse_size, good)
{
	cr_expect_eq(rt__parse_size("1"), 1u);
	cr_expect_eq(rt__parse_size("65536"), 65536u);
	cr_expect_eq(rt__parse_size("64K"), 64ul << 10);
	cr_expect_eq(rt__parse_size("8M"), 8ul << 20);
	cr_expect_eq(rt__parse_size("1G"), 1ul << 30);
	cr_expect_eq(rt__parse_size("2147483647G"), 2147483647ul << 30);
}

Test(parse_size, bad)
{
	static const char *const bad[] = {"",   "0",   "0K", "-1",   "-1K", "K",         "KK",
					  "1k", "1KB", "1T", "1.5M", " 1",  "2147483648"};

	for (size_t i = 0; i < RT_ARRAY_LEN(bad); i++)
		cr_expect_eq(rt__parse_size(bad[i]), 0u, "%s", bad[i]);
}

/* Two significant digits, at most three decimals, whole milliseconds from 10 on: Go's. */
Test(format_ms, as_go)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0"},           {999, "0"},
		{1000, "0.001"},    {9999, "0.009"},
		{10000, "0.010"},   {99999, "0.099"},
		{100000, "0.10"},   {123456, "0.12"},
		{999999, "0.99"},   {1000000, "1.0"},
		{1290000, "1.2"},   {9999999, "9.9"},
		{10000000, "10"},   {10999999, "10"},
		{123456789, "123"}, {UINT64_MAX, "18446744073709"},
	};
	char buf[24];

	for (size_t i = 0; i < RT_ARRAY_LEN(cases); i++)
		cr_expect_str_eq(rt__format_ms(buf, cases[i].ns), cases[i].text, "%lu ns: %s",
				 cases[i].ns, buf);
}

extern enum rt__traceback support_traceback;

static enum rt__traceback
traceback_of(const char *setting, bool secure)
{
	char *envp[] = {(char *)setting, NULL};

	support_traceback = RT_TRACEBACK_SINGLE;
	rt__args.envp = envp;
	rt__args.secure = secure;
	rt__goenvs();
	return support_traceback;
}

Test(traceback, levels)
{
	cr_expect_eq(traceback_of("OTHER=crash", false), RT_TRACEBACK_SINGLE);
	cr_expect_eq(traceback_of("RTTRACEBACK=", false), RT_TRACEBACK_SINGLE);
	cr_expect_eq(traceback_of("RTTRACEBACK=none", false), RT_TRACEBACK_NONE);
	cr_expect_eq(traceback_of("RTTRACEBACK=0", false), RT_TRACEBACK_NONE);
	cr_expect_eq(traceback_of("RTTRACEBACK=1", false), RT_TRACEBACK_ALL);
	cr_expect_eq(traceback_of("RTTRACEBACK=2", false), RT_TRACEBACK_SYSTEM);
	cr_expect_eq(traceback_of("RTTRACEBACK=crash", false), RT_TRACEBACK_CRASH);
	cr_expect_eq(traceback_of("RTTRACEBACK=All", false), RT_TRACEBACK_SINGLE);
}

/* Who runs a program with more rights than his own is not shown its insides. */
Test(traceback, secure)
{
	cr_expect_eq(traceback_of("RTTRACEBACK=crash", true), RT_TRACEBACK_NONE);
	cr_expect_eq(traceback_of("OTHER=1", true), RT_TRACEBACK_NONE);
}

Test(parse_limit, good_and_bad)
{
	cr_expect_eq(rt__parse_limit("1000"), 1000u);
	cr_expect_eq(rt__parse_limit("1000B"), 1000u);
	cr_expect_eq(rt__parse_limit("100MiB"), 100ul << 20);
	cr_expect_eq(rt__parse_limit("3G"), 3ul << 30);
	cr_expect_eq(rt__parse_limit("2TiB"), 2ul << 40);
	cr_expect_eq(rt__parse_limit("off"), SIZE_MAX);
	for (const char *const *bad = (const char *const[]){"", "MiB", "-1", "1MB", "1Mi", "1 M",
							    "99999999999T", "1MiBx", NULL};
	     *bad; bad++)
		cr_expect_eq(rt__parse_limit(*bad), 0, "%s", *bad);
}

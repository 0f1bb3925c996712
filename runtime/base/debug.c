/* SPDX-License-Identifier: MIT */
/* Parsing of RTDEBUG, of RTTRACEBACK and of numbers in the environment. Pure: no system calls, no
 * state but d. */
#include "base/base.h"

struct rt__debug rt__debug;

/* Keys that exist, so that a typo is reported instead of being ignored in silence. */
static const struct key {
	const char *name;
	size_t offset;
} keys[] = {
	{"asyncpreemptoff", offsetof(struct rt__debug, asyncpreemptoff)},
	{"inittrace", offsetof(struct rt__debug, inittrace)},
	{"malloc", offsetof(struct rt__debug, malloc)},
	{"memprofilerate", offsetof(struct rt__debug, memprofilerate)},
	{"minsigstksz", offsetof(struct rt__debug, minsigstksz)},
	{"no_fsgsbase", offsetof(struct rt__debug, no_fsgsbase)},
	{"no_guard", offsetof(struct rt__debug, no_guard)},
	{"no_membarrier", offsetof(struct rt__debug, no_membarrier)},
	{"no_xsave", offsetof(struct rt__debug, no_xsave)},
	{"no_xsavec", offsetof(struct rt__debug, no_xsavec)},
	{"preemptstress", offsetof(struct rt__debug, preemptstress)},
	{"scheddetail", offsetof(struct rt__debug, scheddetail)},
	{"schedseed", offsetof(struct rt__debug, schedseed)},
	{"schedtrace", offsetof(struct rt__debug, schedtrace)},
	{"stackuse", offsetof(struct rt__debug, stackuse)},
};

size_t
rt__strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int
rt__strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (unsigned char)*a - (unsigned char)*b;
}

bool
rt__parse_int32(const char *s, size_t len, int32_t *ret)
{
	bool negative = len > 0 && s[0] == '-';
	int64_t v = 0;

	if (len == (negative ? 1 : 0))
		return false;
	for (size_t i = negative; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (s[i] - '0');
		if (v > (int64_t)INT32_MAX + negative)
			return false;
	}
	*ret = (int32_t)(negative ? -v : v);
	return true;
}

static int *
find_key(struct rt__debug *d, const char *name, size_t len)
{
	for (size_t i = 0; i < RT_ARRAY_LEN(keys); i++) {
		const char *k = keys[i].name;
		size_t n = 0;

		while (n < len && k[n] && k[n] == name[n])
			n++;
		if (n == len && !k[n])
			return (int *)(void *)((char *)d + keys[i].offset);
	}
	return NULL;
}

/* hard, sample or sample:N. */
static bool
parse_malloc(const char *s, size_t len, int32_t *ret)
{
	static const char sample[] = "sample";
	size_t n = sizeof sample - 1;

	*ret = len == 4 && __builtin_memcmp(s, "hard", 4) == 0 ? RT_MALLOC_HARD : RT_MALLOC_SAMPLE;
	if (*ret == RT_MALLOC_HARD)
		return true;
	if (len < n || __builtin_memcmp(s, sample, n) != 0)
		return false;
	return len == n ||
		(s[n] == ':' && rt__parse_int32(s + n + 1, len - n - 1, ret) && *ret > 0);
}

static void
parse_item(struct rt__debug *d, const char *item, size_t len, rt__complain_fn *complain)
{
	size_t eq = 0;
	int32_t v = 0;

	while (eq < len && item[eq] != '=')
		eq++;
	int *slot = find_key(d, item, eq);
	bool word = slot == &d->malloc;
	if (!slot)
		complain(item, len, "unknown key");
	else if (eq < len &&
		 (word ? parse_malloc : rt__parse_int32)(item + eq + 1, len - eq - 1, &v))
		*slot = v;
	else
		complain(item, len,
			 word ? "wants malloc=hard, malloc=sample or malloc=sample:N"
			      : "wants key=NUMBER");
}

void
rt__debug_parse(struct rt__debug *d, const char *text, rt__complain_fn *complain)
{
	while (*text) {
		size_t len = 0;

		while (text[len] && text[len] != ',')
			len++;
		if (len > 0)
			parse_item(d, text, len, complain);
		text += len + (text[len] == ',');
	}
}

bool
rt__traceback_parse(const char *text, enum rt__traceback *ret)
{
	static const char *const names[][2] = {
		[RT_TRACEBACK_NONE] = {"none", "0"},       [RT_TRACEBACK_SINGLE] = {"single", ""},
		[RT_TRACEBACK_ALL] = {"all", "1"},         [RT_TRACEBACK_SYSTEM] = {"system", "2"},
		[RT_TRACEBACK_CRASH] = {"crash", "crash"},
	};

	for (size_t i = 0; i < RT_ARRAY_LEN(names); i++) {
		if (rt__strcmp(text, names[i][0]) == 0 || rt__strcmp(text, names[i][1]) == 0) {
			*ret = (enum rt__traceback)i;
			return true;
		}
	}
	return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * Deferred calls, panics, and calls that are protected from them: a parser that gives up where it
 * stands, however deep, and leaves nothing open.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <rt/rt.h>

struct parser {
	const char *text, *at;
	int open; /* parentheses */
};

static void
close_one(struct parser *p)
{
	p->open--;
}

static int parse_sum(struct parser *p);

static int
parse_term(struct parser *p)
{
	int n = 0;

	if (*p->at == '(') {
		p->at++;
		p->open++;
		rt_defer(close_one,
			 p); /* at the end of this block, or when something below fails */
		n = parse_sum(p);
		if (*p->at++ != ')')
			rt_panic("column %d: ) expected", (int)(p->at - p->text));
		return n;
	}
	if (!isdigit((unsigned char)*p->at))
		rt_panic("column %d: number expected", (int)(p->at - p->text) + 1);
	while (isdigit((unsigned char)*p->at))
		n = 10 * n + (*p->at++ - '0');
	return n;
}

static int
parse_sum(struct parser *p)
{
	int n = parse_term(p);

	while (*p->at == '+') {
		p->at++;
		n += parse_term(p);
	}
	return n;
}

static void
parse(struct parser *p, int *ret)
{
	*ret = parse_sum(p);
	if (*p->at)
		rt_panic("column %d: end expected", (int)(p->at - p->text) + 1);
}

int
main(void)
{
	const char *texts[] = {"1+2+39", "(1+(2+3))+4", "((1+2)", "1+(2+x)", "7)"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct parser p = {texts[i], texts[i], 0};
		int n;

		const rt_caught *c = rt_try(parse, &p, &n);
		if (c)
			printf("%s: %s\n", texts[i], c->text);
		else
			printf("%s = %d\n", texts[i], n);
		if (p.open != 0)
			printf("%d still open\n", p.open); /* never */
	}
}

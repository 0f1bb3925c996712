/* SPDX-License-Identifier: MIT */
/*
 * test_init_order.c: the init table's order, on tables made by hand and at random.
 *
 * Records hold 32-bit offsets relative to themselves, so a table and the strings that it names lie
 * in one static buffer. A table is written as a line: "app>db,log db log r:core" is four packages,
 * of which app imports two and core is of the runtime level (c: and u: are the others).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "init/order.h"

#ifdef __SANITIZE_THREAD__
#define SLOW 20
#else
#define SLOW 4 /* ASan, or a busy machine */
#endif
#define PACKAGES_MAX 10000
#define RECORDS_MAX 80000

static struct {
	struct rt_init_record records[RECORDS_MAX];
	char strings[PACKAGES_MAX * 16];
	int nrecords;
	size_t nstrings;
} t;

static struct rt__init_graph graph;
static struct rt__init_problem problem;

/* ---- making tables ---- */

static const char *
string(const char *s)
{
	char *at = t.strings + t.nstrings;
	size_t size = strlen(s) + 1;

	cr_assert_leq(t.nstrings + size, sizeof t.strings);
	memcpy(at, s, size);
	t.nstrings += size;
	return at;
}

static int32_t
offset(const int32_t *field, const void *target)
{
	intptr_t d = (intptr_t)target - (intptr_t)field;

	cr_assert_eq(d, (int32_t)d, "the target is too far away");
	return (int32_t)d;
}

static struct rt_init_record *
add(int kind, int level, const char *package, const void *target, const char *file, uint32_t line)
{
	struct rt_init_record *r = &t.records[t.nrecords++];

	cr_assert_leq(t.nrecords, RECORDS_MAX);
	*r = (struct rt_init_record){
		.kind = (uint8_t)kind, .level = (uint8_t)level, .size = sizeof *r, .line = line};
	r->package = offset(&r->package, package);
	r->target = offset(&r->target, target);
	r->file = offset(&r->file, file);
	return r;
}

static const char *
add_package(const char *name, int level)
{
	const char *id = string(name);

	add(RT_RECORD_PACKAGE, level, id, id, id, (uint32_t)t.nrecords);
	return id;
}

static void
add_import(const char *from, const char *to)
{
	add(RT_RECORD_IMPORT, 0, from, to, from, (uint32_t)t.nrecords);
}

/* The first package so named; one without a record if there is none. */
static const char *
find(const char *name)
{
	for (int i = 0; i < t.nrecords; i++) {
		const struct rt_init_record *r = &t.records[i];
		const char *id = (const char *)&r->package + r->package;

		if (r->kind == RT_RECORD_PACKAGE && strcmp(id, name) == 0)
			return id;
	}
	return string(name);
}

static void
clear(void)
{
	t.nrecords = 0;
	t.nstrings = 0;
}

/* Makes the table that a line describes. */
static void
table(const char *line)
{
	char text[512], *save = NULL, *save2 = NULL;

	clear();
	cr_assert_lt(strlen(line), sizeof text);
	strcpy(text, line);
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		int level = w[1] != ':' ? RT_LEVEL_USER
			: w[0] == 'r'   ? RT_LEVEL_RUNTIME
			: w[0] == 'c'   ? RT_LEVEL_C
					: RT_LEVEL_USER;
		char name[64];

		sscanf(w[1] == ':' ? w + 2 : w, "%63[^>]", name);
		add_package(name, level);
	}
	strcpy(text, line);
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *imports = strchr(w, '>');

		if (!imports)
			continue;
		*imports++ = 0;
		const char *from = find(w[1] == ':' ? w + 2 : w);
		for (char *i = strtok_r(imports, ",", &save2); i; i = strtok_r(NULL, ",", &save2))
			add_import(from, find(i));
	}
}

/* ---- looking at the result ---- */

static void *allocated[16];
static int nallocated;

static void *
alloc(size_t size, size_t align)
{
	(void)align;
	cr_assert_lt(nallocated, (int)RT_ARRAY_LEN(allocated));
	void *p = calloc(1, size ? size : 1);
	cr_assert_not_null(p);
	allocated[nallocated++] = p;
	return p;
}

static enum rt__init_error
build(void)
{
	while (nallocated > 0)
		free(allocated[--nallocated]);
	return rt__init_build(&graph, t.records, t.records + t.nrecords, alloc, &problem);
}

static const char *
names(const int32_t *path, int32_t n)
{
	static char text[1024];
	size_t len = 0;

	text[0] = 0;
	for (int32_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "",
					graph.packages[path[i]].name);
	return text;
}

static void
expect_order(const char *line, const char *order)
{
	table(line);
	cr_assert_eq(build(), RT_INIT_OK, "%s", line);
	cr_expect_str_eq(names(graph.order, graph.norder), order);
}

/* ---- Go's order ---- */

Test(order, of_nothing)
{
	expect_order("", "");
}

Test(order, without_imports_is_by_name)
{
	expect_order("b c a", "a b c");
	expect_order("a10 a2 a1 a B _", "B _ a a1 a10 a2");
}

Test(order, imports_come_first)
{
	expect_order("a>z z", "z a");
	expect_order("a>b b>c c>d d", "d c b a");
}

/* The first in name order whose imports are done, anew after each one. */
Test(order, ties_are_lexicographic)
{
	expect_order("a>z b c z", "b c z a");
	expect_order("a>c b c d", "b c a d");
	expect_order("m>y n>x x y z", "x n y m z");
}

Test(order, diamonds)
{
	expect_order("top>left,right left>base right>base base", "base left right top");
	expect_order("a>b,c b>d c>d d e>a", "d b c a e");
}

Test(order, the_example_of_go_1_21)
{
	expect_order("main>strings,fmt,os fmt>os,errors os>errors,io io>errors errors strings>io",
		     "errors io os fmt strings main");
}

Test(order, an_import_twice_is_one)
{
	expect_order("a>b,b,b b", "b a");
}

Test(order, levels_come_before_names)
{
	expect_order("a z r:zz c:ctors r:yy", "yy zz ctors a z");
	expect_order("a>z r:z>zz r:zz", "zz z a");
}

Test(order, imports_across_levels)
{
	expect_order("u:a>r,c r:r c:c>r u:b>a r:q>r", "r q c a b");
}

/* The place of a record in the table plays no part. */
Test(order, does_not_depend_on_the_linker)
{
	const char *line = "m>y,x n>x x y>w w z r:rt r:core>rt";

	table(line);
	srand(1);
	for (int round = 0; round < 100; round++) {
		struct rt_init_record copy[32];

		cr_assert_eq(build(), RT_INIT_OK);
		cr_assert_str_eq(names(graph.order, graph.norder), "rt core w x n y m z");
		memcpy(copy, t.records, (size_t)t.nrecords * sizeof *copy);
		int n = t.nrecords, shift = rand() % n;
		for (t.nrecords = 0; t.nrecords < n;) { /* offsets are relative: made anew */
			int from = (t.nrecords + shift) % n;
			const struct rt_init_record *old = &t.records[from];
			ptrdiff_t moved = (char *)&copy[from] - (const char *)old;
			const char *package =
				(char *)&copy[from].package - moved + copy[from].package;
			const char *target = (char *)&copy[from].target - moved + copy[from].target;

			add(copy[from].kind, copy[from].level, package, target, package,
			    copy[from].line);
		}
	}
}

Test(order, imports_are_found_by_package)
{
	table("a>c,b b c>b");
	cr_assert_eq(build(), RT_INIT_OK);
	cr_expect_eq(graph.nimports, 3);
	for (int32_t i = 0; i < graph.npackages; i++)
		for (int32_t j = 0; j < graph.packages[i].nimports; j++)
			cr_expect_eq(graph.imports[graph.packages[i].first_import + j].from, i);
	cr_expect_eq(graph.packages[0].nimports, 2);
	cr_expect_eq(graph.packages[1].nimports, 0);
	cr_expect_eq(graph.packages[2].nimports, 1);
}

/* ---- hooks ---- */

Test(hooks, are_sorted_by_file_then_line)
{
	clear();
	const char *b = add_package("b", RT_LEVEL_USER), *a = add_package("a", RT_LEVEL_USER);
	const char *x = string("x.c"), *y = string("y.c"), *x_again = string("x.c");

	add(RT_RECORD_INIT, 0, b, b, y, 3);
	add(RT_RECORD_INIT, 0, a, a, y, 1);
	add(RT_RECORD_INIT, 0, b, b, x, 20);
	add(RT_RECORD_FINI, 0, b, b, y, 5);
	add(RT_RECORD_INIT, 0, b, b, x_again, 7);
	add(RT_RECORD_FINI, 0, b, b, x, 6);
	cr_assert_eq(build(), RT_INIT_OK);
	const struct rt__package *p = &graph.packages[1];
	const struct rt__init_hook *h = &graph.inits[p->first_init];
	cr_expect_str_eq(p->name, "b");
	cr_assert_eq(p->ninits, 3);
	cr_expect_eq(h[0].line, 7u);
	cr_expect_eq(h[1].line, 20u);
	cr_expect_eq(h[2].line, 3u);
	cr_expect_eq((uintptr_t)h[0].fn, (uintptr_t)b);
	cr_assert_eq(p->nfinis, 2);
	cr_expect_eq(graph.finis[p->first_fini].line, 6u);
	cr_expect_eq(graph.packages[0].ninits, 1);
	cr_expect_eq(graph.packages[0].nfinis, 0);
}

/* ---- what can be wrong ---- */

Test(wrong, duplicate_packages)
{
	table("a b a");
	cr_expect_eq(build(), RT_INIT_DUPLICATE);
	cr_expect_str_eq(problem.a, "a");
	cr_expect_not_null(problem.file);
}

/* In C they cannot even be linked, unless their names are not identifiers. */
Test(wrong, duplicate_packages_of_two_levels)
{
	table("r:a b u:a");
	cr_expect_eq(build(), RT_INIT_DUPLICATE);
	cr_expect_str_eq(problem.a, "a");
}

Test(wrong, missing_package_of_an_import)
{
	table("a>ghost");
	cr_expect_eq(build(), RT_INIT_NO_PACKAGE);
	cr_expect_str_eq(problem.a, "a");
	cr_expect_str_eq(problem.b, "ghost");
	cr_expect_eq(problem.line, 1u);
}

/* The identity is the address, not the text. */
Test(wrong, missing_package_that_has_a_namesake)
{
	table("a b");
	add_import(find("a"), string("b"));
	cr_expect_eq(build(), RT_INIT_NO_PACKAGE);
}

Test(wrong, missing_package_of_a_hook)
{
	static const int kinds[] = {RT_RECORD_INIT, RT_RECORD_FINI};

	for (size_t i = 0; i < RT_ARRAY_LEN(kinds); i++) {
		table("a");
		const char *ghost = string("ghost"), *file = string("g.c");
		add(kinds[i], 0, ghost, ghost, file, 9);
		cr_expect_eq(build(), RT_INIT_NO_PACKAGE);
		cr_expect_str_eq(problem.a, "ghost");
		cr_expect_null(problem.b);
		cr_expect_str_eq(problem.file, "g.c");
		cr_expect_eq(problem.line, 9u);
	}
}

Test(wrong, import_of_a_later_level)
{
	static const char *const lines[] = {"r:a>b b", "r:a>b c:b", "c:a>b b"};

	for (size_t i = 0; i < RT_ARRAY_LEN(lines); i++) {
		table(lines[i]);
		cr_expect_eq(build(), RT_INIT_LEVEL, "%s", lines[i]);
		cr_expect_str_eq(problem.a, "a");
		cr_expect_str_eq(problem.b, "b");
	}
}

static void
expect_corrupt(const char *why)
{
	cr_expect_eq(build(), RT_INIT_CORRUPT, "%s", why);
}

Test(wrong, corrupt_records)
{
	static const int kinds[] = {0, 5, 255}, sizes[] = {0, 4, 16, 19, 21, 22, 24, 4000, 65535};

	for (size_t i = 0; i < RT_ARRAY_LEN(kinds); i++) {
		table("a b>a");
		t.records[1].kind = (uint8_t)kinds[i];
		expect_corrupt("kind");
	}
	for (size_t i = 0; i < RT_ARRAY_LEN(sizes); i++) {
		table("a b>a");
		t.records[2].size = (uint16_t)sizes[i]; /* the last one: all are wrong */
		expect_corrupt("size");
	}
}

/* A newer library may have longer records; what is behind the fields is skipped. */
Test(wrong, longer_records_are_right)
{
	table("a");
	t.records[0].size = 2 * sizeof t.records[0];
	t.nrecords++;
	memset(&t.records[1], 0xff, sizeof t.records[1]);
	cr_expect_eq(build(), RT_INIT_OK);
	cr_expect_eq(graph.npackages, 1);
}

/* ---- cycles ---- */

static void
expect_cycle(const char *line, const char *cycle)
{
	int32_t path[16], scratch[64];

	table(line);
	cr_assert_eq(build(), RT_INIT_CYCLE, "%s", line);
	int32_t n = rt__init_find_cycle(&graph, path, RT_ARRAY_LEN(path), scratch);
	cr_expect_str_eq(names(path, n), cycle);
}

Test(cycle, of_one_two_and_three)
{
	expect_cycle("a>a", "a");
	expect_cycle("a>b b>a", "a b");
	expect_cycle("a>b b>c c>a", "a b c");
	expect_cycle("z a>b b>c,z c>a d>a", "a b c");
}

Test(cycle, the_shortest_is_shown)
{
	expect_cycle("a>b b>c c>d d>a m>n n>m", "m n");
	expect_cycle("a>b b>c c>a,c", "c");
	expect_cycle("a>b,d b>c c>a d>a", "a d");
}

Test(cycle, in_the_runtime_level)
{
	expect_cycle("a>q r:q>p r:p>q", "p q");
}

Test(cycle, what_is_before_it_has_an_order)
{
	table("a x>y y>x z>x b>a");
	cr_assert_eq(build(), RT_INIT_CYCLE);
	cr_expect_str_eq(names(graph.order, graph.norder), "a b");
}

Test(cycle, paths_are_cut)
{
	int32_t path[3] = {-1, -1, -1}, scratch[64];

	table("a>b b>c c>d d>e e>a");
	cr_assert_eq(build(), RT_INIT_CYCLE);
	cr_expect_eq(rt__init_find_cycle(&graph, path, 2, scratch), 2);
	cr_expect_str_eq(names(path, 2), "a b");
	cr_expect_eq(path[2], -1);
}

Test(cycle, none)
{
	int32_t path[4], scratch[64];

	table("a>b b>c c");
	cr_assert_eq(build(), RT_INIT_OK);
	cr_expect_eq(rt__init_find_cycle(&graph, path, RT_ARRAY_LEN(path), scratch), 0);
}

/* ---- importers ---- */

static void
expect_importers(const char *line, const char *package, const char *chain)
{
	int32_t path[16], scratch[64], at = 0;

	table(line);
	cr_assert_eq(build(), RT_INIT_OK);
	while (strcmp(graph.packages[at].name, package) != 0)
		at++;
	int32_t n = rt__init_find_importers(&graph, at, path, RT_ARRAY_LEN(path), scratch);
	cr_expect_str_eq(names(path, n), chain);
}

Test(importers, chain)
{
	expect_importers("main>db,log db>net net log", "net", "net db main");
	expect_importers("main>db db", "main", "main");
	expect_importers("a", "a", "a");
}

Test(importers, the_shortest_chain)
{
	expect_importers("a>b b>c c>d d e>d", "d", "d e");
	expect_importers("m>a,c a>b b>c c", "c", "c m");
}

/* ---- against the definition ---- */

struct dag {
	int n;
	bool imports[40][40];
	uint8_t level[40];
	const char *name[40];
};

static uint32_t seed;

static uint32_t
roll(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * n >> 32);
}

/* Package i may import those below i in a random ranking that respects the levels. */
static void
make_dag(struct dag *d)
{
	uint32_t density = 1 + roll(8);
	bool used[26 * 27] = {false};

	clear();
	*d = (struct dag){.n = (int)roll(RT_ARRAY_LEN(d->name)) + 1};
	for (int i = 0; i < d->n; i++) {
		char name[4] = {0};
		uint32_t k;

		do
			k = roll(RT_ARRAY_LEN(used));
		while (used[k]);
		used[k] = true;
		name[0] = (char)('a' + k % 26);
		name[1] = k / 26 ? (char)('a' + k / 26 - 1) : 0;
		d->level[i] = i < d->n / 5 ? RT_LEVEL_RUNTIME
			: i < d->n / 4     ? RT_LEVEL_C
					   : RT_LEVEL_USER;
		d->name[i] = add_package(name, d->level[i]);
	}
	for (int i = 0; i < d->n; i++)
		for (int j = 0; j < i; j++)
			d->imports[i][j] = roll(10) < density;
	for (int i = d->n; i-- > 0;)
		for (int j = 0; j < i; j++)
			if (d->imports[i][j])
				add_import(d->name[i], d->name[j]);
}

/* Go's rule, word for word: of those left, the first by (level, name) whose imports are done. */
static int
naive_next(const struct dag *d, const bool *done)
{
	int best = -1;

	for (int i = 0; i < d->n; i++) {
		bool ready = !done[i];

		for (int j = 0; j < d->n; j++)
			ready = ready && (!d->imports[i][j] || done[j]);
		if (ready &&
		    (best < 0 || d->level[i] < d->level[best] ||
		     (d->level[i] == d->level[best] && strcmp(d->name[i], d->name[best]) < 0)))
			best = i;
	}
	return best;
}

Test(random, the_order_is_go_s, .timeout = 60)
{
	static struct dag d;

	for (uint32_t round = 1; round <= 4000 / SLOW; round++) {
		bool done[RT_ARRAY_LEN(d.name)] = {false};

		seed = round;
		make_dag(&d);
		cr_assert_eq(build(), RT_INIT_OK, "seed %u", round);
		cr_assert_eq(graph.norder, d.n);
		for (int k = 0; k < d.n; k++) {
			int i = naive_next(&d, done);

			cr_assert_str_eq(graph.packages[graph.order[k]].name, d.name[i], "seed %u",
					 round);
			done[i] = true;
		}
	}
}

/* One edge too many: a cycle must be found, and be one. */
Test(random, cycles_are_cycles, .timeout = 60)
{
	static struct dag d;
	int32_t path[64], scratch[64];

	for (uint32_t round = 1; round <= 2000 / SLOW; round++) {
		seed = round;
		make_dag(&d);
		int from = (int)roll((uint32_t)d.n), to = from;
		while (to < d.n - 1 && d.level[to + 1] == d.level[from] && roll(4))
			to++;
		add_import(d.name[from], d.name[to]);
		enum rt__init_error e = build();
		if (e == RT_INIT_OK)
			continue; /* nothing led back */
		cr_assert_eq(e, RT_INIT_CYCLE, "seed %u", round);
		int32_t n = rt__init_find_cycle(&graph, path, RT_ARRAY_LEN(path), scratch);
		cr_assert_gt(n, 0);
		for (int32_t i = 0; i < n; i++) {
			bool found = false;

			for (int32_t j = 0; j < graph.nimports; j++)
				found = found ||
					(graph.imports[j].from == path[i] &&
					 graph.imports[j].to == path[(i + 1) % n]);
			cr_assert(found, "seed %u: step %d is no import", round, i);
		}
	}
}

/* ---- size ---- */

Test(size, ten_thousand_packages, .timeout = 30)
{
	static const char *ids[PACKAGES_MAX];

	clear();
	for (int i = 0; i < PACKAGES_MAX; i++) {
		char name[16];

		snprintf(name, sizeof name, "p%u", (unsigned)i * 7919u % PACKAGES_MAX);
		ids[i] = add_package(name, RT_LEVEL_USER);
	}
	seed = 1;
	for (int i = 1; i < PACKAGES_MAX; i++) {
		add_import(ids[i], ids[i - 1]); /* a chain of all of them, too */
		for (int k = 0; k < 4; k++)
			add_import(ids[i], ids[roll((uint32_t)i)]);
	}
	clock_t start = clock();
	cr_assert_eq(build(), RT_INIT_OK);
	long ms = (clock() - start) * 1000 / CLOCKS_PER_SEC;
	cr_expect_lt(ms, SLOW * 500, "that took %ld ms", ms);
	cr_expect_eq(graph.norder, PACKAGES_MAX);
	for (int i = 0; i < PACKAGES_MAX; i++)
		cr_assert_eq(graph.packages[graph.order[i]].name, ids[i]);
}

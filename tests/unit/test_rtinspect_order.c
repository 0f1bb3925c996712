/* SPDX-License-Identifier: MIT */
/*
 * test_rtinspect_order.c: rtinspect's order, cycles and checks on tables made by hand.
 *
 * A table is written as a line: "u:store>log,net r:runtime" is a user package store that imports
 * log and net, and a runtime package runtime. `-:x` is mentioned but has no RT_PACKAGE. A package's
 * identity is its place in the line, from 1; an import names the first package so called.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define PACKAGES_MAX 64

struct names {
	char *text;
	char *name[PACKAGES_MAX];
	char level[PACKAGES_MAX];
	char *imports[PACKAGES_MAX];
	size_t count;
};

static void
split(struct names *names, const char *line)
{
	char *save = NULL;

	*names = (struct names){.text = strdup(line)};
	for (char *word = strtok_r(names->text, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		char *imports = strchr(word, '>');

		cr_assert_lt(names->count, (size_t)PACKAGES_MAX);
		if (imports != NULL) {
			*imports++ = '\0';
		}
		names->level[names->count] = word[0];
		names->name[names->count] = word + 2;
		names->imports[names->count] = imports;
		names->count++;
	}
}

static uint64_t
find_name(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->name[i], name) == 0) {
			return i + 1;
		}
	}
	cr_assert_fail("no package %s", name);
	return 0;
}

static uint8_t
level_of(char letter)
{
	switch (letter) {
	case 'r':
		return RT_LEVEL_RUNTIME;
	case 'c':
		return RT_LEVEL_C;
	case 'u':
		return RT_LEVEL_USER;
	default:
		return 9;
	}
}

/* Adds the packages and imports of a line to a table; the names must outlive it. */
static void
add_line(struct ri_table *table, const struct names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		struct ri_site site = {"p.c", (uint32_t)i + 1};
		char *save = NULL;

		if (names->level[i] == '-') {
			ri_table_name(table, i + 1, names->name[i]);
		} else {
			ri_table_package(table, i + 1, names->name[i], level_of(names->level[i]),
					 site);
		}
		if (names->imports[i] == NULL) {
			continue;
		}
		for (char *to = strtok_r(names->imports[i], ",", &save); to != NULL;
		     to = strtok_r(NULL, ",", &save)) {
			ri_table_import(table, i + 1, find_name(names, to), site);
		}
	}
}

static char *
names_of(const struct ri_table *table, const uint32_t *indexes, size_t count)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);

	for (size_t i = 0; i < count; i++) {
		fprintf(stream, "%s%s", i == 0 ? "" : " ", table->packages[indexes[i]].name);
	}
	fclose(stream);
	return text;
}

static void
expect_order(const char *line, const char *runs, const char *stuck)
{
	struct names names;
	struct ri_table table = {0};
	struct ri_order order;
	char *got;

	split(&names, line);
	add_line(&table, &names);
	ri_table_finish(&table);
	ri_order_compute(&table, &order);

	got = names_of(&table, order.sequence, order.nsequence);
	cr_assert_str_eq(got, runs, "%s: runs '%s', must be '%s'", line, got, runs);
	free(got);
	got = names_of(&table, order.stuck, order.nstuck);
	cr_assert_str_eq(got, stuck, "%s: stuck '%s', must be '%s'", line, got, stuck);
	free(got);

	ri_order_free(&order);
	ri_table_free(&table);
	free(names.text);
}

/* Expects all problems of a line, each as "kind: text\n". */
static void
expect_problems(const char *line, const char *problems)
{
	struct names names;
	struct ri_report report = {.path = "test", .ours = true, .has_table = true, .abi = 1};
	char *got = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&got, &length);

	split(&names, line);
	add_line(&report.table, &names);
	ri_table_finish(&report.table);
	ri_order_compute(&report.table, &report.order);
	report.init_array.known = true;
	report.fini_array.known = true;
	ri_check(&report);
	for (size_t i = 0; i < report.nproblems; i++) {
		fprintf(stream, "%s: %s\n", ri_problem_name(report.problems[i].kind),
			report.problems[i].text);
	}
	fclose(stream);
	cr_assert_str_eq(got, problems, "%s: got\n%smust be\n%s", line, got, problems);
	free(got);
	free(names.text);
	ri_report_free(&report);
}

Test(rtinspect_order, sorts_by_name_where_nothing_is_imported)
{
	expect_order("u:c u:a u:b", "a b c", "");
}

Test(rtinspect_order, takes_the_first_name_whose_imports_are_done)
{
	/* As in Go: after z is done, a comes before b although b could have run before. */
	expect_order("u:a>z u:b u:z", "b z a", "");
	expect_order("u:d u:c>d u:b>c u:a>b", "d c b a", "");
	expect_order("u:a>m u:b>a u:m u:n", "m a b n", "");
}

Test(rtinspect_order, runs_the_levels_in_turn)
{
	expect_order("u:a c:c.ctors r:z", "z c.ctors a", "");
	expect_order("u:a>z c:c.ctors r:z", "z c.ctors a", "");
}

Test(rtinspect_order, compares_names_as_bytes)
{
	expect_order("u:b u:B u:_ u:a1 u:a10 u:a2", "B _ a1 a10 a2 b", "");
}

Test(rtinspect_order, handles_an_empty_table)
{
	expect_order("", "", "");
}

Test(rtinspect_order, imports_the_same_twice)
{
	expect_order("u:a>b,b u:b", "b a", "");
}

Test(rtinspect_order, leaves_out_cycles_and_what_needs_them)
{
	expect_order("u:a>b u:b>a u:c>a u:d", "d", "a b c");
	expect_order("u:a>a u:b", "b", "a");
	expect_order("u:a>b u:b>c u:c>b", "", "a b c");
}

Test(rtinspect_order, runs_what_a_cycle_needs)
{
	expect_order("u:a>b,z u:b>a u:z", "z", "a b");
}

Test(rtinspect_order, leaves_out_what_imports_a_later_level)
{
	expect_order("r:a>u u:u", "u", "a");
	/* And what depends on it, in any level. */
	expect_order("r:a>u u:u u:z>a r:b>a", "u", "a b z");
	expect_order("c:c.ctors>u u:u", "u", "c.ctors");
}

Test(rtinspect_order, leaves_out_what_has_no_package)
{
	expect_order("-:x u:a>x u:b", "b", "a x");
}

Test(rtinspect_order, leaves_out_unknown_levels)
{
	expect_order("?:a u:b", "b", "a");
}

Test(rtinspect_order, orders_a_long_chain)
{
	struct ri_table table = {0};
	struct ri_order order;
	enum { COUNT = 100000 };
	char(*names)[8] = calloc(COUNT, sizeof(*names));

	/* Each imports the next one, which sorts after it: the worst case for a naive loop, and
	 * for recursion. */
	for (uint64_t i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "p%06u", (unsigned)i % 1000000);
		ri_table_package(&table, i, names[i], RT_LEVEL_USER, (struct ri_site){"p.c", 1});
		if (i + 1 < COUNT) {
			ri_table_import(&table, i, i + 1, (struct ri_site){"p.c", 1});
		}
	}
	ri_table_finish(&table);
	ri_order_compute(&table, &order);
	cr_assert_eq(order.nsequence, (size_t)COUNT);
	cr_assert_eq(order.sequence[0], (uint32_t)COUNT - 1);
	cr_assert_eq(order.sequence[COUNT - 1], 0u);
	ri_order_free(&order);
	ri_table_free(&table);
	free(names);
}

Test(rtinspect_order, sorts_hooks_by_file_then_line)
{
	static const struct {
		const char *file;
		uint32_t line;
		bool fini;
	} hooks[] = {{"b.c", 1, false}, {"a.c", 9, false}, {"a.c", 10, true}, {"a.c", 2, false}};
	struct ri_table table = {0};

	ri_table_package(&table, 1, "p", RT_LEVEL_USER, (struct ri_site){"p.c", 1});
	for (size_t i = 0; i < 4; i++) {
		struct ri_hook hook = {
			.package_id = 1,
			.fini = hooks[i].fini,
			.site = {hooks[i].file, hooks[i].line},
		};

		ri_table_hook(&table, &hook);
	}
	ri_table_finish(&table);
	cr_assert_eq(table.packages[0].ninits, (size_t)3);
	cr_assert_eq(table.packages[0].nfinis, (size_t)1);
	cr_assert_eq(table.hooks[table.packages[0].first_init].site.line, 2u);
	cr_assert_eq(table.hooks[table.packages[0].first_init + 1].site.line, 9u);
	cr_assert_str_eq(table.hooks[table.packages[0].first_init + 2].site.file, "b.c");
	cr_assert_eq(table.hooks[table.packages[0].first_fini].site.line, 10u);
	ri_table_free(&table);
}

Test(rtinspect_check, finds_nothing_wrong_with_a_good_table)
{
	expect_problems("r:runtime c:c.ctors u:a>b u:b>runtime", "");
}

Test(rtinspect_check, shows_the_shortest_cycle)
{
	expect_problems("u:a>b u:b>c u:c>d,a u:d>a",
			"cycle: packages import each other: a -> b -> "
			"c -> a\n");
	expect_problems("u:a>b u:b>c u:c>d u:d>a,c",
			"cycle: packages import each other: c -> d -> "
			"c\n");
	expect_problems("u:a>a,b u:b>a", "cycle: packages import each other: a -> a\n");
}

Test(rtinspect_check, shows_a_cycle_of_each_knot)
{
	expect_problems("u:y>z u:z>y u:a>b u:b>a,y",
			"cycle: packages import each other: a -> b -> a\n"
			"cycle: packages import each other: y -> z -> y\n");
}

Test(rtinspect_check, begins_a_cycle_at_the_first_name)
{
	expect_problems("u:c>b u:b>a u:a>c",
			"cycle: packages import each other: a -> c -> b -> a\n");
}

Test(rtinspect_check, reports_imports_of_a_later_level)
{
	expect_problems(
		"r:boot>app u:app",
		"order: package boot of level runtime imports app of level user, which runs "
		"later\n");
}

Test(rtinspect_check, reports_two_packages_of_one_name)
{
	expect_problems(
		"u:a u:a",
		"duplicate: two packages are called a; the other one is declared at p.c:1\n");
}

Test(rtinspect_check, reports_a_package_declared_twice)
{
	struct ri_report report = {.path = "test", .ours = true, .has_table = true, .abi = 1};

	ri_table_package(&report.table, 1, "a", RT_LEVEL_USER, (struct ri_site){"p.c", 1});
	ri_table_package(&report.table, 1, "a", RT_LEVEL_USER, (struct ri_site){"p.c", 2});
	ri_table_finish(&report.table);
	ri_order_compute(&report.table, &report.order);
	report.init_array.known = true;
	report.fini_array.known = true;
	ri_check(&report);
	cr_assert_eq(report.nproblems, (size_t)1);
	cr_assert_eq(report.problems[0].kind, RI_PROBLEM_DUPLICATE);
	cr_assert_str_eq(report.problems[0].text, "package a is declared 2 times");
	ri_report_free(&report);
}

Test(rtinspect_check, reports_missing_packages_and_orphans)
{
	expect_problems("-:x u:a>x", "missing: package a imports x, which has no RT_PACKAGE\n");
	expect_problems("-:x>a u:a", "orphan: import of a by package x, which has no RT_PACKAGE\n");
}

Test(rtinspect_check, reports_levels_that_make_no_sense)
{
	expect_problems("?:a", "level: package a has level 9, which is none; it will not run\n");
	expect_problems("c:a",
			"level: package a has level c; c.ctors and no other package belongs "
			"to level c\n");
}

Test(rtinspect_check, reports_hooks_outside_text_and_without_package)
{
	struct ri_report report = {.path = "test", .ours = true, .has_table = true, .abi = 1};
	struct ri_hook hook = {.package_id = 7, .address = 0x10, .site = {"h.c", 3}};

	ri_table_name(&report.table, 7, "ghost");
	ri_table_hook(&report.table, &hook);
	ri_table_finish(&report.table);
	ri_order_compute(&report.table, &report.order);
	report.init_array.known = true;
	report.fini_array.known = true;
	ri_check(&report);
	cr_assert_eq(report.nproblems, (size_t)2);
	cr_assert_eq(report.problems[0].kind, RI_PROBLEM_ORPHAN);
	cr_assert_eq(report.problems[0].site.line, 3u);
	cr_assert_eq(report.problems[1].kind, RI_PROBLEM_TARGET);
	ri_report_free(&report);
}

Test(rtinspect_check, says_why_a_package_cannot_run)
{
	struct names names;
	struct ri_table table = {0};
	struct ri_order order;
	static const char *const reasons[] = {
		"in a cycle through b",
		"in a cycle through a",
		"imports a, which cannot run",
		"imports u, which runs in a later level",
		"imports x, which has no RT_PACKAGE",
		"runs",
		"has no RT_PACKAGE",
	};

	split(&names, "u:a>b u:b>a u:c>a r:d>u u:e>a,x u:u -:x");
	add_line(&table, &names);
	ri_table_finish(&table);
	ri_order_compute(&table, &order);
	for (size_t i = 0; i < table.npackages; i++) {
		char *reason = ri_reason_text(&table, &order, (uint32_t)i);

		cr_assert_str_eq(reason, reasons[i], "%s: %s", table.packages[i].name, reason);
		free(reason);
	}
	ri_order_free(&order);
	ri_table_free(&table);
	free(names.text);
}

Test(rtinspect_util, escapes_what_a_terminal_would_obey)
{
	char *escaped = ri_escape("a\x1b[31m\\\n\xc3\xb6~ ");

	cr_assert_str_eq(escaped, "a\\x1b[31m\\x5c\\x0a\\xc3\\xb6~ ");
	free(escaped);
}

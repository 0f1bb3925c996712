/* SPDX-License-Identifier: MIT */
/*
 * check.c: what is wrong with a program's init table, and with how it is linked.
 *
 * Invariant: problems come in the order of their kinds and, within a kind, of the table, so that
 * the same file gives the same report. The table's order is not checked: the runtime sorts, so it
 * means nothing.
 */
#include "report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	enum ri_problem_kind kind;
	const char *name;
} problem_names[] = {
	{RI_PROBLEM_NOT_RT0, "not-rt0"}, {RI_PROBLEM_NO_TABLE, "no-table"},
	{RI_PROBLEM_ABI, "abi"},         {RI_PROBLEM_INTERPRETER, "interpreter"},
	{RI_PROBLEM_ENTRY, "entry"},     {RI_PROBLEM_CYCLE, "cycle"},
	{RI_PROBLEM_ORDER, "order"},     {RI_PROBLEM_DUPLICATE, "duplicate"},
	{RI_PROBLEM_ORPHAN, "orphan"},   {RI_PROBLEM_MISSING, "missing"},
	{RI_PROBLEM_LEVEL, "level"},     {RI_PROBLEM_TARGET, "target"},
	{RI_PROBLEM_RECORD, "record"},   {RI_PROBLEM_CTORS, "ctors"},
};

const char *
ri_problem_name(enum ri_problem_kind kind)
{
	for (size_t i = 0; i < sizeof(problem_names) / sizeof(problem_names[0]); i++) {
		if (problem_names[i].kind == kind) {
			return problem_names[i].name;
		}
	}
	return "?";
}

const char *
ri_level_name(unsigned level)
{
	switch (level) {
	case RT_LEVEL_RUNTIME:
		return "runtime";
	case RT_LEVEL_C:
		return "c";
	case RT_LEVEL_USER:
		return "user";
	default:
		return "unknown";
	}
}

static struct ri_problem *__attribute__((format(printf, 4, 5)))
add(struct ri_report *report, enum ri_problem_kind kind, struct ri_site site, const char *format,
    ...)
{
	struct ri_problem *problem;
	va_list args;

	report->problems = ri_grow(report->problems, report->nproblems, &report->problems_room,
				   sizeof(struct ri_problem));
	problem = &report->problems[report->nproblems++];
	*problem = (struct ri_problem){.kind = kind, .site = site};
	va_start(args, format);
	if (vasprintf(&problem->text, format, args) < 0) {
		abort();
	}
	va_end(args);
	return problem;
}

char *
ri_reason_text(const struct ri_table *table, const struct ri_order *order, uint32_t package)
{
	const char *to = "?";
	enum ri_reason reason = order->reasons[package];

	if (reason == RI_MISSING || reason == RI_HIGHER || reason == RI_NOT_RUN ||
	    reason == RI_IN_CYCLE) {
		to = table->packages[table->imports[order->because[package]].to].name;
	}
	switch (reason) {
	case RI_RUNS:
		return ri_strdup("runs");
	case RI_NO_PACKAGE:
		return ri_strdup("has no RT_PACKAGE");
	case RI_BAD_LEVEL:
		return ri_strdup("its level is unknown");
	case RI_IN_CYCLE:
		return ri_format("in a cycle through %s", to);
	case RI_MISSING:
		return ri_format("imports %s, which has no RT_PACKAGE", to);
	case RI_HIGHER:
		return ri_format("imports %s, which runs in a later level", to);
	case RI_NOT_RUN:
		return ri_format("imports %s, which cannot run", to);
	}
	return ri_strdup("?");
}

static const struct ri_site nowhere;

static void
check_program(struct ri_report *report)
{
	const struct ri_image *image = &report->image;

	if (!report->ours) {
		add(report, RI_PROBLEM_NOT_RT0, nowhere,
		    report->has_table
			    ? "not an rt0 program: it has an init table, but crt0.o, which would "
			      "run it, is not linked in; link with rt0-cc"
			    : "not an rt0 program: it was not linked with crt0.o");
	}
	if (report->ours && !report->has_table) {
		add(report, RI_PROBLEM_NO_TABLE, nowhere, "the init order cannot be checked: %s",
		    report->table_reason.text);
	}
	if (report->ours && report->abi > RI_ABI) {
		add(report, RI_PROBLEM_ABI, nowhere,
		    "its ABI %u is newer than this rtinspect, which knows %u; use the "
		    "rtinspect that came with its rt0",
		    report->abi, RI_ABI);
	}
	if (!report->has_image) {
		return;
	}
	if (image->interpreter != NULL && !image->dynamic.needed &&
	    strcmp(report->linkage, "shared-library") != 0) {
		add(report, RI_PROBLEM_INTERPRETER, nowhere,
		    "a static program names an interpreter (PT_INTERP %s), which would be run "
		    "in its place; link with -Wl,--no-dynamic-linker",
		    image->interpreter);
	}
	if (report->ours && !ri_image_executable(image, image->header.e_entry)) {
		add(report, RI_PROBLEM_ENTRY, nowhere,
		    "its entry %#llx does not lie in executable text",
		    (unsigned long long)image->header.e_entry);
	}
}

static void
check_cycle(struct ri_report *report, const struct ri_cycle *cycle)
{
	const struct ri_table *table = &report->table;
	const struct ri_import *first = &table->imports[cycle->imports[0]];
	char *path = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&path, &length);

	if (stream == NULL) {
		abort();
	}
	fputs(table->packages[first->from].name, stream);
	for (size_t i = 0; i < cycle->length; i++) {
		fprintf(stream, " -> %s",
			table->packages[table->imports[cycle->imports[i]].to].name);
	}
	fclose(stream);
	add(report, RI_PROBLEM_CYCLE, first->site, "packages import each other: %s%s", path,
	    cycle->shortest ? "" : " (there may be a shorter way)")
		->cycle = cycle;
	free(path);
}

static void
check_imports(struct ri_report *report)
{
	const struct ri_table *table = &report->table;

	for (size_t i = 0; i < table->nimports; i++) {
		const struct ri_import *import = &table->imports[i];
		const struct ri_package *from = &table->packages[import->from];
		const struct ri_package *to = &table->packages[import->to];

		if (from->declared != 0 && to->declared != 0 && from->level < to->level) {
			add(report, RI_PROBLEM_ORDER, import->site,
			    "package %s of level %s imports %s of level %s, which runs later",
			    from->name, ri_level_name(from->level), to->name,
			    ri_level_name(to->level));
		}
	}
}

static void
check_packages(struct ri_report *report)
{
	const struct ri_table *table = &report->table;
	const struct ri_package *before = NULL;

	for (size_t i = 0; i < table->npackages; i++) {
		const struct ri_package *package = &table->packages[i];

		if (package->declared == 0) {
			continue;
		}
		if (before != NULL && strcmp(before->name, package->name) == 0) {
			add(report, RI_PROBLEM_DUPLICATE, package->site,
			    "two packages are called %s; the other one is declared at %s:%u",
			    package->name, before->site.file != NULL ? before->site.file : "?",
			    before->site.line);
		}
		if (package->declared > 1) {
			add(report, RI_PROBLEM_DUPLICATE, package->site,
			    "package %s is declared %u times", package->name, package->declared);
		}
		before = package;
	}
}

static void
check_orphans(struct ri_report *report)
{
	const struct ri_table *table = &report->table;

	for (size_t i = 0; i < table->nhooks; i++) {
		const struct ri_hook *hook = &table->hooks[i];

		if (table->packages[hook->package].declared == 0) {
			add(report, RI_PROBLEM_ORPHAN, hook->site,
			    "%s of package %s, which has no RT_PACKAGE; it will not run",
			    hook->fini ? "RT_FINI" : "RT_INIT",
			    table->packages[hook->package].name);
		}
	}
	for (size_t i = 0; i < table->nimports; i++) {
		const struct ri_import *import = &table->imports[i];

		if (table->packages[import->from].declared == 0) {
			add(report, RI_PROBLEM_ORPHAN, import->site,
			    "import of %s by package %s, which has no RT_PACKAGE",
			    table->packages[import->to].name, table->packages[import->from].name);
		}
	}
	for (size_t i = 0; i < table->nimports; i++) {
		const struct ri_import *import = &table->imports[i];

		if (table->packages[import->to].declared == 0) {
			add(report, RI_PROBLEM_MISSING, import->site,
			    "package %s imports %s, which has no RT_PACKAGE",
			    table->packages[import->from].name, table->packages[import->to].name);
		}
	}
}

static void
check_levels(struct ri_report *report)
{
	const struct ri_table *table = &report->table;

	for (size_t i = 0; i < table->npackages; i++) {
		const struct ri_package *package = &table->packages[i];
		bool ctors = strcmp(package->name, RI_CTORS) == 0;

		if (package->declared == 0) {
			continue;
		}
		if (package->level > RT_LEVEL_USER) {
			add(report, RI_PROBLEM_LEVEL, package->site,
			    "package %s has level %u, which is none; it will not run",
			    package->name, package->level);
		} else if (ctors != (package->level == RT_LEVEL_C)) {
			add(report, RI_PROBLEM_LEVEL, package->site,
			    "package %s has level %s; " RI_CTORS
			    " and no other package belongs to level c",
			    package->name, ri_level_name(package->level));
		}
	}
}

static void
check_targets(struct ri_report *report)
{
	const struct ri_table *table = &report->table;

	for (size_t i = 0; i < table->nhooks; i++) {
		const struct ri_hook *hook = &table->hooks[i];

		if (!hook->executable) {
			add(report, RI_PROBLEM_TARGET, hook->site,
			    "%s of package %s is at %#llx, which is not executable text",
			    hook->fini ? "RT_FINI" : "RT_INIT", table->packages[hook->package].name,
			    (unsigned long long)hook->address);
		}
	}
	if (table->nunknown != 0) {
		add(report, RI_PROBLEM_RECORD, nowhere,
		    "%zu records of the init table are of a kind that this rtinspect does not "
		    "know",
		    table->nunknown);
	}
}

static void
check_arrays(struct ri_report *report)
{
	const struct ri_array *arrays[] = {&report->init_array, &report->fini_array};

	for (size_t i = 0; i < 2; i++) {
		const struct ri_array *array = arrays[i];

		if (!array->known) {
			add(report, RI_PROBLEM_CTORS, nowhere, "%s", array->error.text);
		}
		for (size_t k = 0; k < array->count; k++) {
			if (!ri_image_executable(&report->image, array->words[k])) {
				add(report, RI_PROBLEM_CTORS, nowhere,
				    "%s of entry %zu is at %#llx, which is not executable text",
				    i == 0 ? "the constructor" : "the destructor", k,
				    (unsigned long long)array->words[k]);
			}
		}
	}
}

void
ri_check(struct ri_report *report)
{
	check_program(report);
	for (size_t i = 0; i < report->order.ncycles; i++) {
		check_cycle(report, &report->order.cycles[i]);
	}
	check_imports(report);
	check_packages(report);
	check_orphans(report);
	check_levels(report);
	check_targets(report);
	if (report->ours) {
		check_arrays(report);
	}
}

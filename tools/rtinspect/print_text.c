/* SPDX-License-Identifier: MIT */
/*
 * print_text.c: a report for people.
 *
 * Invariant: whatever comes out of the file passes through ri_escape before it is printed.
 */
#include "report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "identify.h"

#define COLUMNS 6
#define WIDTH_MAX 40 /* a longer cell sticks out instead of pushing all others away */

/* The columns of the init order. */
enum column { NUMBER, LEVEL, PACKAGE, FUNCTION, WHERE, LAST };

/* Rows of cells, printed in aligned columns. Cells are escaped and owned. */
struct grid {
	char *(*rows)[COLUMNS];
	size_t nrows, room;
};

static char **
grid_row(struct grid *grid)
{
	grid->rows = ri_grow(grid->rows, grid->nrows, &grid->room, sizeof(grid->rows[0]));
	memset(grid->rows[grid->nrows], 0, sizeof(grid->rows[0]));
	return grid->rows[grid->nrows++];
}

static void __attribute__((format(printf, 2, 3))) set(char **cell, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0) {
		abort();
	}
	va_end(args);
	free(*cell);
	*cell = ri_escape(text);
	free(text);
}

static void
grid_print(FILE *out, struct grid *grid)
{
	size_t widths[COLUMNS] = {0};

	for (size_t i = 0; i < grid->nrows; i++) {
		for (size_t k = 0; k < COLUMNS; k++) {
			size_t length = grid->rows[i][k] != NULL ? strlen(grid->rows[i][k]) : 0;

			if (length > widths[k] && length <= WIDTH_MAX) {
				widths[k] = length;
			}
		}
	}
	for (size_t i = 0; i < grid->nrows; i++) {
		size_t last = 0;

		for (size_t k = 0; k < COLUMNS; k++) {
			last = grid->rows[i][k] != NULL ? k : last;
		}
		fputc(' ', out);
		for (size_t k = 0; k <= last; k++) {
			const char *text = grid->rows[i][k] != NULL ? grid->rows[i][k] : "";

			/* Numbers, in the first column, stand to the right. */
			fprintf(out, " %*s%s",
				(int)widths[k] *
					(k == 0              ? 1
						 : k == last ? 0
							     : -1),
				text, k == last ? "" : " ");
		}
		fputc('\n', out);
		for (size_t k = 0; k < COLUMNS; k++) {
			free(grid->rows[i][k]);
		}
	}
	free(grid->rows);
	*grid = (struct grid){0};
}

/* Prints what is formatted, escaped as a whole: no newlines in the format. */
static void __attribute__((format(printf, 2, 3))) print(FILE *out, const char *format, ...)
{
	va_list args;
	char *text;
	char *escaped;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0) {
		abort();
	}
	va_end(args);
	escaped = ri_escape(text);
	fputs(escaped, out);
	free(escaped);
	free(text);
}

static void
set_site(char **cell, struct ri_site site)
{
	if (site.file == NULL) {
		set(cell, "-");
	} else {
		set(cell, "%s:%u", site.file, site.line);
	}
}

static void
set_function(char **cell, const char *function, uint64_t address)
{
	if (function == NULL) {
		set(cell, "%#llx", (unsigned long long)address);
	} else {
		set(cell, "%s", function);
	}
}

static void
print_title(FILE *out, const struct ri_report *report)
{
	const char *machine = ri_identify_machine(report->image.header.e_machine);

	if (!report->has_image) {
		print(out, "%s: not an rt0 program: %s", report->path, report->foreign);
		return;
	}
	if (report->ours) {
		print(out, "%s: rt0 program (ABI %u), ", report->path, report->abi);
	} else {
		print(out, "%s: not an rt0 program%s: ", report->path,
		      report->has_table ? " (it has an init table, but no crt0.o to run it)" : "");
	}
	if (machine != NULL) {
		print(out, "%s %s", machine, report->linkage);
	} else {
		print(out, "machine %u, %s", report->image.header.e_machine, report->linkage);
	}
	if (report->image.interpreter != NULL) {
		print(out, ", interpreter %s", report->image.interpreter);
	} else if (report->image.header.e_type == ET_EXEC || report->ours) {
		fputs(", no interpreter", out);
	}
	if (report->has_unlinked) {
		fputs("; it holds init records: link it with rt0-cc and look at the program", out);
	}
}

static void
print_entry(FILE *out, const struct ri_report *report)
{
	uint64_t entry = report->image.header.e_entry;
	const char *range = ri_report_range(report, entry);

	if (entry == 0) {
		return;
	}
	fputs("  entry  ", out);
	if (report->entry_symbol != NULL) {
		print(out, "%s  ", report->entry_symbol);
	}
	print(out, "%#llx", (unsigned long long)entry);
	if (report->entry_section != NULL) {
		print(out, "  %s", report->entry_section->name);
	}
	if (range != NULL) {
		print(out, " (%s)", range);
	}
	if (report->entry_line.file != NULL) {
		print(out, "  %s:%u", report->entry_line.file, report->entry_line.line);
	}
	fputc('\n', out);
}

static void
print_ranges(FILE *out, const struct ri_report *report)
{
	bool any = false;

	for (size_t i = 0; i < RI_RANGES; i++) {
		const struct ri_range *range = &report->ranges[i];

		if (!range->present) {
			continue;
		}
		fputs(any ? ", " : "  text   ", out);
		any = true;
		if (range->size < 1024) {
			print(out, "%s %llu B", range->name, (unsigned long long)range->size);
		} else {
			print(out, "%s %llu KiB", range->name,
			      (unsigned long long)(range->size / 1024));
		}
	}
	if (any) {
		fputc('\n', out);
	}
}

static void
print_arrays(FILE *out, const struct ri_report *report)
{
	const struct ri_array *arrays[] = {&report->init_array, &report->fini_array};

	fputs("  ctors  ", out);
	for (size_t i = 0; i < 2; i++) {
		fputs(i == 0 ? "init_array " : ", fini_array ", out);
		if (arrays[i]->known) {
			fprintf(out, "%zu", arrays[i]->count);
		} else {
			fputs("unknown", out);
		}
	}
	fputc('\n', out);
}

/* The cells that tell of the package, in its first row. */
static void
set_package(char **row, const struct ri_report *report, uint32_t index)
{
	const struct ri_table *table = &report->table;
	const struct ri_package *package = &table->packages[index];
	char *imports = NULL;
	size_t length = 0;
	FILE *stream;

	if (package->declared == 0) {
		set(&row[LEVEL], "-");
	} else {
		set(&row[LEVEL], "%s", ri_level_name(package->level));
	}
	set(&row[PACKAGE], "%s", package->name);
	if (report->order.reasons[index] != RI_RUNS) {
		char *reason = ri_reason_text(table, &report->order, index);

		set(&row[LAST], "%s", reason);
		free(reason);
		return;
	}
	if (package->nimports == 0) {
		return;
	}
	stream = open_memstream(&imports, &length);
	if (stream == NULL) {
		abort();
	}
	for (size_t i = 0; i < package->nimports; i++) {
		uint32_t to = table->imports[package->first_import + i].to;

		fprintf(stream, "%s%s", i == 0 ? "" : " ", table->packages[to].name);
	}
	fclose(stream);
	set(&row[LAST], "%s", imports);
	free(imports);
}

/* One row for each initializer of the package; one for the package alone if it has none. */
static void
add_package(struct grid *grid, const struct ri_report *report, uint32_t index, const char *number)
{
	const struct ri_table *table = &report->table;
	const struct ri_package *package = &table->packages[index];
	size_t nctors = index == report->ctors ? report->init_array.count : 0;
	char **row;

	for (size_t i = 0; i < package->ninits + nctors || i == 0; i++) {
		row = grid_row(grid);
		if (i == 0) {
			set(&row[NUMBER], "%s", number);
			set_package(row, report, index);
		}
		if (i < package->ninits) {
			const struct ri_hook *hook = &table->hooks[package->first_init + i];

			set_function(&row[FUNCTION], hook->function, hook->address);
			set_site(&row[WHERE], hook->site);
		} else if (i < package->ninits + nctors) {
			size_t word = i - package->ninits;
			uint64_t address = report->init_array.words[word];
			const struct ri_line *line = &report->init_lines[word];

			set_function(&row[FUNCTION], ri_image_function(&report->image, address),
				     address);
			set_site(&row[WHERE], (struct ri_site){line->file, line->line});
		} else {
			set(&row[FUNCTION], "-");
			set_site(&row[WHERE], package->site);
		}
	}
}

static void
add_heading(struct grid *grid, const char *last)
{
	char **row = grid_row(grid);

	set(&row[NUMBER], "#");
	set(&row[LEVEL], "level");
	set(&row[PACKAGE], "package");
	set(&row[FUNCTION], "function");
	set(&row[WHERE], "where");
	set(&row[LAST], last);
}

static void
print_order(FILE *out, const struct ri_report *report)
{
	const struct ri_order *order = &report->order;
	struct grid grid = {0};

	if (!report->has_table) {
		fputs("\ninit order: unknown\n", out);
		return;
	}
	fputs("\ninit order\n", out);
	if (order->nsequence == 0) {
		fputs("  no packages\n", out);
		return;
	}
	add_heading(&grid, "imports");
	for (size_t i = 0; i < order->nsequence; i++) {
		char number[32];

		snprintf(number, sizeof(number), "%zu", i);
		add_package(&grid, report, order->sequence[i], number);
	}
	grid_print(out, &grid);
}

static void
print_stuck(FILE *out, const struct ri_report *report)
{
	const struct ri_order *order = &report->order;
	struct grid grid = {0};

	if (order->nstuck == 0) {
		return;
	}
	fputs("\ncannot run\n", out);
	add_heading(&grid, "why");
	for (size_t i = 0; i < order->nstuck; i++) {
		add_package(&grid, report, order->stuck[i], "-");
	}
	grid_print(out, &grid);
}

static void
print_fini(FILE *out, const struct ri_report *report)
{
	const struct ri_table *table = &report->table;
	const struct ri_order *order = &report->order;
	struct grid grid = {0};
	size_t count = 0;

	for (size_t i = order->nsequence; i-- > 0;) {
		const struct ri_package *package = &table->packages[order->sequence[i]];

		for (size_t k = package->nfinis; k-- > 0;) {
			const struct ri_hook *hook = &table->hooks[package->first_fini + k];
			char **row = grid_row(&grid);

			set(&row[NUMBER], "%zu", count++);
			set(&row[LEVEL], "%s", ri_level_name(package->level));
			set(&row[PACKAGE], "%s", package->name);
			set_function(&row[FUNCTION], hook->function, hook->address);
			set_site(&row[WHERE], hook->site);
		}
	}
	if (count != 0) {
		fputs("\nfini order, at exit\n", out);
		grid_print(out, &grid);
	}
}

/* One problem, and for a cycle each import on the way. */
static void
print_problem(FILE *out, const struct ri_report *report, const struct ri_problem *problem)
{
	const struct ri_table *table = &report->table;

	if (problem->site.file != NULL && problem->cycle == NULL) {
		print(out, "%s:%u: ", problem->site.file, problem->site.line);
	}
	print(out, "%s: %s", ri_problem_name(problem->kind), problem->text);
	fputc('\n', out);
	for (size_t i = 0; problem->cycle != NULL && i < problem->cycle->length; i++) {
		const struct ri_import *import = &table->imports[problem->cycle->imports[i]];

		fputs("    ", out);
		print(out, "%s:%u: %s imports %s",
		      import->site.file != NULL ? import->site.file : "?", import->site.line,
		      table->packages[import->from].name, table->packages[import->to].name);
		fputc('\n', out);
	}
}

static void
print_problems(FILE *out, const struct ri_report *report)
{
	bool any = false;

	for (size_t i = 0; i < report->nproblems; i++) {
		/* The title has said this one. */
		if (report->problems[i].kind == RI_PROBLEM_NOT_RT0) {
			continue;
		}
		if (!any) {
			fputs("\nproblems\n", out);
			any = true;
		}
		fputs("  ", out);
		print_problem(out, report, &report->problems[i]);
	}
}

void
ri_print_text(FILE *out, const struct ri_report *report)
{
	if (report->error.text[0] != '\0' && !report->has_image) {
		return; /* there is nothing but the error, which the caller prints */
	}
	print_title(out, report);
	fputc('\n', out);
	if (!report->has_image) {
		return;
	}
	print_entry(out, report);
	print_ranges(out, report);
	if (!report->ours && !report->has_table) {
		print_problems(out, report);
		return;
	}
	if (report->has_table) {
		print(out, "  table  %zu records, %llu B at %#llx%s", report->table.nrecords,
		      (unsigned long long)report->table.size,
		      (unsigned long long)report->table.address,
		      report->table.by_symbols ? ", located by symbols" : "");
		fputc('\n', out);
	}
	print_arrays(out, report);
	if (report->error.text[0] == '\0') {
		print_order(out, report);
		print_stuck(out, report);
		print_fini(out, report);
		print_problems(out, report);
	}
}

void
ri_print_check(FILE *out, const struct ri_report *report)
{
	size_t inits = 0;

	for (size_t i = 0; i < report->nproblems; i++) {
		print(out, "%s: ", report->path);
		print_problem(out, report, &report->problems[i]);
	}
	if (report->nproblems != 0 || report->error.text[0] != '\0') {
		return;
	}
	for (size_t i = 0; i < report->table.npackages; i++) {
		inits += report->table.packages[i].ninits;
	}
	print(out, "%s: ok: %zu packages, %zu initializers, %zu constructors", report->path,
	      report->table.npackages, inits, report->init_array.count);
	fputc('\n', out);
}

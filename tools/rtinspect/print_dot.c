/* SPDX-License-Identifier: MIT */
/*
 * print_dot.c: the packages of a report as a Graphviz digraph, an edge from importer to import.
 *
 * Invariant: names are escaped twice: for the terminal, and quotes and backslashes for dot.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

/* The text in double quotes, as dot reads it. */
static void
print_quoted(FILE *out, const char *text)
{
	char *escaped = ri_escape(text);

	fputc('"', out);
	for (const char *at = escaped; *at != '\0'; at++) {
		if (*at == '"' || *at == '\\') {
			fputc('\\', out);
		}
		fputc(*at, out);
	}
	fputc('"', out);
	free(escaped);
}

static void
print_package(FILE *out, const struct ri_report *report, uint32_t index, size_t position)
{
	const struct ri_package *package = &report->table.packages[index];
	bool runs = report->order.reasons[index] == RI_RUNS;
	char *label;

	if (runs) {
		label = ri_format("%zu  %s", position, package->name);
	} else {
		label = ri_format("%s (cannot run)", package->name);
	}
	fprintf(out, "\tp%u [label=", index);
	print_quoted(out, label);
	if (!runs) {
		fputs(" color=red", out);
	} else if (package->level != RT_LEVEL_USER) {
		fputs(" style=filled fillcolor=gray90", out);
	}
	fputs("];\n", out);
	free(label);
}

/* Which imports are part of a cycle that was found. */
static bool *
mark_cycles(const struct ri_report *report)
{
	bool *marks = ri_calloc(report->table.nimports, sizeof(bool));

	for (size_t i = 0; i < report->order.ncycles; i++) {
		for (size_t k = 0; k < report->order.cycles[i].length; k++) {
			marks[report->order.cycles[i].imports[k]] = true;
		}
	}
	return marks;
}

void
ri_print_dot(FILE *out, const struct ri_report *report)
{
	const struct ri_table *table = &report->table;
	const struct ri_order *order = &report->order;
	bool *cycles = mark_cycles(report);

	fputs("digraph init {\n\tlabel=", out);
	print_quoted(out, report->path);
	fputs(";\n\trankdir=LR;\n\tnode [shape=box fontname=monospace];\n", out);
	for (size_t i = 0; i < order->nsequence; i++) {
		print_package(out, report, order->sequence[i], i);
	}
	for (size_t i = 0; i < order->nstuck; i++) {
		print_package(out, report, order->stuck[i], 0);
	}
	for (size_t i = 0; order->reasons != NULL && i < table->nimports; i++) {
		const struct ri_import *import = &table->imports[i];

		fprintf(out, "\tp%u -> p%u", import->from, import->to);
		if (cycles[i]) {
			fputs(" [color=red penwidth=2]", out);
		} else if (table->packages[import->from].level <
			   table->packages[import->to].level) {
			fputs(" [color=red style=dashed]", out);
		}
		fputs(";\n", out);
	}
	fputs("}\n", out);
	free(cycles);
}

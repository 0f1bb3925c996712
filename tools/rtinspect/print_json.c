/* SPDX-License-Identifier: MIT */
/*
 * print_json.c: reports as one JSON object; README.md lists the keys.
 *
 * Invariants: addresses are strings in hexadecimal, since JSON's readers round large numbers. Text
 * that is valid UTF-8 is kept as it is; what is not is written as ri_escape does. The output is
 * ASCII.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "identify.h"
#include "json.h"

static json_t *
text(const char *value)
{
	json_t *json;

	if (value == NULL) {
		return json_null();
	}
	json = json_string(value);
	if (json == NULL) {
		char *escaped = ri_escape(value);

		json = json_string(escaped);
		free(escaped);
	}
	return json;
}

static void
put_site(json_t *object, struct ri_site site)
{
	ri_json_put(object, "file", text(site.file));
	ri_json_put(object, "line", site.file != NULL ? ri_json_number(site.line) : json_null());
}

static json_t *
json_hook(const struct ri_hook *hook)
{
	json_t *object = json_object();

	ri_json_put(object, "symbol", text(hook->function));
	ri_json_put(object, "address", ri_json_address(hook->address));
	put_site(object, hook->site);
	return object;
}

static json_t *
json_constructor(const struct ri_report *report, size_t index)
{
	json_t *object = json_object();
	uint64_t word = report->init_array.words[index];
	const struct ri_line *line = &report->init_lines[index];

	ri_json_put(object, "symbol", text(ri_image_function(&report->image, word)));
	ri_json_put(object, "address", ri_json_address(word));
	put_site(object, (struct ri_site){line->file, line->line});
	return object;
}

static json_t *
json_import(const struct ri_table *table, const struct ri_import *import)
{
	json_t *object = json_object();

	ri_json_put(object, "package", text(table->packages[import->to].name));
	put_site(object, import->site);
	return object;
}

static json_t *
json_package(const struct ri_report *report, uint32_t index)
{
	const struct ri_table *table = &report->table;
	const struct ri_package *package = &table->packages[index];
	json_t *object = json_object();
	json_t *imports = json_array();
	json_t *functions = json_array();

	ri_json_put(object, "package", text(package->name));
	ri_json_put(object, "level",
		    package->declared != 0 ? text(ri_level_name(package->level)) : json_null());
	ri_json_put(object, "implied", json_boolean(package->implied));
	put_site(object, package->site);
	for (size_t i = 0; i < package->nimports; i++) {
		ri_json_append(imports,
			       json_import(table, &table->imports[package->first_import + i]));
	}
	ri_json_put(object, "imports", imports);
	for (size_t i = 0; i < package->ninits; i++) {
		ri_json_append(functions, json_hook(&table->hooks[package->first_init + i]));
	}
	for (size_t i = 0; index == report->ctors && i < report->init_array.count; i++) {
		ri_json_append(functions, json_constructor(report, i));
	}
	ri_json_put(object, "functions", functions);
	if (report->order.reasons[index] != RI_RUNS) {
		char *reason = ri_reason_text(table, &report->order, index);

		ri_json_put(object, "reason", text(reason));
		free(reason);
	}
	return object;
}

static json_t *
json_packages(const struct ri_report *report, const uint32_t *indexes, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		ri_json_append(array, json_package(report, indexes[i]));
	}
	return array;
}

static json_t *
json_fini(const struct ri_report *report)
{
	const struct ri_table *table = &report->table;
	json_t *array = json_array();

	for (size_t i = report->order.nsequence; i-- > 0;) {
		const struct ri_package *package = &table->packages[report->order.sequence[i]];

		for (size_t k = package->nfinis; k-- > 0;) {
			json_t *hook = json_hook(&table->hooks[package->first_fini + k]);

			ri_json_put(hook, "package", text(package->name));
			ri_json_append(array, hook);
		}
	}
	return array;
}

static json_t *
json_cycle(const struct ri_table *table, const struct ri_cycle *cycle)
{
	json_t *object = json_object();
	json_t *array = json_array();

	for (size_t i = 0; i < cycle->length; i++) {
		const struct ri_import *import = &table->imports[cycle->imports[i]];
		json_t *edge = json_import(table, import);

		ri_json_put(edge, "importer", text(table->packages[import->from].name));
		ri_json_append(array, edge);
	}
	ri_json_put(object, "shortest", json_boolean(cycle->shortest));
	ri_json_put(object, "imports", array);
	return object;
}

static json_t *
json_problems(const struct ri_report *report)
{
	json_t *array = json_array();

	for (size_t i = 0; i < report->nproblems; i++) {
		const struct ri_problem *problem = &report->problems[i];
		json_t *object = json_object();

		ri_json_put(object, "kind", text(ri_problem_name(problem->kind)));
		ri_json_put(object, "text", text(problem->text));
		put_site(object, problem->site);
		ri_json_append(array, object);
	}
	return array;
}

static json_t *
json_entry(const struct ri_report *report)
{
	json_t *object = json_object();
	uint64_t entry = report->image.header.e_entry;

	ri_json_put(object, "address", ri_json_address(entry));
	ri_json_put(object, "symbol", text(report->entry_symbol));
	ri_json_put(object, "section",
		    text(report->entry_section != NULL ? report->entry_section->name : NULL));
	ri_json_put(object, "range", text(ri_report_range(report, entry)));
	put_site(object, (struct ri_site){report->entry_line.file, report->entry_line.line});
	return object;
}

static json_t *
json_ranges(const struct ri_report *report)
{
	json_t *object = json_object();

	for (size_t i = 0; i < RI_RANGES; i++) {
		const struct ri_range *range = &report->ranges[i];
		json_t *entry = json_object();

		if (!range->present) {
			json_decref(entry);
			continue;
		}
		ri_json_put(entry, "section", text(range->section));
		ri_json_put(entry, "address", ri_json_address(range->address));
		ri_json_put(entry, "size", ri_json_number(range->size));
		ri_json_put(object, range->name, entry);
	}
	return object;
}

static json_t *
json_array_count(const struct ri_array *array)
{
	return array->known ? ri_json_number(array->count) : json_null();
}

static void
put_table(json_t *object, const struct ri_report *report)
{
	const struct ri_order *order = &report->order;
	json_t *table = json_object();
	json_t *cycles = json_array();

	ri_json_put(table, "address", ri_json_address(report->table.address));
	ri_json_put(table, "size", ri_json_number(report->table.size));
	ri_json_put(table, "records", ri_json_number(report->table.nrecords));
	ri_json_put(table, "located_by", text(report->table.by_symbols ? "symbols" : "section"));
	ri_json_put(object, "table", report->has_table ? json_incref(table) : json_null());
	json_decref(table);
	ri_json_put(object, "init", json_packages(report, order->sequence, order->nsequence));
	ri_json_put(object, "cannot_run", json_packages(report, order->stuck, order->nstuck));
	ri_json_put(object, "fini", json_fini(report));
	for (size_t i = 0; i < order->ncycles; i++) {
		ri_json_append(cycles, json_cycle(&report->table, &order->cycles[i]));
	}
	ri_json_put(object, "cycles", cycles);
}

static void
put_program(json_t *object, const struct ri_report *report)
{
	const char *machine = ri_identify_machine(report->image.header.e_machine);
	json_t *note;

	ri_json_put(object, "machine",
		    machine != NULL ? text(machine)
				    : ri_json_number(report->image.header.e_machine));
	ri_json_put(object, "linkage", text(report->linkage));
	ri_json_put(object, "interpreter", text(report->image.interpreter));
	note = json_null();
	if (report->ours) {
		note = json_object();
		ri_json_put(note, "abi", ri_json_number(report->abi));
		ri_json_put(note, "record_size", ri_json_number(report->record_size));
	}
	ri_json_put(object, "rt0", note);
	ri_json_put(object, "entry", json_entry(report));
	ri_json_put(object, "text", json_ranges(report));
	ri_json_put(object, "init_array", json_array_count(&report->init_array));
	ri_json_put(object, "fini_array", json_array_count(&report->fini_array));
	if (report->order.reasons != NULL) {
		put_table(object, report);
	}
}

static json_t *
json_report(const struct ri_report *report)
{
	json_t *object = json_object();

	ri_json_put(object, "path", text(report->path));
	ri_json_put(object, "is_rt0", json_boolean(report->ours));
	ri_json_put(object, "error",
		    text(report->error.text[0] != '\0' ? report->error.text : NULL));
	ri_json_put(object, "foreign", text(report->foreign[0] != '\0' ? report->foreign : NULL));
	if (report->has_image) {
		put_program(object, report);
	}
	ri_json_put(object, "problems", json_problems(report));
	ri_json_put(object, "ok",
		    json_boolean(report->error.text[0] == '\0' && report->nproblems == 0));
	return object;
}

void
ri_print_json(FILE *out, const struct ri_report *reports, size_t count)
{
	json_t *root = json_object();
	json_t *files = json_array();

	ri_json_put(root, "version", json_integer(1));
	for (size_t i = 0; i < count; i++) {
		ri_json_append(files, json_report(&reports[i]));
	}
	ri_json_put(root, "files", files);
	json_dumpf(root, out, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	fputc('\n', out);
	json_decref(root);
}

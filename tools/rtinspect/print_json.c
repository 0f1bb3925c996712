/* SPDX-License-Identifier: MIT */
/*
 * print_json.c: reports as one JSON object; README.md lists the keys.
 *
 * Invariants: addresses are strings in hexadecimal, since JSON's readers round large numbers. Text
 * that is valid UTF-8 is kept as it is; what is not is written as ri_escape does. The output is
 * ASCII.
 */
#include "report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "identify.h"

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

static json_t *
address(uint64_t value)
{
	return json_sprintf("0x%llx", (unsigned long long)value);
}

static json_t *
number(uint64_t value)
{
	/* Sizes in a malformed file may be larger than JSON's integers here. */
	return json_integer((json_int_t)(value <= INT64_MAX ? value : INT64_MAX));
}

static void
put(json_t *object, const char *key, json_t *value)
{
	if (value == NULL || json_object_set_new(object, key, value) < 0) {
		fputs("rtinspect: out of memory\n", stderr);
		exit(2);
	}
}

static void
append(json_t *array, json_t *value)
{
	if (value == NULL || json_array_append_new(array, value) < 0) {
		fputs("rtinspect: out of memory\n", stderr);
		exit(2);
	}
}

static void
put_site(json_t *object, struct ri_site site)
{
	put(object, "file", text(site.file));
	put(object, "line", site.file != NULL ? number(site.line) : json_null());
}

static json_t *
json_hook(const struct ri_hook *hook)
{
	json_t *object = json_object();

	put(object, "symbol", text(hook->function));
	put(object, "address", address(hook->address));
	put_site(object, hook->site);
	return object;
}

static json_t *
json_constructor(const struct ri_report *report, size_t index)
{
	json_t *object = json_object();
	uint64_t word = report->init_array.words[index];
	const struct ri_line *line = &report->init_lines[index];

	put(object, "symbol", text(ri_image_function(&report->image, word)));
	put(object, "address", address(word));
	put_site(object, (struct ri_site){line->file, line->line});
	return object;
}

static json_t *
json_import(const struct ri_table *table, const struct ri_import *import)
{
	json_t *object = json_object();

	put(object, "package", text(table->packages[import->to].name));
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

	put(object, "package", text(package->name));
	put(object, "level",
	    package->declared != 0 ? text(ri_level_name(package->level)) : json_null());
	put(object, "implied", json_boolean(package->implied));
	put_site(object, package->site);
	for (size_t i = 0; i < package->nimports; i++) {
		append(imports, json_import(table, &table->imports[package->first_import + i]));
	}
	put(object, "imports", imports);
	for (size_t i = 0; i < package->ninits; i++) {
		append(functions, json_hook(&table->hooks[package->first_init + i]));
	}
	for (size_t i = 0; index == report->ctors && i < report->init_array.count; i++) {
		append(functions, json_constructor(report, i));
	}
	put(object, "functions", functions);
	if (report->order.reasons[index] != RI_RUNS) {
		char *reason = ri_reason_text(table, &report->order, index);

		put(object, "reason", text(reason));
		free(reason);
	}
	return object;
}

static json_t *
json_packages(const struct ri_report *report, const uint32_t *indexes, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		append(array, json_package(report, indexes[i]));
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

			put(hook, "package", text(package->name));
			append(array, hook);
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

		put(edge, "importer", text(table->packages[import->from].name));
		append(array, edge);
	}
	put(object, "shortest", json_boolean(cycle->shortest));
	put(object, "imports", array);
	return object;
}

static json_t *
json_problems(const struct ri_report *report)
{
	json_t *array = json_array();

	for (size_t i = 0; i < report->nproblems; i++) {
		const struct ri_problem *problem = &report->problems[i];
		json_t *object = json_object();

		put(object, "kind", text(ri_problem_name(problem->kind)));
		put(object, "text", text(problem->text));
		put_site(object, problem->site);
		append(array, object);
	}
	return array;
}

static json_t *
json_entry(const struct ri_report *report)
{
	json_t *object = json_object();
	uint64_t entry = report->image.header.e_entry;

	put(object, "address", address(entry));
	put(object, "symbol", text(report->entry_symbol));
	put(object, "section",
	    text(report->entry_section != NULL ? report->entry_section->name : NULL));
	put(object, "range", text(ri_report_range(report, entry)));
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
		put(entry, "section", text(range->section));
		put(entry, "address", address(range->address));
		put(entry, "size", number(range->size));
		put(object, range->name, entry);
	}
	return object;
}

static json_t *
json_array_count(const struct ri_array *array)
{
	return array->known ? number(array->count) : json_null();
}

static void
put_table(json_t *object, const struct ri_report *report)
{
	const struct ri_order *order = &report->order;
	json_t *table = json_object();
	json_t *cycles = json_array();

	put(table, "address", address(report->table.address));
	put(table, "size", number(report->table.size));
	put(table, "records", number(report->table.nrecords));
	put(table, "located_by", text(report->table.by_symbols ? "symbols" : "section"));
	put(object, "table", report->has_table ? json_incref(table) : json_null());
	json_decref(table);
	put(object, "init", json_packages(report, order->sequence, order->nsequence));
	put(object, "cannot_run", json_packages(report, order->stuck, order->nstuck));
	put(object, "fini", json_fini(report));
	for (size_t i = 0; i < order->ncycles; i++) {
		append(cycles, json_cycle(&report->table, &order->cycles[i]));
	}
	put(object, "cycles", cycles);
}

static void
put_program(json_t *object, const struct ri_report *report)
{
	const char *machine = ri_identify_machine(report->image.header.e_machine);
	json_t *note;

	put(object, "machine",
	    machine != NULL ? text(machine) : number(report->image.header.e_machine));
	put(object, "linkage", text(report->linkage));
	put(object, "interpreter", text(report->image.interpreter));
	note = json_null();
	if (report->ours) {
		note = json_object();
		put(note, "abi", number(report->abi));
		put(note, "record_size", number(report->record_size));
	}
	put(object, "rt0", note);
	put(object, "entry", json_entry(report));
	put(object, "text", json_ranges(report));
	put(object, "init_array", json_array_count(&report->init_array));
	put(object, "fini_array", json_array_count(&report->fini_array));
	if (report->order.reasons != NULL) {
		put_table(object, report);
	}
}

static json_t *
json_report(const struct ri_report *report)
{
	json_t *object = json_object();

	put(object, "path", text(report->path));
	put(object, "is_rt0", json_boolean(report->ours));
	put(object, "error", text(report->error.text[0] != '\0' ? report->error.text : NULL));
	put(object, "foreign", text(report->foreign[0] != '\0' ? report->foreign : NULL));
	if (report->has_image) {
		put_program(object, report);
	}
	put(object, "problems", json_problems(report));
	put(object, "ok", json_boolean(report->error.text[0] == '\0' && report->nproblems == 0));
	return object;
}

void
ri_print_json(FILE *out, const struct ri_report *reports, size_t count)
{
	json_t *root = json_object();
	json_t *files = json_array();

	put(root, "version", json_integer(1));
	for (size_t i = 0; i < count; i++) {
		append(files, json_report(&reports[i]));
	}
	put(root, "files", files);
	json_dumpf(root, out, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	fputc('\n', out);
	json_decref(root);
}

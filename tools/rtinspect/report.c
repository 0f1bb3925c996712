/* SPDX-License-Identifier: MIT */
/*
 * report.c: everything that rtinspect knows about one file; see report.h.
 *
 * Invariant: whatever the bytes are, a report comes out: with `error` set where the file is
 * malformed, with `foreign` set where it is something else, and otherwise complete.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "identify.h"

/* The identity of the package that is made up for C constructors; no name can lie there. */
#define IMPLIED_ID UINT64_MAX

static void
find_ranges(struct ri_report *report)
{
	static const char *const names[RI_RANGES][2] = {
		{"runtime", ".text.rt0"},
		{"libc", ".text.libc"},
		{"user", ".text.user"},
	};

	for (size_t i = 0; i < RI_RANGES; i++) {
		const struct ri_section *section = ri_image_section(&report->image, names[i][1]);

		report->ranges[i] = (struct ri_range){
			.name = names[i][0],
			.section = names[i][1],
			.present = section != NULL,
			.address = section != NULL ? section->header.sh_addr : 0,
			.size = section != NULL ? section->header.sh_size : 0,
		};
	}
}

const char *
ri_report_range(const struct ri_report *report, uint64_t address)
{
	for (size_t i = 0; i < RI_RANGES; i++) {
		const struct ri_range *range = &report->ranges[i];

		if (range->present && address >= range->address &&
		    address - range->address < range->size) {
			return range->name;
		}
	}
	return NULL;
}

static bool
is_linked(const struct ri_image *image)
{
	return image->header.e_type == ET_EXEC || image->header.e_type == ET_DYN;
}

static bool
has_unlinked_records(const struct ri_image *image)
{
	for (size_t i = 0; i < image->nsections; i++) {
		if (strncmp(image->sections[i].name, ".rt_init.", 9) == 0) {
			return true;
		}
	}
	return false;
}

static void
find_entry(struct ri_report *report)
{
	uint64_t entry = report->image.header.e_entry;

	if (entry == 0) {
		return;
	}
	report->entry_symbol = ri_image_function(&report->image, entry);
	report->entry_section = ri_image_section_at(&report->image, entry);
}

/* Where constructors will run although the table has no package for them, they get one. */
static void
imply_ctors(struct ri_report *report)
{
	struct ri_table *table = &report->table;

	if (!report->ours || report->init_array.count == 0) {
		return;
	}
	for (size_t i = 0; i < table->npackages; i++) {
		if (table->packages[i].declared != 0 &&
		    strcmp(table->packages[i].name, RI_CTORS) == 0) {
			return;
		}
	}
	ri_table_package(table, IMPLIED_ID, RI_CTORS, RT_LEVEL_C, (struct ri_site){0});
	table->packages[table->npackages - 1].implied = true;
}

static int
read_table(struct ri_report *report)
{
	report->ctors = UINT32_MAX;
	report->has_table = ri_table_locate(&report->image, &report->table, &report->table_reason);
	if (report->has_table &&
	    ri_table_read(&report->image, &report->table, &report->error) < 0) {
		return -1;
	}
	if (report->ours && report->record_size < sizeof(struct rt_init_record)) {
		return ri_fail(
			&report->error,
			"is malformed: its rt0 note says that init records have %u bytes, must be "
			"%zu or more",
			report->record_size, sizeof(struct rt_init_record));
	}
	imply_ctors(report);
	ri_table_finish(&report->table);
	ri_order_compute(&report->table, &report->order);
	for (size_t i = 0; i < report->table.npackages; i++) {
		const struct ri_package *package = &report->table.packages[i];

		if (package->declared != 0 && strcmp(package->name, RI_CTORS) == 0) {
			report->ctors = (uint32_t)i;
			break;
		}
	}
	return 0;
}

static void
find_lines(struct ri_report *report, const uint8_t *data, size_t size)
{
	size_t count = report->init_array.count;
	uint64_t *addresses = ri_calloc(count + 1, sizeof(uint64_t));
	struct ri_line *lines = ri_calloc(count + 1, sizeof(struct ri_line));

	addresses[0] = report->image.header.e_entry;
	for (size_t i = 0; i < count; i++) {
		addresses[i + 1] = report->init_array.words[i];
	}
	ri_lines_find(data, size, addresses, count + 1, false, lines);
	report->entry_line = lines[0];
	for (size_t i = 0; i < count; i++) {
		report->init_lines[i] = lines[i + 1];
	}
	free(addresses);
	free(lines);
}

static int
open_image(struct ri_report *report, const uint8_t *data, size_t size)
{
	if (ri_identify_foreign(data, size, report->foreign, sizeof(report->foreign))) {
		return -1;
	}
	if (size >= EI_NIDENT &&
	    (data[EI_CLASS] != ELFCLASS64 || data[EI_DATA] != ELFDATA2LSB ||
	     data[EI_VERSION] != EV_CURRENT)) {
		return ri_fail(
			&report->error,
			"is malformed: an ELF file of unknown class %u, byte order %u, version %u",
			data[EI_CLASS], data[EI_DATA], data[EI_VERSION]);
	}
	if (ri_image_open(&report->image, data, size, &report->error) < 0) {
		return -1;
	}
	report->has_image = true;
	return 0;
}

void
ri_report_build(struct ri_report *report, const char *path, const uint8_t *data, size_t size,
		const struct ri_options *options)
{
	*report = (struct ri_report){.path = path, .ctors = UINT32_MAX};
	if (open_image(report, data, size) < 0) {
		if (report->error.text[0] == '\0') {
			ri_check(report);
		}
		return;
	}
	report->ours = is_linked(&report->image) &&
		ri_image_note(&report->image, &report->abi, &report->record_size);
	report->linkage = ri_identify_linkage(&report->image, report->ours);
	find_ranges(report);
	find_entry(report);
	if (!is_linked(&report->image)) {
		ri_fail(&report->table_reason, "it is not linked yet");
		report->has_unlinked = has_unlinked_records(&report->image);
		ri_check(report);
		return;
	}
	ri_array_read(&report->image, false, &report->init_array);
	ri_array_read(&report->image, true, &report->fini_array);
	report->init_lines = ri_calloc(report->init_array.count, sizeof(struct ri_line));
	if (read_table(report) < 0) {
		return;
	}
	/* Somebody else's program is described by its headers alone; its DWARF may be large. */
	if (options->dwarf && (report->ours || report->has_table)) {
		find_lines(report, data, size);
	}
	ri_check(report);
}

void
ri_report_free(struct ri_report *report)
{
	for (size_t i = 0; i < report->nproblems; i++) {
		free(report->problems[i].text);
	}
	free(report->problems);
	for (size_t i = 0; report->init_lines != NULL && i < report->init_array.count; i++) {
		free(report->init_lines[i].file);
	}
	free(report->init_lines);
	free(report->entry_line.file);
	free(report->init_array.words);
	free(report->fini_array.words);
	ri_order_free(&report->order);
	ri_table_free(&report->table);
	if (report->has_image) {
		ri_image_close(&report->image);
	}
	*report = (struct ri_report){0};
}

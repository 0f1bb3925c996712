/* SPDX-License-Identifier: MIT */
/*
 * table.c: from the records of .rt_init to packages, imports and hooks; see table.h.
 *
 * Invariant: a package is its name's address. Two names that read alike are two packages here; it
 * is check.c that calls them duplicates.
 *
 * A record that is too short, unaligned or runs past the end makes the whole table corrupt, since
 * no later record can be found then. A record of an unknown kind has a size, so it is counted and
 * stepped over.
 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

/* A table of more records than this is garbage: it would be 20 MiB of initializers. */
#define RECORDS_MAX ((size_t)1 << 20)

void
ri_table_name(struct ri_table *table, uint64_t id, const char *name)
{
	table->packages = ri_grow(table->packages, table->npackages, &table->packages_room,
				  sizeof(struct ri_package));
	table->packages[table->npackages++] = (struct ri_package){.id = id, .name = name};
}

void
ri_table_package(struct ri_table *table, uint64_t id, const char *name, uint8_t level,
		 struct ri_site site)
{
	ri_table_name(table, id, name);
	table->packages[table->npackages - 1].level = level;
	table->packages[table->npackages - 1].declared = 1;
	table->packages[table->npackages - 1].site = site;
}

void
ri_table_import(struct ri_table *table, uint64_t from, uint64_t to, struct ri_site site)
{
	table->imports = ri_grow(table->imports, table->nimports, &table->imports_room,
				 sizeof(struct ri_import));
	table->imports[table->nimports++] =
		(struct ri_import){.from_id = from, .to_id = to, .site = site};
}

void
ri_table_hook(struct ri_table *table, const struct ri_hook *hook)
{
	table->hooks =
		ri_grow(table->hooks, table->nhooks, &table->hooks_room, sizeof(struct ri_hook));
	table->hooks[table->nhooks] = *hook;
	table->hooks[table->nhooks].place = (uint32_t)table->nhooks;
	table->nhooks++;
}

/* The declaration comes first among all mentions of an identity. */
static int
by_id(const void *left, const void *right)
{
	const struct ri_package *a = left;
	const struct ri_package *b = right;

	if (a->id != b->id) {
		return a->id < b->id ? -1 : 1;
	}
	if (a->declared != b->declared) {
		return a->declared > b->declared ? -1 : 1;
	}
	return (a->site.line > b->site.line) - (a->site.line < b->site.line);
}

static int
by_name(const void *left, const void *right)
{
	const struct ri_package *a = left;
	const struct ri_package *b = right;
	int order = a->name == b->name ? 0 : strcmp(a->name, b->name);

	return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

static int
by_importer(const void *left, const void *right)
{
	const struct ri_import *a = left;
	const struct ri_import *b = right;

	if (a->from != b->from) {
		return a->from < b->from ? -1 : 1;
	}
	if (a->to != b->to) {
		return a->to < b->to ? -1 : 1;
	}
	return (a->site.line > b->site.line) - (a->site.line < b->site.line);
}

static int
compare_files(const char *a, const char *b)
{
	if (a == b) {
		return 0;
	}
	return a == NULL ? -1 : b == NULL ? 1 : strcmp(a, b);
}

static int
by_run(const void *left, const void *right)
{
	const struct ri_hook *a = left;
	const struct ri_hook *b = right;
	int order;

	if (a->package != b->package) {
		return a->package < b->package ? -1 : 1;
	}
	if (a->fini != b->fini) {
		return a->fini ? 1 : -1;
	}
	order = compare_files(a->site.file, b->site.file);
	if (order != 0) {
		return order;
	}
	if (a->site.line != b->site.line) {
		return a->site.line < b->site.line ? -1 : 1;
	}
	return (a->place > b->place) - (a->place < b->place);
}

static void
sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count > 1) {
		qsort(array, count, size, compare);
	}
}

/* Leaves one entry for each identity. */
static void
merge_packages(struct ri_table *table)
{
	size_t kept = 0;

	sort(table->packages, table->npackages, sizeof(struct ri_package), by_id);
	for (size_t i = 0; i < table->npackages; i++) {
		if (kept != 0 && table->packages[kept - 1].id == table->packages[i].id) {
			table->packages[kept - 1].declared += table->packages[i].declared;
		} else {
			table->packages[kept++] = table->packages[i];
		}
	}
	table->npackages = kept;
}

struct id_index {
	uint64_t id;
	uint32_t index;
};

static int
by_index_id(const void *left, const void *right)
{
	const struct id_index *a = left;
	const struct id_index *b = right;

	return (a->id > b->id) - (a->id < b->id);
}

static uint32_t
find_id(const struct id_index *index, size_t count, uint64_t id)
{
	struct id_index key = {.id = id};
	const struct id_index *found =
		bsearch(&key, index, count, sizeof(struct id_index), by_index_id);

	if (found == NULL) {
		/* The caller broke ri_table_finish's contract. */
		abort();
	}
	return found->index;
}

static void
resolve(struct ri_table *table)
{
	struct id_index *index = ri_calloc(table->npackages, sizeof(struct id_index));

	for (size_t i = 0; i < table->npackages; i++) {
		index[i] = (struct id_index){table->packages[i].id, (uint32_t)i};
	}
	sort(index, table->npackages, sizeof(struct id_index), by_index_id);
	for (size_t i = 0; i < table->nimports; i++) {
		struct ri_import *import = &table->imports[i];

		import->from = find_id(index, table->npackages, import->from_id);
		import->to = find_id(index, table->npackages, import->to_id);
	}
	for (size_t i = 0; i < table->nhooks; i++) {
		table->hooks[i].package =
			find_id(index, table->npackages, table->hooks[i].package_id);
	}
	free(index);
}

void
ri_table_finish(struct ri_table *table)
{
	merge_packages(table);
	sort(table->packages, table->npackages, sizeof(struct ri_package), by_name);
	resolve(table);
	sort(table->imports, table->nimports, sizeof(struct ri_import), by_importer);
	sort(table->hooks, table->nhooks, sizeof(struct ri_hook), by_run);

	for (size_t i = table->nimports; i-- > 0;) {
		struct ri_package *package = &table->packages[table->imports[i].from];

		package->first_import = i;
		package->nimports++;
	}
	for (size_t i = table->nhooks; i-- > 0;) {
		struct ri_package *package = &table->packages[table->hooks[i].package];

		if (table->hooks[i].fini) {
			package->first_fini = i;
			package->nfinis++;
		} else {
			package->first_init = i;
			package->ninits++;
		}
	}
}

void
ri_table_free(struct ri_table *table)
{
	free(table->packages);
	free(table->imports);
	free(table->hooks);
	*table = (struct ri_table){0};
}

bool
ri_table_locate(const struct ri_image *image, struct ri_table *ret_table,
		struct ri_error *ret_reason)
{
	const struct ri_section *section = ri_image_section(image, ".rt_init");
	uint64_t end;

	*ret_table = (struct ri_table){0};
	if (section != NULL) {
		ret_table->address = section->header.sh_addr;
		ret_table->size = section->header.sh_size;
		return true;
	}
	if (ri_image_symbol(image, "rt__init_table", &ret_table->address) &&
	    ri_image_symbol(image, "rt__init_table_end", &end) && end >= ret_table->address) {
		ret_table->size = end - ret_table->address;
		ret_table->by_symbols = true;
		return true;
	}
	if (image->nsections == 0) {
		ri_fail(ret_reason, "the init table cannot be located: %s",
			image->sections_error.text);
	} else {
		ri_fail(ret_reason,
			"it has no init table: neither a section .rt_init nor a "
			"symbol rt__init_table");
	}
	return false;
}

/* The string that an offset field of the record at this address points to. */
static const char *
field_string(const struct ri_image *image, uint64_t record, size_t field, int32_t offset,
	     uint64_t *ret_address)
{
	uint64_t address = record + field + (uint64_t)(int64_t)offset;

	if (ret_address != NULL) {
		*ret_address = address;
	}
	return ri_image_string(image, address);
}

static void
add_hook(const struct ri_image *image, struct ri_table *table, uint64_t package, uint64_t function,
	 bool fini, struct ri_site site)
{
	bool executable = ri_image_executable(image, function);
	struct ri_hook hook = {
		.package_id = package,
		.address = function,
		.fini = fini,
		.executable = executable,
		/* What a symbol calls a place that is not code is no function's name. */
		.function = executable ? ri_image_function(image, function) : NULL,
		.site = site,
	};

	ri_table_hook(table, &hook);
}

static int
add_record(const struct ri_image *image, struct ri_table *table,
	   const struct rt_init_record *record, uint64_t at, struct ri_error *error)
{
	size_t number = table->nrecords;
	uint64_t package;
	const char *name = field_string(image, at, offsetof(struct rt_init_record, package),
					record->package, &package);
	struct ri_site site = {
		.file = field_string(image, at, offsetof(struct rt_init_record, file), record->file,
				     NULL),
		.line = record->line,
	};
	uint64_t target =
		at + offsetof(struct rt_init_record, target) + (uint64_t)(int64_t)record->target;
	const char *imported;

	if (record->kind < RT_RECORD_PACKAGE || record->kind > RT_RECORD_FINI) {
		table->nunknown++;
		return 0;
	}
	if (name == NULL || site.file == NULL) {
		return ri_fail(
			error,
			"init table is corrupt: record %zu at %#llx: the name of its %s, at %#llx, "
			"is not a string in a loaded segment",
			number, (unsigned long long)at, name == NULL ? "package" : "file",
			name == NULL
				? (unsigned long long)package
				: (unsigned long long)(at + offsetof(struct rt_init_record, file) +
						       (uint64_t)(int64_t)record->file));
	}
	if (record->kind == RT_RECORD_PACKAGE) {
		ri_table_package(table, package, name, record->level, site);
		return 0;
	}
	ri_table_name(table, package, name);
	if (record->kind != RT_RECORD_IMPORT) {
		add_hook(image, table, package, target, record->kind == RT_RECORD_FINI, site);
		return 0;
	}
	imported = ri_image_string(image, target);
	if (imported == NULL) {
		return ri_fail(
			error,
			"init table is corrupt: record %zu at %#llx: what package %s imports, at "
			"%#llx, is not a string in a loaded segment",
			number, (unsigned long long)at, name, (unsigned long long)target);
	}
	ri_table_name(table, target, imported);
	ri_table_import(table, package, target, site);
	return 0;
}

int
ri_table_read(const struct ri_image *image, struct ri_table *table, struct ri_error *error)
{
	const uint8_t *bytes = ri_image_bytes(image, table->address, table->size);
	uint64_t at = 0;

	if (table->size == 0) {
		return 0;
	}
	if (bytes == NULL) {
		return ri_fail(error,
			       "init table is corrupt: %llu bytes at %#llx do not lie in a loaded "
			       "segment; is this a separate debug file?",
			       (unsigned long long)table->size, (unsigned long long)table->address);
	}
	while (at < table->size) {
		struct rt_init_record record;

		if (!ri_in_range(at, sizeof(record), table->size)) {
			return ri_fail(error,
				       "init table is corrupt: %llu bytes after record %zu are too "
				       "few for "
				       "another one",
				       (unsigned long long)(table->size - at), table->nrecords);
		}
		memcpy(&record, bytes + at, sizeof(record));
		if (record.size < sizeof(record) || record.size % 4 != 0 ||
		    record.size > table->size - at) {
			return ri_fail(
				error,
				"init table is corrupt: record %zu at %#llx says that it is %u "
				"bytes long; must be %zu or more, a multiple of 4, and end in the "
				"table",
				table->nrecords, (unsigned long long)(table->address + at),
				record.size, sizeof(record));
		}
		if (table->nrecords == RECORDS_MAX) {
			return ri_fail(error, "init table is corrupt: more than %zu records",
				       RECORDS_MAX);
		}
		if (add_record(image, table, &record, table->address + at, error) < 0) {
			return -1;
		}
		table->nrecords++;
		at += record.size;
	}
	return 0;
}

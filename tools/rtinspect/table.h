/* SPDX-License-Identifier: MIT */
/*
 * table.h: the init table as packages, imports and hooks.
 *
 * A table is built by adding what the records say, in the table's order, and then finished: sorted
 * and with its names resolved to indexes. ri_table_read does so from an image; tests do so by hand.
 *
 * Invariants of a finished table: packages are sorted by name, then identity, so that a package's
 * index is its rank; imports by importer, then name; hooks by package, kind, file, line and place
 * in the table. Names are borrowed.
 */
#ifndef RTINSPECT_TABLE_H
#define RTINSPECT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rt/init.h>

#include "image.h"
#include "util.h"

#define RI_CTORS "c.ctors"

struct ri_site {
	const char *file; /* NULL where it is not known */
	uint32_t line;
};

struct ri_package {
	uint64_t id; /* address of the name */
	const char *name;
	uint8_t level;
	bool implied;      /* made up by rtinspect, to show C constructors under */
	uint32_t declared; /* how many RT_RECORD_PACKAGE it has */
	struct ri_site site;
	size_t first_import, nimports;
	size_t first_init, ninits;
	size_t first_fini, nfinis;
};

struct ri_import {
	uint64_t from_id, to_id;
	uint32_t from, to; /* indexes, once finished */
	struct ri_site site;
};

struct ri_hook {
	uint64_t package_id;
	uint64_t address;
	uint32_t package; /* index, once finished */
	uint32_t place;   /* in the table */
	bool fini;
	bool executable;      /* the address lies in executable bytes */
	const char *function; /* NULL where no symbol says it */
	struct ri_site site;
};

struct ri_table {
	struct ri_package *packages;
	size_t npackages, packages_room;
	struct ri_import *imports;
	size_t nimports, imports_room;
	struct ri_hook *hooks;
	size_t nhooks, hooks_room;
	uint64_t address, size; /* where it lies in the image */
	size_t nrecords;
	size_t nunknown; /* records of a kind that is not known here */
	bool by_symbols; /* located by symbols, for want of a section .rt_init */
};

/* Adding; an identity may be named any number of times. */
void ri_table_name(struct ri_table *table, uint64_t id, const char *name);
void ri_table_package(struct ri_table *table, uint64_t id, const char *name, uint8_t level,
		      struct ri_site site);
void ri_table_import(struct ri_table *table, uint64_t from, uint64_t to, struct ri_site site);
void ri_table_hook(struct ri_table *table, const struct ri_hook *hook);

/* Every identity that imports and hooks mention must have been named. */
void ri_table_finish(struct ri_table *table);
void ri_table_free(struct ri_table *table);

/* Finds the table. False, with the reason, if the image does not show where it is. */
bool ri_table_locate(const struct ri_image *image, struct ri_table *ret_table,
		     struct ri_error *ret_reason);

/* Adds all records of a located table; ri_table_finish comes next. */
int ri_table_read(const struct ri_image *image, struct ri_table *table, struct ri_error *error);

#endif

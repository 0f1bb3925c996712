/* SPDX-License-Identifier: MIT */
/*
 * The order of packages is Go's since 1.21: all packages sorted by name; repeatedly the first one
 * whose imports are done. That is Kahn's algorithm with a heap of ready packages, keyed by their
 * position in the sorted list. Sorting by level before name makes one run of it serve all levels:
 * a package imports only its own level and lower ones (checked), so as long as a lower one is
 * left, one of them is ready, and it sorts first.
 *
 * The linker's order of records plays no part: neither link order, nor LTO, nor lld's
 * --shuffle-sections can change the result. tools/rtinspect computes the same from the file.
 */
#include "init/order.h"

static const void *
target(const int32_t *offset)
{
	return (const char *)offset + *offset;
}

/* ---- sorting: a heap sort, in place, so that a hostile order costs no stack ---- */

typedef int compare_fn(const void *a, const void *b);

static void
swap(char *a, char *b, size_t size)
{
	while (size-- > 0) {
		char t = *a;

		*a++ = *b;
		*b++ = t;
	}
}

static void
sift_down(char *base, size_t i, size_t n, size_t size, compare_fn *cmp)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && cmp(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (cmp(base + i * size, base + child * size) >= 0)
			return;
		swap(base + i * size, base + child * size, size);
	}
}

static void
sort(void *array, int32_t count, size_t size, compare_fn *cmp)
{
	char *base = array;
	size_t n = (size_t)count;

	for (size_t i = n / 2; i-- > 0;)
		sift_down(base, i, n, size, cmp);
	while (n > 1) {
		n--;
		swap(base, base + n * size, size);
		sift_down(base, 0, n, size, cmp);
	}
}

static int
by_level_and_name(const void *a, const void *b)
{
	const struct rt__package *x = a, *y = b;

	return x->level != y->level ? x->level - y->level : rt__strcmp(x->name, y->name);
}

static int
by_name(const void *a, const void *b)
{
	return rt__strcmp(((const struct rt__package *)a)->name,
			  ((const struct rt__package *)b)->name);
}

static int
by_package_and_place(const void *a, const void *b)
{
	const struct rt__init_hook *x = a, *y = b;

	if (x->package != y->package)
		return x->package < y->package ? -1 : 1;
	int c = rt__strcmp(x->file, y->file);
	return c != 0 ? c : x->line < y->line ? -1 : x->line > y->line;
}

static int
by_importer(const void *a, const void *b)
{
	const struct rt__import *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

/* ---- reading the records ---- */

struct identity {
	const char *name;
	int32_t index;
};

static int
by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct identity *)a)->name;
	uintptr_t y = (uintptr_t)((const struct identity *)b)->name;

	return x < y ? -1 : x > y;
}

struct reader {
	struct rt__init_graph *g;
	struct identity *ids; /* packages by address of their name */
	struct rt__init_problem *problem;
};

/* The index of the package with this identity, or -1. */
static int32_t
find_package(const struct reader *r, const char *name)
{
	int32_t lo = 0, hi = r->g->npackages;

	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;

		if ((uintptr_t)r->ids[mid].name < (uintptr_t)name)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->g->npackages && r->ids[lo].name == name ? r->ids[lo].index : -1;
}

static const struct rt_init_record *
next_record(const struct rt_init_record *rec)
{
	return (const void *)((const char *)rec + rec->size);
}

static enum rt__init_error
fail(struct reader *r, enum rt__init_error e, const struct rt_init_record *rec, const char *b)
{
	*r->problem =
		(struct rt__init_problem){target(&rec->package), b, target(&rec->file), rec->line};
	return e;
}

static enum rt__init_error
count_records(struct reader *r, const struct rt_init_record *rec, const struct rt_init_record *end)
{
	struct rt__init_graph *g = r->g;

	for (; rec < end; rec = next_record(rec)) {
		size_t left = (size_t)((const char *)end - (const char *)rec);

		if (rec->size < sizeof *rec || rec->size % 4 != 0 || rec->size > left)
			return RT_INIT_CORRUPT;
		switch (rec->kind) {
		case RT_RECORD_PACKAGE:
			if (rec->level > RT_LEVEL_USER)
				return RT_INIT_CORRUPT;
			g->npackages++;
			break;
		case RT_RECORD_IMPORT:
			g->nimports++;
			break;
		case RT_RECORD_INIT:
			g->ninits++;
			break;
		case RT_RECORD_FINI:
			g->nfinis++;
			break;
		default:
			return RT_INIT_CORRUPT;
		}
	}
	return RT_INIT_OK;
}

static enum rt__init_error
read_packages(struct reader *r, const struct rt_init_record *rec, const struct rt_init_record *end)
{
	struct rt__init_graph *g = r->g;
	int32_t n = 0;

	for (; rec < end; rec = next_record(rec))
		if (rec->kind == RT_RECORD_PACKAGE)
			g->packages[n++] = (struct rt__package){.name = target(&rec->package),
								.file = target(&rec->file),
								.line = rec->line,
								.level = rec->level};
	sort(g->packages, n, sizeof *g->packages, by_name);
	for (int32_t i = 1; i < n; i++) {
		const struct rt__package *p = &g->packages[i];

		if (by_name(p - 1, p) == 0) {
			*r->problem = (struct rt__init_problem){p->name, NULL, p->file, p->line};
			return RT_INIT_DUPLICATE;
		}
	}
	sort(g->packages, n, sizeof *g->packages, by_level_and_name);
	for (int32_t i = 0; i < n; i++)
		r->ids[i] = (struct identity){g->packages[i].name, i};
	sort(r->ids, n, sizeof *r->ids, by_address);
	return RT_INIT_OK;
}

static enum rt__init_error
read_import(struct reader *r, const struct rt_init_record *rec, int32_t from)
{
	struct rt__init_graph *g = r->g;
	int32_t to = find_package(r, target(&rec->target));

	if (to < 0)
		return fail(r, RT_INIT_NO_PACKAGE, rec, target(&rec->target));
	if (g->packages[to].level > g->packages[from].level)
		return fail(r, RT_INIT_LEVEL, rec, g->packages[to].name);
	g->imports[g->nimports++] = (struct rt__import){from, to, target(&rec->file), rec->line};
	return RT_INIT_OK;
}

/* The records of all other kinds; counts again, now that the arrays are there. */
static enum rt__init_error
read_others(struct reader *r, const struct rt_init_record *rec, const struct rt_init_record *end)
{
	struct rt__init_graph *g = r->g;

	g->nimports = g->ninits = g->nfinis = 0;
	for (; rec < end; rec = next_record(rec)) {
		int32_t p = find_package(r, target(&rec->package));
		enum rt__init_error e = RT_INIT_OK;

		if (p < 0)
			return fail(r, RT_INIT_NO_PACKAGE, rec, NULL);
		struct rt__init_hook hook = {(void (*)(void))(uintptr_t)target(&rec->target),
					     target(&rec->file), rec->line, p};
		if (rec->kind == RT_RECORD_IMPORT)
			e = read_import(r, rec, p);
		else if (rec->kind == RT_RECORD_INIT)
			g->inits[g->ninits++] = hook;
		else if (rec->kind == RT_RECORD_FINI)
			g->finis[g->nfinis++] = hook;
		if (e != RT_INIT_OK)
			return e;
	}
	return RT_INIT_OK;
}

/* Sorts imports and hooks by package and tells each package its range of them. */
static void
assign_ranges(struct rt__init_graph *g)
{
	sort(g->imports, g->nimports, sizeof *g->imports, by_importer);
	sort(g->inits, g->ninits, sizeof *g->inits, by_package_and_place);
	sort(g->finis, g->nfinis, sizeof *g->finis, by_package_and_place);
	for (int32_t i = g->nimports; i-- > 0;) {
		g->packages[g->imports[i].from].first_import = i;
		g->packages[g->imports[i].from].nimports++;
	}
	for (int32_t i = g->ninits; i-- > 0;) {
		g->packages[g->inits[i].package].first_init = i;
		g->packages[g->inits[i].package].ninits++;
	}
	for (int32_t i = g->nfinis; i-- > 0;) {
		g->packages[g->finis[i].package].first_fini = i;
		g->packages[g->finis[i].package].nfinis++;
	}
}

/* ---- the order ---- */

static int
by_value_down(const void *a, const void *b)
{
	return *(const int32_t *)b - *(const int32_t *)a; /* indexes: no overflow */
}

/* A heap with its smallest element first. */
static void
heap_push(int32_t *heap, int32_t *n, int32_t v)
{
	int32_t i = (*n)++;

	for (heap[i] = v; i > 0 && heap[(i - 1) / 2] > heap[i]; i = (i - 1) / 2)
		swap((char *)&heap[i], (char *)&heap[(i - 1) / 2], sizeof *heap);
}

static int32_t
heap_pop(int32_t *heap, int32_t *n)
{
	int32_t v = heap[0];

	heap[0] = heap[--*n];
	sift_down((char *)heap, 0, (size_t)*n, sizeof *heap, by_value_down);
	return v;
}

/* Importers of each package, as lists through the imports: head[package], next[import]. */
static void
compute_order(struct rt__init_graph *g, int32_t *heap, int32_t *missing, int32_t *head,
	      int32_t *next)
{
	int32_t nheap = 0;

	for (int32_t i = 0; i < g->npackages; i++)
		head[i] = -1;
	for (int32_t i = g->nimports; i-- > 0;) {
		missing[g->imports[i].from]++;
		next[i] = head[g->imports[i].to];
		head[g->imports[i].to] = i;
	}
	for (int32_t i = 0; i < g->npackages; i++)
		if (missing[i] == 0)
			heap_push(heap, &nheap, i);
	while (nheap > 0) {
		int32_t p = heap_pop(heap, &nheap);

		g->order[g->norder++] = p;
		for (int32_t i = head[p]; i >= 0; i = next[i])
			if (--missing[g->imports[i].from] == 0)
				heap_push(heap, &nheap, g->imports[i].from);
	}
}

enum rt__init_error
rt__init_build(struct rt__init_graph *g, const struct rt_init_record *records,
	       const struct rt_init_record *end, void *(*alloc)(size_t, size_t),
	       struct rt__init_problem *ret_problem)
{
	struct reader r = {g, NULL, ret_problem};

	*g = (struct rt__init_graph){0};
	enum rt__init_error e = count_records(&r, records, end);
	if (e != RT_INIT_OK)
		return e;
	size_t np = (size_t)g->npackages, ni = (size_t)g->nimports;
	g->packages = alloc(np * sizeof *g->packages, sizeof(void *));
	g->imports = alloc(ni * sizeof *g->imports, sizeof(void *));
	g->inits = alloc((size_t)g->ninits * sizeof *g->inits, sizeof(void *));
	g->finis = alloc((size_t)g->nfinis * sizeof *g->finis, sizeof(void *));
	g->order = alloc(np * sizeof *g->order, sizeof *g->order);
	r.ids = alloc(np * sizeof *r.ids, sizeof(void *));
	e = read_packages(&r, records, end);
	if (e == RT_INIT_OK)
		e = read_others(&r, records, end);
	if (e != RT_INIT_OK)
		return e;
	assign_ranges(g);
	int32_t *scratch = alloc((3 * np + ni) * sizeof(int32_t), sizeof(int32_t));
	compute_order(g, scratch, scratch + np, scratch + 2 * np, scratch + 3 * np);
	return g->norder == g->npackages ? RT_INIT_OK : RT_INIT_CYCLE;
}

/* ---- explanations, for messages: simple and slow ---- */

#define UNSEEN (-1)
/* Packages on cycles to look at; rtinspect takes its time and looks at all. */
#define MAX_STARTS 64

/* Breadth first over imports, forwards (towards what is imported) or backwards, from start, until
 * `goal` or, with goal < 0, a package that has no further edge. parent[] leads back to start. */
static int32_t
search(const struct rt__init_graph *g, int32_t start, int32_t goal, int32_t *parent)
{
	bool grew = true;

	for (int32_t i = 0; i < g->npackages; i++)
		parent[i] = UNSEEN;
	parent[start] = start;
	/* Rounds over all edges, each adding one step: O(packages * imports), without a queue. The
	 * mark -2 - from keeps what was added in this round from being extended in it. */
	while (grew) {
		grew = false;
		for (int32_t i = 0; i < g->nimports; i++) {
			bool forwards = goal >= 0;
			int32_t from = forwards ? g->imports[i].from : g->imports[i].to;
			int32_t to = forwards ? g->imports[i].to : g->imports[i].from;

			if (parent[from] < 0)
				continue;
			if (to == goal)
				return from;
			if (parent[to] == UNSEEN) {
				parent[to] = -2 - from;
				grew = true;
			}
		}
		for (int32_t i = 0; i < g->npackages; i++)
			if (parent[i] < UNSEEN)
				parent[i] = -2 - parent[i];
	}
	return UNSEEN;
}

/* Writes the path start ... last, following parent[] back from last. */
static int32_t
trace_back(const int32_t *parent, int32_t start, int32_t last, int32_t *path, int32_t max)
{
	int32_t n = 1;

	for (int32_t p = last; p != start; p = parent[p])
		n++;
	int32_t len = n < max ? n : max;
	for (int32_t p = last; n > 0; p = parent[p])
		if (--n < max)
			path[n] = p;
	return len;
}

int32_t
rt__init_find_cycle(const struct rt__init_graph *g, int32_t *path, int32_t max, int32_t *scratch)
{
	int32_t best = 0, best_start = UNSEEN, tried = 0;

	for (int32_t start = 0; start < g->npackages && tried < MAX_STARTS; start++) {
		int32_t last = search(g, start, start, scratch);
		int32_t n = 1;

		if (last == UNSEEN)
			continue;
		tried++;
		for (int32_t p = last; p != start; p = scratch[p])
			n++;
		if (best_start == UNSEEN || n < best) {
			best = n;
			best_start = start;
		}
	}
	if (best_start == UNSEEN)
		return 0;
	int32_t last = search(g, best_start, best_start, scratch);
	return trace_back(scratch, best_start, last, path, max);
}

/* Whether anybody imports p. */
static bool
is_imported(const struct rt__init_graph *g, int32_t p)
{
	for (int32_t i = 0; i < g->nimports; i++)
		if (g->imports[i].to == p)
			return true;
	return false;
}

int32_t
rt__init_find_importers(const struct rt__init_graph *g, int32_t package, int32_t *path, int32_t max,
			int32_t *scratch)
{
	int32_t best = 0, root = package;

	search(g, package, UNSEEN, scratch);
	for (int32_t i = 0; i < g->npackages; i++) {
		int32_t n = 1;

		if (scratch[i] < 0 || is_imported(g, i))
			continue;
		for (int32_t p = i; p != package; p = scratch[p])
			n++;
		if (best == 0 || n < best) {
			best = n;
			root = i;
		}
	}
	return trace_back(scratch, package, root, path, max);
}

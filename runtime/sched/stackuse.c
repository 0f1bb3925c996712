/* SPDX-License-Identifier: MIT */
/*
 * RTDEBUG=stackuse=1: how deep goroutines have gone, by the function that they were started with,
 * so that people can choose stack sizes.
 *
 * A stack starts as zeros, on pages that are not there. When a goroutine ends, the lowest page that
 * is there tells its depth to the page, and the lowest word in it that is not zero, to the word;
 * then the pages go and what remains is zeroed, for the next goroutine on this stack. Depth is
 * counted from the top of the stack, so that the figure is what `stack` of an rt_attr must be at
 * least: the G and its thread-locals are in it.
 *
 * Off, it costs a test in the end of each goroutine. Runs on g0, or on the caller of the API.
 */
#include <rt/rt.h>

#include "sched/sched_priv.h"

#include "mem/mem.h"
#include "stack/stack.h"
#include "symtab/symtab.h"

#define FIRST_CAP 64u /* a power of two */

static struct {
	struct rt__lock lock;
	rt_stack_use *rows; /* a hash table by fn and stack; fn is NULL in free ones */
	uint32_t n, cap;
} table;

void
rt__stackuse_init(void)
{
	rt__lock_rank(&table.lock, RT_RANK_STACKUSE);
}

/* ---- one stack ---- */

static uintptr_t
lowest_page(const struct rt__g *gp)
{
	uint8_t there[512];
	size_t page = rt__os.page_size, step = sizeof there * page;

	for (uintptr_t at = gp->stack.lo; at < gp->stack.hi; at += step) {
		size_t left = gp->stack.hi - at, size = left < step ? left : step;

		if (!rt__os_resident((void *)at, size, there))
			break;
		for (size_t i = 0; i < size / page; i++)
			if (there[i] & 1)
				return at + i * page;
	}
	return gp->stack.hi;
}

static size_t
depth(struct rt__g *gp)
{
	uintptr_t page = lowest_page(gp), top = (uintptr_t)rt__g_frames_top(gp);
	const uintptr_t *word = (const uintptr_t *)page;
	const uintptr_t *end = (const uintptr_t *)(page + rt__os.page_size);

	if (page >= top)
		return gp->stack.hi - top;
	while (word < end && (uintptr_t)word < top && *word == 0)
		word++;
	/* All zeros, and there: somebody has written zeros. */
	return gp->stack.hi - (word == end ? page : (uintptr_t)word);
}

static void
clean(struct rt__g *gp)
{
	uintptr_t top = (uintptr_t)rt__g_frames_top(gp), page = top & ~(rt__os.page_size - 1);

	rt__os_release_each(&(struct rt__range){(void *)gp->stack.lo, page - gp->stack.lo}, 1);
	__builtin_memset((void *)page, 0, top - page);
}

/* ---- the table, with its lock held ---- */

static rt_stack_use *
find(rt_stack_use *rows, uint32_t cap, const void *fn, size_t stack)
{
	uint64_t hash = ((uintptr_t)fn + stack) * 0x9e3779b97f4a7c15;

	for (uint32_t i = (uint32_t)(hash >> 32);; i++) {
		rt_stack_use *r = &rows[i & (cap - 1)];

		if (!r->fn || (r->fn == fn && r->stack == stack))
			return r;
	}
}

static void
grow(void)
{
	uint32_t cap = table.cap ? table.cap * 2 : FIRST_CAP;
	rt_stack_use *rows = rt__persistent_alloc(cap * sizeof *rows, sizeof(void *));

	for (uint32_t i = 0; i < table.cap; i++) {
		const rt_stack_use *r = &table.rows[i];

		if (r->fn)
			*find(rows, cap, r->fn, r->stack) = *r;
	}
	table.rows = rows;
	table.cap = cap;
}

static rt_stack_use *
row_of(const struct rt__g *gp, size_t used)
{
	const void *fn = (const void *)gp->start_pc;
	size_t stack = gp->stack.hi - gp->stack.lo;

	if (table.n >= table.cap / 2)
		grow();
	rt_stack_use *r = find(table.rows, table.cap, fn, stack);
	if (!r->fn) {
		*r = (rt_stack_use){.fn = fn, .stack = stack};
		table.n++;
	}
	if (used > r->used)
		r->used = used;
	return r;
}

void
rt__stackuse_end(struct rt__g *gp)
{
	size_t used = depth(gp);

	clean(gp);
	rt__lock(&table.lock);
	row_of(gp, used)->ended++;
	rt__unlock(&table.lock);
}

static void
add_living(struct rt__g *gp, void *unused)
{
	uint32_t status = rt__g_status(gp);

	(void)unused;
	if (status != RT_G_DEAD && status != RT_G_IDLE && gp->start_pc)
		row_of(gp, depth(gp))->living++;
}

/* ---- reports ---- */

static void
insert_by_use(rt_stack_use *rows, int n, const rt_stack_use *r)
{
	for (; n > 0 && rows[n - 1].used < r->used; n--)
		rows[n] = rows[n - 1];
	rows[n] = *r;
}

int
rt_stack_usage(rt_stack_use *rows, int n)
{
	int found = 0;

	if (!rt__debug.stackuse)
		return 0;
	rt__lock(&table.lock);
	for (uint32_t i = 0; i < table.cap; i++)
		table.rows[i].living = 0;
	rt__for_each_g(add_living, NULL);
	for (uint32_t i = 0; i < table.cap; i++) {
		const rt_stack_use *r = &table.rows[i];

		if (!r->fn)
			continue;
		if (found < n)
			insert_by_use(rows, found, r);
		else if (n > 0 && rows[n - 1].used < r->used)
			insert_by_use(rows, n - 1, r);
		found++;
	}
	rt__unlock(&table.lock);
	return found;
}

static void
print_row(const rt_stack_use *r)
{
	struct rt__symbol sym;
	char hex[32];
	const char *name = hex;

	rt__format(hex, sizeof hex, "%p", r->fn);
	if (rt__symbol_of((uintptr_t)r->fn, &sym))
		name = sym.name;
	rt__eprintf("stackuse: %zu of %zu bytes, %lu goroutines: %s\n", r->used, r->stack,
		    (unsigned long)(r->ended + r->living), name);
}

#define ROWS_MAX 100

void
rt__stackuse_print(void)
{
	static RT_COLD_BSS rt_stack_use rows[ROWS_MAX]; /* only one goroutine exits */

	if (!rt__debug.stackuse)
		return;
	int n = rt_stack_usage(rows, ROWS_MAX);
	for (int i = 0; i < n && i < ROWS_MAX; i++)
		print_row(&rows[i]);
	if (n > ROWS_MAX)
		rt__eprintf("stackuse: ... %d more\n", n - ROWS_MAX);
}

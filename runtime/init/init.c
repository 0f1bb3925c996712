/* SPDX-License-Identifier: MIT */
/*
 * Running the init table. All of it happens on the main goroutine, so plain fields do. Before a
 * package runs, each of its imports must be done: one look at each edge, so that a bug in the
 * order shows as a message and not as an initializer that finds its imports asleep.
 */
#include "init/init.h"

#include "init/order.h"
#include "mem/mem.h"
#include "os/os.h"

#define PATH_MAX_LEN 64

extern const struct rt_init_record rt__init_table[], rt__init_table_end[];

static struct {
	struct rt__init_graph graph;
	int32_t done;                  /* entries of graph.order that have run */
	int32_t finis_left;            /* entries of graph.order whose finis have not */
	int32_t current;               /* package that is running, or -1 */
	const struct rt__g *goroutine; /* that runs it */
	const struct rt__init_hook *hook;
	bool in_fini;
	int64_t start_ns;
	int32_t *scratch; /* for searches of the graph by who must not allocate: a report */
} init = {.current = -1};

/* ---- what is wrong with a table ---- */

static int32_t *
scratch(void)
{
	return rt__persistent_alloc((size_t)init.graph.npackages * sizeof(int32_t) + 4,
				    sizeof(int32_t));
}

static void
print_cycle(const struct rt__init_graph *g)
{
	int32_t path[PATH_MAX_LEN];
	int32_t n = rt__init_find_cycle(g, path, PATH_MAX_LEN, scratch());

	rt__eprintf("runtime: import cycle in the init table:\n");
	for (int32_t i = 0; i < n; i++) {
		const struct rt__package *from = &g->packages[path[i]];
		const struct rt__package *to = &g->packages[path[(i + 1) % n]];

		rt__eprintf("\t%s imports %s (%s:%u)\n", from->name, to->name, from->file,
			    from->line);
	}
}

static RT_NORETURN void
report(enum rt__init_error e, const struct rt__init_problem *p)
{
	switch (e) {
	case RT_INIT_NO_PACKAGE:
		rt__eprintf("runtime: %s:%u: package %s has no RT_PACKAGE\n", p->file, p->line,
			    p->b ? p->b : p->a);
		break;
	case RT_INIT_DUPLICATE:
		rt__eprintf("runtime: %s:%u: two packages are named %s\n", p->file, p->line, p->a);
		break;
	case RT_INIT_LEVEL:
		rt__eprintf("runtime: %s:%u: package %s imports %s, which is initialized later\n",
			    p->file, p->line, p->a, p->b);
		break;
	case RT_INIT_CYCLE:
		print_cycle(&init.graph);
		break;
	default:
		rt__eprintf("runtime: .rt_init holds something that is no init record\n");
	}
	rt__throw("init table is not usable; `rtinspect --check` on this program tells more");
}

void
rt__init_load(void)
{
	struct rt__init_problem problem = {0};
	enum rt__init_error e = rt__init_build(&init.graph, rt__init_table, rt__init_table_end,
					       rt__persistent_alloc, &problem);

	if (e != RT_INIT_OK)
		report(e, &problem);
	init.scratch = scratch();
}

/* ---- running ---- */

void
rt__init_note_start(void)
{
	init.start_ns = rt__nanotime_once();
}

const char *
rt__format_ms(char *buf, uint64_t ns)
{
	uint64_t us = ns / 1000;
	int decimals = 3;

	if (ns >= 10000000) { /* 10 ms and more: whole milliseconds */
		rt__format(buf, 24, "%lu", (unsigned long)(ns / 1000000));
		return buf;
	}
	if (us == 0)
		return "0";
	/* Two significant digits of a number of microseconds below 10,000. */
	for (uint64_t v = us; v >= 100; v /= 10, us /= 10)
		decimals--;
	unsigned long scale = decimals == 3 ? 1000 : decimals == 2 ? 100 : 10;
	rt__format(buf, 24, "%lu.", (unsigned long)us / scale);
	size_t n = rt__strlen(buf);
	for (scale /= 10; scale > 0; scale /= 10)
		buf[n++] = (char)('0' + us / scale % 10);
	buf[n] = 0;
	return buf;
}

static void
trace(const struct rt__package *p)
{
	char at[24], took[24];

	rt__eprintf("init %s @%s ms, %s ms clock, %lu bytes, %lu allocs\n", p->name,
		    rt__format_ms(at, (uint64_t)p->start_ns),
		    rt__format_ms(took, (uint64_t)p->run_ns), p->bytes, p->allocs);
}

static void
check_imports(const struct rt__package *p)
{
	for (int32_t i = 0; i < p->nimports; i++) {
		int32_t to = init.graph.imports[p->first_import + i].to;

		if (init.graph.packages[to].state != RT_PKG_DONE)
			rt__throw("init: a package's import is not done - linker skew");
	}
}

static void
run_package(int32_t index)
{
	struct rt__package *p = &init.graph.packages[index];

	check_imports(p);
	p->state = RT_PKG_RUNNING;
	init.current = index;
	init.goroutine = rt__getg();
	if (rt__debug.inittrace) {
		p->start_ns = rt__nanotime() - init.start_ns;
		rt__malloc_count = (struct rt__malloc_count){true, init.goroutine, 0, 0};
	}
	for (int32_t i = 0; i < p->ninits; i++) {
		init.hook = &init.graph.inits[p->first_init + i];
		init.hook->fn();
	}
	if (rt__debug.inittrace && p->ninits > 0) {
		p->run_ns = rt__nanotime() - init.start_ns - p->start_ns;
		p->bytes = rt__malloc_count.bytes;
		p->allocs = rt__malloc_count.allocs;
		rt__malloc_count.counting_g = NULL;
		trace(p);
	}
	init.current = -1;
	p->state = RT_PKG_DONE;
}

static void
run_levels(int last)
{
	struct rt__init_graph *g = &init.graph;

	if (init.current >= 0) {
		rt__eprintf("runtime: initialization was entered again\n");
		rt__throw("recursive call during initialization - linker skew");
	}
	while (init.done < g->norder && g->packages[g->order[init.done]].level <= last) {
		run_package(g->order[init.done]);
		init.finis_left = ++init.done;
	}
}

void
rt__runtime_init(void)
{
	run_levels(RT_LEVEL_RUNTIME);
}

void
rt__main_init(void)
{
	run_levels(RT_LEVEL_USER);
	rt__malloc_count.on = false;
}

void
rt__run_finis(void)
{
	struct rt__init_graph *g = &init.graph;

	if (init.in_fini)
		rt__throw("exit hook invoked exit");
	while (init.finis_left > 0) {
		struct rt__package *p = &g->packages[g->order[--init.finis_left]];

		for (int32_t i = p->nfinis; i-- > 0;) {
			init.in_fini = true;
			g->finis[p->first_fini + i].fn();
			init.in_fini = false;
		}
	}
}

void
rt__explain_init(const struct rt__g *gp)
{
	const struct rt__init_graph *g = &init.graph;
	int32_t path[PATH_MAX_LEN];

	if (init.current < 0 || gp != init.goroutine)
		return;
	rt__eprintf("initializing package %s\n\t%s:%u\n", g->packages[init.current].name,
		    init.hook->file, init.hook->line);
	int32_t n = rt__init_find_importers(g, init.current, path, PATH_MAX_LEN, init.scratch);
	for (int32_t i = 1; i < n; i++) {
		const struct rt__package *p = &g->packages[path[i]];

		rt__eprintf("imported by package %s\n\t%s:%u\n", p->name, p->file, p->line);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * malloc_info and malloc_stats, as glibc prints them: see include/malloc.h. In a file of their own,
 * because they need stdio. The one heap that there is appears as glibc's main arena; `fast` is what
 * threads have at hand.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#include <rt/rt.h>

#include "mem/heap.h"

#define VISIBLE __attribute__((weak, visibility("default")))

static void
print_size(FILE *fp, unsigned class, const struct rt__class_figures *f)
{
	size_t n = f->free + f->cached, bytes = f->free_bytes + f->cached_bytes;

	if (f->spans == 0)
		return;
	fprintf(fp,
		"  <size from=\"%u\" to=\"%u\" total=\"%zu\" count=\"%zu\" used=\"%zu\" "
		"spans=\"%zu\"/>\n",
		rt__class_size[class - 1] + 1, rt__class_size[class], bytes, n, f->used, f->spans);
}

static void
print_total(FILE *fp, const char *type, size_t count, size_t size)
{
	fprintf(fp, "<total type=\"%s\" count=\"%zu\" size=\"%zu\"/>\n", type, count, size);
}

static void
print_system(FILE *fp, size_t current, size_t max)
{
	fprintf(fp,
		"<system type=\"current\" size=\"%zu\"/>\n"
		"<system type=\"max\" size=\"%zu\"/>\n"
		"<aspace type=\"total\" size=\"%zu\"/>\n"
		"<aspace type=\"mprotect\" size=\"%zu\"/>\n",
		current, max, max, max);
}

VISIBLE int
malloc_info(int options, FILE *fp)
{
	struct rt__class_figures f[RT_CLASS_END];
	struct mallinfo2 m = mallinfo2();
	rt_mem_stats st;

	if (options != 0) {
		errno = EINVAL;
		return -1;
	}
	rt_read_mem_stats(&st);
	rt__read_class_figures(f);
	fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n", fp);
	for (unsigned class = 1; class < RT_CLASSES; class ++)
		print_size(fp, class, &f[class]);
	fputs("</sizes>\n", fp);
	print_total(fp, "fast", m.smblks, m.fsmblks);
	print_total(fp, "rest", m.ordblks - m.smblks, m.fordblks - m.fsmblks);
	print_system(fp, m.arena, st.committed);
	fputs("</heap>\n", fp);
	print_total(fp, "fast", m.smblks, m.fsmblks);
	print_total(fp, "rest", m.ordblks - m.smblks, m.fordblks - m.fsmblks);
	print_total(fp, "mmap", m.hblks, m.hblkhd);
	print_system(fp, m.arena, st.committed);
	fputs("</malloc>\n", fp);
	return 0;
}

static void
print_line(const char *what, size_t n)
{
	fprintf(stderr, "%-16s = %10zu\n", what, n);
}

VISIBLE void
malloc_stats(void)
{
	struct mallinfo2 m = mallinfo2();

	fputs("Arena 0:\n", stderr);
	print_line("system bytes", m.arena);
	print_line("in use bytes", m.uordblks);
	fputs("Total (incl. mmap):\n", stderr);
	print_line("system bytes", m.arena + m.hblkhd);
	print_line("in use bytes", m.uordblks + m.hblkhd);
	print_line("mmap regions", m.hblks);
	print_line("mmap bytes", m.hblkhd);
}

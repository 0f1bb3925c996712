/* SPDX-License-Identifier: MIT */
/* mallinfo, mallinfo2 and malloc_trim, as glibc has them: see include/malloc.h. */
#include <limits.h>
#include <malloc.h>

#include <rt/rt.h>

#include "mem/heap.h"
#include "mem/mem.h"

#define VISIBLE __attribute__((weak, visibility("default")))

VISIBLE struct mallinfo2
mallinfo2(void)
{
	struct rt__class_figures f[RT_CLASS_END];
	struct mallinfo2 m = {0};
	rt_mem_stats st;

	rt_read_mem_stats(&st);
	rt__read_class_figures(f);
	m.hblks = f[RT_CLASS_HUGE].used;
	m.hblkhd = f[RT_CLASS_HUGE].bytes;
	for (unsigned i = 1; i < RT_CLASS_HUGE; i++) {
		m.ordblks += f[i].free + f[i].cached;
		m.smblks += f[i].cached;
		m.fsmblks += f[i].cached_bytes;
		m.uordblks += f[i].bytes;
		m.arena += f[i].bytes + f[i].cached_bytes + f[i].free_bytes;
	}
	m.arena += st.idle;
	m.fordblks = m.arena - m.uordblks;
	m.keepcost = st.idle;
	return m;
}

static int
narrow(size_t n)
{
	return n < INT_MAX ? (int)n : INT_MAX;
}

VISIBLE struct mallinfo
mallinfo(void)
{
	struct mallinfo2 m = mallinfo2();

	return (struct mallinfo){
		.arena = narrow(m.arena),
		.ordblks = narrow(m.ordblks),
		.smblks = narrow(m.smblks),
		.hblks = narrow(m.hblks),
		.hblkhd = narrow(m.hblkhd),
		.fsmblks = narrow(m.fsmblks),
		.uordblks = narrow(m.uordblks),
		.fordblks = narrow(m.fordblks),
		.keepcost = narrow(m.keepcost),
	};
}

VISIBLE int
malloc_trim(size_t pad)
{
	size_t before = rt__load_rlx(&rt__heap.released);

	(void)pad;
	rt__scavenge_all();
	return rt__load_rlx(&rt__heap.released) != before;
}

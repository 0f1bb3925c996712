/* SPDX-License-Identifier: MIT */
/*
 * runtime.c: reads goroutines, Ms and Ps; see runtime.h.
 *
 * The lists are in the memory of a program that may have died of overwriting it. Each walk ends: a
 * G knows its number in the list, so a wrong link is noticed at once; Ms and Ps are few. What was
 * read until then is kept, and why it stopped is said.
 */
#include "runtime.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "waits.h"

#define TEXTS_MAX 256
#define RECORD_MAX 65536
#define MS_MAX 100000
#define PS_MAX 65536
#define SIZE_FIRST offsetof(struct rt__layout, g_link_arg) /* of version 1 as it began */

/* ---- the layout ---- */

static bool
plausible(const struct rt__field *fields, size_t count, uint32_t size)
{
	if (size == 0 || size > RECORD_MAX) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!RI_IS_FIELD(fields[i], size)) {
			return false;
		}
	}
	return true;
}

#define PLAUSIBLE(record, first)                                                                   \
	plausible(&(record).first,                                                                 \
		  (sizeof(record) - sizeof((record).size)) / sizeof(struct rt__field),             \
		  (record).size)

static int
check_layout(const struct rt__layout *layout, struct ri_error *error)
{
	if (memcmp(layout->magic, RT_LAYOUT_MAGIC, sizeof(layout->magic)) != 0) {
		return ri_fail(error,
			       "has no layout descriptor where its rt0 note says: its memory "
			       "is damaged, or not in the file");
	}
	if (layout->version != RT_LAYOUT_VERSION) {
		return ri_fail(error,
			       "has version %u of the layout descriptor, this rtinspect knows "
			       "version %d: use the rtinspect of the program's rt0",
			       layout->version, RT_LAYOUT_VERSION);
	}
	if (layout->machine != EM_X86_64 || layout->pointer_size != 8 ||
	    layout->size < SIZE_FIRST || layout->nsaved > RT_LAYOUT_SAVED ||
	    layout->saved_size > RECORD_MAX || !PLAUSIBLE(layout->g, sp) ||
	    !plausible(&layout->g_wait_since, 1, layout->g.size) ||
	    (layout->g_link_arg.size != 0 && !plausible(&layout->g_link_arg, 1, layout->g.size)) ||
	    !PLAUSIBLE(layout->m, id) || !PLAUSIBLE(layout->p, id)) {
		return ri_fail(error,
			       "has a layout descriptor that makes no sense: its memory is "
			       "damaged");
	}
	return 0;
}

static int
read_layout(struct ri_runtime *runtime, struct ri_program *program, struct ri_error *error)
{
	uint64_t address;

	if (!ri_image_layout(&program->image, &address)) {
		return ri_fail(error,
			       "was built with an rt0 that is older than rtinspect ps: its "
			       "note names no layout descriptor");
	}
	if (!ri_program_read(program, program->base + address, &runtime->layout,
			     sizeof(runtime->layout))) {
		return ri_fail(error,
			       "has no memory where its layout descriptor should be, at "
			       "%#" PRIx64,
			       program->base + address);
	}
	if (runtime->layout.size >= SIZE_FIRST && runtime->layout.size < sizeof(runtime->layout)) {
		memset((char *)&runtime->layout + runtime->layout.size, 0,
		       sizeof(runtime->layout) - runtime->layout.size);
	}
	return check_layout(&runtime->layout, error);
}

static void
read_texts(struct ri_texts *texts, struct ri_program *program, const struct rt__texts *where)
{
	texts->count = where->count < TEXTS_MAX ? where->count : TEXTS_MAX;
	texts->text = ri_calloc(texts->count, sizeof(char *));
	for (size_t i = 0; i < texts->count; i++) {
		uint64_t address;

		if (ri_program_word(program, where->address + i * 8, &address) && address != 0) {
			texts->text[i] = ri_program_string(program, address);
		}
	}
}

static void
free_texts(struct ri_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		free(texts->text[i]);
	}
	free(texts->text);
}

/* ---- records ---- */

static int
by_id(const void *left, const void *right)
{
	const struct ri_goroutine *a = left;
	const struct ri_goroutine *b = right;

	return (a->id > b->id) - (a->id < b->id);
}

static struct ri_goroutine
parse_g(const struct rt__layout *layout, const uint8_t *record, uint64_t address)
{
	return (struct ri_goroutine){
		.address = address,
		.id = RI_FIELD(record, layout->g.id),
		.parent_id = RI_FIELD(record, layout->g.parent_id),
		.tp = RI_FIELD(record, layout->g.tp),
		.link_arg = RI_FIELD(record, layout->g_link_arg),
		.stack_lo = RI_FIELD(record, layout->g.stack_lo),
		.stack_hi = RI_FIELD(record, layout->g.stack_hi),
		.start_pc = RI_FIELD(record, layout->g.start_pc),
		.creator_pc = RI_FIELD(record, layout->g.creator_pc),
		.m = RI_FIELD(record, layout->g.m),
		.locked_m = RI_FIELD(record, layout->g.locked_m),
		.status = (uint32_t)RI_FIELD(record, layout->g.status),
		.wait_reason = (uint32_t)RI_FIELD(record, layout->g.wait_reason),
		.wait_since = (uint32_t)RI_FIELD(record, layout->g_wait_since),
		.sp = RI_FIELD(record, layout->g.sp),
		.pc = RI_FIELD(record, layout->g.pc),
		.syscall_sp = RI_FIELD(record, layout->g.syscall_sp),
		.syscall_pc = RI_FIELD(record, layout->g.syscall_pc),
		.syscall_bp = RI_FIELD(record, layout->g.syscall_bp),
	};
}

/* Each G lies on the stack that it names, unless memory was overwritten. */
static bool
plausible_g(const struct rt__layout *layout, const uint8_t *record, uint64_t address)
{
	uint64_t lo = RI_FIELD(record, layout->g.stack_lo);

	return address >= lo && address < RI_FIELD(record, layout->g.stack_hi);
}

/* A damaged list may be a ring: `mark`, moved up at each power of two, is met again then. */
static void
read_goroutines(struct ri_runtime *runtime, struct ri_program *program)
{
	const struct rt__layout *layout = &runtime->layout;
	uint8_t *record = ri_calloc(layout->g.size, 1);
	size_t capacity = 0;
	uint64_t number = 0;
	uint64_t address = 0;
	uint64_t mark = 0;

	if (!ri_program_word(program, layout->allg, &address)) {
		ri_fail(&runtime->damage, "the list of goroutines cannot be read");
	}
	while (address != 0) {
		struct ri_goroutine g;

		number++;
		if (address == mark || !ri_program_read(program, address, record, layout->g.size) ||
		    !plausible_g(layout, record, address)) {
			ri_fail(&runtime->damage,
				"the list of goroutines is damaged: number %" PRIu64
				" is said to be at %#" PRIx64,
				number, address);
			break;
		}
		if ((number & (number - 1)) == 0) {
			mark = address;
		}
		g = parse_g(layout, record, address);
		if (g.status != RI_G_IDLE && g.status != RI_G_DEAD) {
			runtime->goroutines = ri_grow(runtime->goroutines, runtime->ngoroutines,
						      &capacity, sizeof(struct ri_goroutine));
			runtime->goroutines[runtime->ngoroutines++] = g;
		}
		address = RI_FIELD(record, layout->g.all_link);
	}
	if (runtime->ngoroutines != 0) {
		qsort(runtime->goroutines, runtime->ngoroutines, sizeof(struct ri_goroutine),
		      by_id);
	}
	free(record);
}

static int
by_m_address(const void *left, const void *right)
{
	const struct ri_m *a = left;
	const struct ri_m *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

static const struct ri_thread *
thread_of(const struct ri_program *program, uint64_t m)
{
	for (size_t i = 0; i < program->nthreads; i++) {
		if (program->threads[i].gs_base == m) {
			return &program->threads[i];
		}
	}
	return NULL;
}

static void
read_ms(struct ri_runtime *runtime, struct ri_program *program)
{
	const struct rt__layout *layout = &runtime->layout;
	uint8_t *record = ri_calloc(layout->m.size, 1);
	size_t capacity = 0;
	uint64_t address = 0;
	bool good = ri_program_word(program, layout->all_ms, &address);

	while (good && address != 0) {
		good = runtime->nms < MS_MAX &&
			ri_program_read(program, address, record, layout->m.size);
		if (!good) {
			break;
		}
		runtime->ms = ri_grow(runtime->ms, runtime->nms, &capacity, sizeof(struct ri_m));
		runtime->ms[runtime->nms++] = (struct ri_m){
			.address = address,
			.curg = RI_FIELD(record, layout->m.curg),
			.p = RI_FIELD(record, layout->m.p),
			.id = (int32_t)RI_FIELD(record, layout->m.id),
			.tid = (int32_t)RI_FIELD(record, layout->m.tid),
			.spinning = RI_FIELD(record, layout->m.spinning) != 0,
			.thread = thread_of(program, address),
		};
		address = RI_FIELD(record, layout->m.all_link);
	}
	if (!good) {
		ri_fail(&runtime->damage, "the list of Ms is damaged behind %zu of them",
			runtime->nms);
	}
	if (runtime->nms != 0) {
		qsort(runtime->ms, runtime->nms, sizeof(struct ri_m), by_m_address);
	}
	free(record);
}

static void
read_ps(struct ri_runtime *runtime, struct ri_program *program)
{
	const struct rt__layout *layout = &runtime->layout;
	uint8_t *record = ri_calloc(layout->p.size, 1);
	uint64_t array = 0;
	int32_t count = 0;
	bool good = ri_program_word(program, layout->all_ps, &array) &&
		ri_program_int(program, layout->all_ps_count, &count) &&
		ri_program_int(program, layout->runq_count, &runtime->nrunq) && count >= 0 &&
		count <= PS_MAX;

	runtime->ps = ri_calloc(good ? (size_t)count : 0, sizeof(struct ri_p));
	for (int32_t i = 0; good && i < count; i++) {
		struct ri_p p = {0};

		good = ri_program_word(program, array + (uint64_t)i * 8, &p.address) &&
			ri_program_read(program, p.address, record, layout->p.size);
		if (!good) {
			break;
		}
		p.id = (int32_t)RI_FIELD(record, layout->p.id);
		p.status = (uint32_t)RI_FIELD(record, layout->p.status);
		p.sched_tick = (uint32_t)RI_FIELD(record, layout->p.sched_tick);
		p.nrunq = (uint32_t)(RI_FIELD(record, layout->p.runq_tail) -
				     RI_FIELD(record, layout->p.runq_head)) +
			(RI_FIELD(record, layout->p.runq_next) != 0);
		if (p.status != RI_P_DEAD) {
			runtime->ps[runtime->nps++] = p;
		}
	}
	if (!good) {
		ri_fail(&runtime->damage, "the list of Ps is damaged");
	}
	free(record);
}

int
ri_runtime_read(struct ri_runtime *runtime, struct ri_program *program, struct ri_error *error)
{
	*runtime = (struct ri_runtime){0};
	if (read_layout(runtime, program, error) < 0) {
		return -1;
	}
	read_texts(&runtime->g_status, program, &runtime->layout.g_status);
	read_texts(&runtime->wait_reason, program, &runtime->layout.wait_reason);
	read_texts(&runtime->p_status, program, &runtime->layout.p_status);
	read_ms(runtime, program);
	read_ps(runtime, program);
	ri_program_read(program, runtime->layout.clock, &runtime->now, sizeof(runtime->now));
	runtime->now_ns = (int64_t)runtime->now * 1000000000;
	read_goroutines(runtime, program);
	ri_waits_read(runtime, program);
	return 0;
}

void
ri_runtime_free(struct ri_runtime *runtime)
{
	free_texts(&runtime->g_status);
	free_texts(&runtime->wait_reason);
	free_texts(&runtime->p_status);
	ri_waits_free(runtime);
	free(runtime->goroutines);
	free(runtime->ms);
	free(runtime->ps);
}

/* ---- words ---- */

const struct ri_m *
ri_runtime_m(const struct ri_runtime *runtime, uint64_t address)
{
	struct ri_m key = {.address = address};

	if (address == 0 || runtime->nms == 0) {
		return NULL;
	}
	return bsearch(&key, runtime->ms, runtime->nms, sizeof(struct ri_m), by_m_address);
}

static const char *
lookup(const struct ri_texts *texts, uint32_t index)
{
	return index < texts->count ? texts->text[index] : NULL;
}

bool
ri_goroutine_waits(const struct ri_runtime *runtime, const struct ri_goroutine *g,
		   uint32_t *ret_seconds)
{
	*ret_seconds = 0;
	if ((g->status != RI_G_WAITING && g->status != RI_G_SYSCALL) || g->wait_since == 0 ||
	    g->wait_since > runtime->now) {
		return false;
	}
	*ret_seconds = runtime->now - g->wait_since;
	return true;
}

char *
ri_goroutine_state(const struct ri_runtime *runtime, const struct ri_goroutine *g, bool in_table)
{
	const char *name = lookup(&runtime->g_status, g->status);
	const char *reason = lookup(&runtime->wait_reason, g->wait_reason);
	const struct ri_m *m = in_table ? ri_runtime_m(runtime, g->m) : NULL;
	const char *locked = g->locked_m != 0 ? ", locked to thread" : "";
	uint32_t seconds;

	if (g->status == RI_G_WAITING && reason != NULL && reason[0] != '\0') {
		name = reason;
	}
	if (name == NULL) {
		return ri_format("status %u%s", g->status, locked);
	}
	if (m != NULL && m->curg == g->address) {
		return ri_format("%s on m%d%s", name, m->id, locked);
	}
	if (!in_table && ri_goroutine_waits(runtime, g, &seconds) && seconds >= 60) {
		return ri_format("%s, %u minutes%s", name, seconds / 60, locked);
	}
	return ri_format("%s%s", name, locked);
}

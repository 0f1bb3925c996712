/* SPDX-License-Identifier: MIT */
/*
 * traceback.c: the frames of goroutines and their names; see traceback.h.
 *
 * A goroutine on a thread has that thread's registers, if they are on its stack. If they are not,
 * the thread runs a signal handler on another stack, or something for the goroutine on its own
 * (rt__on_stack), which we unwind until we are on the goroutine's; or it is in the scheduler, about
 * to run the goroutine or just done with it: then the saved context is right, as it is for all
 * others.
 */
#include "traceback.h"

#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "unwind.h"

#define STEPS_MAX 1000000
#define OTHER_STEPS_MAX 64
#define STACK_SIZE_MAX ((uint64_t)1 << 40)

/* ---- where to start ---- */

static bool
on_stack(const struct ri_goroutine *g, const struct ri_registers *registers)
{
	uint64_t sp = registers->value[RI_RSP];

	return (registers->known >> RI_RSP & 1) != 0 && sp >= g->stack_lo && sp <= g->stack_hi;
}

static bool
start_on_thread(struct ri_goroutine *g, const struct ri_runtime *runtime,
		struct ri_unwinder *unwinder)
{
	const struct ri_m *m = ri_runtime_m(runtime, g->m);
	struct ri_registers registers;
	bool is_call = false;

	if (m == NULL || m->thread == NULL || m->thread->registers.known == 0 ||
	    (g->status != RI_G_RUNNING && g->status != RI_G_SYSCALL)) {
		return false;
	}
	registers = m->thread->registers;
	for (int i = 0; i < OTHER_STEPS_MAX; i++) {
		enum ri_step step;

		if (on_stack(g, &registers)) {
			g->registers = registers;
			g->is_call = is_call;
			return true;
		}
		step = ri_unwind(unwinder, &registers, &is_call, RI_ANY_STACK);
		if (step != RI_EXACT && step != RI_GUESS) {
			break;
		}
	}
	return false;
}

static void
start_saved(struct ri_goroutine *g, const struct rt__layout *layout, struct ri_program *program)
{
	struct ri_registers *r = &g->registers;

	g->is_call = true;
	if (g->status == RI_G_SYSCALL) {
		r->value[RI_PC] = g->syscall_pc;
		r->value[RI_RSP] = g->syscall_sp;
		r->value[RI_RBP] = g->syscall_bp;
		r->known = 1u << RI_PC | 1u << RI_RSP | 1u << RI_RBP;
		return;
	}
	r->value[RI_PC] = g->pc;
	r->value[RI_RSP] = g->sp + layout->saved_size;
	r->known = 1u << RI_PC | 1u << RI_RSP;
	for (uint32_t i = 0; i < layout->nsaved; i++) {
		uint16_t number = layout->saved[i].number;

		if (number < RI_NREGS &&
		    ri_program_word(program, g->sp + layout->saved[i].offset, &r->value[number])) {
			r->known |= 1u << number;
		}
	}
	g->never_ran = g->pc == layout->gostart[0] || g->pc == layout->gostart[1];
}

/* ---- frames ---- */

static bool
is_in(const struct rt__layout_range *text, uint64_t pc)
{
	return pc - text->start < text->end - text->start;
}

static void
add_frame(struct ri_traceback *t, const struct ri_runtime *runtime, struct ri_goroutine *g,
	  struct ri_frame frame)
{
	const struct rt__layout *layout = &runtime->layout;

	frame.runtime = is_in(&layout->text_rt0, frame.pc);
	frame.user = is_in(&layout->text_user, frame.pc);
	if (g->nframes == (size_t)2 * RI_FRAMES_END) {
		struct ri_frame *last = t->frames + g->first_frame + RI_FRAMES_END;

		memmove(last, last + 1, (RI_FRAMES_END - 1) * sizeof(frame));
		last[RI_FRAMES_END - 1] = frame;
		g->nelided++;
		return;
	}
	t->frames = ri_grow(t->frames, t->nframes, &t->capacity, sizeof(frame));
	t->frames[t->nframes++] = frame;
	g->nframes++;
}

/* A goroutine whose function ends with a jump to one of the runtime's has no frame of the
 * program's: its function stands there for the outermost frame, which is not added yet. */
static void
collect(struct ri_traceback *t, const struct ri_runtime *runtime, struct ri_goroutine *g,
	struct ri_unwinder *unwinder, bool all)
{
	const struct rt__layout *layout = &runtime->layout;
	struct ri_registers registers = g->registers;
	bool is_call = g->is_call;
	bool jumped = is_in(&layout->text_user, g->start_pc);
	enum ri_step step = RI_EXACT;

	g->first_frame = t->nframes;
	if (g->never_ran) {
		add_frame(t, runtime, g, (struct ri_frame){g->start_pc, g->start_pc, .user = true});
		return;
	}
	for (int i = 0; i < STEPS_MAX && on_stack(g, &registers); i++) {
		uint64_t pc = registers.value[RI_PC];
		struct ri_frame frame = {
			.pc = is_call ? pc - 1 : pc,
			.shown = pc,
			.guessed = step == RI_GUESS,
		};
		bool user = is_in(&layout->text_user, frame.pc);

		jumped &= !user;
		if (all || !user) {
			step = ri_unwind(unwinder, &registers, &is_call, g->stack_hi);
		}
		if (jumped && step == RI_OUTERMOST) {
			frame = (struct ri_frame){.pc = g->start_pc, .shown = g->start_pc};
		}
		add_frame(t, runtime, g, frame);
		if (step == RI_OUTERMOST || step == RI_LOST || (!all && user)) {
			break;
		}
	}
}

void
ri_traceback_collect(struct ri_traceback *t, struct ri_runtime *runtime, struct ri_program *program,
		     bool all)
{
	struct ri_unwinder *unwinder = ri_unwinder_new(program, runtime);

	*t = (struct ri_traceback){0};
	for (size_t i = 0; i < runtime->ngoroutines; i++) {
		struct ri_goroutine *g = &runtime->goroutines[i];

		if (g->stack_hi - g->stack_lo > STACK_SIZE_MAX) {
			continue; /* garbage */
		}
		if (!start_on_thread(g, runtime, unwinder)) {
			start_saved(g, &runtime->layout, program);
		}
		collect(t, runtime, g, unwinder, all);
	}
	ri_unwinder_free(unwinder);
}

/* ---- names ---- */

static int
by_pc(const void *left, const void *right)
{
	const struct ri_place *a = left;
	const struct ri_place *b = right;

	return (a->pc > b->pc) - (a->pc < b->pc);
}

static void
free_calls(struct ri_calls *calls)
{
	for (size_t i = 0; i < calls->count; i++) {
		free(calls->call[i].function);
		free(calls->call[i].from_file);
	}
	free(calls->call);
	*calls = (struct ri_calls){0};
}

/* The name as it is in the source: without what compilers append to clones and parts. */
static char *
source_name(const char *symbol)
{
	char *name = ri_escape(symbol);
	char *dot = strchr(name + (name[0] != '\0'), '.');

	if (dot != NULL) {
		*dot = '\0';
	}
	return name;
}

/* Where a goroutine will start: it has called nothing yet, inlined or not. */
static void
at_start(struct ri_place *place)
{
	struct ri_calls *calls = &place->calls;

	if (calls->count != 0) {
		struct ri_call *outermost = &calls->call[calls->count - 1];

		free(place->file);
		place->file = outermost->from_file;
		place->line = outermost->from_line;
		outermost->from_file = NULL;
	}
	free_calls(calls);
}

static void
name_places(struct ri_traceback *t, const struct ri_program *program, uint64_t text)
{
	uint64_t *addresses = ri_calloc(t->nplaces, sizeof(uint64_t));
	struct ri_line *lines = ri_calloc(t->nplaces, sizeof(struct ri_line));
	struct ri_calls *calls = ri_calloc(t->nplaces, sizeof(struct ri_calls));

	for (size_t i = 0; i < t->nplaces; i++) {
		addresses[i] = t->places[i].pc - program->base;
	}
	ri_lines_find(program->file, program->file_size, addresses, t->nplaces, true, lines);
	ri_calls_find(program->file, program->file_size, text - program->base, addresses,
		      t->nplaces, calls);
	for (size_t i = 0; i < t->nplaces; i++) {
		struct ri_place *place = &t->places[i];
		const char *name = NULL;

		if (ri_image_executable(&program->image, addresses[i])) {
			name = ri_image_function_at(&program->image, addresses[i], &place->start);
		}
		if (name != NULL) {
			place->function = source_name(name);
			place->start += program->base;
		}
		if (lines[i].file != NULL) {
			place->file = ri_escape(lines[i].file);
			place->line = lines[i].line;
			free(lines[i].file);
		}
		place->calls = calls[i];
		if (place->pc == place->start) {
			at_start(place);
		}
	}
	free(addresses);
	free(lines);
	free(calls);
}

void
ri_traceback_name(struct ri_traceback *t, const struct ri_runtime *runtime,
		  const struct ri_program *program)
{
	size_t count = 0;

	t->places = ri_calloc(t->nframes + 2 * runtime->ngoroutines, sizeof(struct ri_place));
	for (size_t i = 0; i < t->nframes; i++) {
		t->places[count++].pc = t->frames[i].pc;
	}
	for (size_t i = 0; i < runtime->ngoroutines; i++) {
		t->places[count++].pc = runtime->goroutines[i].creator_pc - 1;
		t->places[count++].pc = runtime->goroutines[i].start_pc;
	}
	qsort(t->places, count, sizeof(struct ri_place), by_pc);
	for (size_t i = 0; i < count; i++) {
		if (t->nplaces == 0 || t->places[t->nplaces - 1].pc != t->places[i].pc) {
			t->places[t->nplaces++].pc = t->places[i].pc;
		}
	}
	name_places(t, program, runtime->layout.text_rt0.start);
}

const struct ri_place *
ri_traceback_place(const struct ri_traceback *t, uint64_t pc)
{
	struct ri_place key = {.pc = pc};

	return bsearch(&key, t->places, t->nplaces, sizeof(key), by_pc);
}

bool
ri_traceback_view(const struct ri_place *place, bool all, struct ri_view *view)
{
	const struct ri_calls *calls = &place->calls;

	while (view->next <= calls->count) {
		size_t i = view->next++;

		view->inlined = i < calls->count;
		view->function = view->inlined ? calls->call[i].function : place->function;
		view->file = i == 0 ? place->file : calls->call[i - 1].from_file;
		view->line = i == 0 ? place->line : calls->call[i - 1].from_line;
		if (!view->inlined || all || strncmp(view->function, "rt__", 4) != 0) {
			return true;
		}
	}
	return false;
}

const struct ri_frame *
ri_traceback_where(const struct ri_traceback *t, const struct ri_goroutine *g)
{
	const struct ri_frame *frames = t->frames + g->first_frame;
	const struct ri_frame *best = NULL;

	for (size_t i = 0; i < g->nframes; i++) {
		if (frames[i].user) {
			return &frames[i];
		}
		if (best == NULL && !frames[i].runtime) {
			best = &frames[i];
		}
	}
	return best != NULL || g->nframes == 0 ? best : frames;
}

void
ri_traceback_free(struct ri_traceback *t)
{
	for (size_t i = 0; i < t->nplaces; i++) {
		free(t->places[i].function);
		free(t->places[i].file);
		free_calls(&t->places[i].calls);
	}
	free(t->places);
	free(t->frames);
}

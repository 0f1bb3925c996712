/* SPDX-License-Identifier: MIT */
/*
 * print_ps_json.c: goroutines as one JSON object; README.md lists the keys.
 *
 * Invariants: addresses are strings in hexadecimal, since JSON's readers round large numbers; text
 * was escaped when it was read, so it is ASCII.
 */
#include <stdlib.h>

#include "json.h"
#include "ps.h"
#include "waits.h"

static json_t *
text(const char *value)
{
	json_t *json;
	char *escaped;

	if (value == NULL) {
		return json_null();
	}
	escaped = ri_escape(value);
	json = json_string(escaped);
	free(escaped);
	return json;
}

static json_t *
json_view(const struct ri_view *view, uint64_t shown)
{
	json_t *object = json_object();

	ri_json_put(object, "function", text(view->function));
	ri_json_put(object, "file", text(view->file));
	ri_json_put(object, "line", view->file != NULL ? ri_json_number(view->line) : json_null());
	ri_json_put(object, "pc", ri_json_address(shown));
	return object;
}

static json_t *
json_place(const struct ri_ps *ps, uint64_t pc, uint64_t shown)
{
	struct ri_view view = {0};

	ri_traceback_view(ri_traceback_place(&ps->traceback, pc), false, &view);
	return json_view(&view, shown);
}

static void
put_frames(json_t *object, const struct ri_ps *ps, const struct ri_goroutine *g)
{
	json_t *frames = json_array();
	bool show[2 * RI_FRAMES_END];

	ri_ps_choose(ps, g, show);
	for (size_t i = 0; i < g->nframes; i++) {
		const struct ri_frame *frame = &ps->traceback.frames[g->first_frame + i];

		for (struct ri_view view = {0}; show[i] && ri_ps_next_view(ps, frame, &view);) {
			json_t *json = json_view(&view, frame->shown);

			ri_json_put(json, "inlined", json_boolean(view.inlined));
			ri_json_put(json, "guessed", json_boolean(frame->guessed));
			ri_json_append(frames, json);
		}
	}
	ri_json_put(object, "frames", frames);
	ri_json_put(object, "elided", ri_json_number(g->nelided));
}

/* What it waits for, or one of several. text_: freed here. */
static json_t *
json_wait(const struct ri_ps *ps, const struct ri_goroutine *g, char *text_)
{
	const struct ri_goroutine *holder = ri_wait_holder(&ps->runtime, g);
	const struct ri_wait *wait = &g->wait;
	json_t *object = json_object();
	json_t *cases = json_array();

	ri_json_put(object, "what", text(ri_wait_what(g)));
	ri_json_put(object, "address",
		    wait->object != 0 ? ri_json_address(wait->object) : json_null());
	ri_json_put(object, "text", text(text_));
	ri_json_put(object, "locked_by", holder != NULL ? ri_json_number(holder->id) : json_null());
	for (size_t i = 0; i < wait->ncases; i++) {
		char *one = ri_wait_case_text(&ps->runtime, g, i);

		if (one != NULL) {
			ri_json_append(cases, text(one));
		}
		free(one);
	}
	ri_json_put(object, "cases", cases);
	free(text_);
	return object;
}

static json_t *
json_goroutine(const struct ri_ps *ps, const struct ri_goroutine *g)
{
	const struct ri_frame *where = ri_traceback_where(&ps->traceback, g);
	const struct ri_m *m = ri_runtime_m(&ps->runtime, g->m);
	struct ri_goroutine timeless = *g;
	char *state;
	char *waits_for = ri_wait_text(&ps->runtime, g);
	uint32_t seconds;
	json_t *object = json_object();

	timeless.wait_since = 0;
	state = ri_goroutine_state(&ps->runtime, &timeless, false);
	ri_json_put(object, "id", ri_json_number(g->id));
	ri_json_put(object, "state", text(state));
	ri_json_put(object, "status", ri_json_number(g->status));
	ri_json_put(object, "waits_seconds",
		    ri_goroutine_waits(&ps->runtime, g, &seconds) ? ri_json_number(seconds)
								  : json_null());
	ri_json_put(object, "waits_for",
		    waits_for != NULL ? json_wait(ps, g, waits_for) : json_null());
	ri_json_put(object, "locked", json_boolean(g->locked_m != 0));
	ri_json_put(object, "m", m != NULL ? json_integer(m->id) : json_null());
	ri_json_put(object, "where",
		    where != NULL ? json_place(ps, where->pc, where->shown) : json_null());
	ri_json_put(object, "start", json_place(ps, g->start_pc, g->start_pc));
	ri_json_put(object, "parent",
		    g->parent_id != 0 ? ri_json_number(g->parent_id) : json_null());
	ri_json_put(object, "created_by",
		    g->parent_id != 0 ? json_place(ps, g->creator_pc - 1, g->creator_pc)
				      : json_null());
	if (ps->options->traceback) {
		put_frames(object, ps, g);
	}
	free(state);
	return object;
}

static json_t *
json_m(const struct ri_ps *ps, const struct ri_m *m)
{
	json_t *object = json_object();

	ri_json_put(object, "id", json_integer(m->id));
	ri_json_put(object, "tid", json_integer(m->thread != NULL ? m->thread->tid : m->tid));
	ri_json_put(object, "spinning", json_boolean(m->spinning));
	ri_json_put(object, "p", json_null());
	ri_json_put(object, "goroutine", json_null());
	for (size_t i = 0; i < ps->runtime.nps; i++) {
		if (ps->runtime.ps[i].address == m->p) {
			ri_json_put(object, "p", json_integer(ps->runtime.ps[i].id));
		}
	}
	for (size_t i = 0; m->curg != 0 && i < ps->runtime.ngoroutines; i++) {
		if (ps->runtime.goroutines[i].address == m->curg) {
			ri_json_put(object, "goroutine",
				    ri_json_number(ps->runtime.goroutines[i].id));
		}
	}
	return object;
}

static json_t *
json_p(const struct ri_ps *ps, const struct ri_p *p)
{
	const struct ri_texts *names = &ps->runtime.p_status;
	json_t *object = json_object();

	ri_json_put(object, "id", json_integer(p->id));
	ri_json_put(object, "status",
		    text(p->status < names->count ? names->text[p->status] : NULL));
	ri_json_put(object, "runqueue", ri_json_number(p->nrunq));
	ri_json_put(object, "ticks", ri_json_number(p->sched_tick));
	return object;
}

static void
append_member(const struct ri_goroutine *member, bool first, void *arg)
{
	json_t *cycles = arg;

	if (first) {
		ri_json_append(cycles, json_array());
	}
	ri_json_append(json_array_get(cycles, json_array_size(cycles) - 1),
		       ri_json_number(member->id));
}

static json_t *
json_death(const struct ri_death *death)
{
	json_t *object = json_object();

	ri_json_put(object, "signal", json_integer(death->signal));
	ri_json_put(object, "code", json_integer(death->code));
	ri_json_put(object, "address", ri_json_address(death->address));
	ri_json_put(object, "tid", json_integer(death->tid));
	return object;
}

void
ri_ps_print_json(FILE *out, const struct ri_ps *ps)
{
	const struct ri_runtime *runtime = &ps->runtime;
	json_t *root = json_object();
	json_t *goroutines = json_array();
	json_t *ms = json_array();
	json_t *list = json_array();
	json_t *cycles = json_array();

	ri_json_put(root, "version", json_integer(1));
	ri_json_put(root, "pid", json_integer(ps->program.pid));
	ri_json_put(root, "program", text(ps->program.path));
	ri_json_put(root, "command", text(ps->program.command));
	ri_json_put(root, "death",
		    ps->program.death.known ? json_death(&ps->program.death) : json_null());
	ri_json_put(root, "gomaxprocs", ri_json_number(runtime->nps));
	ri_json_put(root, "runqueue", json_integer(runtime->nrunq));
	ri_json_put(root, "damage",
		    runtime->damage.text[0] != '\0' ? text(runtime->damage.text) : json_null());
	for (size_t i = 0; i < runtime->nps; i++) {
		ri_json_append(list, json_p(ps, &runtime->ps[i]));
	}
	ri_json_put(root, "ps", list);
	for (size_t i = 0; i < runtime->nms; i++) {
		ri_json_append(ms, json_m(ps, &runtime->ms[i]));
	}
	ri_json_put(root, "ms", ms);
	for (size_t i = 0; i < runtime->ngoroutines; i++) {
		ri_json_append(goroutines, json_goroutine(ps, &runtime->goroutines[i]));
	}
	ri_json_put(root, "goroutines", goroutines);
	ri_wait_cycles(runtime, append_member, cycles);
	ri_json_put(root, "deadlocks", cycles);
	json_dumpf(root, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(root);
}

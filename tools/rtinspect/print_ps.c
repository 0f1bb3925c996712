/* SPDX-License-Identifier: MIT */
/*
 * print_ps.c: goroutines as a table, or as tracebacks in Go's format.
 *
 * Everything from the program was escaped when it was read.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ps.h"
#include "waits.h"

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* "inner main.c:12"; the caller frees it. */
static char *
short_place(const struct ri_ps *ps, uint64_t pc)
{
	struct ri_view view = {0};
	char *name;
	char *text;

	ri_traceback_view(ri_traceback_place(&ps->traceback, pc), false, &view);
	name = view.function != NULL ? ri_strdup(view.function) : ri_format("%#" PRIx64, pc);
	if (view.file == NULL) {
		return name;
	}
	text = ri_format("%s %s:%u", name, base_name(view.file), view.line);
	free(name);
	return text;
}

/* ---- the head ---- */

static void
print_death(FILE *out, const struct ri_ps *ps)
{
	const struct ri_death *death = &ps->program.death;
	const char *name = sigabbrev_np(death->signal);

	if (!death->known) {
		fprintf(out, "It did not die of a signal.\n");
		return;
	}
	fprintf(out, "It died of signal %d (%s%s: %s)", death->signal, name != NULL ? "SIG" : "",
		name != NULL ? name : "?", strsignal(death->signal));
	/* Only faults have an address; codes of 0 and below come from kill and the like. */
	if ((death->signal == SIGSEGV || death->signal == SIGBUS || death->signal == SIGILL ||
	     death->signal == SIGFPE) &&
	    death->code > 0) {
		fprintf(out, " at address %#" PRIx64, death->address);
	}
	fprintf(out, ", in thread %d", death->tid);
	for (size_t i = 0; i < ps->runtime.nms; i++) {
		const struct ri_m *m = &ps->runtime.ms[i];

		if (m->thread == NULL || m->thread->tid != death->tid) {
			continue;
		}
		fprintf(out, " (m%d)", m->id);
		for (size_t j = 0; j < ps->runtime.ngoroutines; j++) {
			if (ps->runtime.goroutines[j].address == m->curg) {
				fprintf(out, ", goroutine %" PRIu64, ps->runtime.goroutines[j].id);
			}
		}
	}
	fputs(".\n", out);
}

static void
print_head(FILE *out, const struct ri_ps *ps)
{
	const struct ri_runtime *runtime = &ps->runtime;
	struct ri_ps_counts counts = ri_ps_count(ps);
	char *path = ri_escape(ps->program.path);
	char *command = ri_escape(ps->program.command != NULL ? ps->program.command : path);

	fprintf(out, "process %d: %s\n", ps->program.pid, command);
	if (ps->options->core) {
		fprintf(out, "program: %s\n", path);
		print_death(out, ps);
	}
	fprintf(out,
		"%zu goroutines; GOMAXPROCS %zu: %zu busy, %zu idle; %zu Ms: %zu running, %zu "
		"spinning, %zu in system calls, %zu idle; run queues: %d global",
		runtime->ngoroutines, runtime->nps, counts.ps_busy, counts.ps_idle, runtime->nms,
		counts.ms_running, counts.ms_spinning, counts.ms_syscall, counts.ms_idle,
		runtime->nrunq);
	for (size_t i = 0; i < runtime->nps; i++) {
		fprintf(out, "%s%u", i == 0 ? " + " : " ", runtime->ps[i].nrunq);
	}
	fputs("\n\n", out);
	free(path);
	free(command);
}

/* ---- the table ---- */

struct cells {
	char *id, *state, *waits, *where, *creator, *object;
};

/* "12s", "3m", "2h", "5d", as far as is of interest. */
static char *
duration(const struct ri_runtime *runtime, const struct ri_goroutine *g)
{
	uint32_t seconds;

	if (!ri_goroutine_waits(runtime, g, &seconds)) {
		return ri_strdup("-");
	}
	if (seconds < 60) {
		return ri_format("%us", seconds);
	}
	if (seconds < 60 * 60) {
		return ri_format("%um", seconds / 60);
	}
	return seconds < 24 * 60 * 60 ? ri_format("%uh", seconds / (60 * 60))
				      : ri_format("%ud", seconds / (24 * 60 * 60));
}

static struct cells
make_cells(const struct ri_ps *ps, const struct ri_goroutine *g)
{
	const struct ri_frame *frame = ri_traceback_where(&ps->traceback, g);
	struct cells cells = {
		.id = ri_format("%" PRIu64, g->id),
		.state = ri_goroutine_state(&ps->runtime, g, true),
		.waits = duration(&ps->runtime, g),
		.where = frame != NULL ? short_place(ps, frame->pc) : ri_strdup("?"),
		.object = ri_wait_text(&ps->runtime, g),
	};

	if (g->parent_id != 0) {
		char *creator = short_place(ps, g->creator_pc - 1);

		cells.creator = ri_format("%s in goroutine %" PRIu64, creator, g->parent_id);
		free(creator);
	} else {
		cells.creator = ri_strdup("-");
	}
	return cells;
}

static void
widen(int *width, const char *text)
{
	int length = (int)strlen(text);

	*width = length > *width ? length : *width;
}

static void
print_table(FILE *out, const struct ri_ps *ps)
{
	size_t count = ps->runtime.ngoroutines;
	struct cells *rows = ri_calloc(count, sizeof(struct cells));
	int widths[5] = {4, 5, 3, 5, 10};

	for (size_t i = 0; i < count; i++) {
		rows[i] = make_cells(ps, &ps->runtime.goroutines[i]);
		widen(&widths[0], rows[i].id);
		widen(&widths[1], rows[i].state);
		widen(&widths[2], rows[i].waits);
		widen(&widths[3], rows[i].where);
		widen(&widths[4], rows[i].creator);
	}
	fprintf(out, "%*s  %-*s  %*s  %-*s  %-*s  %s\n", widths[0], "GOID", widths[1], "STATE",
		widths[2], "FOR", widths[3], "WHERE", widths[4], "CREATED BY", "WAITS FOR");
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%*s  %-*s  %*s  %-*s  %-*s%s%s\n", widths[0], rows[i].id, widths[1],
			rows[i].state, widths[2], rows[i].waits, widths[3], rows[i].where,
			rows[i].object != NULL ? widths[4] : 0, rows[i].creator,
			rows[i].object != NULL ? "  " : "",
			rows[i].object != NULL ? rows[i].object : "");
		free(rows[i].id);
		free(rows[i].state);
		free(rows[i].waits);
		free(rows[i].where);
		free(rows[i].creator);
		free(rows[i].object);
	}
	free(rows);
}

/* ---- tracebacks ---- */

static const char *
origin(const struct ri_ps *ps, uint64_t pc)
{
	const struct rt__layout *layout = &ps->runtime.layout;

	if (pc - layout->text_rt0.start < layout->text_rt0.end - layout->text_rt0.start) {
		return "librt0.a";
	}
	if (pc - layout->text_libc.start < layout->text_libc.end - layout->text_libc.start) {
		return "libc.a";
	}
	return NULL;
}

/* "\t/path/file.c:12 +0x1d\n", as the runtime's own tracebacks (runtime/symtab) have it; without
 * the offset, where it was inlined. */
static void
print_place(FILE *out, const struct ri_ps *ps, const struct ri_place *place,
	    const struct ri_view *view, uint64_t shown)
{
	uint64_t start = place->function != NULL ? place->start : ps->program.base;
	const char *from = place->function != NULL ? origin(ps, place->pc) : NULL;

	if (view->file != NULL) {
		fprintf(out, "\t%s:%u", view->file, view->line);
	} else {
		char *path = ri_escape(from != NULL ? from : ps->program.path);

		fprintf(out, "\t%s", path);
		free(path);
	}
	if (view->inlined) {
		fputs("\n", out);
	} else {
		fprintf(out, " +0x%" PRIx64 "\n", shown - start);
	}
}

static void
print_name(FILE *out, const struct ri_view *view, uint64_t shown)
{
	if (view->function != NULL) {
		fputs(view->function, out);
	} else {
		fprintf(out, "%#" PRIx64, shown);
	}
}

static void
print_frame(FILE *out, const struct ri_ps *ps, const struct ri_frame *frame)
{
	const struct ri_place *place = ri_traceback_place(&ps->traceback, frame->pc);

	for (struct ri_view view = {0}; ri_ps_next_view(ps, frame, &view);) {
		print_name(out, &view, frame->shown);
		fputs("(...)\n", out);
		print_place(out, ps, place, &view, frame->shown);
	}
}

static void
print_wait(FILE *out, const struct ri_ps *ps, const struct ri_goroutine *g)
{
	const struct ri_wait *wait = &g->wait;
	char *text = ri_wait_text(&ps->runtime, g);

	if (text != NULL && wait->ncases == 0) {
		fprintf(out, "waits for %s\n", text);
	}
	free(text);
	if (wait->ncases != 0) {
		fputs("waits for one of:\n", out);
	}
	for (size_t i = 0; i < wait->ncases; i++) {
		text = ri_wait_case_text(&ps->runtime, g, i);
		if (text != NULL) {
			fprintf(out, "\t%s\n", text);
		}
		free(text);
	}
	if (wait->what == RT_ON_SELECT && wait->value[1] > wait->ncases) {
		fprintf(out, "\t...%" PRIu64 " more...\n", wait->value[1] - wait->ncases);
	}
}

static void
print_traceback(FILE *out, const struct ri_ps *ps, const struct ri_goroutine *g)
{
	const struct ri_frame *frames = ps->traceback.frames + g->first_frame;

	char *state = ri_goroutine_state(&ps->runtime, g, false);
	bool show[2 * RI_FRAMES_END];

	fprintf(out, "goroutine %" PRIu64 " [%s]:\n", g->id, state);
	free(state);
	ri_ps_choose(ps, g, show);
	for (size_t i = 0; i < g->nframes; i++) {
		if (i == RI_FRAMES_END && g->nelided != 0) {
			fprintf(out, "...%zu frames elided...\n", g->nelided);
		}
		if (show[i]) {
			print_frame(out, ps, &frames[i]);
		}
	}
	if (g->parent_id != 0) {
		const struct ri_place *place =
			ri_traceback_place(&ps->traceback, g->creator_pc - 1);

		struct ri_view view = {0};

		ri_traceback_view(place, false, &view);
		fputs("created by ", out);
		print_name(out, &view, g->creator_pc);
		fprintf(out, " in goroutine %" PRIu64 "\n", g->parent_id);
		print_place(out, ps, place, &view, g->creator_pc);
	}
	print_wait(out, ps, g);
}

/* ---- who waits for each other ---- */

struct cycle_printer {
	FILE *out;
	const struct ri_ps *ps;
};

static void
print_member(const struct ri_goroutine *member, bool first, void *arg)
{
	struct cycle_printer *p = arg;
	char *text = ri_wait_text(&p->ps->runtime, member);

	fprintf(p->out, "%sgoroutine %" PRIu64 " waits for %s\n", first ? "\ndeadlock:\n" : "",
		member->id, text);
	free(text);
}

void
ri_ps_print_text(FILE *out, const struct ri_ps *ps)
{
	struct cycle_printer cycles = {out, ps};

	print_head(out, ps);
	if (!ps->options->traceback) {
		print_table(out, ps);
	}
	for (size_t i = 0; ps->options->traceback && i < ps->runtime.ngoroutines; i++) {
		fputs(i != 0 ? "\n" : "", out);
		print_traceback(out, ps, &ps->runtime.goroutines[i]);
	}
	ri_wait_cycles(&ps->runtime, print_member, &cycles);
}

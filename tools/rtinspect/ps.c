/* SPDX-License-Identifier: MIT */
/*
 * ps.c: `rtinspect ps PID` and `rtinspect core FILE`: what goroutines there are, and where.
 *
 * A live process is stopped while its memory is read and its stacks are unwound: some milliseconds,
 * or half a second with a hundred thousand goroutines. Names are looked up after it goes on.
 */
#include "ps.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help[] =
	"usage: rtinspect ps [--traceback] [--runtime] [--json] PID\n"
	"       rtinspect core [--traceback] [--runtime] [--json] CORE [PROGRAM]\n"
	"Shows the goroutines of an rt0 program that runs, or that left a core file: their "
	"states,\n"
	"where they are, and who created them. A running one is stopped for a moment and goes on.\n"
	"\n"
	"  -v, --traceback  print a traceback of each, in Go's format\n"
	"  --runtime        with --traceback: the runtime's own frames as well\n"
	"  --json           print one JSON object (tools/rtinspect/README.md lists its keys)\n"
	"  --help           print this\n"
	"\n"
	"PROGRAM is the file that left the core, if it is not where it was. Needs the right to "
	"trace\n"
	"the process: its user or root, and a kernel that lets them (kernel.yama.ptrace_scope).\n"
	"\n"
	"Exit status: 0 fine, 2 bad usage, or nothing that could be read.\n";

static _Noreturn void __attribute__((format(printf, 1, 2))) usage_error(const char *format, ...)
{
	va_list args;

	fputs("rtinspect: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs(" (rtinspect ps --help tells more)\n", stderr);
	exit(2);
}

static void
parse(int argc, char **argv, struct ri_ps_options *ret)
{
	static const struct option long_options[] = {
		{"traceback", no_argument, NULL, 'v'},
		{"runtime", no_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	*ret = (struct ri_ps_options){.core = strcmp(argv[0], "core") == 0};
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "v", long_options, NULL)) != -1) {
		switch (option) {
		case 'v':
			ret->traceback = true;
			break;
		case 'r':
			ret->runtime = true;
			break;
		case 'j':
			ret->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			usage_error("unknown option %s", argv[optind - 1]);
		}
	}
	if (optind == argc) {
		usage_error(ret->core ? "name a core file" : "name a process, by its number");
	}
	if (argc - optind > (ret->core ? 2 : 1)) {
		usage_error(ret->core ? "name one core file, and perhaps its program"
				      : "name one process");
	}
}

static int
parse_pid(const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (end == text || *end != '\0' || pid <= 0 || pid > INT32_MAX) {
		usage_error("%s is not the number of a process", text);
	}
	return (int)pid;
}

/* The program's clock stands while it is idle; it is the one that we have, too. */
static void
set_now(struct ri_runtime *runtime)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) == 0 && (uint64_t)now.tv_sec >= runtime->now) {
		runtime->now = (uint32_t)now.tv_sec;
		runtime->now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	}
}

int
ri_ps_open(struct ri_ps *ps, const char *subject, const char *exe,
	   const struct ri_ps_options *options, struct ri_error *error, struct ri_error *warning)
{
	struct ri_program *program = &ps->program;
	int result;

	*ps = (struct ri_ps){.subject = subject, .options = options};
	result = options->core ? ri_core_open(program, subject, exe, error, warning)
			       : ri_live_stop(program, parse_pid(subject), error);
	if (result == 0) {
		result = ri_runtime_read(&ps->runtime, program, error);
		if (result == 0) {
			ri_traceback_collect(&ps->traceback, &ps->runtime, program,
					     options->traceback);
		}
		if (!options->core) {
			ri_live_release(program);
			set_now(&ps->runtime);
		}
	}
	if (options->core) {
		ri_core_close(program);
	}
	if (result == 0) {
		ri_traceback_name(&ps->traceback, &ps->runtime, program);
	}
	return result;
}

void
ri_ps_close(struct ri_ps *ps)
{
	ri_traceback_free(&ps->traceback);
	ri_runtime_free(&ps->runtime);
	ri_program_close(&ps->program);
}

static void
complain(const struct ri_ps *ps, const char *what)
{
	char *subject = ri_escape(ps->subject);
	char *text = ri_escape(what);

	fflush(stdout);
	fprintf(stderr, "rtinspect: %s%s: %s\n", ps->options->core ? "" : "process ", subject,
		text);
	free(subject);
	free(text);
}

int
ri_ps_main(int argc, char **argv)
{
	struct ri_ps_options options;
	struct ri_error error = {""};
	struct ri_error warning = {""};
	struct ri_ps ps;
	int status = 0;

	parse(argc, argv, &options);
	if (ri_ps_open(&ps, argv[optind], optind + 1 < argc ? argv[optind + 1] : NULL, &options,
		       &error, &warning) < 0) {
		complain(&ps, error.text);
		status = 2;
	} else if (options.json) {
		ri_ps_print_json(stdout, &ps);
	} else {
		ri_ps_print_text(stdout, &ps);
	}
	if (warning.text[0] != '\0') {
		complain(&ps, warning.text);
	}
	if (ps.runtime.damage.text[0] != '\0') {
		complain(&ps, ps.runtime.damage.text);
		status = 2;
	}
	ri_ps_close(&ps);
	return status;
}

/* ---- what both outputs say ---- */

static bool
is_interesting(const struct ri_ps *ps, const struct ri_goroutine *g, size_t frame)
{
	const struct ri_frame *f = &ps->traceback.frames[g->first_frame + frame];
	const struct ri_place *place;

	if (!f->runtime) {
		return true;
	}
	/* The runtime's public functions, where the program called them. */
	if (frame + 1 >= g->nframes || f[1].runtime) {
		return false;
	}
	place = ri_traceback_place(&ps->traceback, f->pc);
	return place->function != NULL && strncmp(place->function, "rt__", 4) != 0;
}

void
ri_ps_choose(const struct ri_ps *ps, const struct ri_goroutine *g, bool ret_show[2 * RI_FRAMES_END])
{
	bool any = false;

	for (size_t i = 0; i < g->nframes; i++) {
		ret_show[i] = ps->options->runtime || is_interesting(ps, g, i);
		any |= ret_show[i];
	}
	for (size_t i = 0; i < g->nframes && !any; i++) {
		ret_show[i] = true;
	}
}

bool
ri_ps_next_view(const struct ri_ps *ps, const struct ri_frame *frame, struct ri_view *view)
{
	const struct ri_place *place = ri_traceback_place(&ps->traceback, frame->pc);
	bool all = ps->options->runtime;

	while (ri_traceback_view(place, all, view)) {
		if (all || !frame->runtime || !view->inlined) {
			return true;
		}
	}
	return false;
}

struct ri_ps_counts
ri_ps_count(const struct ri_ps *ps)
{
	struct ri_ps_counts counts = {0};

	for (size_t i = 0; i < ps->runtime.nms; i++) {
		const struct ri_m *m = &ps->runtime.ms[i];

		if (m->spinning) {
			counts.ms_spinning++;
		} else if (m->p != 0) {
			counts.ms_running++;
		} else if (m->curg != 0) {
			counts.ms_syscall++;
		} else {
			counts.ms_idle++;
		}
	}
	for (size_t i = 0; i < ps->runtime.nps; i++) {
		if (ps->runtime.ps[i].status == RI_P_IDLE) {
			counts.ps_idle++;
		} else {
			counts.ps_busy++;
		}
	}
	return counts;
}

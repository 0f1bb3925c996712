/* SPDX-License-Identifier: MIT */
/*
 * ps.h: the subcommands ps and core, and what they print.
 */
#ifndef RTINSPECT_PS_H
#define RTINSPECT_PS_H

#include <stdio.h>

#include "heap.h"
#include "traceback.h"

struct ri_ps_options {
	bool core;      /* the argument is a core file, else a process */
	bool traceback; /* all frames, in Go's format */
	bool runtime;   /* those of the runtime as well */
	bool heap;      /* count the blocks of the heap */
	bool json;
};

struct ri_ps {
	const char *subject; /* as the user named it */
	const struct ri_ps_options *options;
	struct ri_program program;
	struct ri_runtime runtime;
	struct ri_heap heap;
	struct ri_traceback traceback;
};

/* Runs `rtinspect ps ...` or `rtinspect core ...`; argv[0] is the subcommand. The exit status. */
int ri_ps_main(int argc, char **argv);

/* Reads all there is to report; the program is stopped meanwhile, and goes on afterwards. What a
 * core file lacks is left in *warning. On failure, too, ri_ps_close is due. */
int ri_ps_open(struct ri_ps *ps, const char *subject, const char *exe,
	       const struct ri_ps_options *options, struct ri_error *error,
	       struct ri_error *warning);
void ri_ps_close(struct ri_ps *ps);

void ri_ps_print_text(FILE *out, const struct ri_ps *ps);
void ri_ps_print_json(FILE *out, const struct ri_ps *ps);

/* Which of the goroutine's frames to print: those outside the runtime and the calls into it, or all
 * if there are none or the user asked for all. */
void ri_ps_choose(const struct ri_ps *ps, const struct ri_goroutine *g,
		  bool ret_show[2 * RI_FRAMES_END]);

/* Goes to the next view of a frame that is to be printed; see ri_traceback_view. */
bool ri_ps_next_view(const struct ri_ps *ps, const struct ri_frame *frame, struct ri_view *view);

struct ri_ps_counts {
	size_t ms_running, ms_spinning, ms_syscall, ms_idle;
	size_t ps_idle, ps_busy;
};
struct ri_ps_counts ri_ps_count(const struct ri_ps *ps);

#endif

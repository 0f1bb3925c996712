/* SPDX-License-Identifier: MIT */
/*
 * traceback.h: where goroutines are, with names.
 *
 * Frames are collected while the program is stopped, as program counters; names are looked up
 * afterwards, for each program counter once.
 */
#ifndef RTINSPECT_TRACEBACK_H
#define RTINSPECT_TRACEBACK_H

#include "calls.h"
#include "runtime.h"

/* Of a deep stack the first and the last so many frames are kept, as in Go. */
#define RI_FRAMES_END 50

struct ri_frame {
	uint64_t pc;    /* as looked up: of the call, not behind it */
	uint64_t shown; /* as the register has it */
	bool runtime;   /* in the text of the runtime */
	bool user;      /* in that of the program, neither the runtime nor libc */
	bool guessed;
};

struct ri_place {
	uint64_t pc;
	uint64_t start; /* of the function */
	char *function; /* escaped; NULL if it is not known */
	char *file;
	uint32_t line; /* of the pc: in what is inlined there, if anything is */
	struct ri_calls calls;
};

struct ri_traceback {
	struct ri_frame *frames; /* of all goroutines: see their first_frame */
	size_t nframes, capacity;
	struct ri_place *places; /* sorted by pc */
	size_t nplaces;
};

/* Unwinds all goroutines; all: to their ends, else until the first frame of the user's. */
void ri_traceback_collect(struct ri_traceback *traceback, struct ri_runtime *runtime,
			  struct ri_program *program, bool all);
/* Looks up names. The program need not be stopped any more. */
void ri_traceback_name(struct ri_traceback *traceback, const struct ri_runtime *runtime,
		       const struct ri_program *program);
void ri_traceback_free(struct ri_traceback *traceback);

/* The frame that says where the goroutine is: the innermost of the user's, else of libc's, else its
 * innermost; NULL if it has none. */
const struct ri_frame *ri_traceback_where(const struct ri_traceback *traceback,
					  const struct ri_goroutine *g);

/*
 * A place as its reader sees it: functions that were inlined there, from the inside out, and the
 * one that they are in. all: what the runtime has inlined as well. Starts with {0}; false behind
 * the last one.
 */
struct ri_view {
	const char *function; /* NULL if it is not known */
	const char *file;
	uint32_t line;
	bool inlined;
	size_t next;
};
bool ri_traceback_view(const struct ri_place *place, bool all, struct ri_view *view);

const struct ri_place *ri_traceback_place(const struct ri_traceback *traceback, uint64_t pc);

#endif

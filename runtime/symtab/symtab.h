/* SPDX-License-Identifier: MIT */
/*
 * symtab: floor 5. From program counters to names and lines, and from a context to its callers.
 * For reports of programs that may be dying: nothing here allocates from the heap, takes a lock,
 * touches a thread-local, or reads memory that is not there.
 */
#ifndef RT_SYMTAB_H
#define RT_SYMTAB_H

#include "arch/arch.h"
#include "proc/proc.h"

/* ---- text ranges (rt0.ld) ---- */

enum rt__text { RT_TEXT_NONE, RT_TEXT_RT0, RT_TEXT_LIBC, RT_TEXT_USER };
enum rt__text rt__text_of(uintptr_t pc);

/* Where the text comes from; path is as the program was executed. */
struct rt__mapping {
	uintptr_t start, limit, offset;
	const char *path;
	uint8_t build_id[20];
	size_t build_id_size; /* 0 without one */
};
void rt__mapping_of_text(struct rt__mapping *ret);

/* ---- unwind.c: callers of a context ---- */

/* How a step found the caller: by unwind tables, exactly; by guessing, as through libc, which has
 * none; or not at all: the outermost frame, or a stack that makes no sense. */
enum rt__step { RT_STEP_EXACT, RT_STEP_GUESS, RT_STEP_OUTERMOST, RT_STEP_LOST };

/*
 * Makes *c the context of its caller. *is_call says whether c's pc is a return address (look up
 * pc - 1) or where something was interrupted; it is updated. Memory is read only inside `stack`
 * and in the program's own file image. Async-signal-safe; a few hundred nanoseconds, and no
 * system call.
 */
enum rt__step rt__unwind(struct rt__context *c, bool *is_call, struct rt__stack stack);

/* ---- symbols.c, lines.c: names of what is there ---- */

struct rt__symbol {
	const char *name; /* in memory that stays, not NULL if found */
	uintptr_t start;  /* of the function */
};
/* The function that pc is in; false without symbols. Maps the program's file at the first call. */
bool rt__symbol_of(uintptr_t pc, struct rt__symbol *ret);

/* root/dir/file, as far as they are not NULL: absolute, or as the compiler was given it. file is
 * NULL where the line is unknown. */
struct rt__line {
	const char *root, *dir, *file;
	int line;
};

#define RT_PATH_SIZE 512
/* All of it, as far as it fits; returns path. */
char *rt__line_path(const struct rt__line *l, char *path);

/* Calls that the compiler has put in place, from the outside in: which, in .debug_info. Deeper ones
 * are left out. */
#define RT_INLINED_MAX 12
struct rt__inlined {
	uint32_t n, unit;
	uint32_t die[RT_INLINED_MAX];
};

/* Fills lines[i] and inlined[i] for pcs[i], for up to RT_PLACES_MAX at once: one pass over the
 * debug information. */
#define RT_PLACES_MAX 64
void rt__places_of(const uintptr_t *pcs, int n, struct rt__line *lines,
		   struct rt__inlined *inlined);
/* The name of the i-th inlined function, NULL if unknown, and where it was called. The pc's line is
 * in the last one; the first is called from the function that has a symbol. */
const char *rt__inlined_name(const struct rt__inlined *inlined, unsigned i,
			     struct rt__line *ret_call);

/* ---- traceback.c ---- */

/* Prints frames as Go does: "name(...)\n\tfile:line +0xOFFSET\n", the first and last 50, from c on,
 * and before each what was inlined there; rt0's own are left out unless all is true. `stack` bounds
 * what is read; start is the goroutine's function, or 0. */
void rt__print_frames(const struct rt__context *c, bool is_call, struct rt__stack stack,
		      uintptr_t start, bool all);
/* The same in two steps: the pcs of up to max frames, and printing them. */
int rt__callers(const struct rt__context *c, bool is_call, struct rt__stack stack, uintptr_t *pcs,
		int max);
void rt__print_pcs(const uintptr_t *pcs, int n, bool is_call);
/* One frame of those, whatever it is, of a function that has not begun. */
void rt__print_start(uintptr_t pc);
/* "created by NAME in goroutine N\n\tfile:line +0xOFFSET\n". */
void rt__print_creator(uintptr_t pc, uint64_t parent);

#endif

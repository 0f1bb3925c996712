/* SPDX-License-Identifier: MIT */
/*
 * Tracebacks as Go prints them:
 *
 *	store_get(...)
 *		/home/me/store.c:42 +0x1d
 *
 * where +0x1d is how far into the function. Without line information the second line says where
 * the code is from: "libc.a +0x1d", "librt0.a +0x1d"; or, where not even a name is known, what
 * addr2line takes: "./prog +0x401234".
 *
 * All frames are walked, so that the count of those left out is right, but only the pcs of the
 * first and last 50 are kept, and looked up together: one pass over the line tables. Runs on
 * any stack with FRAMES_STACK bytes left on it.
 */
#include "symtab/symtab_priv.h"

#define SHOWN 50 /* Go's tracebackInnerFrames and tracebackOuterFrames */

/* The first are kept in order, the last in a ring. Each is where to look it up, which for a call
 * is inside the call instruction; the lowest bit of the flags says so. */
struct frames {
	uintptr_t first[SHOWN], last[SHOWN];
	bool first_is_call[SHOWN], last_is_call[SHOWN];
	uint64_t n;
	bool lost; /* the last one has callers, but nobody knows which */
};

static void
frames_add(struct frames *fs, uintptr_t pc, bool is_call)
{
	if (fs->n < SHOWN) {
		fs->first[fs->n] = pc;
		fs->first_is_call[fs->n] = is_call;
	} else {
		fs->last[fs->n % SHOWN] = pc;
		fs->last_is_call[fs->n % SHOWN] = is_call;
	}
	fs->n++;
}

/* The runtime's own frames are of no interest, but for what user code has called: public names,
 * rt_ and what we replace of libc. */
static bool
is_interesting(uintptr_t pc, bool is_call, enum rt__text caller)
{
	struct rt__symbol sym;
	bool exported;

	if (rt__text_of(pc - is_call) != RT_TEXT_RT0)
		return true;
	return caller != RT_TEXT_RT0 && caller != RT_TEXT_NONE &&
		rt__symbol_full(pc - is_call, &sym, &exported) && exported &&
		__builtin_strncmp(sym.name, "rt__", 4) != 0;
}

static void
frames_collect(struct frames *fs, struct rt__context c, bool is_call, struct rt__stack stack,
	       bool all)
{
	enum rt__step step = RT_STEP_EXACT;

	fs->n = 0;
	while (step == RT_STEP_EXACT || step == RT_STEP_GUESS) {
		uintptr_t pc = c.reg[RT_REG_PC];
		bool was_call = is_call;

		step = rt__unwind(&c, &is_call, stack);
		bool more = step == RT_STEP_EXACT || step == RT_STEP_GUESS;
		enum rt__text caller = more ? rt__text_of(c.reg[RT_REG_PC]) : RT_TEXT_NONE;
		if (all || is_interesting(pc, was_call, caller))
			frames_add(fs, pc, was_call);
	}
	fs->lost = step == RT_STEP_LOST;
}

/* ---- printing ---- */

#define NAME_SIZE 256

/* The function's name as the source has it: compilers append .cold, .part.0, .constprop.0 ... */
static void
name_of(uintptr_t pc, bool is_call, char *buf, uintptr_t *ret_start)
{
	struct rt__symbol sym;
	size_t n = 0;

	*ret_start = 0;
	if (!rt__symbol_of(pc - is_call, &sym)) {
		rt__format(buf, NAME_SIZE, "%p", (void *)pc);
		return;
	}
	*ret_start = sym.start;
	for (; sym.name[n] && (n == 0 || sym.name[n] != '.') && n < NAME_SIZE - 1; n++)
		buf[n] = sym.name[n];
	buf[n] = 0;
}

static const char *
origin_of(uintptr_t pc)
{
	switch (rt__text_of(pc)) {
	case RT_TEXT_RT0:
		return "librt0.a";
	case RT_TEXT_LIBC:
		return "libc.a";
	default:
		return rt__program_path();
	}
}

/* "\t/path/file.c:12 +0x1d\n" */
static void
print_place(uintptr_t pc, bool is_call, uintptr_t start, const struct rt__line *l)
{
	struct rt__image im;

	if (l->file && l->line > 0)
		rt__eprintf("\t%s%s%s:%d", l->dir ? l->dir : "", l->dir ? "/" : "", l->file,
			    l->line);
	else if (rt__text_of(pc - is_call) == RT_TEXT_NONE)
		return;
	else
		rt__eprintf("\t%s", start ? origin_of(pc - is_call) : rt__program_path());
	if (!start && rt__image_find(&im))
		start = im.bias;
	rt__eprintf(" +0x%lx\n", pc - start);
}

static void
print_frame(uintptr_t pc, bool is_call, const struct rt__line *line)
{
	char name[NAME_SIZE];
	uintptr_t start;

	name_of(pc, is_call, name, &start);
	rt__eprintf("%s(...)\n", name);
	print_place(pc, is_call, start, line);
}

void
rt__print_frame(uintptr_t pc, bool is_call)
{
	struct rt__line line;
	uintptr_t where = pc - is_call;

	rt__lines_of(&where, 1, &line);
	print_frame(pc, is_call, &line);
}

static void
print_some(const struct frames *fs, uint64_t from, uint64_t to)
{
	uintptr_t where[SHOWN] = {0};
	struct rt__line lines[SHOWN];

	for (uint64_t i = from; i < to; i++)
		where[i - from] = i < SHOWN ? fs->first[i] - fs->first_is_call[i]
					    : fs->last[i % SHOWN] - fs->last_is_call[i % SHOWN];
	rt__lines_of(where, (int)(to - from), lines);
	for (uint64_t i = from; i < to; i++) {
		if (i < SHOWN)
			print_frame(fs->first[i], fs->first_is_call[i], &lines[i - from]);
		else
			print_frame(fs->last[i % SHOWN], fs->last_is_call[i % SHOWN],
				    &lines[i - from]);
	}
}

void
rt__print_frames(const struct rt__context *c, bool is_call, struct rt__stack stack, bool all)
{
	struct frames fs;

	frames_collect(&fs, *c, is_call, stack, all);
	if (fs.n == 0)
		frames_collect(&fs, *c, is_call, stack, true);
	print_some(&fs, 0, fs.n < SHOWN ? fs.n : SHOWN);
	if (fs.n > 2 * SHOWN)
		rt__eprintf("...%lu frames elided...\n", fs.n - 2 * SHOWN);
	if (fs.n > SHOWN)
		print_some(&fs, fs.n > 2 * SHOWN ? fs.n - SHOWN : SHOWN, fs.n);
}

void
rt__print_creator(uintptr_t pc, uint64_t parent)
{
	struct rt__line line;
	char name[NAME_SIZE];
	uintptr_t start, where = pc - 1;

	name_of(pc, true, name, &start);
	rt__eprintf("created by %s in goroutine %lu\n", name, parent);
	rt__lines_of(&where, 1, &line);
	print_place(pc, true, start, &line);
}

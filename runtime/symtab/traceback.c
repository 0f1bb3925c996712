/* SPDX-License-Identifier: MIT */
/*
 * Tracebacks as Go prints them:
 *
 *	store_get(...)
 *		/home/me/store.c:42 +0x1d
 *
 * where +0x1d is how far into the function. A function that was inlined has a frame of its own
 * before the one that it is part of, without an offset. Without line information the second line
 * says where the code is from: "libc.a +0x1d", "librt0.a +0x1d"; or, where not even a name is
 * known, what addr2line takes: "./prog +0x401234".
 *
 * All frames are walked, so that the count of those left out is right, but only the pcs of the
 * first and last 50 are kept, and looked up together: one pass over the debug information. What is
 * inlined is not counted: for that, all frames would have to be looked up. Runs on any stack with
 *16 KB left on it.
 */
#include "symtab/symtab_priv.h"

#define SHOWN 50ul /* Go's tracebackInnerFrames and tracebackOuterFrames */

struct frame {
	uintptr_t pc;
	bool is_call; /* pc is a return address: the place to look up is inside the call before it
		       */
};

/* The first are kept in order, the last in a ring. */
struct frames {
	struct frame first[SHOWN], last[SHOWN];
	uint64_t n;
	bool lost; /* the last one has callers, but nobody knows which */
};

static struct frame *
frame_at(struct frames *fs, uint64_t i)
{
	return i < SHOWN ? &fs->first[i] : &fs->last[i % SHOWN];
}

static bool
starts_with(const char *name, const char *prefix)
{
	while (*prefix && *name == *prefix)
		name++, prefix++;
	return !*prefix;
}

/* Where the call that ret is behind goes to, if that is constant, else 0. */
static uintptr_t
call_target(uintptr_t ret)
{
	struct rt__code text = {0};
	uintptr_t target;

	rt__text_bounds(&text.lo, &text.hi);
	return rt__is_return_address(&text, ret, &target) ? target : 0;
}

/* The runtime's own frames are of no interest, but for what other code has called: public names,
 * which are rt_ and what we replace of libc. Of a symbol's binding nothing can be told, since in
 * static-PIE all of ours are local; but what is called by name from outside is no function of a
 * file's own. */
static bool
is_interesting(uintptr_t pc, bool is_call, uintptr_t caller, bool called)
{
	enum rt__text from = rt__text_of(caller);
	struct rt__symbol sym;

	if (rt__text_of(pc - is_call) != RT_TEXT_RT0)
		return true;
	if (!called || from == RT_TEXT_RT0 || from == RT_TEXT_NONE ||
	    !rt__symbol_of(pc - is_call, &sym) || starts_with(sym.name, "rt__"))
		return false;
	return starts_with(sym.name, "rt_") || call_target(caller) == sym.start;
}

/* A goroutine whose function ends with a jump, to one of the runtime or of libc, has no frame of
 * the program's. Its function stands there for the outermost frame. */
static void
frames_collect(struct frames *fs, struct rt__context c, bool is_call, struct rt__stack stack,
	       const struct rt__g *gp, bool all)
{
	enum rt__step step = RT_STEP_EXACT;
	uintptr_t left = (stack.hi - stack.lo) / sizeof(uintptr_t) + 16; /* no frame is smaller */
	bool jumped = gp && rt__text_of(gp->start_pc) == RT_TEXT_USER;

	fs->n = 0;
	while ((step == RT_STEP_EXACT || step == RT_STEP_GUESS) && left-- > 0) {
		uintptr_t pc = c.reg[RT_REG_PC];
		bool was_call = is_call;

		jumped &= rt__text_of(pc - was_call) != RT_TEXT_USER;
		step = rt__unwind(&c, &is_call, stack);
		if (jumped && step == RT_STEP_OUTERMOST)
			pc = gp->start_pc, was_call = false;
		bool more = step == RT_STEP_EXACT || step == RT_STEP_GUESS;
		if (all || is_interesting(pc, was_call, more ? c.reg[RT_REG_PC] : 0, is_call))
			*frame_at(fs, fs->n++) = (struct frame){pc, was_call};
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

/* Appends a part to a path: "." is left out, and ".." takes the folder before it away, as long as
 * there is one: build trees make long ways round. */
static size_t
path_append(char *path, size_t n, const char *part)
{
	while (part && *part) {
		size_t len = 0;

		while (part[len] && part[len] != '/')
			len++;
		bool up = len == 2 && part[0] == '.' && part[1] == '.';
		bool after_up = n >= 2 && path[n - 1] == '.' && path[n - 2] == '.';
		if (up && n > 0 && !after_up) {
			while (n > 0 && path[--n] != '/')
				;
		} else if (len > 0 && !(len == 1 && part[0] == '.') && n + len + 2 < RT_PATH_SIZE) {
			if (n > 0)
				path[n++] = '/';
			__builtin_memcpy(path + n, part, len);
			n += len;
		}
		part += len + (part[len] == '/');
	}
	path[n] = 0;
	return n;
}

char *
rt__line_path(const struct rt__line *l, char *path)
{
	const char *first = l->root ? l->root : l->dir ? l->dir : l->file;
	char *p = path;

	if (*first == '/')
		*p++ = '/'; /* path_append puts none in front */
	size_t n = path_append(p, 0, l->root);
	n = path_append(p, n, l->dir);
	path_append(p, n, l->file);
	return path;
}

struct place {
	struct rt__line line;
	struct rt__inlined inlined;
};

/* "\t/path/file.c:12 +0x1d\n" */
static void
print_place(uintptr_t pc, bool is_call, uintptr_t start, const struct rt__line *l)
{
	char path[RT_PATH_SIZE];
	struct rt__image im;

	if (rt__text_of(pc - is_call) == RT_TEXT_NONE)
		return;
	if (!start && rt__image_find(&im))
		start = im.bias;
	if (l->file) {
		rt__line_path(l, path);
		rt__eprintf("\t%s:%d +0x%lx\n", path, l->line, pc - start);
	} else {
		rt__eprintf("\t%s +0x%lx\n", origin_of(pc - is_call), pc - start);
	}
}

static void
print_inlined_place(uintptr_t where, const struct rt__line *l)
{
	char path[RT_PATH_SIZE];

	if (l->file) {
		rt__line_path(l, path);
		rt__eprintf("\t%s:%d\n", path, l->line);
	} else {
		rt__eprintf("\t%s\n", origin_of(where));
	}
}

/* The functions that were inlined at one place, from the inside out. */
struct calls {
	const struct rt__inlined *inlined;
	unsigned left;
	const char *name;
	struct rt__line line; /* in it */
	struct rt__line next; /* in the next one; at last, in the function that has the symbol */
};

static struct calls
calls_at(const struct place *p)
{
	return (struct calls){.inlined = &p->inlined, .left = p->inlined.n, .next = p->line};
}

/* Goes to the next one of interest. As with other frames, those in the runtime are not, nor is what
 * its headers have put into the program. */
static bool
next_call(struct calls *c, uintptr_t where, bool all)
{
	while (c->left > 0) {
		c->line = c->next;
		c->name = rt__inlined_name(c->inlined, --c->left, &c->next);
		if (!c->name)
			c->name = "???";
		if (all ||
		    (rt__text_of(where) != RT_TEXT_RT0 &&
		     __builtin_strncmp(c->name, "rt__", 4) != 0))
			return true;
	}
	return false;
}

static void
print_frame(uintptr_t pc, bool is_call, const struct place *p, bool all)
{
	struct calls c = calls_at(p);
	char name[NAME_SIZE];
	uintptr_t start;

	while (next_call(&c, pc - is_call, all)) {
		rt__format(name, sizeof name, "%s", c.name); /* whatever the file says */
		rt__eprintf("%s(...)\n", name);
		print_inlined_place(pc - is_call, &c.line);
	}
	name_of(pc, is_call, name, &start);
	rt__eprintf("%s(...)\n", name);
	print_place(pc, is_call, start, &c.next);
}

/*
 * A pass over the debug information takes as long for one pc as for fifty, and of ten thousand
 * goroutines most wait at the same few places: what was found is kept. Each slot is guarded by its
 * pc, written last and cleared first; reports come one at a time, and a slot that is torn for
 * somebody who reads along is a wrong line in a report of a report.
 */
#define KNOWN 256
static RT_COLD_BSS struct {
	uintptr_t pc; /* (a) 0: empty */
	struct place place;
} known[KNOWN];

static bool
is_known(uintptr_t pc, struct place *ret)
{
	size_t i = pc % KNOWN;

	if (rt__load_acq(&known[i].pc) != pc) /* pairs with the release in keep */
		return false;
	*ret = known[i].place;
	return true;
}

static void
keep(uintptr_t pc, const struct place *p)
{
	size_t i = pc % KNOWN;

	rt__store_rlx(&known[i].pc, (uintptr_t)0);
	known[i].place = *p;
	rt__store_rel(&known[i].pc, pc);
}

/* Finds n places that are not known, and keeps them. Out of line: its frame is large. */
static RT_NOINLINE void
find_places(const uintptr_t *pcs, const int *at, int n, struct place *places)
{
	struct rt__line lines[SHOWN];
	struct rt__inlined inlined[SHOWN];

	_Static_assert(SHOWN <= RT_PLACES_MAX, "as many at once");
	rt__places_of(pcs, n, lines, inlined);
	for (int i = 0; i < n; i++) {
		places[at[i]] = (struct place){lines[i], inlined[i]};
		keep(pcs[i], &places[at[i]]);
	}
}

/* For at most SHOWN. */
static void
places_of(const uintptr_t *pcs, int n, struct place *places)
{
	uintptr_t missing[SHOWN];
	int at[SHOWN], m = 0;

	for (int i = 0; i < n; i++) {
		if (is_known(pcs[i], &places[i]))
			continue;
		missing[m] = pcs[i];
		at[m++] = i;
	}
	if (m > 0)
		find_places(missing, at, m, places);
}

void
rt__print_start(uintptr_t pc)
{
	struct place place;

	places_of(&pc, 1, &place);
	struct calls c = calls_at(&place);
	while (next_call(&c, pc, true))
		;
	place = (struct place){.line = c.next}; /* it has called nothing yet */
	print_frame(pc, false, &place, true);
}

static void
print_some(struct frames *fs, uint64_t from, uint64_t to, bool all)
{
	uintptr_t where[SHOWN] = {0};
	struct place places[SHOWN];

	for (uint64_t i = from; i < to; i++)
		where[i - from] = frame_at(fs, i)->pc - frame_at(fs, i)->is_call;
	places_of(where, (int)(to - from), places);
	for (uint64_t i = from; i < to; i++)
		print_frame(frame_at(fs, i)->pc, frame_at(fs, i)->is_call, &places[i - from], all);
}

void
rt__print_frames(const struct rt__context *c, bool is_call, struct rt__stack stack,
		 const struct rt__g *gp, bool all)
{
	struct frames fs;

	rt__program_file(); /* unwinding through libc is better with symbols */
	frames_collect(&fs, *c, is_call, stack, gp, all);
	if (fs.n == 0) {
		all = true;
		frames_collect(&fs, *c, is_call, stack, gp, all);
	}
	print_some(&fs, 0, fs.n < SHOWN ? fs.n : SHOWN, all);
	if (fs.n > 2 * SHOWN)
		rt__eprintf("...%lu frames elided...\n", fs.n - 2 * SHOWN);
	if (fs.n > SHOWN)
		print_some(&fs, fs.n > 2 * SHOWN ? fs.n - SHOWN : SHOWN, fs.n, all);
	if (fs.lost)
		rt__eprintf("...callers unknown...\n");
}

/* Whether all callers are the runtime's, down to where the stack begins, by their frame pointers:
 * all of it has them, and they take no unwind tables to follow. */
static bool
only_runtime(const struct rt__context *c, struct rt__stack stack)
{
	uintptr_t frame = c->reg[RT_REG_RBP], next, pc;

	for (; frame != 0; frame = next) {
		if (!rt__stack_word(stack, frame, &next) ||
		    !rt__stack_word(stack, frame + sizeof next, &pc) ||
		    rt__text_of(rt__true_return(pc) - 1) != RT_TEXT_RT0 ||
		    (next != 0 && next <= frame))
			return false;
	}
	return true;
}

/* Without symbols, which may take a while to find: what the runtime calls inside itself is left
 * out, the rest is for who prints it. */
int
rt__callers(const struct rt__context *from, bool is_call, struct rt__stack stack, uintptr_t *pcs,
	    int max)
{
	enum rt__step step = RT_STEP_EXACT;
	struct rt__context c = *from;
	int n = 0;

	while (n < max && (step == RT_STEP_EXACT || step == RT_STEP_GUESS)) {
		uintptr_t pc = c.reg[RT_REG_PC], where = pc - is_call;

		if (rt__text_of(where) == RT_TEXT_RT0 && step == RT_STEP_EXACT && is_call &&
		    only_runtime(&c, stack))
			break;
		step = rt__unwind(&c, &is_call, stack);
		if (rt__text_of(where) != RT_TEXT_RT0 ||
		    rt__text_of(c.reg[RT_REG_PC]) != RT_TEXT_RT0)
			pcs[n++] = pc;
	}
	return n;
}

void
rt__print_pcs(const uintptr_t *pcs, int n, bool is_call)
{
	struct frames fs = {.n = 0};

	rt__program_file();
	for (int i = 0; i < n && fs.n < SHOWN; i++, is_call = true) {
		enum rt__text caller = i + 1 < n ? rt__text_of(pcs[i + 1] - 1) : RT_TEXT_NONE;

		if (is_interesting(pcs[i], is_call, caller, true))
			fs.first[fs.n++] = (struct frame){pcs[i], is_call};
	}
	print_some(&fs, 0, fs.n, false);
}

void
rt__print_creator(uintptr_t pc, uint64_t parent)
{
	char name[NAME_SIZE];
	struct place place;
	uintptr_t start, where = pc - 1;

	places_of(&where, 1, &place);
	struct calls c = calls_at(&place);
	bool inlined = next_call(&c, where, false);
	name_of(pc, true, name, &start);
	if (inlined)
		rt__format(name, sizeof name, "%s", c.name);
	rt__eprintf("created by %s", name);
	if (parent != 0) /* not a thread that is no goroutine */
		rt__eprintf(" in goroutine %lu", parent);
	rt__eprintf("\n");
	if (inlined)
		print_inlined_place(where, &c.line);
	else
		print_place(pc, true, start, &c.next);
}

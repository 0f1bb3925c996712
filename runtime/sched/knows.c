/* SPDX-License-Identifier: MIT */
/*
 * Cycles of goroutines that wait for channels, wait groups, semaphores and the like, in the report
 * of a deadlock. These have no owner: whoever finds the address of one may end a wait for it. But
 * who has that in a frame or a register, or the address of a block of the heap that it is in or
 * that has its address in it, knows of it for sure. If that one waits as well, for something that
 * the first one has locked or knows of, then this is most likely what the program hangs in:
 *
 *	goroutine 1 waits for the wait group at 0x7f5e10, which counts goroutine 2
 *	goroutine 2 waits to receive from the channel at 0x7f5e80, which goroutine 1 knows of
 *
 * That is what is said, and no more: others may know of it, too, by what lies in static data, or
 * further away. When all wait, that changes nothing, since nobody comes to act on it. While others
 * run, or a timer is pending, it would: then what is above describes many a program that is well,
 * so there it is not said.
 *
 * Who waits for the same thing is no candidate: that is why it knows of it. Of the cycles that
 * there are, the shortest is named; of several, one with as many certain steps as there are.
 *
 * All in a report: allocates nothing, takes no lock, reads only what is there. The registers are
 * those that the switch has pushed, as they are in the program's innermost frame. The work is
 * bounded; where there are more goroutines or things than there is room for, nothing is said.
 *
 * Rejected: to go on from block to block, as a collector does. In a program with a few global
 * structures, everybody knows of everything that way.
 */
#include "sched/sched_priv.h"

#include "mem/mem.h"
#include "symtab/symtab.h"

#define MOST_GS 256
#define MOST_OBJECTS 512
#define MOST_WANTS 1024
#define SLOTS 4096              /* of a hash table; an object has two entries at most */
#define STACK_WORDS (64l << 10) /* the innermost of a stack */
#define BLOCK_BYTES 4096        /* the first of a block */
#define BLOCKS 50000            /* in all */
#define WORD_BITS 64

/* What goroutine g waits for. */
struct want {
	uint16_t g, object;
	uint8_t what;
	bool send, others;
	const struct rt__g *holder; /* of a mutex */
};

struct entry {
	uintptr_t key; /* the address of an object, or of the block that it is in; 0: none */
	uint16_t object;
};

struct cycle {
	int length, certain;
	uint16_t g[MOST_GS];
};

/* Used once: a report ends the program. */
static RT_COLD_BSS struct {
	int ngs, nwants, nobjects, blocks;
	bool overflow;
	struct rt__g *g[MOST_GS];
	struct want want[MOST_WANTS];
	uintptr_t object[MOST_OBJECTS];
	struct entry table[SLOTS];
	uint64_t knows[MOST_GS][MOST_OBJECTS / WORD_BITS];
	uint64_t leads[MOST_GS][MOST_GS / WORD_BITS]; /* a waits for what b may end */
	uint16_t queue[MOST_GS], from[MOST_GS];
	struct cycle best, now;
} s;

static bool
has(const uint64_t *set, int i)
{
	return set[i / WORD_BITS] >> i % WORD_BITS & 1;
}

static void
add(uint64_t *set, int i)
{
	set[i / WORD_BITS] |= 1ul << i % WORD_BITS;
}

/* ---- who waits for what ---- */

static uint32_t
slot_of(uintptr_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15) >> 32) % SLOTS;
}

static void
enter(uintptr_t key, int object)
{
	uint32_t i = slot_of(key);

	while (s.table[i].key != 0)
		i = (i + 1) % SLOTS;
	s.table[i] = (struct entry){key, (uint16_t)object};
}

/* The number of an object; -1: there are too many. */
static int
number_of(uintptr_t address)
{
	struct rt__mem_block b;

	for (int i = 0; i < s.nobjects; i++)
		if (s.object[i] == address)
			return i;
	if (s.nobjects == MOST_OBJECTS)
		return -1;
	s.object[s.nobjects] = address;
	enter(address, s.nobjects);
	if (rt__mem_find_given(address, &b) && b.start != address)
		enter(b.start, s.nobjects);
	return s.nobjects++;
}

static void
note_wait(const struct rt__wait_for *w, bool send, bool others, void *unused)
{
	const struct rt__g *holder = NULL;

	(void)unused;
	if (w->what == RT_ON_TIME || w->object == 0)
		return;
	if (w->what == RT_ON_MUTEX || w->what == RT_ON_READ) {
		holder = rt__holder(w);
		if (!holder)
			return;
	}
	int object = number_of(w->object);
	if (object < 0 || s.nwants == MOST_WANTS) {
		s.overflow = true;
		return;
	}
	s.want[s.nwants++] = (struct want){.g = (uint16_t)s.ngs,
					   .object = (uint16_t)object,
					   .what = (uint8_t)w->what,
					   .send = send,
					   .others = others,
					   .holder = holder};
}

static void
note_goroutine(struct rt__g *gp, void *unused)
{
	if (rt__g_status(gp) != RT_G_WAITING || s.overflow)
		return;
	if (s.ngs == MOST_GS) {
		s.overflow = true;
		return;
	}
	s.g[s.ngs] = gp;
	rt__for_each_wait(gp, note_wait, unused);
	s.ngs++;
}

/* ---- who knows of what ---- */

static void
mark(int g, uintptr_t word)
{
	for (uint32_t i = slot_of(word); s.table[i].key != 0; i = (i + 1) % SLOTS)
		if (s.table[i].key == word)
			add(s.knows[g], s.table[i].object);
}

/* A word in a frame or a register. That it points into a block is not enough: a flag that was
 * stored over the end of an old address makes such words. */
static void
mark_and_follow(int g, uintptr_t word)
{
	struct rt__mem_block b;

	if (word == 0)
		return;
	mark(g, word);
	if (s.blocks == BLOCKS || !rt__mem_find_given(word, &b) || b.start != word || !b.in_use ||
	    !b.pointers)
		return;
	s.blocks++;
	size_t size = b.size < BLOCK_BYTES ? b.size : BLOCK_BYTES;
	size_t n = rt__os_readable_bytes(b.start, size) / sizeof(uintptr_t);
	for (size_t i = 0; i < n; i++)
		mark(g, ((const uintptr_t *)b.start)[i]);
}

/* To the innermost frame that is not the runtime's: in those are nodes of queues, and what has been
 * there before. False: there is none, or the goroutine is on a stack of the program's own making.
 */
static bool
find_frames(const struct rt__g *gp, struct rt__context *c)
{
	enum rt__step step = RT_STEP_EXACT;
	bool is_call = true;

	if (!rt__on_this_stack(gp->stack, gp->sp))
		return false;
	rt__context_of_saved(c, gp->sp, gp->pc);
	while (rt__text_of(c->reg[RT_REG_PC]) == RT_TEXT_RT0) {
		uintptr_t sp = c->reg[RT_REG_SP];

		step = rt__unwind(c, &is_call, gp->stack);
		if ((step != RT_STEP_EXACT && step != RT_STEP_GUESS) || c->reg[RT_REG_SP] <= sp)
			return false;
	}
	return rt__on_this_stack(gp->stack, c->reg[RT_REG_SP]);
}

static void
scan_stack(int g)
{
	const uintptr_t *end = rt__g_frames_top(s.g[g]);
	struct rt__context c;

	if (!find_frames(s.g[g], &c))
		return;
	for (int i = 0; i < RT_NREGS; i++)
		mark_and_follow(g, c.reg[i]);
	const uintptr_t *word = (const uintptr_t *)c.reg[RT_REG_SP];
	if (end - word > STACK_WORDS)
		end = word + STACK_WORDS;
	for (; word < end; word++)
		mark_and_follow(g, *word);
}

/* ---- the graph ---- */

static bool
wants(int g, int object)
{
	for (int i = 0; i < s.nwants; i++)
		if (s.want[i].g == g && s.want[i].object == object)
			return true;
	return false;
}

static bool
is_certain(const struct want *w, int g)
{
	return s.g[g] == w->holder ||
		(w->what == RT_ON_WG && (uintptr_t)s.g[g]->wg == s.object[w->object]);
}

static bool
is_possible(const struct want *w, int g)
{
	return !w->holder && has(s.knows[g], w->object) && !wants(g, w->object);
}

static void
link_all(void)
{
	for (int i = 0; i < s.nwants; i++)
		for (int g = 0; g < s.ngs; g++)
			if (is_certain(&s.want[i], g) || is_possible(&s.want[i], g))
				add(s.leads[s.want[i].g], g);
}

/* Why a waits for b; one that is certain, if there is one. */
static const struct want *
reason(int a, int b, bool *certain)
{
	const struct want *found = NULL;

	*certain = false;
	for (int i = 0; i < s.nwants && !*certain; i++) {
		const struct want *w = &s.want[i];

		if (w->g != a)
			continue;
		*certain = is_certain(w, b);
		if (*certain || (!found && is_possible(w, b)))
			found = w;
	}
	return found;
}

/* The way from `first` to `last`, which leads back to it. */
static void
consider(int first, int last)
{
	struct cycle *c = &s.now;
	int at = last;
	bool certain;

	c->length = 1;
	for (int i = last; i != first; i = s.from[i])
		c->length++;
	for (int i = c->length - 1; i >= 0; i--) {
		c->g[i] = (uint16_t)at;
		at = s.from[at];
	}
	c->certain = 0;
	for (int i = 0; i < c->length; i++) {
		reason(c->g[i], c->g[(i + 1) % c->length], &certain);
		c->certain += certain;
	}
	if (s.best.length == 0 || c->length < s.best.length ||
	    (c->length == s.best.length && c->certain > s.best.certain))
		s.best = *c;
}

/* The shortest cycles through `first`: breadth first. */
static void
search_from(int first)
{
	uint64_t seen[MOST_GS / WORD_BITS] = {0};
	bool found = false;
	int n = 0;

	s.queue[n++] = (uint16_t)first;
	s.from[first] = (uint16_t)first;
	add(seen, first);
	for (int i = 0; i < n && !found; i++) {
		int g = s.queue[i];

		found = has(s.leads[g], first);
		if (found)
			consider(first, g);
		for (int next = 0; next < s.ngs; next++) {
			if (!has(s.leads[g], next) || has(seen, next))
				continue;
			add(seen, next);
			s.from[next] = (uint16_t)g;
			s.queue[n++] = (uint16_t)next;
		}
	}
}

/* ---- saying it ---- */

static void
print_step(int a, int b)
{
	bool certain;
	const struct want *w = reason(a, b, &certain);
	const char *how = w->what != RT_ON_CHAN ? "for"
		: w->send                       ? "to send to"
						: "to receive from";

	rt__eprintf("goroutine %lu waits%s %s the %s at %p, which ", s.g[a]->id,
		    w->others ? ", among others," : "", how,
		    rt__wait_name((enum rt__wait_what)w->what), (void *)s.object[w->object]);
	if (w->holder)
		rt__eprintf("goroutine %lu has locked\n", s.g[b]->id);
	else if (certain && a == b)
		rt__eprintf("counts it itself\n");
	else if (certain)
		rt__eprintf("counts goroutine %lu\n", s.g[b]->id);
	else
		rt__eprintf("goroutine %lu knows of\n", s.g[b]->id);
}

void
rt__explain_by_what_is_known(void)
{
	rt__for_each_g(note_goroutine, NULL);
	if (s.overflow)
		return;
	for (int g = 0; g < s.ngs; g++)
		scan_stack(g);
	link_all();
	for (int g = 0; g < s.ngs; g++)
		search_from(g);
	if (s.best.length == 0)
		return;
	rt__eprintf("\n");
	for (int i = 0; i < s.best.length; i++)
		print_step(s.best.g[i], s.best.g[(i + 1) % s.best.length]);
}

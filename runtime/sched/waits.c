/* SPDX-License-Identifier: MIT */
/*
 * What goroutines wait for, in reports:
 *
 *	waits for the channel at 0x7f5e10001040 (0 of 4 values of 8 bytes)
 *	waits for the mutex at 0x408a20, which goroutine 4 has locked
 *	waits for one of:
 *		the channel at 0x7f5e10001040, to receive (unbuffered, values of 8 bytes)
 *		a time (in 1.500s)
 *
 * A goroutine that waits has left an unlock function and its argument (rt__park). The function says
 * what it waits for, and what lies where in the argument and the object: struct rt__wait_kind, in
 * sched/layout.h, which debuggers read as well.
 *
 * The objects are the program's, which may have freed them while somebody waits, or overwritten
 * them: an address is followed only if there is memory. A goroutine that is woken meanwhile shows
 * what it has waited for, or nothing. Takes no lock, works on any stack.
 */
#include <rt/chan.h>

#include "sched/sched_priv.h"

#define CASES_MAX 16
#define MUTEX_LOCKED 1u
#define UNITS 4    /* of a semaphore's word: see usync/sem.c */
#define READERS 16 /* of an RWMutex's: see usync/rwmutex.c */

/* ---- reading ---- */

/* p: a variable that lies at address from. */
#define READ(gp, from, p) read_memory(gp, from, p, sizeof *(p))

static bool
read_memory(const struct rt__g *gp, uintptr_t from, void *to, size_t size)
{
	bool own = gp && from - gp->stack.lo < gp->stack.hi - gp->stack.lo - size;

	if (from == 0 || size == 0)
		return false;
	if (!own && (!rt__os_readable(from) || !rt__os_readable(from + size - 1)))
		return false;
	__builtin_memcpy(to, (const void *)from, size);
	return true;
}

static uint64_t
read_field(const struct rt__g *gp, uintptr_t base, struct rt__field field)
{
	uint64_t value = 0; /* little-endian: a shorter one is its start */

	read_memory(gp, base + field.offset, &value, field.size);
	return value;
}

static const struct rt__wait_kind *
kind_of_unlock(uintptr_t unlock)
{
	for (int i = 0; i < RT_WAIT_KINDS; i++)
		if (unlock != 0 && rt__wait_kinds[i] && rt__wait_kinds[i]->unlock == unlock)
			return rt__wait_kinds[i];
	return NULL;
}

/* The one that tells where the values are. */
static const struct rt__wait_kind *
kind_of_what(enum rt__wait_what what)
{
	for (int i = 0; i < RT_WAIT_KINDS; i++) {
		const struct rt__wait_kind *k = rt__wait_kinds[i];

		if (k && k->what == what && k->value[0].size != 0)
			return k;
	}
	return NULL;
}

static void
read_values(const struct rt__g *gp, struct rt__wait_for *w)
{
	const struct rt__wait_kind *k = kind_of_what(w->what);

	for (int i = 0; k && i < RT_WAIT_VALUES; i++)
		w->value[i] = read_field(gp, w->object, k->value[i]);
}

static void
read_wait(const struct rt__g *gp, uintptr_t unlock, uintptr_t arg, struct rt__wait_for *w)
{
	const struct rt__wait_kind *k = kind_of_unlock(unlock);

	w->what = k ? (enum rt__wait_what)k->what : RT_ON_NOTHING;
	if (!k)
		return;
	w->object = arg;
	if (k->object != RT_WAIT_ARG && !READ(gp, arg + k->object, &w->object))
		w->what = RT_ON_NOTHING;
	w->own = read_field(gp, arg, k->own);
	read_values(gp, w);
}

static void
read_args(const struct rt__g *gp, const struct rt__park_args *args, struct rt__wait_for *ret)
{
	rt_wait_options options;

	*ret = (struct rt__wait_for){0};
	read_wait(gp, (uintptr_t)args->unlock, (uintptr_t)args->arg, ret);
	if (ret->what == RT_ON_OPTIONS) {
		if (READ(gp, ret->value[2], &options)) {
			ret->deadline = (uint64_t)options.deadline;
			ret->ctx = (uintptr_t)options.ctx;
		}
		read_wait(gp, ret->value[0], ret->value[1], ret);
	}
}

bool
rt__wait_of(const struct rt__g *gp, struct rt__wait_for *ret)
{
	struct rt__park_args args;

	*ret = (struct rt__wait_for){0};
	if (rt__g_status(gp) != RT_G_WAITING || !READ(gp, (uintptr_t)gp->link_arg, &args))
		return false;
	read_args(gp, &args, ret);
	return rt__g_status(gp) == RT_G_WAITING;
}

/* ---- who has it ---- */

static struct {
	uint32_t wanted;
	const struct rt__g *found;
	bool ambiguous;
} search;

static void
compare(struct rt__g *gp, void *unused)
{
	(void)unused;
	if (rt__g_status(gp) == RT_G_DEAD || (uint32_t)(uintptr_t)gp->tp != search.wanted)
		return;
	search.ambiguous = search.found != NULL;
	search.found = gp;
}

/* A mutex remembers half of the thread pointer of who has locked it last: enough to find that one
 * among the living. The last answer is kept: where many wait, it is mostly for the same. */
const struct rt__g *
rt__holder(const struct rt__wait_for *w)
{
	uint32_t owner = (uint32_t)w->value[1];

	if ((w->what != RT_ON_MUTEX && w->what != RT_ON_READ) || !(w->value[0] & MUTEX_LOCKED))
		return NULL;
	if (search.wanted != owner || !search.found || rt__g_status(search.found) == RT_G_DEAD) {
		search.wanted = owner;
		search.found = NULL;
		search.ambiguous = false;
		rt__for_each_g(compare, NULL);
	}
	return search.ambiguous ? NULL : search.found;
}

/* ---- printing ---- */

const char *
rt__wait_name(enum rt__wait_what what)
{
	static const char *const names[] = {
		[RT_ON_CHAN] = "channel",        [RT_ON_WG] = "wait group",
		[RT_ON_MUTEX] = "mutex",         [RT_ON_READ] = "RWMutex",
		[RT_ON_WRITE] = "RWMutex",       [RT_ON_COND] = "condition",
		[RT_ON_SEMAPHORE] = "semaphore", [RT_ON_TIMER] = "timer",
		[RT_ON_CONTEXT] = "context",     [RT_ON_FLIGHT] = "call",
	};

	return names[what];
}

static void
print_time(int64_t when)
{
	int64_t left = when - rt__nanotime();

	if (when == RT_NEVER)
		rt__eprintf(" (never)");
	else if (left <= 0)
		rt__eprintf(" (due)");
	else
		rt__eprintf(" (in %ld.%03lds)", left / 1000000000, left / 1000000 % 1000);
}

static void
print_chan(const struct rt__wait_for *w)
{
	if (w->value[1] == 0)
		rt__eprintf(" (unbuffered, values of %lu bytes)", w->value[2]);
	else
		rt__eprintf(" (%lu of %lu values of %lu bytes)", w->value[0], w->value[1],
			    w->value[2]);
}

static void
print_holder(const struct rt__g *gp, const struct rt__wait_for *w)
{
	const struct rt__g *holder = rt__holder(w);

	if (holder && holder == gp)
		rt__eprintf(", which it has locked itself");
	else if (holder)
		rt__eprintf(", which goroutine %lu has locked", holder->id);
}

/* "the channel at 0x..."; how: what is to be done with it. */
static void
print_object(const struct rt__g *gp, const struct rt__wait_for *w, const char *how)
{
	rt__eprintf("the %s at %p%s", rt__wait_name(w->what), (void *)w->object, how);
	switch (w->what) {
	case RT_ON_CHAN:
		print_chan(w);
		break;
	case RT_ON_WG:
		rt__eprintf(" (%d to go)", (int)w->value[0]);
		break;
	case RT_ON_MUTEX:
	case RT_ON_READ:
		print_holder(gp, w);
		break;
	case RT_ON_WRITE:
		rt__eprintf(" (%lu readers)", w->value[0] / READERS);
		break;
	case RT_ON_SEMAPHORE:
		rt__eprintf(" (%lu of %lu left, wants %lu)", w->value[0] / UNITS, w->value[1],
			    w->own);
		break;
	case RT_ON_TIMER:
		if (w->value[1])
			print_time((int64_t)w->value[0]);
		else
			rt__eprintf(" (stopped)");
		break;
	case RT_ON_CONTEXT:
		if (w->value[0] != 0)
			print_time((int64_t)w->value[0]);
		break;
	default:
		break;
	}
}

/* What a case of a select waits for; RT_ON_NOTHING: it is never ready. */
static void
read_case(const struct rt__g *gp, const rt_case *k, struct rt__wait_for *w)
{
	static const uint8_t what[] = {
		[RT__CASE_RECV] = RT_ON_CHAN,    [RT__CASE_SEND] = RT_ON_CHAN,
		[RT__CASE_TIMER] = RT_ON_TIMER,  [RT__CASE_WG] = RT_ON_WG,
		[RT__CASE_DONE] = RT_ON_CONTEXT, [RT__CASE_AT] = RT_ON_TIME,
	};
	bool on_time = k->rt_kind == RT__CASE_AT;

	*w = (struct rt__wait_for){.object = (uintptr_t)k->rt_object};
	if (k->rt_kind >= RT_ARRAY_LEN(what) || (on_time ? k->rt_when == 0 : w->object == 0))
		return;
	w->what = what[k->rt_kind];
	if (on_time)
		w->value[0] = (uint64_t)k->rt_when;
	else
		read_values(gp, w);
}

void
rt__for_each_wait(const struct rt__g *gp, rt__wait_fn *fn, void *arg)
{
	struct rt__wait_for w, one;
	rt_case k;

	if (!rt__wait_of(gp, &w) || w.what == RT_ON_NOTHING)
		return;
	if (w.what != RT_ON_SELECT) {
		fn(&w, gp->wait_reason == RT_WAIT_CHAN_SEND, false, arg);
		return;
	}
	for (uint64_t i = 0; i < w.value[1] && i < CASES_MAX; i++) {
		if (!READ(gp, w.value[0] + i * sizeof k, &k))
			return;
		read_case(gp, &k, &one);
		if (one.what != RT_ON_NOTHING)
			fn(&one, k.rt_kind == RT__CASE_SEND, w.value[1] > 1, arg);
	}
}

static void
print_case(const struct rt__g *gp, const rt_case *k)
{
	struct rt__wait_for w;

	read_case(gp, k, &w);
	if (w.what == RT_ON_NOTHING)
		return;
	rt__eprintf("\t");
	if (w.what == RT_ON_TIME) {
		rt__eprintf("a time");
		print_time((int64_t)w.value[0]);
	} else {
		print_object(gp, &w,
			     k->rt_kind == RT__CASE_RECV           ? ", to receive"
				     : k->rt_kind == RT__CASE_SEND ? ", to send"
								   : "");
	}
	rt__eprintf("\n");
}

static void
print_cases(const struct rt__g *gp, const struct rt__wait_for *w)
{
	uint64_t n = w->value[1];
	rt_case k;

	rt__eprintf("waits for one of:\n");
	for (uint64_t i = 0; i < n && i < CASES_MAX; i++) {
		if (!READ(gp, w->value[0] + i * sizeof k, &k))
			return;
		print_case(gp, &k);
	}
	if (n > CASES_MAX)
		rt__eprintf("\t...%lu more...\n", n - CASES_MAX);
}

static void
print_options(const struct rt__wait_for *w)
{
	const char *before = w->what == RT_ON_NOTHING ? "" : ", or ";

	if (w->deadline != 0) {
		rt__eprintf("%sa time", before);
		print_time((int64_t)w->deadline);
		before = ", or ";
	}
	if (w->ctx != 0)
		rt__eprintf("%sthe context at %p", before, (void *)w->ctx);
}

static void
print_wait(const struct rt__g *gp, const struct rt__wait_for *w)
{
	if (w->what == RT_ON_NOTHING && w->deadline == 0 && w->ctx == 0)
		return;
	if (w->what == RT_ON_SELECT) {
		if (w->value[1] != 0)
			print_cases(gp, w);
		return;
	}
	rt__eprintf("waits for ");
	if (w->what == RT_ON_TIME) {
		rt__eprintf("a time");
		print_time((int64_t)w->value[0]);
	} else if (w->what != RT_ON_NOTHING) {
		print_object(gp, w, "");
	}
	print_options(w);
	rt__eprintf("\n");
}

void
rt__print_wait(const struct rt__g *gp)
{
	struct rt__wait_for w;

	if (rt__wait_of(gp, &w))
		print_wait(gp, &w);
}

void
rt__print_wait_on(const struct rt__park_args *args)
{
	struct rt__wait_for w;

	read_args(NULL, args, &w);
	print_wait(NULL, &w);
}

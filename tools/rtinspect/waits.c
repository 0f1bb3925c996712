/* SPDX-License-Identifier: MIT */
/*
 * waits.c: what goroutines wait for; see waits.h.
 *
 * A goroutine that waits has left an unlock function and its argument; the program has a record for
 * each such function, of what it waits for then (struct rt__wait_kind). Memory may be damaged: all
 * addresses are read through the program's reader, and what cannot be read is not known.
 */
#include "waits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rt/chan.h>

#define KINDS_MAX 64
#define CASE_MAX 256 /* bytes */
#define MUTEX_LOCKED 1u
#define UNITS 4    /* of a semaphore's word */
#define READERS 16 /* of an RWMutex's */

struct reader {
	struct ri_program *program;
	const struct rt__layout *layout;
	struct rt__wait_kind kinds[KINDS_MAX];
	size_t nkinds;
};

/* ---- reading ---- */

static void
read_kinds(struct reader *r)
{
	const struct rt__layout *layout = r->layout;

	if (layout->wait_kind_size != sizeof(struct rt__wait_kind)) {
		return;
	}
	for (uint64_t i = 0; i < layout->nwait_kinds && r->nkinds < KINDS_MAX; i++) {
		uint64_t at;

		if (!ri_program_word(r->program, layout->wait_kinds + i * 8, &at)) {
			return;
		}
		if (at != 0 &&
		    ri_program_read(r->program, at, &r->kinds[r->nkinds],
				    sizeof(struct rt__wait_kind))) {
			r->nkinds++;
		}
	}
}

static uint64_t
read_field(const struct reader *r, uint64_t base, struct rt__field field)
{
	uint64_t value = 0; /* little-endian: a shorter one is its start */

	if (field.size > sizeof(value) ||
	    !ri_program_read(r->program, base + field.offset, &value, field.size)) {
		return 0;
	}
	return value;
}

static const struct rt__wait_kind *
kind_of_unlock(const struct reader *r, uint64_t unlock)
{
	for (size_t i = 0; unlock != 0 && i < r->nkinds; i++) {
		if (r->kinds[i].unlock == unlock) {
			return &r->kinds[i];
		}
	}
	return NULL;
}

/* The one that tells where the values are. */
static const struct rt__wait_kind *
kind_of_what(const struct reader *r, uint32_t what)
{
	for (size_t i = 0; i < r->nkinds; i++) {
		if (r->kinds[i].what == what && r->kinds[i].value[0].size != 0) {
			return &r->kinds[i];
		}
	}
	return NULL;
}

static void
read_values(const struct reader *r, struct ri_wait *wait)
{
	const struct rt__wait_kind *kind = kind_of_what(r, wait->what);

	for (int i = 0; kind != NULL && i < RT_WAIT_VALUES; i++) {
		wait->value[i] = read_field(r, wait->object, kind->value[i]);
	}
}

static void
read_wait(const struct reader *r, uint64_t unlock, uint64_t arg, struct ri_wait *wait)
{
	const struct rt__wait_kind *kind = kind_of_unlock(r, unlock);

	wait->what = RT_ON_NOTHING;
	if (kind == NULL) {
		return;
	}
	wait->object = arg;
	if (kind->object != RT_WAIT_ARG &&
	    !ri_program_word(r->program, arg + kind->object, &wait->object)) {
		return;
	}
	wait->what = kind->what;
	wait->own = read_field(r, arg, kind->own);
	read_values(r, wait);
}

static struct ri_wait
read_case(const struct reader *r, uint64_t at)
{
	static const uint8_t what[] = {
		[RT__CASE_RECV] = RT_ON_CHAN,    [RT__CASE_SEND] = RT_ON_CHAN,
		[RT__CASE_TIMER] = RT_ON_TIMER,  [RT__CASE_WG] = RT_ON_WG,
		[RT__CASE_DONE] = RT_ON_CONTEXT, [RT__CASE_AT] = RT_ON_TIME,
	};
	struct ri_wait wait = {0};
	uint64_t kind = read_field(r, at, r->layout->wait_case.kind);
	uint64_t object = read_field(r, at, r->layout->wait_case.object);

	if (kind >= sizeof(what)) {
		return wait;
	}
	if (what[kind] == RT_ON_TIME) {
		wait.value[0] = read_field(r, at, r->layout->wait_case.when);
		wait.what = wait.value[0] != 0 ? RT_ON_TIME : RT_ON_NOTHING;
	} else if (object != 0) {
		wait.what = what[kind];
		wait.object = object;
		wait.sends = kind == RT__CASE_SEND;
		wait.receives = kind == RT__CASE_RECV;
		read_values(r, &wait);
	}
	return wait;
}

static void
read_cases(const struct reader *r, struct ri_wait *wait)
{
	uint64_t count = wait->value[1];

	if (r->layout->wait_case.size == 0 || r->layout->wait_case.size > CASE_MAX) {
		return;
	}
	wait->ncases = count < RI_CASES_MAX ? (size_t)count : RI_CASES_MAX;
	wait->cases = ri_calloc(wait->ncases, sizeof(struct ri_wait));
	for (size_t i = 0; i < wait->ncases; i++) {
		wait->cases[i] =
			read_case(r, wait->value[0] + i * (uint64_t)r->layout->wait_case.size);
	}
}

static void
read_goroutine(const struct reader *r, struct ri_goroutine *g)
{
	struct ri_wait *wait = &g->wait;
	uint64_t args[2];

	if (g->status != RI_G_WAITING ||
	    !ri_program_read(r->program, g->link_arg, args, sizeof(args))) {
		return;
	}
	read_wait(r, args[0], args[1], wait);
	if (wait->what == RT_ON_OPTIONS) {
		wait->deadline = read_field(r, wait->value[2], r->layout->wait_options.deadline);
		wait->ctx = read_field(r, wait->value[2], r->layout->wait_options.ctx);
		read_wait(r, wait->value[0], wait->value[1], wait);
	}
	if (wait->what == RT_ON_SELECT) {
		read_cases(r, wait);
	}
}

static int
by_owner(const void *left, const void *right)
{
	const struct ri_owner *a = left;
	const struct ri_owner *b = right;

	return (a->half > b->half) - (a->half < b->half);
}

void
ri_waits_read(struct ri_runtime *runtime, struct ri_program *program)
{
	struct reader r = {.program = program, .layout = &runtime->layout};

	read_kinds(&r);
	runtime->owners = ri_calloc(runtime->ngoroutines, sizeof(struct ri_owner));
	for (size_t i = 0; i < runtime->ngoroutines; i++) {
		read_goroutine(&r, &runtime->goroutines[i]);
		runtime->owners[i] = (struct ri_owner){(uint32_t)runtime->goroutines[i].tp,
						       &runtime->goroutines[i]};
	}
	if (runtime->ngoroutines != 0) {
		qsort(runtime->owners, runtime->ngoroutines, sizeof(struct ri_owner), by_owner);
	}
}

void
ri_waits_free(struct ri_runtime *runtime)
{
	for (size_t i = 0; i < runtime->ngoroutines; i++) {
		free(runtime->goroutines[i].wait.cases);
	}
	free(runtime->owners);
}

/* ---- who has it ---- */

static const struct ri_goroutine *
holder(const struct ri_runtime *runtime, const struct ri_wait *wait)
{
	struct ri_owner key = {.half = (uint32_t)wait->value[1]};
	const struct ri_owner *found;
	const struct ri_owner *end = runtime->owners + runtime->ngoroutines;

	if ((wait->what != RT_ON_MUTEX && wait->what != RT_ON_READ) ||
	    (wait->value[0] & MUTEX_LOCKED) == 0) {
		return NULL;
	}
	found = bsearch(&key, runtime->owners, runtime->ngoroutines, sizeof(key), by_owner);
	if (found == NULL || (found + 1 < end && found[1].half == key.half) ||
	    (found > runtime->owners && found[-1].half == key.half)) {
		return NULL; /* unknown, or not one only */
	}
	return found->g;
}

const struct ri_goroutine *
ri_wait_holder(const struct ri_runtime *runtime, const struct ri_goroutine *g)
{
	return holder(runtime, &g->wait);
}

/* Whom each waits for is one at most: the walk from g marks those it meets with g's number; a walk
 * that comes to its own mark has found a cycle, and another's mark has been seen to. */
void
ri_wait_cycles(const struct ri_runtime *runtime,
	       void (*fn)(const struct ri_goroutine *member, bool first, void *arg), void *arg)
{
	uint64_t *marks = ri_calloc(runtime->ngoroutines, sizeof(uint64_t));

	for (size_t i = 0; i < runtime->ngoroutines; i++) {
		const struct ri_goroutine *g = &runtime->goroutines[i];
		const struct ri_goroutine *member;

		while (g != NULL && marks[g - runtime->goroutines] == 0) {
			marks[g - runtime->goroutines] = i + 1;
			g = ri_wait_holder(runtime, g);
		}
		if (g == NULL || marks[g - runtime->goroutines] != i + 1) {
			continue;
		}
		member = g;
		do {
			fn(member, member == g, arg);
			member = ri_wait_holder(runtime, member);
		} while (member != g);
	}
	free(marks);
}

/* ---- words ---- */

static const char *const names[] = {
	[RT_ON_TIME] = "time",     [RT_ON_CHAN] = "channel",    [RT_ON_SELECT] = "select",
	[RT_ON_WG] = "wait group", [RT_ON_MUTEX] = "mutex",     [RT_ON_READ] = "RWMutex",
	[RT_ON_WRITE] = "RWMutex", [RT_ON_COND] = "condition",  [RT_ON_SEMAPHORE] = "semaphore",
	[RT_ON_TIMER] = "timer",   [RT_ON_CONTEXT] = "context", [RT_ON_FLIGHT] = "call",
};

static const char *
name_of(uint32_t what)
{
	return what < sizeof(names) / sizeof(names[0]) ? names[what] : NULL;
}

const char *
ri_wait_what(const struct ri_goroutine *g)
{
	return name_of(g->wait.what);
}

static char *
time_text(const struct ri_runtime *runtime, uint64_t when)
{
	int64_t left = (int64_t)when - runtime->now_ns;

	if (when == INT64_MAX) {
		return ri_strdup(" (never)");
	}
	if (left <= 0) {
		return ri_strdup(" (due)");
	}
	return ri_format(" (in %" PRId64 ".%03" PRId64 "s)", left / 1000000000,
			 left / 1000000 % 1000);
}

/* In parentheses, or after a comma; it starts with the space or comma. */
static char *
details(const struct ri_runtime *runtime, const struct ri_goroutine *g, const struct ri_wait *wait)
{
	const uint64_t *value = wait->value;
	const struct ri_goroutine *who = holder(runtime, wait);

	switch (wait->what) {
	case RT_ON_CHAN:
		if (value[1] == 0) {
			return ri_format(" (unbuffered, values of %" PRIu64 " bytes)", value[2]);
		}
		return ri_format(" (%" PRIu64 " of %" PRIu64 " values of %" PRIu64 " bytes)",
				 value[0], value[1], value[2]);
	case RT_ON_WG:
		return ri_format(" (%d to go)", (int)value[0]);
	case RT_ON_WRITE:
		return ri_format(" (%" PRIu64 " readers)", value[0] / READERS);
	case RT_ON_SEMAPHORE:
		return ri_format(" (%" PRIu64 " of %" PRIu64 " left, wants %" PRIu64 ")",
				 value[0] / UNITS, value[1], wait->own);
	case RT_ON_TIMER:
		return value[1] != 0 ? time_text(runtime, value[0]) : ri_strdup(" (stopped)");
	case RT_ON_CONTEXT:
		return value[0] != 0 ? time_text(runtime, value[0]) : ri_strdup("");
	default:
		break;
	}
	if (who == NULL) {
		return ri_strdup("");
	}
	return who == g ? ri_strdup(", which it has locked itself")
			: ri_format(", which goroutine %" PRIu64 " has locked", who->id);
}

static char *
object_text(const struct ri_runtime *runtime, const struct ri_goroutine *g,
	    const struct ri_wait *wait)
{
	const char *how = wait->sends ? ", to send" : wait->receives ? ", to receive" : "";
	char *more;
	char *text;

	if (wait->what == RT_ON_TIME) {
		more = time_text(runtime, wait->value[0]);
		text = ri_format("a time%s", more);
	} else {
		more = details(runtime, g, wait);
		text = ri_format("the %s at %#" PRIx64 "%s%s", name_of(wait->what), wait->object,
				 how, more);
	}
	free(more);
	return text;
}

char *
ri_wait_case_text(const struct ri_runtime *runtime, const struct ri_goroutine *g, size_t i)
{
	const struct ri_wait *wait = &g->wait.cases[i];

	return wait->what != RT_ON_NOTHING ? object_text(runtime, g, wait) : NULL;
}

/* Adds ", or " and text, which it frees, to *whole. */
static void
add_choice(char **whole, char *text)
{
	char *before = *whole;

	*whole = before != NULL ? ri_format("%s, or %s", before, text) : ri_strdup(text);
	free(before);
	free(text);
}

char *
ri_wait_text(const struct ri_runtime *runtime, const struct ri_goroutine *g)
{
	const struct ri_wait *wait = &g->wait;
	char *text = NULL;

	if (wait->what == RT_ON_SELECT) {
		return wait->value[1] == 0 ? NULL
					   : ri_format("one of %" PRIu64 " cases", wait->value[1]);
	}
	if (name_of(wait->what) != NULL) {
		text = object_text(runtime, g, wait);
	}
	if (wait->deadline != 0) {
		char *left = time_text(runtime, wait->deadline);

		add_choice(&text, ri_format("a time%s", left));
		free(left);
	}
	if (wait->ctx != 0) {
		add_choice(&text, ri_format("the context at %#" PRIx64, wait->ctx));
	}
	return text;
}

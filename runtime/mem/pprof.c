/* SPDX-License-Identifier: MIT */
/*
 * The heap profile as a file: pprof's profile.proto, as Go writes heap profiles, but not
 * compressed. Four values for each sample: alloc_objects, alloc_space, inuse_objects, inuse_space;
 * and the average size of its blocks as the label `bytes`.
 *
 * With the names of functions, files and lines of every program counter, inlined calls too, as far
 * as the program's file has them, so that whoever reads the profile does not need the program.
 *
 * Tables for strings, functions and places are memory from the kernel for as long as it takes:
 * nothing here allocates from the heap that it describes. Runs on the stack of who calls the API;
 * no lock is held while it writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <rt/rt.h>

#include "mem/mem.h"
#include "mem/profile.h"
#include "mem/proto.h"
#include "mem/stacks.h"
#include "os/os.h"
#include "symtab/symtab.h"

/* Numbers of fields. */
enum { P_SAMPLE_TYPE = 1, P_SAMPLE, P_MAPPING, P_LOCATION, P_FUNCTION, P_STRING_TABLE };
enum { P_TIME_NANOS = 9, P_PERIOD_TYPE = 11, P_PERIOD };
enum { VALUE_TYPE = 1, VALUE_UNIT };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_NUM = 3, LABEL_NUM_UNIT };
enum { MAPPING_ID = 1, MAPPING_START, MAPPING_LIMIT, MAPPING_OFFSET, MAPPING_FILE };
enum { MAPPING_BUILD_ID = 6, MAPPING_HAS_FUNCTIONS, MAPPING_HAS_FILES, MAPPING_HAS_LINES };
enum { MAPPING_HAS_INLINED = 10 };
enum { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION = 1, LINE_LINE };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILE };

#define OUT 65536
#define MESSAGE 4096
#define STRINGS (1u << 15) /* and functions, and places: so many slots, of which half are used */
#define TEXT (4u << 20)

/* Finds an entry by its content, in an open hash table: 1 is the first one added. */
struct index {
	uint32_t n, slot[STRINGS];
};

struct writer {
	int fd, err;
	size_t rate;
	size_t out_n, text_n;
	struct index strings, functions, places;
	uint32_t string_at[STRINGS];
	uint64_t function[STRINGS]; /* name << 32 | file, by number */
	uintptr_t pc[STRINGS];      /* of places */
	struct rt__line line[RT_PLACES_MAX];
	struct rt__inlined inlined[RT_PLACES_MAX];
	uint8_t message[MESSAGE], part[MESSAGE];
	char path[RT_PATH_SIZE];
	char name[RT_PATH_SIZE];
	uint8_t out[OUT];
	char text[TEXT];
};

/* ---- output ---- */

static void
flush(struct writer *w)
{
	for (size_t at = 0; at < w->out_n && w->err == 0;) {
		ssize_t n = write(w->fd, w->out + at, w->out_n - at);

		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || errno != EINTR)
			w->err = n == 0 ? EIO : errno;
	}
	w->out_n = 0;
}

static struct rt__proto
message(uint8_t *buf)
{
	return (struct rt__proto){buf, 0, MESSAGE, false};
}

/* A field of the profile itself. */
static void
emit(struct writer *w, unsigned field, const void *p, size_t n)
{
	if (OUT - w->out_n < n + 16)
		flush(w);
	struct rt__proto out = {w->out, w->out_n, OUT, false};
	rt__proto_field(&out, field, p, n);
	w->out_n = out.n;
}

static void
emit_message(struct writer *w, unsigned field, const struct rt__proto *m)
{
	emit(w, field, m->p, m->n);
}

static void
emit_number(struct writer *w, unsigned field, uint64_t v)
{
	if (OUT - w->out_n < 16)
		flush(w);
	struct rt__proto out = {w->out, w->out_n, OUT, false};
	rt__proto_number(&out, field, v);
	w->out_n = out.n;
}

/* ---- strings, functions, places ---- */

static uint32_t
hash(uint64_t key)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15 >> 40);
}

/* Gives the free slot that was found to a new entry: its number, or 0 if there are too many. */
static uint32_t
add(struct index *x, uint32_t slot)
{
	if (x->n >= STRINGS / 2)
		return 0;
	x->slot[slot % STRINGS] = ++x->n;
	return x->n;
}

/* Its number in the string table, where 0 is the empty one. */
static uint64_t
string(struct writer *w, const char *s, size_t len)
{
	uint32_t i, id;
	uint64_t h = len;

	for (size_t k = 0; k < len; k++)
		h = (h ^ (uint8_t)s[k]) * 0x100000001b3;
	for (i = hash(h); (id = w->strings.slot[i % STRINGS]) != 0; i++) {
		const char *known = &w->text[w->string_at[id]];

		if (__builtin_memcmp(known, s, len) == 0 && !known[len])
			return id;
	}
	if (len == 0 || TEXT - w->text_n < RT_PATH_SIZE || len >= RT_PATH_SIZE ||
	    (id = add(&w->strings, i)) == 0)
		return 0;
	w->string_at[id] = (uint32_t)w->text_n;
	__builtin_memcpy(&w->text[w->text_n], s, len);
	w->text_n += len + 1;
	emit(w, P_STRING_TABLE, s, len);
	return id;
}

static uint64_t
text(struct writer *w, const char *s)
{
	return string(w, s, rt__strlen(s));
}

static uint64_t
function(struct writer *w, uint64_t name, uint64_t file)
{
	uint64_t key = name << 32 | file;
	uint32_t i, id;

	for (i = hash(key); (id = w->functions.slot[i % STRINGS]) != 0; i++)
		if (w->function[id] == key)
			return id;
	id = add(&w->functions, i);
	if (id == 0)
		return 0;
	w->function[id] = key;
	struct rt__proto m = message(w->part);
	rt__proto_number(&m, FUNCTION_ID, id);
	rt__proto_number(&m, FUNCTION_NAME, name);
	rt__proto_number(&m, FUNCTION_SYSTEM_NAME, name);
	rt__proto_number(&m, FUNCTION_FILE, file);
	emit_message(w, P_FUNCTION, &m);
	return id;
}

/* What is called is looked up where the call is, one byte before where it returns to. */
static uint64_t
place(struct writer *w, uintptr_t pc)
{
	uint32_t i, id;

	for (i = hash(pc); (id = w->places.slot[i % STRINGS]) != 0; i++)
		if (w->pc[id] == pc)
			return id;
	id = add(&w->places, i);
	if (id != 0)
		w->pc[id] = pc;
	return id;
}

/* ---- locations ---- */

static uint64_t
file_of(struct writer *w, const struct rt__line *l)
{
	return l->file ? text(w, rt__line_path(l, w->path)) : 0;
}

/* Compilers append .cold, .part.0, .constprop.0 to the name in the source. */
static uint64_t
name_of(struct writer *w, const char *name)
{
	size_t n = 0;

	while (name[n] && (n == 0 || name[n] != '.') && n < RT_PATH_SIZE - 1)
		n++;
	return string(w, name, n);
}

static void
add_line(struct writer *w, struct rt__proto *location, uint64_t name, const struct rt__line *l)
{
	uint8_t buf[32];
	struct rt__proto m = {buf, 0, sizeof buf, false};

	rt__proto_number(&m, LINE_FUNCTION, function(w, name, file_of(w, l)));
	rt__proto_number(&m, LINE_LINE, (uint64_t)(l->file ? l->line : 0));
	rt__proto_field(location, LOCATION_LINE, m.p, m.n);
}

/* From the inside out: what was inlined there, and the function that it is part of. */
static void
add_lines(struct writer *w, struct rt__proto *m, uintptr_t pc, struct rt__line line,
	  const struct rt__inlined *inlined)
{
	struct rt__symbol sym;

	for (unsigned i = inlined->n; i-- > 0;) {
		struct rt__line call;
		const char *name = rt__inlined_name(inlined, i, &call);

		add_line(w, m, name_of(w, name ? name : "???"), &line);
		line = call;
	}
	if (rt__symbol_of(pc, &sym))
		add_line(w, m, name_of(w, sym.name), &line);
}

static void
emit_locations(struct writer *w)
{
	for (uint32_t id = 1; id <= w->places.n; id += RT_PLACES_MAX) {
		uint32_t n = w->places.n - id + 1;

		n = n < RT_PLACES_MAX ? n : RT_PLACES_MAX;
		rt__places_of(&w->pc[id], (int)n, w->line, w->inlined);
		for (uint32_t i = 0; i < n; i++) {
			struct rt__proto m = message(w->message);

			rt__proto_number(&m, LOCATION_ID, id + i);
			rt__proto_number(&m, LOCATION_MAPPING, 1);
			rt__proto_number(&m, LOCATION_ADDRESS, w->pc[id + i]);
			add_lines(w, &m, w->pc[id + i], w->line[i], &w->inlined[i]);
			emit_message(w, P_LOCATION, &m);
		}
	}
}

/* ---- the rest ---- */

static void
emit_type(struct writer *w, unsigned field, const char *type, const char *unit)
{
	uint8_t buf[32];
	struct rt__proto m = {buf, 0, sizeof buf, false};

	rt__proto_number(&m, VALUE_TYPE, text(w, type));
	rt__proto_number(&m, VALUE_UNIT, text(w, unit));
	emit_message(w, field, &m);
}

static void
emit_header(struct writer *w)
{
	struct timespec now;

	emit(w, P_STRING_TABLE, "", 0);
	emit_type(w, P_SAMPLE_TYPE, "alloc_objects", "count");
	emit_type(w, P_SAMPLE_TYPE, "alloc_space", "bytes");
	emit_type(w, P_SAMPLE_TYPE, "inuse_objects", "count");
	emit_type(w, P_SAMPLE_TYPE, "inuse_space", "bytes");
	emit_type(w, P_PERIOD_TYPE, "space", "bytes");
	emit_number(w, P_PERIOD, w->rate);
	clock_gettime(CLOCK_REALTIME, &now);
	emit_number(w, P_TIME_NANOS, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

static void
emit_mapping(struct writer *w)
{
	struct rt__mapping map;
	char hex[2 * sizeof map.build_id + 1] = "";
	struct rt__symbol sym;

	rt__mapping_of_text(&map);
	for (size_t i = 0; i < map.build_id_size; i++)
		rt__format(hex + 2 * i, 3, "%02x", map.build_id[i]);
	bool names = rt__symbol_of((uintptr_t)rt_write_heap_profile, &sym);
	struct rt__proto m = message(w->message);
	rt__proto_number(&m, MAPPING_ID, 1);
	rt__proto_number(&m, MAPPING_START, map.start);
	rt__proto_number(&m, MAPPING_LIMIT, map.limit);
	rt__proto_number(&m, MAPPING_OFFSET, map.offset);
	rt__proto_number(&m, MAPPING_FILE, text(w, map.path));
	rt__proto_number(&m, MAPPING_BUILD_ID, text(w, hex));
	for (unsigned field = MAPPING_HAS_FUNCTIONS; field <= MAPPING_HAS_INLINED; field++)
		rt__proto_number(&m, field, names);
	emit_message(w, P_MAPPING, &m);
}

static void
add_values(struct rt__proto *m, const struct rt__profile_bucket *b)
{
	uint8_t buf[64];
	struct rt__proto values = {buf, 0, sizeof buf, false};

	rt__proto_varint(&values, (b->allocs + 128) / 256);
	rt__proto_varint(&values, b->alloc_bytes);
	rt__proto_varint(&values, (b->allocs - b->frees + 128) / 256);
	rt__proto_varint(&values, b->alloc_bytes - b->freed_bytes);
	rt__proto_field(m, SAMPLE_VALUE, values.p, values.n);
}

static void
emit_sample(struct writer *w, const struct rt__profile_bucket *b)
{
	const uintptr_t *pcs = NULL;
	unsigned n = rt__stacks_get(b->stack, &pcs);
	struct rt__proto locations = message(w->part), m = message(w->message);
	uint8_t buf[64];
	struct rt__proto label = {buf, 0, sizeof buf, false};

	for (unsigned i = 0; i < n; i++)
		rt__proto_varint(&locations, place(w, pcs[i] - 1));
	rt__proto_field(&m, SAMPLE_LOCATION, locations.p, locations.n);
	add_values(&m, b);
	rt__proto_number(&label, LABEL_KEY, text(w, "bytes"));
	rt__proto_number(&label, LABEL_NUM, b->alloc_bytes * 256 / b->allocs);
	rt__proto_field(&m, SAMPLE_LABEL, label.p, label.n);
	emit_message(w, P_SAMPLE, &m);
}

int
rt_write_heap_profile(int fd)
{
	int saved = errno;
	size_t size;
	uint32_t n;
	struct rt__profile_bucket *buckets = rt__profile_read(&n, &size);
	struct writer *w = buckets ? rt__os_reserve(sizeof *w) : NULL;

	if (!w) {
		if (buckets)
			rt__os_unmap(buckets, size);
		return ENOMEM;
	}
	w->fd = fd;
	w->rate = rt__load_rlx(&rt__profile_rate);
	w->text_n = 1;
	emit_header(w);
	for (uint32_t i = 0; i < n; i++)
		emit_sample(w, &buckets[i]);
	emit_mapping(w);
	emit_locations(w);
	flush(w);
	int err = w->err;
	rt__os_unmap(w, sizeof *w);
	rt__os_unmap(buckets, size);
	errno = saved;
	return err;
}

/* ---- at exit ---- */

static struct {
	const char *path;
	int pid; /* whose it is: not a child's of a fork */
} at_exit;

void
rt__profile_at_exit_init(const char *path, int rate)
{
	at_exit.path = path;
	at_exit.pid = rt__os_getpid();
	rt_set_mem_profile_rate(rate > 0 ? (size_t)rate : RT_MEM_PROFILE_RATE);
}

void
rt__profile_at_exit(void)
{
	if (!at_exit.path || at_exit.pid != rt__os_getpid())
		return;
	int fd = open(at_exit.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int err = fd < 0 ? errno : rt_write_heap_profile(fd);
	if (fd >= 0)
		close(fd);
	if (err != 0)
		rt__eprintf("runtime: $RTMEMPROFILE: cannot write %s: error %d\n", at_exit.path,
			    err);
}

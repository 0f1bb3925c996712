/* SPDX-License-Identifier: MIT */
/* Heap profiles, as readers of profile.proto see them: a small reader of our own. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

#define MANY 4096

struct bytes {
	const uint8_t *p, *end;
};

/* One location: its innermost function, as an index of strings; and where that is. */
struct location {
	uint64_t address, function, line, lines;
};

struct function {
	uint64_t name, file;
};

static struct {
	struct bytes string[MANY], sample[MANY], mapping;
	struct location location[MANY];
	struct function function[MANY];
	unsigned strings, samples, mappings, types;
	uint64_t period;
} prof;

/* ---- reading ---- */

static uint64_t
varint(struct bytes *b)
{
	uint64_t v = 0;
	unsigned shift = 0;
	bool more = true;

	for (; more; shift += 7) {
		cr_assert(b->p < b->end && shift < 64, "a number that does not end");
		v |= (uint64_t)(*b->p & 0x7f) << shift;
		more = *b->p++ >= 0x80;
	}
	return v;
}

/* The next field of a message: its number, 0 at the end; its value, or its bytes. */
static unsigned
field(struct bytes *b, uint64_t *v, struct bytes *part)
{
	if (b->p == b->end)
		return 0;
	uint64_t tag = varint(b);
	*v = varint(b);
	if (tag % 8 == 0)
		return (unsigned)(tag / 8);
	cr_assert_eq(tag % 8, 2u);
	cr_assert(*v <= (uint64_t)(b->end - b->p));
	*part = (struct bytes){b->p, b->p + *v};
	b->p += *v;
	return (unsigned)(tag / 8);
}

static void
read_location(struct bytes b)
{
	struct location l = {0};
	uint64_t v, w, id = 0;
	struct bytes part = {0}, none;

	for (unsigned f; (f = field(&b, &v, &part)) != 0;) {
		id = f == 1 ? v : id;
		l.address = f == 3 ? v : l.address;
		if (f == 2)
			cr_assert_eq(v, 1u);
		if (f != 4 || l.lines++ > 0)
			continue;
		for (unsigned g; (g = field(&part, &w, &none)) != 0;) {
			l.function = g == 1 ? w : l.function;
			l.line = g == 2 ? w : l.line;
		}
	}
	cr_assert(id > 0 && id < MANY);
	prof.location[id] = l;
}

static void
read_function(struct bytes b)
{
	uint64_t v, id = 0;
	struct bytes part;
	struct function fn = {0};

	for (unsigned f; (f = field(&b, &v, &part)) != 0;) {
		id = f == 1 ? v : id;
		fn.name = f == 2 ? v : fn.name;
		fn.file = f == 4 ? v : fn.file;
	}
	cr_assert(id > 0 && id < MANY);
	prof.function[id] = fn;
}

static void
read_profile(const void *p, size_t n)
{
	struct bytes b = {p, (const uint8_t *)p + n}, part = {0};
	uint64_t v;

	memset(&prof, 0, sizeof prof);
	for (unsigned f; (f = field(&b, &v, &part)) != 0;) {
		cr_assert(prof.strings < MANY && prof.samples < MANY);
		prof.types += f == 1;
		if (f == 2)
			prof.sample[prof.samples++] = part;
		else if (f == 3 && ++prof.mappings == 1)
			prof.mapping = part;
		else if (f == 4)
			read_location(part);
		else if (f == 5)
			read_function(part);
		else if (f == 6)
			prof.string[prof.strings++] = part;
		else if (f == 12)
			prof.period = v;
	}
	cr_assert_eq(prof.types, 4u);
	cr_assert_eq(prof.mappings, 1u);
	cr_assert_eq(prof.string[0].p, prof.string[0].end);
}

/* ---- looking ---- */

static bool
is(uint64_t string, const char *s)
{
	const struct bytes *b = &prof.string[string];

	return string < prof.strings && (size_t)(b->end - b->p) == strlen(s) &&
		memcmp(b->p, s, strlen(s)) == 0;
}

static bool
ends_with(uint64_t string, const char *s)
{
	const struct bytes *b = &prof.string[string];

	return string < prof.strings && (size_t)(b->end - b->p) >= strlen(s) &&
		memcmp(b->end - strlen(s), s, strlen(s)) == 0;
}

struct sum {
	uint64_t allocs, alloc_bytes, used, used_bytes;
	uint64_t line, depth; /* of the last one found */
};

/* Adds a sample that has name as its innermost function, or the next one for "libc's". */
static void
add_sample(struct bytes b, const char *name, const char *file, struct sum *sum)
{
	uint64_t v, frames = 0, value[4] = {0};
	struct bytes part, locations = {0}, values = {0};

	for (unsigned f; (f = field(&b, &v, &part)) != 0;) {
		if (f == 1)
			locations = part;
		if (f == 2)
			values = part;
	}
	cr_assert(locations.p < locations.end);
	const struct location *l = &prof.location[varint(&locations)];
	const struct function *fn = &prof.function[l->function];
	while (locations.p < locations.end) {
		cr_assert(prof.location[varint(&locations)].address > 0);
		frames++;
	}
	if (!is(fn->name, name) || !ends_with(fn->file, file))
		return;
	for (int i = 0; i < 4; i++)
		value[i] = varint(&values);
	cr_assert_eq(values.p, values.end);
	*sum = (struct sum){sum->allocs + value[0],
			    sum->alloc_bytes + value[1],
			    sum->used + value[2],
			    sum->used_bytes + value[3],
			    l->line,
			    frames + 1};
}

static struct sum
find(const char *name, const char *file)
{
	struct sum sum = {0};

	for (unsigned i = 0; i < prof.samples; i++)
		add_sample(prof.sample[i], name, file, &sum);
	return sum;
}

static void
expect(const char *name, uint64_t allocs, uint64_t bytes, uint64_t used, uint64_t used_bytes)
{
	struct sum s = find(name, "profile.c");

	cr_assert(s.allocs == allocs && s.alloc_bytes == bytes && s.used == used &&
			  s.used_bytes == used_bytes,
		  "%s: %lu allocated, %lu bytes; %lu in use, %lu bytes", name, s.allocs,
		  s.alloc_bytes, s.used, s.used_bytes);
	cr_assert(s.line > 0 && s.depth >= 2, "%s: line %lu, %lu frames", name, s.line, s.depth);
}

/* What has been read points into the output of the last run, so that stays. */
static void
run(const char *guest, const char *name, const char *procs)
{
	static struct guest g;

	guest_free(&g);
	g = guest_run(guest, .args = {name}, .env = {procs}, .timeout_s = 60);
	guest_expect_exit(&g, 0);
	read_profile(g.out, g.out_len);
}

/* ---- tests ---- */

#define MIB (1ul << 20)

/* Blocks of 1000 bytes are of 1024. */
static void
exact(const char *guest)
{
	run(guest, "exact", "GOMAXPROCS=1");
	expect("keeps", 2000, 2000 * 1024, 1999, 1999 * 1024);
	expect("drops", 1000, 1000 * 1024, 0, 0);
	struct sum s = find("aligns", "profile.c");
	cr_assert(s.allocs == 11 && s.used == 10 && s.used_bytes == 1920);
	cr_assert(s.alloc_bytes == 1920 + 3 * MIB);
	s = find("resizes", "profile.c");
	cr_assert(s.allocs > 10 && s.used == 1 && s.used_bytes == 10 * MIB, "%lu: %lu, %lu bytes",
		  s.allocs, s.used, s.used_bytes);
	s = find("strdup", "");
	cr_assert(s.allocs == 2 && s.used_bytes == 32);
}

Test(profile, all_of_it)
{
	exact("profile");
	exact("profile-pie");
	exact("profile-clang");
	exact("profile-O0");
}

/* 20 MiB and more in samples of 8 KiB: 2,500 of them, give or take 2 %; six times that is not seen.
 */
static void
near(const char *what, uint64_t have, uint64_t want)
{
	cr_assert(have > want / 8 * 7 && have < want / 8 * 9, "%s: %lu, not %lu", what, have, want);
}

Test(profile, an_estimate)
{
	run("profile", "estimated", "GOMAXPROCS=1");
	cr_assert_eq(prof.period, 8u << 10);
	struct sum kept = find("keeps", "profile.c"), dropped = find("drops", "profile.c");
	near("kept", kept.used_bytes, 20000 * 1024);
	near("kept, blocks", kept.used, 20000);
	near("dropped", dropped.alloc_bytes, 40000 * 1024);
	cr_assert(dropped.used == 0 && dropped.used_bytes == 0);
	near("others", find("estimated", "profile.c").alloc_bytes, 20000 * 1024);
}

/* 16 MiB of each in samples of 8 KiB, all freed. */
Test(profile, every_way)
{
	static const struct {
		const char *name;
		uint64_t size; /* of a block; of `grown`, of two */
	} ways[] = {{"nothing", 16},     {"small", 32},       {"zeroed", 1024},
		    {"middling", 5376},  {"medium", 131072},  {"zeroed_medium", 131072},
		    {"aligned", 512},    {"grown", 5120},     {"text", 208},
		    {"more_text", 4096}, {"on_signal", 1024}, {"on_thread", 256}};

	run("profile", "ways", "GOMAXPROCS=1");
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct sum s = find(ways[i].name, "profile.c");

		near(ways[i].name, s.alloc_bytes, 16 * MIB);
		near(ways[i].name, s.allocs, 16 * MIB / ways[i].size);
		cr_assert(s.used == 0 && s.used_bytes == 0, "%s: %lu in use", ways[i].name, s.used);
	}
	expect("large", 20, 40 * MIB, 0, 0);
}

/* Who has allocated before is not late. */
Test(profile, at_once)
{
	run("profile", "at-once", "GOMAXPROCS=1");
	expect("works", 3 * 2000, 3 * 2000 * 1024, 0, 0);
	cr_assert_eq(find("on_thread", "profile.c").allocs, 0u);
}

Test(profile, whoever_frees_it, .timeout = 120)
{
	static const char *const procs[] = {"GOMAXPROCS=1", "GOMAXPROCS=4"};

	for (int i = 0; i < 2; i++) {
		run("profile", "threads", procs[i]);
		struct sum s = find("churns", "profile.c");
		cr_assert(s.allocs > 1000 && s.used == 0 && s.used_bytes == 0, "%lu: %lu, %lu",
			  s.allocs, s.used, s.used_bytes);
		cr_assert(find("drops", "profile.c").used == 0);
	}
}

Test(profile, at_exit)
{
	static char file[] = "/tmp/rt0-profile-XXXXXX", buf[1 << 20];
	char env[64];
	int fd = mkstemp(file);

	cr_assert(fd >= 0);
	snprintf(env, sizeof env, "RTMEMPROFILE=%s", file);
	struct guest g =
		guest_run("profile", .args = {"at-exit"}, .env = {env, "RTDEBUG=memprofilerate=1"});
	guest_expect_exit(&g, 0);
	guest_expect_err_is(&g, "");
	guest_free(&g);
	ssize_t n = read(fd, buf, sizeof buf);
	close(fd);
	unlink(file);
	cr_assert(n > 0);
	read_profile(buf, (size_t)n);
	expect("keeps", 2000, 2000 * 1024, 2000, 2000 * 1024);
	cr_assert_eq(find("drops", "profile.c").allocs, 0u);
}

Test(profile, cannot_be_written)
{
	struct guest g = guest_run("profile", .args = {"at-exit"}, .env = {"RTMEMPROFILE=/no/x"});

	guest_expect_exit(&g, 0);
	guest_expect_err_is(&g, "runtime: $RTMEMPROFILE: cannot write /no/x: error 2\n");
	guest_free(&g);
	g = guest_run("profile", .args = {"at-exit"},
		      .env = {"RTMEMPROFILE=/no/x", "RTDEBUG=malloc=hard"});
	guest_expect_exit(&g, 0);
	guest_expect_err_is(&g, "runtime: ignoring RTMEMPROFILE=/no/x: not with RTDEBUG=malloc\n");
	guest_free(&g);
}

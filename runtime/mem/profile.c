/* SPDX-License-Identifier: MIT */
/*
 * The heap profile: a sample of the blocks that are allocated, one for so many bytes on average,
 * and the call stacks that have allocated them.
 *
 * Each byte is as likely as any other to be the one that is sampled, at distances drawn from an
 * exponential distribution, as in Go and tcmalloc: so nothing that the program does regularly can
 * be in step with it. A block of s bytes is sampled with probability p = 1 - exp(-s / rate), and
 * counts as 1 / p blocks of its kind: at once, with the rate that it was sampled at.
 *
 * A bucket is what one stack has allocated of one size class. A block that was sampled and is still
 * in use has an entry in a hash table by its address; its state sends free to the slow path, which
 * takes the entry away. Both tables lie outside of the heap and grow with what was sampled, not
 * with the heap. Where there is no room left for a stack, its bucket is that of stack 0.
 *
 * Under one lock, inside of the heap: a handler that interrupts this cannot come here.
 */
#include <rt/rt.h>

#include "mem/profile.h"

#include "mem/mem.h"
#include "mem/stacks.h"
#include "os/os.h"
#include "symtab/symtab.h"

#define ONE 256.0 /* a block, in the units of a bucket */
#define RATE_MAX (1ul << 48)
#define FIRST_CAP 1024u
#define BUCKETS_MAX (1u << 17)

struct live {
	uintptr_t p; /* 0: free */
	uint32_t bucket;
	uint64_t blocks, bytes; /* that it counts as */
};

struct rt__profile_rate rt__profile_rate;

static struct {
	struct rt__lock lock;
	struct rt__sampler sampler; /* of who has no cache */
	/* Open hash tables of a power of two of slots. A bucket is free if it has no allocs. */
	struct rt__profile_bucket *buckets;
	struct live *live;
	uint32_t nbuckets, buckets_cap, nlive, live_cap;
} profile;

void
rt__profile_init(void)
{
	rt__lock_rank(&profile.lock, RT_RANK_PROFILE);
}

/* ---- how far it is to the next sample ---- */

/* ln(x) for a normal x > 0, to six digits. */
static double
ln(double x)
{
	uint64_t bits;

	__builtin_memcpy(&bits, &x, sizeof bits);
	int exponent = (int)(bits >> 52) - 1023;
	bits = (bits & ((1ul << 52) - 1)) | 1023ul << 52;
	__builtin_memcpy(&x, &bits, sizeof x);
	double t = (x - 1) / (x + 1), tt = t * t; /* 2 atanh(t) */
	double series = 1 + tt * (1 / 3.0 + tt * (1 / 5.0 + tt * (1 / 7.0 + tt / 9.0)));
	return exponent * 0.69314718055994531 + 2 * t * series;
}

/* 1 - exp(-x) for x >= 0. */
static double
one_minus_exp(double x)
{
	double a = x / 1024;

	if (x > 40)
		return 1;
	double y = a * (1 - a / 2 * (1 - a / 3));
	for (int i = 0; i < 10; i++) /* with y for a: 1 - exp(-2 a) */
		y *= 2 - y;
	return y;
}

static size_t
draw(uint64_t *random, size_t rate)
{
	*random += 0x9e3779b97f4a7c15; /* splitmix64 */
	uint64_t z = *random;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	if (rate == 1)
		return 0; /* all are sampled */
	return (size_t)(-ln((double)((z >> 11) + 1) * 0x1p-53) * (double)rate);
}

/* A new counter, or a new rate. */
static void
restart(struct rt__sampler *s, uint32_t epoch, size_t rate)
{
	uint64_t seed;

	__builtin_memcpy(&seed, rt__os.random, sizeof seed);
	if (rt__debug.schedseed > 0)
		seed = (uint64_t)rt__debug.schedseed;
	if (s->random == 0)
		s->random = seed ^ (uintptr_t)s;
	s->epoch = epoch;
	s->left = draw(&s->random, rate);
}

bool
rt__profile_count(struct rt__sampler *s, size_t size)
{
	uint32_t epoch = rt__load_rlx(&rt__profile_rate.epoch);
	size_t rate = rt__load_rlx(&rt__profile_rate.bytes);

	if (rate == 0)
		return false;
	if (rt__unlikely(s->epoch != epoch))
		restart(s, epoch, rate);
	if (s->left >= size) {
		s->left -= size;
		return false;
	}
	s->left = draw(&s->random, rate);
	return true;
}

bool
rt__profile_count_shared(size_t size)
{
	rt__lock(&profile.lock);
	bool sampled = rt__profile_count(&profile.sampler, size);
	rt__unlock(&profile.lock);
	return sampled;
}

/* ---- tables; with the lock ---- */

static uint32_t
hash(uint64_t key)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15 >> 32);
}

/* The bucket's slot, or a free one. */
static uint32_t
find_bucket(const struct rt__profile_bucket *b, uint32_t cap, uint32_t stack, uint32_t class)
{
	uint32_t i = hash((uint64_t)stack << 8 | class) & (cap - 1);

	while (b[i].allocs != 0 && (b[i].stack != stack || b[i].class != class))
		i = (i + 1) & (cap - 1);
	return i;
}

/* The slot of a block that is watched, or a free one. */
static uint32_t
find_live(const struct live *l, uint32_t cap, uintptr_t p)
{
	uint32_t i = hash(p) & (cap - 1);

	while (l[i].p != 0 && l[i].p != p)
		i = (i + 1) & (cap - 1);
	return i;
}

static void
release(void *p, size_t size)
{
	if (p)
		rt__os_unmap(p, size);
}

static bool
grow_live(void)
{
	uint32_t cap = profile.live_cap ? profile.live_cap * 2 : FIRST_CAP;
	struct live *to = rt__os_reserve(cap * sizeof *to);

	if (!to)
		return false;
	for (uint32_t i = 0; i < profile.live_cap; i++)
		if (profile.live[i].p)
			to[find_live(to, cap, profile.live[i].p)] = profile.live[i];
	release(profile.live, profile.live_cap * sizeof *to);
	profile.live = to;
	profile.live_cap = cap;
	return true;
}

/* Buckets move, so that entries of blocks are told where to. */
static bool
grow_buckets(void)
{
	uint32_t cap = profile.buckets_cap ? profile.buckets_cap * 2 : FIRST_CAP;
	struct rt__profile_bucket *from = profile.buckets;
	struct rt__profile_bucket *to = rt__os_reserve(cap * sizeof *to);

	if (!to)
		return false;
	for (uint32_t i = 0; i < profile.buckets_cap; i++)
		if (from[i].allocs)
			to[find_bucket(to, cap, from[i].stack, from[i].class)] = from[i];
	for (uint32_t i = 0; i < profile.live_cap; i++) {
		struct live *l = &profile.live[i];

		if (l->p)
			l->bucket =
				find_bucket(to, cap, from[l->bucket].stack, from[l->bucket].class);
	}
	release(from, profile.buckets_cap * sizeof *from);
	profile.buckets = to;
	profile.buckets_cap = cap;
	return true;
}

/* Room for one more of each. */
static bool
make_room(void)
{
	if (profile.nlive >= profile.live_cap / 2 && !grow_live())
		return false;
	return profile.nbuckets < profile.buckets_cap / 2 ||
		profile.buckets_cap >= 2 * BUCKETS_MAX || grow_buckets();
}

static uint32_t
bucket_of(uint32_t stack, uint32_t class)
{
	uint32_t i = find_bucket(profile.buckets, profile.buckets_cap, stack, class);

	if (profile.buckets[i].allocs == 0) {
		if (profile.nbuckets >= BUCKETS_MAX && stack != 0)
			return bucket_of(0, class);
		profile.nbuckets++;
		profile.buckets[i].stack = stack;
		profile.buckets[i].class = class;
	}
	return i;
}

/* Those that follow may have been put off their slots by this one. */
static void
remove_live(uint32_t i)
{
	uint32_t mask = profile.live_cap - 1;

	for (uint32_t k = (i + 1) & mask; profile.live[k].p; k = (k + 1) & mask) {
		uint32_t home = hash(profile.live[k].p) & mask;

		if (((k - home) & mask) >= ((k - i) & mask)) {
			profile.live[i] = profile.live[k];
			i = k;
		}
	}
	profile.live[i].p = 0;
	profile.nlive--;
}

/* ---- samples ---- */

static bool
is_ours(uintptr_t pc)
{
	return rt__text_of(pc - 1) == RT_TEXT_RT0;
}

/* Without what has called main, or a goroutine's function. */
static uint32_t
stack_here(void)
{
	uintptr_t pcs[RT_STACK_DEPTH];
	unsigned n = rt__stacks_callers(pcs, RT_STACK_DEPTH);

	while (n > 1 && is_ours(pcs[n - 1]))
		n--;
	return n > 0 ? rt__stacks_add(pcs, n) : 0;
}

static bool
note(const void *p, size_t size, uint32_t class, uint32_t stack)
{
	size_t rate = rt__load_rlx(&rt__profile_rate.bytes);

	if (rate == 0 || !make_room())
		return false;
	double blocks = 1 / (rate == 1 ? 1 : one_minus_exp((double)size / (double)rate));
	uint32_t i = bucket_of(stack, class);
	struct rt__profile_bucket *b = &profile.buckets[i];
	struct live *l = &profile.live[find_live(profile.live, profile.live_cap, (uintptr_t)p)];
	if (l->p == 0)
		profile.nlive++;
	*l = (struct live){(uintptr_t)p, i, (uint64_t)(blocks * ONE),
			   (uint64_t)(blocks * (double)size)};
	b->allocs += l->blocks;
	b->alloc_bytes += l->bytes;
	return true;
}

void
rt__profile_alloc(void *p, size_t size)
{
	uint8_t *state;
	const struct rt__span *sp = rt__span_in_use(p, &state);

	if (!sp || !rt__heap_try_enter())
		return;
	uint32_t stack = stack_here();
	rt__lock(&profile.lock);
	bool noted = note(p, size, sp->class, stack);
	rt__unlock(&profile.lock);
	if (noted)
		rt__store_rlx(state, (uint8_t)RT_BLOCK_WATCHED);
	rt__heap_leave();
}

bool
rt__profile_free(const void *p)
{
	bool found = false;

	rt__lock(&profile.lock);
	if (profile.live_cap > 0) {
		uint32_t i = find_live(profile.live, profile.live_cap, (uintptr_t)p);
		const struct live *l = &profile.live[i];

		found = l->p != 0;
		if (found) {
			profile.buckets[l->bucket].frees += l->blocks;
			profile.buckets[l->bucket].freed_bytes += l->bytes;
			remove_live(i);
		}
	}
	rt__unlock(&profile.lock);
	return found;
}

struct rt__profile_bucket *
rt__profile_read(uint32_t *ret_n, size_t *ret_size)
{
	struct rt__profile_bucket *copy = NULL;
	uint32_t n = 0;

	rt__heap_enter();
	rt__lock(&profile.lock);
	*ret_size = (profile.nbuckets + 1) * sizeof *copy;
	copy = rt__os_reserve(*ret_size);
	for (uint32_t i = 0; copy && i < profile.buckets_cap; i++)
		if (profile.buckets[i].allocs)
			copy[n++] = profile.buckets[i];
	rt__unlock(&profile.lock);
	rt__heap_leave();
	*ret_n = n;
	return copy;
}

/* ---- on and off ---- */

size_t
rt_set_mem_profile_rate(size_t bytes)
{
	if (rt__debug.malloc)
		return 0; /* both want to see what the fast paths do not take */
	bytes = bytes < RATE_MAX ? bytes : RATE_MAX;
	rt__heap_enter();
	rt__lock(&profile.lock);
	size_t was = rt__profile_rate.bytes;
	rt__store_rlx(&rt__profile_rate.bytes, bytes);
	rt__store_rlx(&rt__profile_rate.epoch, rt__profile_rate.epoch + 1);
	rt__runs_use(bytes != 0);
	rt__unlock(&profile.lock);
	rt__heap_leave();
	return was;
}

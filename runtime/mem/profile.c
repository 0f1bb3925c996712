/* SPDX-License-Identifier: MIT */
/*
 * The heap profile: a sample of the blocks that are allocated, one for so many bytes on average,
 * and the call stacks that have allocated them.
 *
 * Each byte is as likely as any other to be the one that is sampled, at distances drawn from an
 * exponential distribution, as in Go and tcmalloc: so nothing that the program does regularly can
 * be in step with it. A block that counts as s bytes is sampled with probability
 * p = 1 - exp(-s / rate), and stands for 1 / p blocks of its kind: at once, with the rate that its
 * distance was drawn for. On malloc's fast paths s is the request rounded up to 16, which is at
 * hand, on the slow ones the size of the block. Either will do, since p is that of the same s.
 *
 * Each cache has a word from which malloc subtracts what it hands out: when that falls below zero,
 * it comes here. With no profile, the word is so large that this does not happen. So the fast path
 * has a subtraction in memory and a jump for this, on whose results nothing waits.
 *
 * The word is written without atomic operations by who allocates, so nobody else can: what is
 * stored there between the owner's load and store is lost. How does a new rate get there? The fast
 * path finds its bin by a table of the cache. To set the rate is to turn each cache, with the lock:
 * all entries of its table lead to an empty bin. So the next malloc comes to its slow path, which
 * looks whether the cache was turned, and then, here and with the lock, turns it back and begins a
 * count at the new rate, to which its block is the first to belong. The old count is left in the
 * middle, since distances have no memory. Who does not see it yet allocates at the same time as the
 * rate is set. A new cache begins turned. If it is made meanwhile, it is in the list that is
 * walked, or its first count begins, with the lock, after the rate has been set.
 *
 * The ordinary rate is tcmalloc's, 2 MiB, and not Go's, 512 KiB: a sample takes 0.8 us, and 0.25
 * for each frame but the first, which would be 2 % of SQLite's time at Go's rate.
 *
 * Rejected: to count a bin's blocks when it is filled, with bins for malloc that free does not push
 * to. The fast path needs nothing for that; but while a profile was on, malloc took the block that
 * was freed a bin ago, not the last one, and missed caches: 10 to 20 % where that is all that a
 * program does. To look at the rate in each malloc: a line that all share, and one more jump. Two
 * words, and a pointer to the one that counts, for a new rate to turn: simpler, but one more load,
 * and 3 % of larson. To store into the words of others, and see by membarrier whether that was
 * lost: the subtraction must be one instruction then, and the kernel have it.
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
#define NEVER (INT64_MAX / 2)
#define FIRST_CAP 1024u
#define BUCKETS_MAX (1u << 17)

struct live {
	uintptr_t p; /* 0: free */
	uint32_t bucket;
	uint64_t blocks, bytes; /* that it counts as */
};

size_t rt__profile_rate;

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
	profile.sampler.turned = true;
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

/* In units of 16 bytes, rounded down: so a block of n is reached if n exceeds it. */
static int64_t
draw(uint64_t *random, size_t rate)
{
	*random += 0x9e3779b97f4a7c15; /* splitmix64 */
	uint64_t z = *random;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	if (rate == 1)
		return 0; /* all are sampled */
	return (int64_t)(-ln((double)((z >> 11) + 1) * 0x1p-53) * (double)rate / 16);
}

static void
seed(struct rt__sampler *s)
{
	__builtin_memcpy(&s->random, rt__os.random, sizeof s->random);
	if (rt__debug.schedseed > 0)
		s->random = (uint64_t)rt__debug.schedseed;
	s->random ^= (uintptr_t)s;
}

/* With the lock. */
static void
begin(struct rt__sampler *s)
{
	if (s->random == 0)
		seed(s);
	s->rate = rt__profile_rate;
	s->left = s->rate > 0 ? draw(&s->random, s->rate) : NEVER;
}

/* With the lock, when a block of n has ended the count of c, or of who has none: the rate that it
 * is to be sampled at; or 0, not at all. */
static size_t
ended(struct rt__cache *c, struct rt__sampler *s, size_t n)
{
	if (s->turned) {
		begin(s);
		rt__store_rlx(&s->turned, false);
		if (c)
			rt__cache_open(c, true);
		if (!rt__profile_count(s, n))
			return 0;
	}
	size_t rate = s->rate;
	begin(s);
	return rate;
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

/* A block that has counted as s bytes. */
static bool
note(const void *p, const struct rt__span *sp, double s, size_t rate, uint32_t stack)
{
	size_t size = rt__usable(sp);

	if (rt__profile_rate == 0 || !make_room())
		return false;
	double blocks = rate == 1 ? 1 : 1 / one_minus_exp(s / (double)rate);
	uint32_t i = bucket_of(stack, sp->class);
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

static void
sample(void *p, size_t n, size_t rate)
{
	uint8_t *state;
	const struct rt__span *sp = rt__span_in_use(p, &state);
	uint32_t stack = stack_here();

	rt__lock(&profile.lock);
	bool noted = sp && note(p, sp, (double)n * 16, rate, stack);
	rt__unlock(&profile.lock);
	if (noted)
		rt__store_rlx(state, (uint8_t)RT_BLOCK_WATCHED);
}

/* Samples p if it is due: it has ended the count of c; or is counted here, without one. */
static void
look(struct rt__cache *c, void *p, size_t n)
{
	struct rt__sampler *s = c ? &c->sampler : &profile.sampler;

	if (!rt__heap_try_enter())
		return;
	rt__lock(&profile.lock);
	size_t rate = c || rt__profile_count_slow(s, n) ? ended(c, s, n) : 0;
	rt__unlock(&profile.lock);
	if (rate > 0)
		sample(p, n, rate);
	rt__heap_leave();
}

void *
rt__profile_sample(struct rt__cache *c, void *p, size_t n)
{
	look(c, p, n);
	return p;
}

void *
rt__profile_shared(void *p, size_t n)
{
	if (rt__profile_on())
		look(NULL, p, n);
	return p;
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
	size_t was = rt__profile_rate;
	rt__store_rlx(&rt__profile_rate, bytes);
	profile.sampler.turned = true;
	struct rt__cache *c = rt__load_acq(&rt__caches); /* pairs with rt__cache_new */
	for (; c; c = c->next) {
		rt__store_rlx(&c->sampler.turned, true);
		rt__cache_open(c, false);
	}
	rt__unlock(&profile.lock);
	rt__heap_leave();
	return was;
}

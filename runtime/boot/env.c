/* SPDX-License-Identifier: MIT */
/*
 * GOMAXPROCS, RTDEBUG, RTMEMLIMIT, RTMEMPROFILE, RTSTACK and RTTRACEBACK. What is wrong in one of
 * them is ignored, and said once, on stderr, by the initializer of the package `runtime`: not where
 * it is read, when half the runtime is not there yet. A program that runs with more rights than its
 * user (AT_SECURE) reads none of them.
 */
#include "boot/env.h"

#include <rt/rt.h>

#include "mem/mem.h"
#include "os/os.h"
#include "sched/sched.h"
#include "stack/stack.h"

struct rt__env rt__env;

static const char *
setting(const char *name)
{
	return rt__args.secure ? NULL : rt__args_getenv(&rt__args, name);
}

static void
ignore(const char *item, size_t len, const char *why)
{
	(void)item, (void)len, (void)why;
}

void
rt__env_debug(void)
{
	const char *text = setting("RTDEBUG");

	rt__debug.asyncpreemptoff = -1; /* not said: the order of a seed is not up to the clock */
	if (text)
		rt__debug_parse(&rt__debug, text, ignore);
	if (rt__debug.asyncpreemptoff < 0)
		rt__debug.asyncpreemptoff = rt__debug.schedseed > 0;
}

size_t
rt__parse_size(const char *s)
{
	size_t len = rt__strlen(s), unit = 1;
	int32_t n;

	if (len > 0 && (s[len - 1] == 'K' || s[len - 1] == 'M' || s[len - 1] == 'G')) {
		unit = s[len - 1] == 'K' ? 1ul << 10 : s[len - 1] == 'M' ? 1ul << 20 : 1ul << 30;
		len--;
	}
	return rt__parse_int32(s, len, &n) && n > 0 ? (size_t)n * unit : 0;
}

size_t
rt__env_stack_size(void)
{
	const char *text = setting("RTSTACK");
	size_t size = text ? rt__parse_size(text) : 0;
	size_t pow2 = RT_STACK_MIN;

	if (size < RT_STACK_MIN || size > RT_STACK_MAX)
		return 0;
	while (pow2 < size)
		pow2 *= 2;
	return pow2;
}

/* The names and the limits of the program are where the kernel put them; nothing is copied. */
void
rt__goargs(void)
{
	if (rt__args.argc < 0 || rt__args.argv[rt__args.argc] != NULL)
		rt__die_at_boot("argv does not end where argc says");
}

static int32_t
parse_procs(const char *text)
{
	int32_t n;

	if (!text || !rt__parse_int32(text, rt__strlen(text), &n) || n < 1)
		return 0;
	return n < RT_MAXPROCS ? n : RT_MAXPROCS;
}

/* A process with more rights than its user keeps its insides to itself. */
static void
init_traceback(void)
{
	const char *text = setting("RTTRACEBACK");
	enum rt__traceback level = RT_TRACEBACK_SINGLE;

	if (rt__args.secure)
		level = RT_TRACEBACK_NONE;
	else if (!text || !rt__traceback_parse(text, &level))
		return;
	rt__traceback_init(level);
}

size_t
rt__parse_limit(const char *s)
{
	static const char units[] = "KMGT";
	size_t n = 0, i;

	if (rt__strcmp(s, "off") == 0)
		return SIZE_MAX;
	if (*s < '0' || *s > '9')
		return 0;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (size_t)(*s - '0'), &n))
			return 0;
	for (i = 0; units[i] && units[i] != *s; i++)
		;
	if (units[i]) {
		if (n > SIZE_MAX >> (10 * (i + 1)))
			return 0;
		n <<= 10 * (i + 1);
		s++;
		s += s[0] == 'i' && s[1] == 'B' ? 2 : 0;
	}
	s += s[0] == 'B' && !units[i];
	return *s ? 0 : n;
}

static void
init_limit(void)
{
	const char *text = setting("RTMEMLIMIT");
	size_t limit = text ? rt__parse_limit(text) : 0;

	if (limit)
		rt__mem_set_limit(limit);
}

static void
init_profile(void)
{
	const char *path = setting("RTMEMPROFILE");

	if (path && *path && !rt__debug.malloc)
		rt__profile_at_exit_init(path, rt__debug.memprofilerate);
}

void
rt__goenvs(void)
{
	init_traceback();
	init_limit();
	init_profile();
	rt__env.gomaxprocs = parse_procs(setting("GOMAXPROCS"));
}

/* ---- runtime_init ---- */

static void
complain_debug(const char *item, size_t len, const char *why)
{
	char text[64];
	size_t n = len < sizeof text - 1 ? len : sizeof text - 1;

	for (size_t i = 0; i < n; i++)
		text[i] = item[i];
	text[n] = 0;
	rt__eprintf("runtime: ignoring RTDEBUG item \"%s\": %s\n", text, why);
}

RT_PACKAGE_RUNTIME(runtime);

RT_INIT(runtime)
{
	const char *debug = setting("RTDEBUG");
	const char *procs = setting("GOMAXPROCS");
	const char *stack = setting("RTSTACK");
	const char *traceback = setting("RTTRACEBACK");
	const char *limit = setting("RTMEMLIMIT");
	const char *profile = setting("RTMEMPROFILE");
	enum rt__traceback level;
	struct rt__debug unused;

	if (debug)
		rt__debug_parse(&unused, debug, complain_debug);
	if (procs && *procs && parse_procs(procs) == 0)
		rt__eprintf("runtime: ignoring GOMAXPROCS=%s: not a positive number\n", procs);
	if (stack && *stack && rt__env_stack_size() == 0)
		rt__eprintf("runtime: ignoring RTSTACK=%s: not a size from 16K to 1G\n", stack);
	if (limit && *limit && rt__parse_limit(limit) == 0)
		rt__eprintf("runtime: ignoring RTMEMLIMIT=%s: not a size such as 512MiB\n", limit);
	if (profile && *profile && rt__debug.malloc)
		rt__eprintf("runtime: ignoring RTMEMPROFILE=%s: not with RTDEBUG=malloc\n",
			    profile);
	if (traceback && !rt__traceback_parse(traceback, &level))
		rt__eprintf("runtime: ignoring RTTRACEBACK=%s: not none, single, all, system or "
			    "crash\n",
			    traceback);
}

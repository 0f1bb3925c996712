/* SPDX-License-Identifier: MIT */
/*
 * The limits of the cgroup: of CPU, for the default of GOMAXPROCS (Go 1.25), and of memory.
 * /proc/self/cgroup tells the process's group in each hierarchy, /proc/self/mountinfo where that
 * hierarchy is mounted and which part of it. Version 2 has its limits in cpu.max and memory.max,
 * version 1 in cpu.cfs_{quota,period}_us and memory.limit_in_bytes.
 *
 * Go reads the leaf only (go#73193); a limit is as often set on a parent (a Kubernetes pod, a
 * systemd slice), so we walk up to the mount point and take the tightest. Whatever is absent,
 * unreadable or malformed means "no limit": a program must start without /proc, too.
 */
#include "os/os.h"

#define NO_LIMIT (1ul << 62) /* version 1 says so with the largest multiple of a page there is */

/* A field of a line: [s, s+len). */
struct span {
	const char *s;
	size_t len;
};

static bool
span_is(struct span a, const char *text)
{
	size_t i = 0;

	while (i < a.len && text[i] && a.s[i] == text[i])
		i++;
	return i == a.len && !text[i];
}

/* Whether a comma-separated list has an item. */
static bool
span_has_item(struct span list, const char *item)
{
	for (size_t i = 0; i <= list.len; i++) {
		size_t start = i;

		while (i < list.len && list.s[i] != ',')
			i++;
		if (span_is((struct span){list.s + start, i - start}, item))
			return true;
	}
	return false;
}

/* Cuts the text up to the first sep or the end of the line off *line. */
static struct span
cut(struct span *line, char sep)
{
	size_t n = 0;

	while (n < line->len && line->s[n] != sep)
		n++;
	struct span field = {line->s, n};
	n += n < line->len;
	line->s += n;
	line->len -= n;
	return field;
}

static bool
next_line(const char **text, struct span *ret)
{
	size_t n = 0;

	if (!**text)
		return false;
	while ((*text)[n] && (*text)[n] != '\n')
		n++;
	*ret = (struct span){*text, n};
	*text += n + ((*text)[n] == '\n');
	return true;
}

static bool
is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
		s[2] <= '7';
}

/* Appends s to dir, with mountinfo's octal escapes (\040 is a space) undone if `escaped`. */
static bool
append(struct rt__cgroup *g, size_t *len, struct span s, bool escaped)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.s[i];

		if (escaped && c == '\\' && i + 3 < s.len && is_octal(s.s + i + 1)) {
			c = (char)((s.s[i + 1] - '0') << 6 | (s.s[i + 2] - '0') << 3 |
				   (s.s[i + 3] - '0'));
			i += 3;
		}
		if (*len + 1 >= sizeof g->dir)
			return false;
		g->dir[(*len)++] = c;
	}
	g->dir[*len] = 0;
	return true;
}

/* The process's path in the hierarchy that has the controller: version 1's wins over version 2's,
 * because it can be in one of them only. */
static int
find_path(const char *cgroup, const char *controller, struct span *ret)
{
	struct span line;
	int version = 0;

	while (next_line(&cgroup, &line)) {
		struct span id = cut(&line, ':');
		struct span controllers = cut(&line, ':');

		if (span_has_item(controllers, controller)) {
			*ret = line;
			return 1;
		}
		if (span_is(id, "0") && controllers.len == 0) {
			*ret = line;
			version = 2;
		}
	}
	return version;
}

/* mountinfo: id parent major:minor root mountpoint options [tags...] - type source superoptions */
static bool
find_mount(const char *mountinfo, int version, const char *controller, struct span *root,
	   struct span *point)
{
	struct span line;

	while (next_line(&mountinfo, &line)) {
		cut(&line, ' '), cut(&line, ' '), cut(&line, ' ');
		*root = cut(&line, ' ');
		*point = cut(&line, ' ');
		while (line.len > 0 && !span_is(cut(&line, ' '), "-"))
			;
		struct span type = cut(&line, ' ');
		cut(&line, ' ');
		if (version == 2 ? span_is(type, "cgroup2")
				 : span_is(type, "cgroup") && span_has_item(line, controller))
			return true;
	}
	return false;
}

bool
rt__cgroup_find(const char *cgroup, const char *mountinfo, const char *controller,
		struct rt__cgroup *ret)
{
	struct span path, root, point;
	size_t len = 0, same = 0;

	ret->version = find_path(cgroup, controller, &path);
	if (ret->version == 0 || !find_mount(mountinfo, ret->version, controller, &root, &point))
		return false;
	/* The mount shows the hierarchy from `root` on; a path outside it is not to be seen. The
	 * root is escaped and the path is not: dir is free to hold it as it is. */
	if (!span_is(root, "/")) {
		if (!append(ret, &len, root, true))
			return false;
		while (same < len && same < path.len && ret->dir[same] == path.s[same])
			same++;
		if (same < len || (same < path.len && path.s[same] != '/'))
			return false;
		len = 0;
	}
	struct span below = {path.s + same, path.len - same};
	if (!append(ret, &len, point, true))
		return false;
	ret->root = len;
	return append(ret, &len, span_is(below, "/") ? (struct span){"", 0} : below, false);
}

static bool
parse_positive(struct span s, int32_t *ret)
{
	return rt__parse_int32(s.s, s.len, ret) && *ret > 0;
}

static int
divide_up(int32_t quota, int32_t period)
{
	return (int)(((int64_t)quota + period - 1) / period);
}

int
rt__cgroup_parse_max(const char *text)
{
	struct span line;
	int32_t quota, period;

	if (!next_line(&text, &line))
		return 0;
	struct span first = cut(&line, ' ');
	return parse_positive(first, &quota) && parse_positive(line, &period)
		? divide_up(quota, period)
		: 0;
}

int
rt__cgroup_parse_quota(const char *quota_text, const char *period_text)
{
	struct span q, p;
	int32_t quota, period;

	return next_line(&quota_text, &q) && next_line(&period_text, &p) &&
			parse_positive(q, &quota) && parse_positive(p, &period)
		? divide_up(quota, period)
		: 0;
}

/* Reads dir + name into text. */
static bool
read_limit(const struct rt__cgroup *g, const char *name, char *text, size_t size)
{
	static RT_COLD_BSS char path[sizeof g->dir + 32];

	rt__format(path, sizeof path, "%s%s", g->dir, name);
	return rt__os_read_file(path, text, size) > 0;
}

static int
limit_here(const struct rt__cgroup *g)
{
	char a[64], b[64];

	if (g->version == 2)
		return read_limit(g, "/cpu.max", a, sizeof a) ? rt__cgroup_parse_max(a) : 0;
	return read_limit(g, "/cpu.cfs_quota_us", a, sizeof a) &&
			read_limit(g, "/cpu.cfs_period_us", b, sizeof b)
		? rt__cgroup_parse_quota(a, b)
		: 0;
}

/* Shortens dir to its parent; false at the mount point. */
static bool
go_up(struct rt__cgroup *g)
{
	size_t n = rt__strlen(g->dir);

	if (n <= g->root)
		return false;
	while (n > g->root && g->dir[n - 1] != '/')
		n--;
	g->dir[n > g->root ? n - 1 : n] = 0;
	return true;
}

/* Not on the stack, which may be a goroutine's of 16 KiB. In use at boot, by one thread, and with
 * the heap's lock held. */
static struct {
	struct rt__cgroup group;
	char cgroup[4096], mountinfo[32768];
} scratch RT_COLD_BSS;

static bool
find_own(const char *controller)
{
	return rt__os_read_file("/proc/self/cgroup", scratch.cgroup, sizeof scratch.cgroup) > 0 &&
		rt__os_read_file("/proc/self/mountinfo", scratch.mountinfo,
				 sizeof scratch.mountinfo) > 0 &&
		rt__cgroup_find(scratch.cgroup, scratch.mountinfo, controller, &scratch.group);
}

int
rt__cgroup_cpus(void)
{
	int tightest = 0;

	if (!find_own("cpu"))
		return 0;
	do {
		int cpus = limit_here(&scratch.group);

		if (cpus > 0 && (tightest == 0 || cpus < tightest))
			tightest = cpus;
	} while (go_up(&scratch.group));
	return tightest;
}

/* ---- memory ---- */

size_t
rt__cgroup_parse_bytes(const char *text)
{
	size_t n = 0;

	if (*text < '0' || *text > '9')
		return 0; /* "max" */
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (size_t)(*text - '0'), &n))
			return 0;
	return n < NO_LIMIT ? n : 0;
}

size_t
rt__cgroup_memory(void)
{
	size_t tightest = 0;
	char text[64];

	if (!find_own("memory"))
		return 0;
	const char *name = scratch.group.version == 2 ? "/memory.max" : "/memory.limit_in_bytes";
	do {
		size_t n = read_limit(&scratch.group, name, text, sizeof text)
			? rt__cgroup_parse_bytes(text)
			: 0;

		if (n > 0 && (tightest == 0 || n < tightest))
			tightest = n;
	} while (go_up(&scratch.group));
	return tightest;
}

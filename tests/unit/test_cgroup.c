/* SPDX-License-Identifier: MIT */
/* test_cgroup.c: the pure parts of os/cgroup.c, on texts as the kernel writes them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT(root)                                                                             \
	"33 32 0:29 " root " /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:12 - cgroup cgroup "      \
	"rw,cpu,cpuacct\n"
#define OTHER_MOUNTS                                                                               \
	"23 28 0:22 / /proc rw,nosuid shared:12 - proc proc rw\n"                                  \
	"28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"                                \
	"31 23 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"

static struct rt__cgroup g;

static void
expect_found(const char *cgroup, const char *mountinfo, int version, const char *dir,
	     const char *root)
{
	memset(&g, 0x55, sizeof g);
	cr_assert(rt__cgroup_find(cgroup, mountinfo, "cpu", &g), "%s", dir);
	cr_expect_eq(g.version, version);
	cr_expect_str_eq(g.dir, dir);
	cr_expect_eq(g.root, strlen(root));
}

static void
expect_none(const char *cgroup, const char *mountinfo)
{
	cr_expect_not(rt__cgroup_find(cgroup, mountinfo, "cpu", &g), "%s", cgroup);
}

Test(cgroup, version_2)
{
	expect_found("0::/user.slice/a.scope\n", OTHER_MOUNTS V2_MOUNT, 2,
		     "/sys/fs/cgroup/user.slice/a.scope", "/sys/fs/cgroup");
}

/* In a cgroup namespace, the process sees itself at the root. */
Test(cgroup, version_2_at_the_root)
{
	expect_found("0::/\n", V2_MOUNT, 2, "/sys/fs/cgroup", "/sys/fs/cgroup");
	expect_found("0::/", OTHER_MOUNTS V2_MOUNT, 2, "/sys/fs/cgroup", "/sys/fs/cgroup");
}

/* Without one, the mount shows a part of the hierarchy, and the path names all of it. */
Test(cgroup, mount_of_a_subtree)
{
	const char *mount = "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";

	expect_found("0::/docker/abc\n", mount, 2, "/sys/fs/cgroup", "/sys/fs/cgroup");
	expect_found("0::/docker/abc/d\n", mount, 2, "/sys/fs/cgroup/d", "/sys/fs/cgroup");
	expect_none("0::/docker\n", mount);
	expect_none("0::/docker/abcd\n", mount);
	expect_none("0::/other/abc\n", mount);
	expect_none("0::/\n", mount);
}

Test(cgroup, version_1)
{
	const char *cgroup = "12:cpuset:/\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n";

	expect_found(cgroup, OTHER_MOUNTS V1_MOUNT("/"), 1, "/sys/fs/cgroup/cpu,cpuacct/docker/abc",
		     "/sys/fs/cgroup/cpu,cpuacct");
	expect_found(cgroup, V1_MOUNT("/docker/abc"), 1, "/sys/fs/cgroup/cpu,cpuacct",
		     "/sys/fs/cgroup/cpu,cpuacct");
	expect_none(cgroup, V1_MOUNT("/docker/xyz"));
	expect_none(cgroup, OTHER_MOUNTS);
}

/* Both versions mounted: the controller is where /proc/self/cgroup lists it. */
Test(cgroup, hybrid)
{
	const char *mounts = V2_MOUNT OTHER_MOUNTS V1_MOUNT("/");

	expect_found("4:cpuacct,cpu:/a\n0::/b\n", mounts, 1, "/sys/fs/cgroup/cpu,cpuacct/a",
		     "/sys/fs/cgroup/cpu,cpuacct");
	expect_found("0::/b\n4:cpuacct,cpu:/a\n", mounts, 1, "/sys/fs/cgroup/cpu,cpuacct/a",
		     "/sys/fs/cgroup/cpu,cpuacct");
	expect_found("4:cpuset:/a\n0::/b\n", mounts, 2, "/sys/fs/cgroup/b", "/sys/fs/cgroup");
}

Test(cgroup, similar_names_are_not_cpu)
{
	expect_none("4:cpuset:/a\n5:cpuacct:/b\n6:name=cpu:/c\n", V2_MOUNT V1_MOUNT("/"));
	expect_none("4:cpu:/a\n", "31 23 0:27 / /c rw - cgroup cgroup rw,cpuset\n" V2_MOUNT);
}

Test(cgroup, colons_and_spaces_in_the_path)
{
	expect_found("0::/a:b c\n", V2_MOUNT, 2, "/sys/fs/cgroup/a:b c", "/sys/fs/cgroup");
}

/* Mount points are escaped: space, tab, newline, backslash. */
Test(cgroup, escapes_in_the_mount_point)
{
	expect_found("0::/x\n", "30 23 0:26 / /my\\040cg\\134\\011\\012 rw - cgroup2 c rw\n", 2,
		     "/my cg\\\t\n/x", "/my cg\\\t\n");
	expect_found("0::/x\n", "30 23 0:26 / /end\\040 rw - cgroup2 c rw\n", 2, "/end /x",
		     "/end ");
	expect_found("0::/x\n", "30 23 0:26 / /cut\\04 rw - cgroup2 c rw\n", 2, "/cut\\04/x",
		     "/cut\\04");
}

/* The path in /proc/self/cgroup is not: a backslash is one. */
Test(cgroup, no_escapes_in_the_path)
{
	expect_found("0::/a\\040b\n", V2_MOUNT, 2, "/sys/fs/cgroup/a\\040b", "/sys/fs/cgroup");
}

/* The root of the mount is escaped as well. */
Test(cgroup, escapes_in_the_root_of_the_mount)
{
	expect_found("0::/my group/x\n", "30 23 0:26 /my\\040group /cg rw - cgroup2 c rw\n", 2,
		     "/cg/x", "/cg");
}

Test(cgroup, any_number_of_tags)
{
	expect_found("0::/x\n", "30 23 0:26 / /none rw - cgroup2 c rw\n", 2, "/none/x", "/none");
	expect_found("0::/x\n", "30 23 0:26 / /two rw shared:1 master:2 - cgroup2 c rw\n", 2,
		     "/two/x", "/two");
}

Test(cgroup, missing_or_malformed_lines)
{
	static const char *const bad_cgroups[] = {"", "\n", "0", "0:", "::", "4:cpu", "nonsense\n"};
	static const char *const bad_mounts[] = {"",
						 "\n\n",
						 "30 23 0:26 /",
						 "30 23 0:26 / /cg rw",
						 "30 23 0:26 / /cg rw cgroup2 -",
						 "- cgroup2\n"};

	for (size_t i = 0; i < RT_ARRAY_LEN(bad_cgroups); i++)
		expect_none(bad_cgroups[i], OTHER_MOUNTS);
	for (size_t i = 0; i < RT_ARRAY_LEN(bad_mounts); i++)
		expect_none("0::/x\n", bad_mounts[i]);
}

/* Garbage behind a backslash must not be undefined behaviour. */
Test(cgroup, malformed_escapes)
{
	cr_expect(
		rt__cgroup_find("0::/x\n", "30 23 0:26 / /a\\!!!b rw - cgroup2 c rw\n", "cpu", &g));
	cr_expect(
		rt__cgroup_find("0::/x\n", "30 23 0:26 / /a\\zzzb rw - cgroup2 c rw\n", "cpu", &g));
	cr_expect(rt__cgroup_find("0::/x\n", "30 23 0:26 / /a\\\xff\xff\xff rw - cgroup2 c rw\n",
				  "cpu", &g));
}

Test(cgroup, paths_that_are_too_long)
{
	static char text[3 * sizeof g.dir], mount[3 * sizeof g.dir];
	const size_t room = sizeof g.dir - 1;

	/* "/cg" and a path of exactly what is left. */
	snprintf(mount, sizeof mount, "30 23 0:26 / /cg rw - cgroup2 c rw\n");
	memset(text, 'a', sizeof text - 1);
	memcpy(text, "0::/", 4);
	text[3 + room - 3] = 0;
	cr_expect(rt__cgroup_find(text, mount, "cpu", &g));
	cr_expect_eq(strlen(g.dir), room);
	text[3 + room - 3] = 'a';
	text[3 + room - 2] = 0;
	expect_none(text, mount);

	/* A mount point that is too long by itself. */
	int n = snprintf(mount, sizeof mount, "30 23 0:26 / /");
	memset(mount + n, 'm', room);
	snprintf(mount + (size_t)n + room, 64, " rw - cgroup2 c rw\n");
	expect_none("0::/\n", mount);
}

Test(cgroup, cpu_max)
{
	static const struct {
		const char *text;
		int cpus;
	} cases[] = {
		{"max 100000\n", 0},
		{"max\n", 0},
		{"200000 100000\n", 2},
		{"200000 100000", 2},
		{"200001 100000\n", 3},
		{"199999 100000\n", 2},
		{"1000 100000\n", 1},
		{"1 2147483647\n", 1},
		{"2147483647 1\n", 2147483647},
		{"0 100000\n", 0},
		{"-1 100000\n", 0},
		{"100000 0\n", 0},
		{"100000 -1\n", 0},
		{"", 0},
		{"\n", 0},
		{" \n", 0},
		{"100000\n", 0},
		{"100000 \n", 0},
		{" 100000\n", 0},
		{"100000 100000 7\n", 0},
		{"100000  100000\n", 0},
		{"100000\t100000\n", 0},
		{"1e5 100000\n", 0},
		{"99999999999999999999 100000\n", 0},
		{"100000 99999999999999999999\n", 0},
		{"200000 100000\nmax 1\n", 2},
	};

	for (size_t i = 0; i < RT_ARRAY_LEN(cases); i++)
		cr_expect_eq(rt__cgroup_parse_max(cases[i].text), cases[i].cpus, "%s: %d",
			     cases[i].text, rt__cgroup_parse_max(cases[i].text));
}

Test(cgroup, quota_and_period)
{
	cr_expect_eq(rt__cgroup_parse_quota("-1\n", "100000\n"), 0);
	cr_expect_eq(rt__cgroup_parse_quota("250000\n", "100000\n"), 3);
	cr_expect_eq(rt__cgroup_parse_quota("250000", "100000"), 3);
	cr_expect_eq(rt__cgroup_parse_quota("300000\n", "100000\n"), 3);
	cr_expect_eq(rt__cgroup_parse_quota("1\n", "100000\n"), 1);
	cr_expect_eq(rt__cgroup_parse_quota("0\n", "100000\n"), 0);
	cr_expect_eq(rt__cgroup_parse_quota("100000\n", "0\n"), 0);
	cr_expect_eq(rt__cgroup_parse_quota("", "100000\n"), 0);
	cr_expect_eq(rt__cgroup_parse_quota("100000\n", ""), 0);
	cr_expect_eq(rt__cgroup_parse_quota("many\n", "100000\n"), 0);
}

/* Whatever this machine has: it must answer, and not with nonsense. */
Test(cgroup, of_this_process)
{
	int cpus = rt__cgroup_cpus();

	cr_expect_geq(cpus, 0);
}

Test(cgroup, memory_limits)
{
	cr_assert_eq(rt__cgroup_parse_bytes("max\n"), 0);
	cr_assert_eq(rt__cgroup_parse_bytes("536870912\n"), 512ul << 20);
	cr_assert_eq(rt__cgroup_parse_bytes("9223372036854771712\n"), 0);
	cr_assert_eq(rt__cgroup_parse_bytes("99999999999999999999999\n"), 0);
	cr_assert_eq(rt__cgroup_parse_bytes(""), 0);
	cr_assert(rt__cgroup_find(
		"5:memory:/a\n4:cpu,cpuacct:/b\n",
		"30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "memory", &g));
	cr_assert_str_eq(g.dir, "/sys/fs/cgroup/memory/a");
}

#!/bin/sh
# SPDX-License-Identifier: MIT
# make_seeds.sh: builds small ELF files with init tables for the rtinspect fuzzers to start from.
#
#	make_seeds.sh OUTDIR [CC]
#
# They are freestanding, so that they are a few kilobytes and most of their bytes matter. They are
# not programs to run: their rt0 note is their own, and nothing boots them.
set -eu

if [ $# -lt 1 ]; then
	echo "usage: make_seeds.sh OUTDIR [CC]" >&2
	exit 2
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
cc=${2:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" # the names in the tables and in DWARF are then the same in every run

cat >good.c <<'END'
#include <rt/init.h>
int state;
RT_PACKAGE_RUNTIME(runtime);
RT_PACKAGE(log);
RT_PACKAGE(net, log);
RT_PACKAGE(store, log, net);
RT_INIT(runtime) { state = 1; }
RT_INIT(log) { state = 2; }
RT_INIT(store) { state = 3; }
RT_INIT(store) { state = 4; }
RT_FINI(store) { state = 5; }
RT_FINI(log) { state = 6; }
__attribute__((constructor)) static void early(void) { state = 7; }
__attribute__((destructor)) static void late(void) { state = 8; }
void _start(void) { for (;;) { } }
END
cat >bad.c <<'END'
#include <rt/init.h>
int state;
RT_PACKAGE_RUNTIME(hasty, log);
RT_PACKAGE(log);
RT_PACKAGE(a, b, log);
RT_PACKAGE(b, c);
RT_PACKAGE(c, a, b);
RT_PACKAGE(self, self);
RT_PACKAGE(user, a);
RT_INIT(hasty) { state = 1; }
RT_INIT(a) { state = 2; }
RT__DECLARE(orphan)
const char rt_pkg_orphan[] = "orphan";
const char rt_pkg_twin[] = "log";
RT_INIT(orphan) { state = 3; }
RT__HOLDER(twin_holder) { RT__RECORD(1, 2, twin, rt_pkg_twin); RT__RECORD(3, 2, twin, &state); }
void _start(void) { for (;;) { } }
END
cat >note.S <<'END'
	.section .note.rt0, "a", @note
	.balign 4
	.long 4, 8, 1
	.asciz "rt0"
	.long 1, 20
	.section .note.GNU-stack, "", @progbits
END

link() {
	name=$1
	source=$2
	shift 2
	"$cc" -I"$root/runtime/include" -g -O1 -nostdlib \
		-ffile-prefix-map="$work"=. -fno-stack-protector "$@" \
		"$source.c" note.S -T "$root/linker/rt0.ld" -Wl,--build-id=none \
		-Wl,-z,max-page-size=4096 -Wl,-z,noseparate-code -o "$out/$name"
}
link good-static good -static -fno-pie
link good-static-pie good -fPIE -static-pie -Wl,--no-dynamic-linker
link good-pie good -fPIE -pie
link good-compressed good -static -fno-pie -gz
link bad-static bad -static -fno-pie
link bad-static-pie bad -fPIE -static-pie -Wl,--no-dynamic-linker
strip -s "$out/good-static-pie" -o "$out/good-stripped"
"$cc" -I"$root/runtime/include" -O1 -c good.c -o "$out/good-object"
# A file of its own kind for each way to be somebody else's.
printf '!<arch>\n' >"$out/archive"
printf '#!/bin/sh\n' >"$out/script"

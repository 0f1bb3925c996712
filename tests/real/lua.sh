#!/bin/sh
# SPDX-License-Identifier: MIT
# lua.sh RT0_CC SOURCE_DIR WORK_DIR: Lua 5.4, unmodified, built with rt0-cc: as the interpreter, and
# as a library under goroutines.
set -eu
rt0_cc=$1
here=$2
mkdir -p "$3"
work=$(cd "$3" && pwd)

src=$(sh "$here/fetch.sh" lua5.4 "$work/..")/src
cd "$work"
# The objects know nothing of rt0, so they are compiled once; only linking is done each time.
if [ ! -e obj/done ]; then
	mkdir -p obj
	# What Debian's debian/rules writes, for the path of loadable modules.
	echo '#define DEB_HOST_MULTIARCH "x86_64-linux-musl"' >obj/lua5.4-deb-multiarch.h
	(cd obj && "$rt0_cc" -O2 -std=gnu99 -DLUA_COMPAT_5_3 -DLUA_USE_POSIX -I. -c "$src"/l*.c)
	rm obj/luac.o
	touch obj/done
fi
library=$(find obj -name 'l*.o' ! -name lua.o | sort)
# shellcheck disable=SC2086  # lists of files
{
	"$rt0_cc" -o lua obj/lua.o $library -lm
	musl-gcc -static -o lua-musl obj/lua.o $library -lm
	"$rt0_cc" -O2 -g -Wall -Wextra -Werror -I "$src" -I obj -o lua-goroutines \
		"$here/lua_goroutines.c" $library -lm
}

failed=0
check() {
	name=$1
	shift
	rm -rf "$work/tmp"
	mkdir -p "$work/tmp"
	if (cd "$work/tmp" && TMPDIR=$work/tmp timeout 100 "$@" >../out 2>../err) &&
		[ "$(tail -n 1 out)" = ok ]; then
		echo "pass: $name"
	else
		echo "FAIL: $name"
		tail -n 20 out err
		failed=1
	fi
}

check "lua: one script" ../lua "$here/exercise.lua"
for procs in 1 2 8; do
	check "lua: 8 states on 8 goroutines, GOMAXPROCS=$procs" \
		env GOMAXPROCS=$procs ../lua-goroutines "$here/exercise.lua"
done
# Garbage of all sizes, of which the same is left as with musl's malloc.
timeout 100 ./lua-musl "$here/allocate.lua" 12 >wanted
timeout 100 ./lua "$here/allocate.lua" 12 >out
if cmp -s wanted out && [ "$(wc -l <out)" = 4 ]; then
	echo "pass: lua: allocates as with musl"
else
	echo "FAIL: lua: allocates as with musl"
	diff wanted out
	failed=1
fi
[ "$(echo 'print(6 * 7)' | ./lua -)" = 42 ] || failed=1
exit $failed

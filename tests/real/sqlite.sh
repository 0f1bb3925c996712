#!/bin/sh
# SPDX-License-Identifier: MIT
# sqlite.sh RT0_CC SOURCE_DIR WORK_DIR: the SQLite shell, unmodified, built with rt0-cc, and SQLite
# as a library under goroutines.
set -eu
rt0_cc=$1
here=$2
mkdir -p "$3"
work=$(cd "$3" && pwd)

src=$(sh "$here/fetch.sh" sqlite3 "$work/..")
command -v tclsh >/dev/null || {
	echo "skipped: no tclsh, which SQLite's sources are put together with" >&2
	exit 77
}
cd "$work"
if [ ! -e shell.c ] || [ ! -e sqlite3.c ]; then
	"$src/configure" --disable-tcl --disable-readline >configure.log 2>&1
	make sqlite3.c shell.c >make.log 2>&1
fi
# The objects know nothing of rt0, so they are compiled once; only linking is done each time.
if [ ! -e compiled ]; then
	"$rt0_cc" -O1 -DSQLITE_THREADSAFE=1 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_ENABLE_FTS5 \
		-I. -c sqlite3.c shell.c
	touch compiled
fi
if [ ! -e speedtest1.o ]; then
	"$rt0_cc" -O1 -I. -c "$src/test/speedtest1.c"
fi
"$rt0_cc" -o sqlite3 shell.o sqlite3.o -lm
"$rt0_cc" -o speedtest1 speedtest1.o sqlite3.o -lm
musl-gcc -static -o speedtest1-musl speedtest1.o sqlite3.o -lm
"$rt0_cc" -O2 -g -Wall -Wextra -Werror -I. -o sqlite-goroutines "$here/sqlite_goroutines.c" \
	sqlite3.o -lm

failed=0
rm -rf tmp
mkdir tmp
check() {
	name=$1
	shift
	if (cd tmp && timeout 150 "$@" >../out 2>../err) && [ "$(tail -n 1 out)" = ok ]; then
		echo "pass: $name"
	else
		echo "FAIL: $name"
		tail -n 20 out err
		failed=1
	fi
}

check "sqlite3: 100,000 rows" ../sqlite3 -batch -bail one.db ".read $here/exercise.sql"
for procs in 1 2 8; do
	rm -f tmp/*.db*
	check "sqlite3: 8 files on 8 goroutines, GOMAXPROCS=$procs" \
		env GOMAXPROCS=$procs ../sqlite-goroutines files
	check "sqlite3: 8 connections to one file, GOMAXPROCS=$procs" \
		env GOMAXPROCS=$procs ../sqlite-goroutines shared.db
done
# SQLite's own benchmark: what it has hashed of its results is the same as with musl's malloc.
hash_of() {
	timeout 100 "$@" --size 10 --memdb --verify 2>err | sed -n 's/^Verification Hash: //p'
}
wanted=$(hash_of ./speedtest1-musl)
if [ -n "$wanted" ] && [ "$(hash_of ./speedtest1)" = "$wanted" ]; then
	echo "pass: speedtest1"
else
	echo "FAIL: speedtest1: $(cat err)"
	failed=1
fi
exit $failed

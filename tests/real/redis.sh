#!/bin/sh
# SPDX-License-Identifier: MIT
# redis.sh RT0_CC SOURCE_DIR WORK_DIR: the Redis server, unmodified, built with rt0-cc. It is
# filled, saves its data in a child made by fork while clients write, and loads it again. The same
# objects, linked with musl alone, must come to the same data.
set -eu
rt0_cc=$1
here=$2
mkdir -p "$3"
work=$(cd "$3" && pwd)

src=$(sh "$here/fetch.sh" redis "$work/..")
cd "$work"
# The objects know nothing of rt0, so they are compiled once; only linking is done each time.
if [ ! -e compiled ]; then
	rm -rf redis
	cp -r "$src" redis
	make -C redis/deps CC="$rt0_cc" CFLAGS=-O1 hiredis linenoise lua hdr_histogram \
		>make.log 2>&1
	make -C redis/src -j2 CC="$rt0_cc" MALLOC=libc BUILD_TLS=no USE_SYSTEMD=no DEBUG= \
		OPTIMIZATION=-O1 FINAL_LDFLAGS= redis-server redis-cli redis-benchmark \
		>>make.log 2>&1
	touch compiled
fi
cd redis/src
objects=$(find . -maxdepth 1 -name '*.o' ! -name redis-cli.o ! -name redis-benchmark.o \
	! -name redisassert.o | sort)
deps=../deps
archives="$deps/hiredis/libhiredis.a $deps/lua/src/liblua.a
	$deps/hdr_histogram/libhdrhistogram.a"
# shellcheck disable=SC2086  # lists of files
{
	"$rt0_cc" -o redis-server $objects $archives -lm
	musl-gcc -static -o redis-musl $objects $archives -lm
}
PATH=$(pwd):$PATH
cd "$work"

server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null' EXIT

cli() {
	redis-cli -s "$work/tmp/socket" "$@"
}

# start PROGRAM OPTION...: on the data of the last one.
start() {
	program=$1
	shift
	(cd tmp && exec "$program" --port 0 --unixsocket "$work/tmp/socket" --save '' \
		--enable-debug-command yes "$@" >>log 2>&1) &
	server=$!
	for _ in $(seq 100); do
		[ "$(cli ping 2>/dev/null)" = PONG ] && return
		sleep 0.1
	done
	fail "$program does not answer"
}

stop() {
	cli shutdown nosave
	wait "$server" || fail "$program ended with status $?"
	server=
}

fail() {
	echo "FAIL: $*"
	tail -n 20 tmp/log
	exit 1
}

# A field of `info`.
info() {
	cli info "$1" | tr -d '\r' | sed -n "s/^$2://p"
}

until_saved() {
	for _ in $(seq 300); do
		[ "$(info persistence rdb_bgsave_in_progress)" = 0 ] && break
		sleep 0.1
	done
	[ "$(info persistence rdb_last_bgsave_status)" = ok ] || fail "the child could not save"
}

# All types, short and long, some replaced, some deleted: 8,000 keys.
fill() {
	cli eval "$(cat "$here/exercise_redis.lua")" 0 >tmp/out 2>&1
	[ "$(cat tmp/out)" = ok ] || fail "the script says: $(cat tmp/out)"
}

run() {
	rm -rf tmp
	mkdir tmp
	start "$@"
	fill
	digest=$(cli debug digest)
	# Clients write keys of their own while the child saves.
	redis-benchmark -s "$work/tmp/socket" -q -n 2000 -c 20 -r 1000 \
		-t set,get,incr,lpush,rpop,sadd,hset,zadd,zpopmin,lrange_100,mset >tmp/bench 2>&1 &
	bench=$!
	for _ in 1 2 3; do
		cli bgsave >/dev/null
		until_saved
	done
	wait "$bench" || fail "redis-benchmark: $(tail -n 3 tmp/bench)"
	cli bgsave >/dev/null
	until_saved
	all=$(cli debug digest)
	stop
	start "$@"
	[ "$(cli debug digest)" = "$all" ] || fail "what was saved is not what was there"
	cli flushall async >/dev/null # a thread of Redis's own frees what main has allocated
	fill
	[ "$(cli debug digest)" = "$digest" ] || fail "the same script came to other data"
	stop
	echo "pass: redis: $*"
}

run redis-musl
of_musl=$digest
run redis-server
[ "$digest" = "$of_musl" ] || fail "other data than with musl"

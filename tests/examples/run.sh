#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [--sorted] PROGRAM EXPECT [ARGUMENT...]: runs an example in the folder of its input files,
# with one thread and with several, and compares what it prints. --sorted: lines may come in any
# order.
set -eu
order="cat"
if [ "$1" = --sorted ]; then
	order="sort"
	shift
fi
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
expect=$2
shift 2
cd "$(dirname "$expect")"
for procs in 1 2 8; do
	GOMAXPROCS=$procs timeout 30 "$program" "$@" | LC_ALL=C $order | diff -u "$expect" - || {
		echo "GOMAXPROCS=$procs: not as in $expect"
		exit 1
	}
done

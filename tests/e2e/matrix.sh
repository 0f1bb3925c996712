#!/bin/sh
# SPDX-License-Identifier: MIT
# matrix.sh RT0_CC WORK_DIR: an init table whose packages come out of an archive, built in every way
# that is promised, run, and its output compared.
set -eu
rt0_cc=$1
work=$2
src=$(cd "$(dirname "$0")" && pwd)/matrix
rm -rf "$work"
mkdir -p "$work"
cd "$work"

cat >expected <<EOF
log 2
net
store
goroutine 1 2.5
app
main
fini app
fini store
fini log
EOF

have() {
	command -v "$1" >/dev/null
}

passed=0 failed=0 left_out=
# build_and_run CC LINKER KIND LTO OPTIMIZE SECTIONS
build_and_run() {
	case $1 in
	gcc) ar=gcc-ar ;;
	clang) ar=llvm-ar ;;
	esac
	have "$ar" || ar="ar"
	cflags="$4 $5 $6" ldflags="-fuse-ld=$2"
	[ "$3" = static-pie ] && cflags="$cflags -fPIE" ldflags="$ldflags -static-pie"
	[ -n "$6" ] && ldflags="$ldflags -Wl,--gc-sections"
	rm -f ./*.o libpackages.a program
	# shellcheck disable=SC2086  # lists of flags
	if RT0_CC=$1 "$rt0_cc" $cflags -c "$src"/*.c &&
		"$ar" rcs libpackages.a unused.o store.o net.o log.o &&
		RT0_CC=$1 "$rt0_cc" $cflags $ldflags -o program main.o -L. -lpackages; then
		status=0
		timeout 20 ./program >out || status=$?
		# clang's LTO plugin in GNU ld links archive members with constructors, or anything
		# `used`, that nobody asked for, if -static is given: also without rt0.
		[ "$1$2$4" != clangbfd-flto ] || sed -i '/^unused/d' out
		[ $status = 7 ] && cmp -s expected out && ! readelf -lW program | grep -q INTERP &&
			# What debuggers go by.
			nm program | grep -q ' rt__layout$' &&
			readelf -SW program | grep -q '[.]debug_gdb_scripts'
	fi
}

for cc in gcc clang; do
	have $cc || { left_out="$left_out $cc" && continue; }
	for linker in bfd lld; do
		have ld.$linker || { left_out="$left_out $linker" && continue; }
		for kind in static static-pie; do
			for lto in "" -flto; do
				# lld cannot read gcc's intermediate code.
				[ "$cc$linker$lto" = gcclld-flto ] && continue
				for how in -O0: -O2: "-O2:-ffunction-sections -fdata-sections"; do
					opt=${how%%:*} sections=${how#*:}
					rm -f out
					if build_and_run $cc $linker $kind "$lto" "$opt" \
						"$sections" >log 2>&1; then
						passed=$((passed + 1))
					else
						failed=$((failed + 1))
						echo "FAIL: $cc $linker $kind $lto $opt $sections"
						cat log
						[ ! -e out ] || diff expected out || :
					fi
				done
			done
		done
	done
done
echo "$passed passed, $failed failed${left_out:+, not here:$left_out}"
[ $failed = 0 ] && [ $passed -gt 0 ]

#!/bin/sh
# SPDX-License-Identifier: MIT
#
# assertions.sh SOURCE BUILD: builds the runtime once more, with -Dassertions=true (its invariants
# on hot paths, the order of its locks), and runs those guests on it that drive the scheduler
# hardest.
# The drivers are those of BUILD; what they run is in BUILD/assertions.
set -eu
source=${1:?usage: assertions.sh SOURCE BUILD}
build=${2:?usage: assertions.sh SOURCE BUILD}
checked=$build/assertions
status=0

fail() {
	cat "$build/assertions.log"
	exit 1
}

[ -f "$checked/build.ninja" ] ||
	meson setup "$checked" "$source" --cross-file "$source/tools/meson/musl-x86_64.ini" \
		-Dassertions=true >"$build/assertions.log" || fail

guests='api api-O0 stack sched stress block preempt preempt_libc preempt_regs preempt_stress
	preempt_return preempt_return-O0 init_goroutines each_p heap_crowd'
# A clang that is not there builds none of its own.
for g in api-clang api-clang-O0 stack-clang preempt_return-clang; do
	[ ! -f "$build/tests/guest/$g" ] || guests="$guests $g"
done
targets=
for g in $guests; do
	targets="$targets tests/guest/$g"
done
# shellcheck disable=SC2086  # a list
ninja -C "$checked" $targets >"$build/assertions.log" || fail

# run DRIVER FILTER: with the guests that check themselves.
run() {
	echo "== $*"
	RT0_GUESTS=$checked/tests/guest "$build/tests/e2e/test_$1" "--filter=$2" || status=1
}

# That they do check themselves: the texts are in the programs.
grep -q 'assertion failed: ' "$checked/tests/guest/api"
grep -q 'lock ordering problem' "$checked/tests/guest/api"

RT0_STRESS=${RT0_STRESS:-4}
export RT0_STRESS
run api '*/*'
run sched '*/*'
run block '*/*'
run stack '*/!(cost|memory_comes_back|too_many_mappings)'
run preempt '*/!(whatever_*|ticker|registers_*)'
RT0_GUEST_RTDEBUG=preemptstress=50
export RT0_GUEST_RTDEBUG
run stress '*/*'
exit $status

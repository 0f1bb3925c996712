#!/bin/sh
# SPDX-License-Identifier: MIT
# chan_types.sh RT0-CC DIR: what the compilers say to uses of rt/chan.h: nothing to right ones, with
# all warnings on; something to each that mixes types. Each snippet is the body of a function.
set -u
rt0_cc=$1
dir=$2
status=0
mkdir -p "$dir" || exit 1

compile() { # CC BODY FLAGS...: with the names that the snippets use
	cc=$1 body=$2
	shift 2
	cat >"$dir/try.c" <<EOF
#include <rt/rt.h>
struct point { int x, y; };
int try(rt_chan(int) ci, rt_chan(long) cl, rt_chan(struct point) cp, rt_chan(char *) cs,
	int *pi, long *pl, struct point *pp, bool *ok);
int try(rt_chan(int) ci, rt_chan(long) cl, rt_chan(struct point) cp, rt_chan(char *) cs,
	int *pi, long *pl, struct point *pp, bool *ok)
{
	int i = 0;
	(void)ci, (void)cl, (void)cp, (void)cs, (void)pi, (void)pl, (void)pp, (void)ok;
	$body
	return i;
}
EOF
	RT0_CC=$cc "$rt0_cc" -c -o "$dir/try.o" -Wall -Wextra -Werror "$@" "$dir/try.c" \
		>"$dir/out" 2>&1
}

fine() { # BODY
	for cc in $compilers; do
		for flags in -O0 -O1 -O2 -O3 '-std=c17 -Wpedantic' '-std=gnu2x -Wshadow'; do
			# shellcheck disable=SC2086
			if ! compile "$cc" "$1" $flags; then
				echo "FAIL: $cc $flags complains about: $1"
				cat "$dir/out"
				status=1
			fi
		done
	done
}

wrong() { # BODY [MESSAGE]
	for cc in $compilers; do
		if compile "$cc" "$1"; then
			echo "FAIL: $cc says nothing about: $1"
			status=1
		elif ! grep -q "${2:-}" "$dir/out"; then
			echo "FAIL: $cc does not say '$2' about: $1"
			cat "$dir/out"
			status=1
		fi
	done
}

compilers=gcc
if command -v clang >/dev/null; then compilers='gcc clang'; fi

fine 'rt_send(ci, 5); i = rt_recv(ci); rt_send(ci, i++);'
fine 'rt_chan(unsigned) cu = NULL; rt_send(cu, i); rt_send(cl, i);'
fine 'rt_send(cp, ((struct point){1, 2})); rt_send(cp, *pp); *pp = rt_recv(cp); i = pp->x;'
fine 'rt_send(cs, "text"); rt_send(cs, NULL); (void)rt_recv(cs);'
fine 'for (long v; rt_recv(cl, &v);) i++;'
fine 'rt_recv(ci, pi); rt_recv(ci, NULL); rt_recv(ci); rt_close(ci); rt_chan_free(ci);'
fine 'if (!rt_recv(ci, pi, .deadline = rt_after(RT_SECOND))) i = 1;'
fine 'i = rt_send(ci, 1, .deadline = 5, .ctx = NULL) && rt_send(ci, 1, .ctx = NULL);'
fine 'i = rt_try_send(ci, 1) || rt_try_recv(ci, pi) || rt_try_recv(ci, NULL);'
fine 'i = (int)(rt_chan_len(ci) + rt_chan_cap(cl));'
fine 'ci = rt_chan_make(int, 0); cp = rt_chan_make(struct point, 7); cs = rt_chan_make(char *, 1);'
fine 'rt_chan(rt_chan(int)) cc = rt_chan_make(rt_chan(int), 1); rt_send(cc, ci); ci = rt_recv(cc);'
fine 'rt_chan(int (*)(int)) cf = NULL; i = rt_recv(cf)(1);'
fine 'switch (rt_select(RT_RECV(ci), RT_RECV(ci, pi), RT_RECV(cl, pl, ok), RT_RECV(cs, NULL),
	RT_SEND(cp, *pp), RT_AT(5), RT_DEFAULT)) { case 0: i = 1; break; default: i = 2; }'
fine 'enum { A, B }; switch (rt_select_ordered([B] = RT_SEND(cl, 1), [A] = RT_RECV(ci, pi))) {
	case A: i = 1; break; case B: break; }'
fine 'rt_case k[2]; k[0] = RT_RECV(ci, pi); k[1] = RT_SEND_FROM(cl, pl); i = rt_select_n(k, 2);'
fine 'rt_timer t = RT_TIMER_INIT; rt_wg wg = RT_WG_INIT; i = rt_select(RT_TIMER(&t), RT_WG(&wg));'

wrong 'ci = cl;'
wrong 'ci = rt_chan_make(long, 1);'
wrong 'try(cl, cl, cp, cs, pi, pl, pp, ok);'
wrong 'rt_send(ci, *pp);'
wrong 'rt_send(ci, "text");'
wrong 'rt_send(cs, 5);'
wrong 'rt_send(cp, 5);'
wrong 'rt_send(ci);'
wrong 'rt_recv(ci, pl);'
wrong 'rt_recv(cl, pi);'
wrong 'rt_recv(ci, *pi);'
wrong 'rt_recv(pi);'
wrong 'rt_send(i, 5);'
wrong 'const int c = 0; rt_recv(ci, &c);'
wrong '*pp = rt_recv(ci);'
wrong 'rt_try_recv(ci, pl);'
wrong 'rt_select(RT_RECV(ci, pl));'
wrong 'rt_select(RT_RECV(ci, pi, pi));'
wrong 'rt_select(RT_SEND(cs, 5));'
wrong 'rt_select(RT_SEND_FROM(ci, pl));'
wrong 'rt_wg wg = RT_WG_INIT; rt_select(RT_TIMER(&wg));'
wrong 'struct large { char c[65536]; }; (void)rt_chan_make(struct large, 1);' '64 KiB or more'
wrong 'struct aligned { _Alignas(32) int i; }; (void)rt_chan_make(struct aligned, 1);' \
	'over-aligned'
wrong 'rt_chan(int[4]) c; (void)c;'

[ $status -eq 0 ] && echo "uses of rt/chan.h: all as they should be ($compilers)"
exit $status

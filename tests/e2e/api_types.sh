#!/bin/sh
# SPDX-License-Identifier: MIT
# api_types.sh RT0-CC DIR: what the compilers say to uses of the public macros: nothing to right
# ones, with all warnings on; something to each that mixes types. Each snippet is the body of a
# function.
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
#include <errno.h>
struct point { int x, y; };
struct bits { unsigned u : 3; int i : 7; };
void nothing(void);
int add(int a, double b, const char *s);
int job(rt_ctx *ctx, int n);
void *use(void *);
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
		for flags in '-O0 -std=c11 -Wcast-qual' '-O0 -std=gnu17 -Wpedantic' -O2 \
			'-O1 -std=c17 -Wpedantic' '-O2 -std=gnu2x -Wshadow' \
			'-O3 -flto -std=c2x -Wpedantic'; do
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
fine 'struct bits b = {1, 2}; const struct point p = {3, 4}; const int five = 5; bool yes = true;
	rt_send(ci, b.i); rt_send(cl, (long)b.u); rt_send(cp, p); rt_send(ci, five);
	rt_send(ci, yes ? five : i); rt_send(ci, yes); rt_try_send(cp, p);'
fine 'rt_chan(unsigned char) b = rt_chan_make(unsigned char, 1); rt_send(b, 1); i = rt_recv(b);
	rt_chan(double) d = rt_chan_make(double, 1); rt_send(d, 1); rt_send(d, 2.5f);'

fine 'rt_go(nothing); rt_go(add, 1, 2.5, "s"); rt_go(add, i, 1, NULL); rt_go(&nothing);
	i = rt_go_attr(RT_ATTR(.stack = 1 << 20), nothing) + rt_go_attr(NULL, add, 1, 2, "s");'
fine 'rt_wg wg = RT_WG_INIT; rt_wg_go(&wg, nothing); rt_wg_go(&wg, add, 1, 2.5, "s");
	rt_wg_wait(&wg); if (!rt_wg_wait(&wg, .deadline = 1)) i = 1;'
fine 'rt_wg wg = RT_WG_INIT;
	rt_defer(nothing); rt_defer(add, 1, 2.5, "s"); rt_defer(rt_wg_done, &wg);'
fine 'const rt_caught *c = rt_try(nothing); if (c || rt_try(add, 1, 2.5, "s")) rt_print_caught(c);'
fine 'static rt_once o = RT_ONCE_INIT; rt_once_do(&o, nothing); rt_once_do(&o, add, 1, 2.5, "s");'
fine 'static rt_mutex m = RT_MUTEX_INIT; static rt_rwmutex rw = RT_RWMUTEX_INIT; rt_ctx *ctx = NULL;
	rt_mutex_lock(&m); rt_mutex_unlock(&m);
	if (rt_mutex_lock(&m, .ctx = ctx) || rt_mutex_trylock(&m)) rt_mutex_unlock(&m);
	rt_rwmutex_rlock(&rw); if (rt_rwmutex_rlock(&rw, .deadline = 1)) rt_rwmutex_runlock(&rw);
	rt_rwmutex_lock(&rw); if (rt_rwmutex_lock(&rw, .deadline = 1)) rt_rwmutex_unlock(&rw);'
fine 'static rt_mutex m = RT_MUTEX_INIT; static rt_cond c = RT_COND_INIT; rt_sem s = RT_SEM_INIT(3);
	rt_cond_wait(&c, &m); rt_cond_wait(&c, &m, .deadline = 1); rt_cond_signal(&c);
	rt_sem_acquire(&s, 1); i = rt_sem_acquire(&s, 2, .deadline = 1); rt_sem_release(&s, 3);'
fine 'static rt_singleflight g = RT_SINGLEFLIGHT_INIT; rt_flight r; rt_ctx *ctx = NULL;
	rt_singleflight_do(&g, "key", use, pi, &r); i = r.shared;
	rt_singleflight_do(&g, "key", use, pi, &r, .ctx = ctx);'
fine 'rt_timer t = RT_TIMER_INIT; rt_ctx *ctx = NULL; rt_sleep(1); rt_sleep(1, .ctx = ctx);
	rt_timer_wait(&t); i = rt_timer_wait(&t, .deadline = rt_after(5 * RT_MILLISECOND));'
fine 'rt_ctx c, d; rt_ctx_init(&c, NULL); rt_ctx_init(&d, &c, .deadline = rt_after(RT_SECOND));
	rt_ctx_wait(&d); i = rt_ctx_wait(&d, .ctx = &c); rt_ctx_end(&d); rt_ctx_end(&c);'
fine 'RT_SCOPE(s, NULL); rt_scope_go(&s, job, &s.ctx, 1); i = rt_scope_try_go(&s, job, NULL, 2);
	{ RT_SCOPE(t, &s.ctx, .limit = 8);
		rt_scope_go(&t, job, &t.ctx, 3); i += rt_scope_wait(&t); }'

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
wrong 'rt_go(add, 1, 2.5);'
wrong 'rt_go(add, 1, 2.5, "s", 4);'
wrong 'rt_go(add, 1, 2.5, pp);'
wrong 'rt_go(nothing, 1);'
wrong 'rt_defer(add, "s", 2.5, "s");'
wrong 'rt_once o = RT_ONCE_INIT; rt_once_do(&o, add, 1);'
wrong 'RT_SCOPE(s, NULL); rt_scope_go(&s, nothing);'
wrong 'struct { char c[65]; } big = {{0}}; void f(__typeof__(big)); rt_go(f, big);' '64 bytes'

[ $status -eq 0 ] && echo "uses of the macros: all as they should be ($compilers)"
exit $status

/* SPDX-License-Identifier: MIT */
/* Channels and select. */
#include "yard.h"

/* ---- pingpong: a value goes there and comes back N times, over channels with room for K ---- */

static void
echo(rt_chan(long) in, rt_chan(long) out)
{
	for (long v; rt_recv(in, &v);)
		rt_send(out, v);
}

void
pingpong(long n, int k)
{
	rt_chan(long) there = rt_chan_make(long, k), back = rt_chan_make(long, k);

	rt_go(echo, there, back);
	bench_begin();
	for (long i = 0; i < n; i++) {
		rt_send(there, i);
		bench_check(rt_recv(back) == i);
	}
	bench_end(n);
}

/* ---- chan: one sends N values, one receives them; room for K ---- */

static void
count_up(rt_chan(long) c, long n)
{
	for (long i = 0; i < n; i++)
		rt_send(c, i);
	rt_close(c);
}

void
bufchan(long n, int k)
{
	rt_chan(long) c = rt_chan_make(long, k);
	long sum = 0;

	bench_begin();
	rt_go(count_up, c, n);
	for (long v; rt_recv(c, &v);)
		sum += v;
	bench_end(n);
	bench_check(sum == n * (n - 1) / 2);
}

/* ---- chan2x2: two send, two receive ---- */

static void
send_ones(rt_chan(long) c, long n, rt_wg *wg)
{
	for (long i = 0; i < n; i++)
		rt_send(c, 1);
	rt_wg_done(wg);
}

static void
add_up(rt_chan(long) c, long *sum, rt_wg *wg)
{
	long s = 0;

	for (long v; rt_recv(c, &v);)
		s += v;
	__atomic_add_fetch(sum, s, __ATOMIC_RELAXED);
	rt_wg_done(wg);
}

void
bufchan2x2(long n, int k)
{
	rt_chan(long) c = rt_chan_make(long, k);
	rt_wg senders = RT_WG_INIT, receivers = RT_WG_INIT;
	long sum = 0;

	bench_begin();
	rt_wg_add(&senders, 2);
	rt_wg_add(&receivers, 2);
	for (int i = 0; i < 2; i++) {
		rt_go(send_ones, c, n / 2, &senders);
		rt_go(add_up, c, &sum, &receivers);
	}
	rt_wg_wait(&senders);
	rt_close(c);
	rt_wg_wait(&receivers);
	bench_end(n);
	bench_check(sum == n / 2 * 2);
}

/* ---- select: one receives from K channels (2 or 8), each with a sender ---- */

static long
select2(rt_chan(long) const *c)
{
	long v = 0;

	switch (rt_select(RT_RECV(c[0], &v), RT_RECV(c[1], &v))) {
	case 0:
		return v;
	case 1:
		return v;
	}
	return 0;
}

static long
select8(rt_chan(long) const *c)
{
	long v = 0;

	switch (rt_select(RT_RECV(c[0], &v), RT_RECV(c[1], &v), RT_RECV(c[2], &v),
			  RT_RECV(c[3], &v), RT_RECV(c[4], &v), RT_RECV(c[5], &v),
			  RT_RECV(c[6], &v), RT_RECV(c[7], &v))) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		return v;
	}
	return 0;
}

static void
just_send(rt_chan(long) c, long n)
{
	for (long i = 0; i < n; i++)
		rt_send(c, 1);
}

void
select_n(long n, int k)
{
	long (*select)(rt_chan(long) const *) = k == 8 ? select8 : select2;
	rt_chan(long) c[8] = {NULL};
	long sum = 0;

	bench_check(k == 2 || k == 8);
	bench_begin();
	for (int i = 0; i < k; i++) {
		c[i] = rt_chan_make(long, 0);
		rt_go(just_send, c[i], n / k);
	}
	for (long i = 0; i < n / k * k; i++)
		sum += select(c);
	bench_end(sum);
}

/* ---- selready: a send into one of K buffers, and a select that finds it ---- */

void
selready(long n, int k)
{
	long (*select)(rt_chan(long) const *) = k == 8 ? select8 : select2;
	rt_chan(long) c[8] = {NULL};
	long sum = 0;

	bench_check(k == 2 || k == 8);
	for (int i = 0; i < k; i++)
		c[i] = rt_chan_make(long, 1);
	bench_begin();
	for (long i = 0; i < n; i++) {
		rt_send(c[i % k], 1);
		sum += select(c);
	}
	bench_end(n);
	bench_check(sum == n);
}

/* ---- ring: K goroutines in a ring pass a token N times ---- */

static void
pass_on(rt_chan(long) in, rt_chan(long) out, rt_chan(bool) end)
{
	for (long v; rt_recv(in, &v);) {
		if (v == 0) {
			rt_send(end, true);
			return;
		}
		rt_send(out, v - 1);
	}
}

void
ring(long n, int k)
{
	rt_chan(long) first = rt_chan_make(long, 0);
	rt_chan(bool) end = rt_chan_make(bool, 0);
	rt_chan(long) in = first;

	for (int i = 0; i < k; i++) {
		rt_chan(long) out = i == k - 1 ? first : rt_chan_make(long, 0);

		rt_go(pass_on, in, out, end);
		in = out;
	}
	bench_begin();
	rt_send(first, n);
	bench_check(rt_recv(end));
	bench_end(n);
}

/* ---- sieve: the first N primes, by a chain of filters; an op is a message ---- */

static void
all_numbers(rt_chan(long) out)
{
	for (long i = 2;; i++)
		rt_send(out, i);
}

static void
filter(rt_chan(long) in, rt_chan(long) out, long prime)
{
	for (long v; rt_recv(in, &v);) {
		if (v % prime != 0)
			rt_send(out, v);
	}
}

static long
sieve_messages(const long *primes, long n)
{
	long messages = 0;

	for (long v = 2; v <= primes[n - 1]; v++) {
		for (long i = 0; i < n; i++) {
			messages++;
			if (v % primes[i] == 0)
				break;
		}
	}
	return messages;
}

void
sieve(long n, int k)
{
	long *primes = bench_alloc(n, sizeof *primes);
	rt_chan(long) c = rt_chan_make(long, 0);

	(void)k;
	int64_t wall = bench_wall_ns(), cpu = bench_cpu_ns();
	rt_go(all_numbers, c);
	for (long i = 0;; i++) {
		primes[i] = rt_recv(c);
		if (i == n - 1)
			break;
		rt_chan(long) out = rt_chan_make(long, 0);
		rt_go(filter, c, out, primes[i]);
		c = out;
	}
	wall = bench_wall_ns() - wall;
	cpu = bench_cpu_ns() - cpu;
	bench_report(sieve_messages(primes, n), wall, cpu, " prime=%ld", primes[n - 1]);
}

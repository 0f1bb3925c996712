/* SPDX-License-Identifier: MIT */
/*
 * yard BENCH N [P] [K]: the twins of the scheduler's yardsticks (../shared/yardsticks/sched), with
 * nothing but what rt/rt.h and C offer every program. Names, arguments and what counts as one op
 * are theirs; tools/bench runs both in turn and prints the ratio.
 */
#include "yard.h"

static const struct bench benches[] = {
	{"yield", 2, yield, "one rt_gosched; K goroutines, N each"},
	{"spawn", 1000, spawn, "one goroutine started and ended; joined in batches of K"},
	{"pingpong", 0, pingpong, "one round trip over two channels with room for K"},
	{"chan", 128, bufchan, "one value from one goroutine to another; room for K"},
	{"chan2x2", 128, bufchan2x2, "the same from two to two"},
	{"select", 2, select_n, "one receive from K channels, 2 or 8, each with a sender"},
	{"selready", 2, selready, "one send into one of K buffers and the select that finds it"},
	{"sieve", 1, sieve, "one value passed on by the sieve for the first N primes"},
	{"ring", 503, ring, "one hop of a token through a ring of K goroutines"},
	{"skynet", 10, skynet, "one leaf of N, in a tree of goroutines with K children each"},
	{"fib", 1, fib, "one goroutine of those that compute the Nth Fibonacci number"},
	{"parked", 1, parked, "one of N goroutines that wait, started and parked"},
	{"mutex", 1, mutex, "one turn at a mutex that K goroutines share"},
	{"timers", 1000, timers, "one of N goroutines that sleep 1 to K ms; the time is the CPU's"},
	{"timeouts", 1, timeouts, "one timer set and stopped, beside K that wait"},
	{"preempt", 1, preempt, "one of N ticks of a 5 ms nanosleep beside K hogs"},
	{"preemptio", 1, preemptio, "one of N ticks of a 5 ms timerfd beside K hogs"},
	{"sysread", 1, sysread, "one read(2) of a byte from /dev/zero"},
	{"pipeblk", 1, pipeblk, "one round trip of a byte over two blocking pipes"},
	{"malloc_rand", 1, malloc_rand, "one free and malloc of 16 to 512 bytes, on each P"},
	{"malloc_small", 1, malloc_small, "the same of 32 bytes"},
	{"malloc_large", 1, malloc_large, "the same of 8 to 256 KiB"},
	{"malloc_lifo", 1, malloc_lifo, "the same of 64 bytes, freed in reverse order"},
	{"malloc_larson", 1, malloc_larson, "as malloc_rand, of slots that others have filled"},
	{"malloc_xfree", 1, malloc_xfree, "one block that another goroutine frees"},
	{0},
};

int
main(int argc, char **argv)
{
	return bench_main(argc, argv, benches);
}

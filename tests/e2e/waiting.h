/* SPDX-License-Identifier: MIT */
/* What the guest "waiting" has its goroutines wait for, in regular expressions: reports, rtinspect
 * and gdb say it in the same words. */
#ifndef RT_TESTS_WAITING_H
#define RT_TESTS_WAITING_H

#include <stddef.h>

#define AT " at 0x[0-9a-f]+"
#define IN_AN_HOUR "\\(in 3[56][0-9][0-9]\\.[0-9]+s\\)"

/* Goroutines 2 to 16; NULL: one of several cases, below. */
static const char *const waits[] = {
	"the channel" AT " \\(2 of 2 values of 8 bytes\\)",
	"the channel" AT " \\(unbuffered, values of 8 bytes\\)",
	NULL,
	"the mutex" AT ", which goroutine 6 has locked",
	"the mutex" AT ", which goroutine 5 has locked",
	"the mutex" AT ", which goroutine 1 has locked, or a time " IN_AN_HOUR
	", or the context" AT,
	"the wait group" AT " \\(3 to go\\)",
	"the semaphore" AT " \\(1 of 5 left, wants 3\\)",
	"the RWMutex" AT ", which it has locked itself",
	"the RWMutex" AT " \\(1 readers\\)",
	"the condition" AT,
	"the context" AT,
	"the timer" AT " " IN_AN_HOUR,
	"a time " IN_AN_HOUR,
	NULL,
};

#define TAB "\t"
#define CASES_OF_4                                                                                 \
	"waits for one of:\n" TAB "the channel" AT                                                 \
	", to receive \\(unbuffered, values of 8 bytes\\)\n" TAB "a time " IN_AN_HOUR "\n"
#define CASES_OF_16                                                                                \
	"waits for one of:\n" TAB "the channel" AT                                                 \
	", to receive \\(unbuffered, values of 8 bytes\\)\n" TAB "the channel" AT                  \
	", to send \\(2 of 2 values of 8 bytes\\)\n" TAB "the timer" AT " \\(stopped\\)\n" TAB     \
	"the wait group" AT " \\(3 to go\\)\n" TAB "the context" AT "\n" TAB "a time " IN_AN_HOUR  \
	"\n"

#endif

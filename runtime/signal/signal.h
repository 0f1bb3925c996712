/* SPDX-License-Identifier: MIT */
/*
 * signal: floor 9. Signals that end the program with a report: faults, and those by which a user
 * or a supervisor asks what it is doing. A program that handles one of them itself has it to
 * itself (libc/sigaction.c).
 */
#ifndef RT_SIGNAL_H
#define RT_SIGNAL_H

#include <signal.h>

#include "base/base.h"

/* Their numbers, ended by 0. */
extern const uint8_t rt__reported_signals[];

/* The handler for them, on the signal stack. It returns only where a fault becomes a panic. */
void rt__report_signal(int sig, siginfo_t *info, void *uc);

#endif

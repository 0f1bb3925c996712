/* SPDX-License-Identifier: MIT */
/* Regular expressions for what a report consists of. */
#ifndef REPORT_H
#define REPORT_H

#define HEX "0x[0-9a-f]+"
/* A line of a traceback, whatever file and line, or file alone, it names. */
#define FRAME(name) name "\\(\\.\\.\\.\\)\n\t.+ \\+" HEX "\n"
#define CREATED(by, parent) "created by " by " in goroutine " parent "\n\t.+ \\+" HEX "\n"

#endif

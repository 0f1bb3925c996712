#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs one benchmark, small, and checks that it prints what tools/bench reads.

usage: smoke.py PROGRAM [BENCH N [P] [K]]      (without BENCH, the program is hello)
"""

import re
import subprocess
import sys

LINE = re.compile(r"(\S+) (\d+\.\d\d) (\d+) cpu_ns=\d+\.\d\d rss_kb=\d+( \w+=[-\w.]+)*\n")


def main():
    program, *args = sys.argv[1:]
    r = subprocess.run([program, *args], stdout=subprocess.PIPE, text=True, timeout=60)
    if r.returncode:
        sys.exit(f"exit status {r.returncode}")
    line = LINE.fullmatch(r.stdout)
    if not args:
        good = r.stdout == "hello\n"
    else:
        good = line and line[1] == args[0] and int(line[3]) >= int(args[1])
    if not good:
        sys.exit(f"not what tools/bench reads: {r.stdout!r}")


main()

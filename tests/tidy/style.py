#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what the formatter cannot: usage: style.py ROOT

Files of at most 800 lines that start with their license; functions of at most 70 lines; lines of
at most 100 columns (a tab is 8); no raw atomics outside base/atomic.h
and rt/sync.h; no word of a list.
"""
import pathlib
import re
import subprocess
import sys

MAX_FILE, MAX_FUNCTION, MAX_LINE = 800, 70, 100
WORDS = re.compile(r"\b(" + "|".join(["FIX" + "ME", "XX" + "X", "TO" + "DO", "HA" + "CK"]) + r")\b")
RAW_ATOMIC = re.compile(r"\b__(atomic|sync)_\w+\(")
# rt/sync.h: what it has inline cannot include the runtime's own headers.
ATOMICS = {"runtime/base/atomic.h", "runtime/include/rt/sync.h"}
SOURCE = {".c", ".h", ".S", ".py", ".sh", ".ld", ".build", ".pml"}


def long_functions(path, lines):
    """A function body is what lies between '{' and '}' in column 0."""
    start = None
    for n, line in enumerate(lines, 1):
        if line == "{":
            start = n
        elif line == "}" and start:
            if n - start + 1 > MAX_FUNCTION:
                yield f"{path}:{start}: a function of {n - start + 1} lines"
            start = None


def check(path, name):
    text = path.read_text()
    lines = text.split("\n")
    head = "\n".join(lines[:2])
    if path.suffix != ".md" and "SPDX-License-Identifier: MIT" not in head:
        yield f"{name}:1: no license line"
    if len(lines) - 1 > MAX_FILE:
        yield f"{name}: {len(lines) - 1} lines"
    for n, line in enumerate(lines, 1):
        if len(line.expandtabs(8)) > MAX_LINE:
            yield f"{name}:{n}: {len(line.expandtabs(8))} columns"
        if WORDS.search(line):
            yield f"{name}:{n}: an unfinished thought"
    if path.suffix in {".c", ".h"}:
        yield from long_functions(name, lines)
        if str(name).startswith("runtime/") and str(name) not in ATOMICS:
            for n, line in enumerate(lines, 1):
                if RAW_ATOMIC.search(line):
                    yield f"{name}:{n}: a raw atomic; base/atomic.h has one with its order"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    out = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
                         capture_output=True, text=True, check=True).stdout
    names = [n for n in out.splitlines() if pathlib.Path(n).suffix in SOURCE
             and (root / n).is_file()]
    problems = [p for n in names for p in check(root / n, n)]
    print("\n".join(problems) or f"{len(names)} files keep to the style")
    return 1 if problems or len(names) < 50 else 0


sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks who includes whom in runtime/ and crt/: usage: floors.py ROOT

The folders of runtime/ are floors. A file may include headers of its own folder, the header that
a lower floor exports (FOLDER/FOLDER.h), public headers and the compiler's and libc's. Folders of
one height may not include each other. Includes of headers must not form a cycle.
"""
import pathlib
import re
import sys

FLOORS = {
    "base": 0, "arch": 1, "os": 2, "proc": 3, "sync": 4, "trace": 5, "symtab": 5, "mem": 6,
    "stack": 7, "sched": 8, "signal": 9, "time": 9, "usync": 9.1, "chan": 9.2, "poll": 10,
    "libc": 11, "gc": 12, "init": 13, "boot": 14, "crt": 15,
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def floor_of(path, root):
    parts = path.relative_to(root).parts
    return "crt" if parts[0] == "crt" else parts[1]


def check_file(path, root, edges):
    here = floor_of(path, root)
    for name in INCLUDE.findall(path.read_text()):
        there = name.split("/")[0]
        where = f"{path.relative_to(root)}: includes {name}"
        if there not in FLOORS or not (root / "runtime" / name).is_file():
            yield f"{where}: no such header in a floor"
            continue
        if path.suffix == ".h":
            edges.setdefault(str(path.relative_to(root / "runtime")), set()).add(name)
        if there == here:
            continue
        if FLOORS[there] >= FLOORS[here]:
            yield f"{where}: {there}/ is not below {here}/"
        elif name != f"{there}/{there}.h":
            yield f"{where}: only {there}/{there}.h is for other floors"


def find_cycle(edges):
    state = {}

    def visit(node, path):
        state[node] = 1
        for dep in sorted(edges.get(node, ())):
            if state.get(dep) == 1:
                return path[path.index(dep):] + [dep] if dep in path else [node, dep]
            if dep not in state and (found := visit(dep, path + [dep])):
                return found
        state[node] = 2
        return None

    for node in sorted(edges):
        if node not in state and (found := visit(node, [node])):
            return found
    return None


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    files = [p for d in ("runtime", "crt") for p in sorted((root / d).rglob("*.[chS]"))]
    files = [p for p in files if "include" not in p.relative_to(root).parts]
    edges = {}
    problems = [f"runtime/{d.name}/ is no floor" for d in (root / "runtime").iterdir()
                if d.is_dir() and d.name not in FLOORS and d.name != "include"]
    for path in files:
        problems += check_file(path, root, edges)
    if cycle := find_cycle(edges):
        problems.append("include cycle: " + " -> ".join(cycle))
    print("\n".join(problems) or f"{len(files)} files keep to their floors")
    return 1 if problems or len(files) < 20 else 0


sys.exit(main())

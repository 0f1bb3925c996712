#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""from_comments.py RT0_CC CONTEXT OUT FILE...: compiles the examples that stand in the comments of
headers (lines that begin with a tab behind the star), and in README files (```c), as they stand
there. What has a main is linked and run, and must end with status 0.

An example names things that its reader has in mind: CONTEXT declares them, with IN_chan_h and so on
defined. Functions and what begins with `static` or RT_PACKAGE go to file scope, the rest into a
function; `...` is nothing; what it leaves open is closed."""
import os
import pathlib
import re
import subprocess
import sys

FLAGS = ["-O1", "-g", "-Wall", "-Wno-unused", "-Werror=implicit-function-declaration",
         "-Werror=incompatible-pointer-types", "-Werror=int-conversion", "-Werror=format"]
FILE_SCOPE = re.compile(r"static |#include|RT_(PACKAGE|INIT|FINI)|.*\n{$", re.M)


def blocks_of_header(text):
    """Line and text of each run of indented lines in a comment, blank ones inside it included."""
    for comment in re.finditer(r"/\*.*?\*/", text, re.S):
        first = text.count("\n", 0, comment.start()) + 1
        run, start = [], 0
        for i, line in enumerate(comment.group().split("\n") + [" * end"]):
            code = re.match(r" \*\t(.*)", line)
            if code:
                start = start if run else first + i
                run.append(code.group(1))
            elif run and line.strip() == "*":
                run.append("")
            elif run:
                yield start, "\n".join(run)
                run = []


def blocks_of_readme(text):
    for block in re.finditer(r"^```c\n(.*?)^```", text, re.S | re.M):
        yield text.count("\n", 0, block.start(1)) + 1, block.group(1)


def is_code(block):
    return re.search(r"[;{]\s*(//.*)?$", block, re.M) is not None  # else a table


def without_ellipses(block):
    return re.sub(r"(^|[\s{:])\.\.\.(?=[\s}]|$)", r"\1;", block, flags=re.M)


def closed(block):
    return block + "\n}" * (block.count("{") - block.count("}"))


def chunks(block):
    """Cuts it where a line begins at the margin outside braces and parentheses."""
    depth, chunk = 0, []
    for line in block.split("\n"):
        if chunk and depth == 0 and re.match(r"[\w#]", line):
            yield "\n".join(chunk)
            chunk = []
        chunk.append(line)
        depth += len(re.findall(r"[{(]", line)) - len(re.findall(r"[})]", line))
    yield "\n".join(chunk)


def program(block, context, header):
    block = closed(without_ellipses(block))
    if re.search(r"\bint main\(", block):
        return block
    outside, inside = [], []
    for chunk in chunks(block):
        (outside if FILE_SCOPE.match(chunk) else inside).append(chunk)
    head = ["#define IN_%s" % re.sub(r"\W", "_", header), '#include "%s"' % context]
    return "\n".join(head + outside + ["void example(void)", "{"] + inside + ["}", ""])


def check(compiler, source, whole):
    target = source.with_suffix("" if whole else ".o")
    mode = [] if whole else ["-c"]
    subprocess.run([compiler, *FLAGS, *mode, "-o", target, source], check=True)
    if whole:
        subprocess.run([target], check=True, timeout=60, stdout=subprocess.DEVNULL)


def main():
    compiler, context, out = sys.argv[1], os.path.abspath(sys.argv[2]), pathlib.Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    count, failed = 0, 0
    for path in map(pathlib.Path, sys.argv[4:]):
        find = blocks_of_header if path.suffix == ".h" else blocks_of_readme
        for line, block in filter(lambda b: is_code(b[1]), find(path.read_text())):
            source = out / ("%s_%d.c" % (path.stem, line))
            source.write_text(program(block, context, path.name))
            count += 1
            try:
                check(compiler, source, "int main(" in block)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                print("%s:%d: the example fails: %s\n%s" % (path, line, error, block))
                failed += 1
    print("%d examples, %d fail" % (count, failed))
    return failed > 0 or count == 0


sys.exit(main())

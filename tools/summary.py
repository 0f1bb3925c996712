#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints how many tests of a meson run passed, by suite and in all: usage: summary.py testlog.json

Exits with 1 if any failed, or if there were none.
"""
import collections
import json
import sys

GOOD, SKIPPED = {"OK", "EXPECTEDFAIL"}, {"SKIP"}


def main():
    suites = collections.defaultdict(collections.Counter)
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            suite = test["name"].split(" / ")[0].split(":")[-1] if " / " in test["name"] else "rt0"
            result = test["result"]
            kind = "passed" if result in GOOD else "skipped" if result in SKIPPED else "failed"
            suites[suite][kind] += 1
            suites[suite]["seconds"] += test.get("duration", 0)
    total = sum(suites.values(), collections.Counter())
    for name, n in sorted(suites.items()):
        print(f"{name:10} {n['passed']:4} passed, {n['failed']} failed, {n['skipped']} skipped"
              f"  ({n['seconds']:.0f} s)")
    print(f"tests: {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


sys.exit(main())

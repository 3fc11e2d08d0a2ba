#!/usr/bin/env python3
"""Prints one Autobahn report as a table, and fails unless each case passed.

Usage: summary.py INDEX_JSON CASES. CASES is how many there must be: a report that is short proves nothing.
"""

import json
import sys
from collections import Counter, defaultdict

PASSED = ("OK", "NON-STRICT", "INFORMATIONAL")
SECTIONS = {
    1: "Framing",
    2: "Pings and pongs",
    3: "Reserved bits",
    4: "Opcodes",
    5: "Fragmentation",
    6: "UTF-8",
    7: "Close handshake",
    9: "Limits and performance",
    10: "Fragmented sending",
    12: "Compression",
    13: "Compression parameters",
}


def in_order(case):
    return [int(part) for part in case.split(".")]


def main(index, expected):
    with open(index, encoding="utf-8") as file:
        ((backend, cases),) = json.load(file).items()
    sections = defaultdict(Counter)
    remarks, failed = [], 0
    for case in sorted(cases, key=in_order):
        behavior, close = cases[case]["behavior"], cases[case]["behaviorClose"]
        counts = sections[in_order(case)[0]]
        passed = behavior in PASSED and close in PASSED
        counts[behavior if passed else "failed"] += 1
        counts["ms"] += cases[case]["duration"]
        failed += not passed
        if not passed or behavior == "NON-STRICT":
            remarks.append(f"{case:>8}: {behavior}, close: {close}")
    print(f"{backend:26}{'cases':>6}{'OK':>6}{'non-strict':>12}{'informational':>15}{'failed':>8}{'seconds':>9}")
    for section, counts in sorted(sections.items()):
        row(f"{section:3} {SECTIONS.get(section, '')}", counts)
    row("    all", sum(sections.values(), Counter()))
    print("\n".join(remarks + [""]))
    if len(cases) != expected:
        sys.exit(f"autobahn: {len(cases)} cases were run over {backend} instead of {expected}")
    if failed:
        sys.exit(f"autobahn: {failed} cases failed over {backend}; each has a page beside {index}")


def row(title, counts):
    results = [counts[name] for name in (*PASSED, "failed")]
    ok, non_strict, informational, failed = results
    print(
        f"{title:26}{sum(results):6}{ok:6}{non_strict:12}{informational:15}{failed:8}{counts['ms'] / 1000:9.1f}"
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

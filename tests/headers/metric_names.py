#!/usr/bin/env python3
"""Checks the tables of metrics in docs/observability.md against the sources; prints each breach.

- each metric that a source names stands in a table, and each name of a table is in a source;
- a counter ends in _total, and no other metric does; a histogram of times ends in _seconds.

metric_names.py [ROOT]
"""
import re
import sys
from pathlib import Path

IN_SOURCE = re.compile(r'"(dohle_[a-z0-9_]+)"')
ROW = re.compile(r"^\| `(dohle_\w+)` \| (\w+) \|", re.M)


def named_in_sources(root):
    for path in sorted((root / "src").rglob("*.?pp")):
        for name in IN_SOURCE.findall(path.read_text("utf-8")):
            yield path.relative_to(root).as_posix(), name


def check(root):
    page = "docs/observability.md"
    rows = ROW.findall((root / page).read_text("utf-8"))
    listed = {name for name, _ in rows}
    used = dict((name, path) for path, name in named_in_sources(root))
    for name in sorted(used.keys() - listed):
        yield f"{used[name]}: {name} is not in {page}"
    for name in sorted(listed - used.keys()):
        yield f"{page}: no source names {name}"
    for name, kind in rows:
        if (kind == "counter") != name.endswith("_total"):
            yield f"{page}: {name}: the name of a counter ends in _total, and of no other"
        if kind == "histogram" and not name.endswith("_seconds"):
            yield f"{page}: {name}: the name of a histogram ends in its unit"
    if not rows:
        yield f"{page}: there is no table of metrics"


if __name__ == "__main__":
    breaches = list(check(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]))
    for breach in breaches:
        print(breach)
    sys.exit(1 if breaches else 0)

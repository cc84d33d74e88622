#!/usr/bin/env python3
"""Writes a copy of a source file with one planted bug, for a build of the simulation that has to
find the bug. plant.py BUG SOURCE OUTPUT; planted/*.txt are the bugs. The sources themselves are only
read, so no planted bug is in a build for users."""

import sys


def parts(text):
    """The pairs of original text and replacement."""
    before, found, rest = text.partition("<<<<\n")
    old, split, rest = rest.partition("====\n")
    new, end, _ = rest.partition(">>>>\n")
    if not (before and found and split and end and old):
        sys.exit(f"{sys.argv[1]}: needs <<<<, the old lines, ====, the new lines, >>>>")
    return old.strip("\n"), new.strip("\n")


bug, source, output = sys.argv[1:]
old, new = parts(open(bug, encoding="utf-8").read())
text = open(source, encoding="utf-8").read()
if text.count(old) != 1:
    sys.exit(f"{bug} does not fit any more: its old lines occur {text.count(old)} times in {source}. "
             "Rewrite the bug for the current code; the simulation still has to find it.")
with open(output, "w", encoding="utf-8") as out:
    out.write(text.replace(old, new))

#!/usr/bin/env python3
"""Writes a source file of the product with one bug in it, for a build of the simulation that has to
notice. plant.py BUG SOURCE OUTPUT; planted/*.txt are the bugs. The product's own files are only
read: nothing of a bug is ever in what is built for users."""

import sys


def parts(text):
    """What to look for, and what to put in its place."""
    before, found, rest = text.partition("<<<<\n")
    old, split, rest = rest.partition("====\n")
    new, end, _ = rest.partition(">>>>\n")
    if not (before and found and split and end and old):
        sys.exit(f"{sys.argv[1]}: wants <<<<, the old lines, ====, the new ones, >>>>")
    return old.strip("\n"), new.strip("\n")


bug, source, output = sys.argv[1:]
old, new = parts(open(bug, encoding="utf-8").read())
text = open(source, encoding="utf-8").read()
if text.count(old) != 1:
    sys.exit(f"{bug} no longer fits: its old lines are {text.count(old)} times in {source}. "
             "Write the bug anew for the present code; the simulation has to go on finding it.")
with open(output, "w", encoding="utf-8") as out:
    out.write(text.replace(old, new))

#!/usr/bin/env python3
"""Runs an example and compares what it prints with its first comment.

example_test.py PROGRAM SOURCE. The comment has the output behind a line "It prints:", with three more
spaces than other lines. Nothing may go to standard error.
"""
import itertools
import re
import subprocess
import sys

TIME_MAX_S = 50


def expected_output(source):
    comment = itertools.takewhile(lambda line: line.startswith("//"), source.splitlines())
    lines = itertools.dropwhile(lambda line: not re.search(r"prints:$", line), comment)
    return [line[len("//   "):] for line in lines if line.startswith("//   ")]


def main():
    program, path = sys.argv[1:]
    with open(path, encoding="utf-8") as source:
        expected = expected_output(source.read())
    if not expected:
        sys.exit(f"{path}: the first comment does not say what it prints")
    run = subprocess.run([program], capture_output=True, text=True, timeout=TIME_MAX_S, check=False)
    printed = run.stdout.splitlines()
    if (run.returncode, run.stderr, printed) != (0, "", expected):
        sys.exit(f"{program}: exit status {run.returncode}\nexpected: {expected}\nprinted:  {printed}\n{run.stderr}")


if __name__ == "__main__":
    main()

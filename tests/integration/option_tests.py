#!/usr/bin/env python3
"""Shows that the test of each option of the messaging API sees the option's effect.

Runs the test that option_tests.txt names for a row of the option tables in a program that skips
this row, and expects it to fail. Before that, each of these tests has to pass once in three attempts,
in the same way with a row that does not exist. Also checks that each row has a test, and that
docs/messaging.md names the same tests, defaults and ranges.

option_tests.py PROGRAM ROOT [ROW…]
"""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import option_page

SECONDS = 60
ATTEMPTS = 3
# With it nothing is skipped, and all else is as with a row that exists: the tests wait less, too.
NO_ROW = "no.such"


def run(program, test, skipped):
    environment = {**os.environ, **({"DOHLE_SKIP_OPTION": skipped} if skipped else {})}
    command = [program, f"--gtest_filter={test}", "--gtest_color=no"]
    done = subprocess.run(command, env=environment, timeout=SECONDS, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def read_map(path):
    rows = [line.split() for line in path.read_text("utf-8").splitlines() if line and line[0] != "#"]
    return dict(rows)


def listed(program):
    code, printed = run(program, "OptionRows.AreListed", None)
    assert code == 0, printed
    return option_page.listed_rows(printed)


def breaches_of_the_map(tests, rows, page):
    for row in sorted(rows.keys() - tests.keys()):
        yield f"{row} has no test in option_tests.txt"
    for row in sorted(tests.keys() - rows.keys()):
        yield f"{row} of option_tests.txt is no row of the tables"
    bare = {test.removeprefix("Of/").rsplit("/", 1)[0] if test.startswith("Of/") else test
            for test in tests.values()}
    for test in sorted(bare - set(re.findall(r"`([A-Z]\w+\.\w+)`", page))):
        yield f"docs/messaging.md does not name {test}"


def breach_without_a_skip(program, test):
    # A test that waits too little fails each time; one that a loaded machine delays does not.
    for _ in range(ATTEMPTS):
        code, printed = run(program, test, NO_ROW)
        if code == 0:
            return None
    return f"{test} fails though no row is skipped:\n{printed}"


def breach_of_a_row(program, row, test):
    code, printed = run(program, test, row)
    if "[ RUN      ]" not in printed:
        return f"{test} is not a test"
    if code == 0:
        return f"{row}: {test} passes without the option"
    if "[  FAILED  ]" not in printed:
        return f"{row}: {test} did not end by itself:\n{printed}"
    return None


def main():
    program, root, only = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    tests = read_map(root / "tests/integration/option_tests.txt")
    page = (root / "docs/messaging.md").read_text("utf-8")
    header = (root / "include/dohle/options.hpp").read_text("utf-8")
    rows = listed(program)
    breaches = [*breaches_of_the_map(tests, rows, page), *option_page.breaches(rows, header, page)]
    wanted = {row: test for row, test in tests.items() if not only or row in only}
    with ThreadPoolExecutor(2) as workers:
        found = workers.map(lambda test: breach_without_a_skip(program, test), set(wanted.values()))
        breaches += [each for each in found if each]
    # Most of these wait for an effect that does not come.
    with ThreadPoolExecutor(6) as workers:
        found = workers.map(lambda item: breach_of_a_row(program, *item), wanted.items())
        breaches += [each for each in found if each]
    for breach in breaches:
        print(breach)
    print(f"{len(wanted)} rows, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())

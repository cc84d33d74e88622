#!/usr/bin/env python3
"""Checks rules.txt, the list of the messaging API's rules with their tests; prints each breach.

A row is a line without indentation, `RELEASE SCOPE RULE`, and indented lines below it:

    0.2 server The source is acknowledged only once the retry topic has the message.
      node   integration/messaging_failures_test:RetryTopics.that_are_too_small_…, …
      apache integration/apache_messaging_test:ApacheAcls.That…

- SCOPE is `server` if the rule touches a server's behaviour, otherwise `client`; `alone` if it is about values and
  objects that no server can show: names, ranges, the order of headers;
- a row whose release is the project's or an earlier one is due: it names tests after `node`, and after `apache` if its
  scope is server. Those of later releases name none;
- a test is FILE:SUITE.NAME, FILE being a .cpp file under tests/ without its ending, and exists there;
- of the tests after `node`, at least one is not a unit test, unless the scope is `alone`: then all are;
- the file of a test after `apache` belongs to a program with the label apache; that of one after `node` does not, unless
  it belongs to both;
- no rule is listed twice.

rule_tests.py [ROOT]
"""
import re
import sys
from pathlib import Path

ROW = re.compile(r"^(\d+\.\d+) (alone|client|server) (\S.*)$")
NAMED = re.compile(r"^\s+(node|apache)\s+(\S.*)$")
MORE = re.compile(r"^\s+(\S+:\S.*)$")
TEST = re.compile(r"^([\w/]+):(\w+\.\w+)$")
DECLARED = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", re.M)
LIST = "tests/headers/rules.txt"


def release(text):
    return tuple(int(each) for each in text.split(".")[:2])


class Row:
    def __init__(self, number, owed, scope, rule):
        self.number, self.owed, self.scope, self.rule = number, release(owed), scope, rule
        self.tests = {"node": [], "apache": []}


def rows_and_breaches(text):
    """The rows, and what is malformed."""
    rows, breaches, last = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            last = None
            continue
        if row := ROW.match(line):
            rows.append(Row(number, *row.groups()))
            last = None
        elif not line[0].isspace() or not rows:
            breaches.append((number, f"malformed: {line}"))
        elif named := NAMED.match(line):
            last = rows[-1].tests[named.group(1)]
            add_tests(last, named.group(2), number, breaches)
        elif last is not None and (more := MORE.match(line)):
            add_tests(last, more.group(1), number, breaches)
        else:
            breaches.append((number, f"malformed: {line.strip()}"))
    return rows, breaches


def add_tests(tests, words, number, breaches):
    for word in (each.strip() for each in words.rstrip(", ").split(",")):
        if match := TEST.match(word):
            tests.append((number, *match.groups()))
        else:
            breaches.append((number, f"malformed: {word} is not FILE:SUITE.NAME"))


def files_at_apache(root):
    """Files of programs with the label apache, and those of programs without it."""
    labelled, others = set(), set()
    for listed in sorted((root / "tests").rglob("CMakeLists.txt")):
        folder = listed.parent.relative_to(root / "tests").as_posix()
        text = re.sub(r"#.*", "", listed.read_text("utf-8"))
        for call in re.findall(r"dohle_\w*test\(([^()]*)\)", text):
            is_apache = re.search(r"LABELS[^()]*\bapache\b", call)
            files = re.findall(r"([\w/.${}]+)\.cpp", call)
            (labelled if is_apache else others).update(f"{folder}/{each}" for each in files)
        for names in re.findall(r"foreach\(name ([^()]*)\)\s*dohle_test\(\$\{name\}[^()]*\bapache\b", text):
            labelled.update(f"{folder}/{each}" for each in names.split())
    return labelled, others


def check(root):
    version = release(re.search(r"project\([^)]*VERSION (\d+\.\d+)", (root / "CMakeLists.txt").read_text("utf-8")).group(1))
    rows, malformed = rows_and_breaches((root / LIST).read_text("utf-8"))
    for number, why in malformed:
        yield f"{LIST}:{number}: {why}"
    at_apache, elsewhere = files_at_apache(root)
    known = {}
    declared = {}
    for row in rows:
        where = f"{LIST}:{row.number}"
        if row.rule in known:
            yield f"{where}: the rule is in line {known[row.rule]}, too"
        known.setdefault(row.rule, row.number)
        if row.owed > version:
            if any(row.tests.values()):
                yield f"{where}: the rule is owed later and has tests"
            continue
        if not row.tests["node"]:
            yield f"{where}: the rule is due and has no test"
        if row.scope == "server" and not row.tests["apache"]:
            yield f"{where}: the rule is due and has no test at Apache Kafka"
        are_units = [file.startswith("unit/") for _, file, _ in row.tests["node"]]
        if row.scope == "alone" and not all(are_units):
            yield f"{where}: the rule has tests at a node; its scope is client"
        if row.scope != "alone" and are_units and all(are_units):
            yield f"{where}: the rule has no test at a node, only unit tests"
        if row.scope != "server" and row.tests["apache"]:
            yield f"{where}: the rule has tests at Apache Kafka; its scope is server"
        for kind, tests in row.tests.items():
            for number, file, test in tests:
                at = f"{LIST}:{number}"
                source = root / "tests" / f"{file}.cpp"
                if file not in declared:
                    text = source.read_text("utf-8") if source.is_file() else ""
                    declared[file] = {".".join(each) for each in DECLARED.findall(text)}
                if test not in declared[file]:
                    yield f"{at}: there is no test {test} in tests/{file}.cpp"
                elif kind == "apache" and file not in at_apache:
                    yield f"{at}: tests/{file}.cpp does not run at Apache Kafka"
                elif kind == "node" and file in at_apache and file not in elsewhere:
                    yield f"{at}: tests/{file}.cpp runs at Apache Kafka alone"


if __name__ == "__main__":
    breaches = list(check(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]))
    for breach in breaches:
        print(breach)
    sys.exit(1 if breaches else 0)

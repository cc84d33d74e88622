#!/usr/bin/env python3
"""Checks seed_names.txt against include/dohle and docs/messaging.md; prints each breach.

- a name whose release is the project's or an earlier one is declared in include/dohle, a member in
  its class, and stands in docs/messaging.md as code; a later one is in neither. Comments declare
  nothing;
- a text in quotes is one that src/messaging writes, and stands in docs/messaging.md;
- every with_* function of include/dohle is in the list;
- a test that docs/messaging.md names exists.

seed_names.py [ROOT]
"""
import re
import sys
from pathlib import Path

FUNCTION = re.compile(r"^\[\[nodiscard\]\] .*?\b(with_\w+|disable_auto_ack)\(", re.M)
COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', re.S)
TEST = re.compile(r"`([A-Z]\w+\.\w+)`")
DECLARED_TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", re.M)


def release(text):
    return tuple(int(each) for each in text.split(".")[:2])


def rows(text):
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line.startswith("#"):
            page, ours, owed = line.split()
            yield number, page, ours, release(owed)


def without_comments(text):
    return COMMENT.sub(lambda found: found.group(1) or " ", text)


def body_of(code, opened):
    depth = 0
    for found in re.compile("[{}]").finditer(code, opened):
        depth += 1 if found.group() == "{" else -1
        if depth == 0:
            return code[opened:found.end()]
    return ""


def is_declared(code, ours):
    """A type, a function, or a word in the body of the class or enumeration before "::"."""
    *scope, name = ours.split("::")
    if scope:
        opened = re.compile(rf"\b(?:class|struct) (?:DOHLE_API )?{scope[0]}\b[^;{{()]*{{")
        return any(re.search(rf"\b{name}\b", body_of(code, found.end() - 1))
                   for found in opened.finditer(code))
    if name[0].isupper():
        declared = rf"\b(?:(?:class|struct) (?:DOHLE_API )?{name}\b|using {name} =)"
        return re.search(declared, code) is not None
    return re.search(rf"\b{name}\(", code) is not None


def check(root):
    listed = root / "tests/headers/seed_names.txt"
    version = release(re.search(r"project\([^)]*VERSION (\d+\.\d+)", (root / "CMakeLists.txt").read_text("utf-8")).group(1))
    headers = "\n".join(each.read_text("utf-8") for each in sorted((root / "include").rglob("*.hpp")))
    code = without_comments(headers)
    sources = "\n".join(each.read_text("utf-8") for each in sorted((root / "src/messaging").rglob("*.cpp")))
    texts = set(re.findall(r'"\w+"', without_comments(sources)))
    page_text = (root / "docs/messaging.md").read_text("utf-8")
    shown = set(re.findall(r"\w+", page_text))
    shown_code = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", page_text))))
    known = set()
    for number, page, ours, owed in rows(listed.read_text("utf-8")):
        where = f"tests/headers/seed_names.txt:{number}"
        known.add(ours)
        if ours.startswith('"'):
            if ours not in texts or ours.strip('"') not in shown:
                yield f"{where}: {ours} is not in both src/messaging and docs/messaging.md"
            continue
        name = ours.split("::")[-1]
        if owed <= version:
            if not is_declared(code, ours):
                yield f"{where}: {ours} is due and not in include/dohle"
            if name not in shown_code or (page != "-" and page.split(".")[-1] not in shown):
                yield f"{where}: {page} {ours} is due and not in docs/messaging.md"
        else:
            if is_declared(code, ours):
                yield f"{where}: {ours} is owed later and already in include/dohle"
            if re.search(rf"`(?:\w+::)?{name}\b", page_text):
                yield f"{where}: {ours} is owed later and already in docs/messaging.md"
    for function in sorted(set(FUNCTION.findall(headers)) - known):
        yield f"include/dohle: {function} is not in tests/headers/seed_names.txt"
    tests = {f"{suite}.{name}" for each in sorted((root / "tests").rglob("*.cpp"))
             for suite, name in DECLARED_TEST.findall(each.read_text("utf-8"))}
    for test in sorted(set(TEST.findall(page_text)) - tests):
        yield f"docs/messaging.md: there is no test {test}"


if __name__ == "__main__":
    breaches = list(check(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]))
    for breach in breaches:
        print(breach)
    sys.exit(1 if breaches else 0)

#!/usr/bin/env python3
"""Checks README and docs against the tree; prints each breach as PATH:LINE: WHY.

- a block of C++ is, word for word, one of the programs in a folder `snippets` that a CMakeLists.txt compiles,
  or a run of whole lines of one;
- a path that is named exists;
- the map of rooms in docs/architecture.md and the table in CONTRIBUTING.md name every room of src/ and no other,
  and the table's "may include" is what rules.py holds the tree to;
- the same page names the rooms inside of a room, each with the neighbours that rules.py allows it;
- a type that docs/architecture.md names exists, and its table has a row for each planned feature;
- docs/options.md names each member of the options of a client, a producer, a consumer and a node.

docs.py [ROOT]
"""
import re
import sys
from pathlib import Path

import rules

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
NAMED = re.compile(r"(?<![\w/.-])(?:src|include|tests|bench|examples|docs|cmake|scripts)/[\w./-]*\w/?")
ROW = re.compile(r"^\| `src/(\w+)/` \|[^|]*\| ([^|]*) \|$", re.M)
# Rooms that a row describes in words.
IN_WORDS = {"messaging": "client and what it may include, properties", "tools": "base, properties"}

# Rows of the table "Where it goes".
COMING = ["SCRAM", "a new handler", "a partitioner", "retry topics", "an OTLP exporter", "the console's server"]
# Structs whose members have a row in docs/options.md, and the prefix of their names in it.
PAIRED = {"ClientOptions": "", "ProducerOptions": "", "ConsumerOptions": "", "NodeOptions": "", "NodeListener": "",
          "NodeSaslOptions": "sasl."}
# A row of a map of inner rooms: the room, what it holds, the neighbours that it may include.
INNER_ROW = r"^\| `src/%s/(\w+)/` \|[^\n]*\| ([^|\n]*) \|$"


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def compiled_snippets(root):
    """The texts of the snippets that a CMakeLists.txt beside their folder names."""
    for snippet in sorted(root.glob("tests/**/snippets/*.cpp")):
        lists = snippet.parent.parent / "CMakeLists.txt"
        if lists.exists() and f"snippets/{snippet.name}" in lists.read_text("utf-8"):
            yield snippet.read_text("utf-8")


def check_blocks(path, text, snippets):
    for block in BLOCK.finditer(text):
        if block.group(1) not in ("cpp", "c++", "cc"):
            if "#include" in block.group(2):
                yield path, line_of(text, block.start()), "a block of C++ has to say so: ```cpp"
        elif not any(("\n" + block.group(2)) in ("\n" + snippet) for snippet in snippets):
            yield path, line_of(text, block.start()), "this C++ is in no snippet that is compiled"


def check_paths(path, text, root):
    for named in NAMED.finditer(text):
        if not (root / named.group(0)).exists() and not named.group(0).startswith("docs/performance"):
            yield path, line_of(text, named.start()), f"there is no {named.group(0)}"


def check_rooms(root, texts):
    rooms = {each.name for each in (root / "src").iterdir() if each.is_dir()}
    architecture = texts["docs/architecture.md"]
    drawn = next((b.group(2) for b in BLOCK.finditer(architecture)), "")
    for room in sorted(rooms - {"tools"}):
        if not re.search(rf"\b{room}\b", drawn):
            yield "docs/architecture.md", 1, f"the map does not show {room}"
    table = {room: may for room, may in ROW.findall(texts["CONTRIBUTING.md"])}
    for room in sorted(rooms ^ set(table)):
        yield "CONTRIBUTING.md", 1, f"{room} is in the table or in src/, not in both"
    for room, may in table.items():
        order = ["base", "telemetry", "wire", "auth", "frames", "net", "disk", "log", "client",
                 "messaging", "node"]
        allowed = [each for each in order if each in rules.ARROWS.get(room, ())]
        if may != IN_WORDS.get(room, ", ".join(allowed) or "–"):
            yield "CONTRIBUTING.md", 1, f"{room} may include {', '.join(allowed)}, not {may}"


def check_inner_rooms(texts):
    path, text = "docs/architecture.md", texts["docs/architecture.md"]
    for outer, arrows in rules.INNER_ARROWS.items():
        rows = dict(re.findall(INNER_ROW % outer, text, re.M))
        for room in sorted(set(arrows) ^ set(rows)):
            yield path, 1, f"{outer}/{room} has a row, or is a room of rules.py, not both"
        for room, may in rows.items():
            allowed = ", ".join(sorted(arrows.get(room, ()))) or "–"
            if may != allowed:
                yield path, 1, f"{outer}/{room} may include {allowed}, not {may}"


def members_of(header, struct):
    body = re.search(rf"^struct {struct} \{{(.*?)^\}};", header, re.M | re.S)
    declared = re.sub(r"//[^\n]*", "", body.group(1)) if body else ""
    for each in filter(str.strip, declared.split(";")):
        # The name is the last word before the default.
        yield re.search(r"(\w+)\s*(?:[={].*)?$", re.sub(r"<[^=]*>", "", " ".join(each.split()))).group(1)


def check_options(root, texts):
    path = "docs/options.md"
    named = {word for quoted in re.findall(r"`([^`\n]*)`", texts[path]) for word in re.findall(r"[\w.]+", quoted)}
    headers = "\n".join(each.read_text("utf-8") for each in sorted((root / "include/dohle").glob("*.hpp")))
    for struct, prefix in PAIRED.items():
        members = list(members_of(headers, struct))
        if not members:
            yield path, 1, f"no header defines {struct}"
        for member in members:
            if not any(name == prefix + member or name.startswith(prefix + member + ".") for name in named):
                yield path, 1, f"it has no row with {prefix}{member} of {struct}"


def check_architecture(root, texts):
    """All code names in it exist, and it has a row for each planned feature."""
    path, text = "docs/architecture.md", texts["docs/architecture.md"]
    code = "\n".join(each.read_text("utf-8") for tree in ("src", "include")
                     for each in sorted((root / tree).rglob("*.?pp")))
    words = set(re.findall(r"\w+", code))
    for named in re.finditer(r"`([A-Z]\w+)(?:::(\w+))?`", text):
        for word in filter(None, named.groups()):
            if word not in words:
                yield path, line_of(text, named.start()), f"there is no {word}"
    rows = re.findall(r"^\| ([^|]+) \|", text.split("## Where it goes")[-1].split("\n## ")[0], re.M)
    for coming in COMING:
        if coming not in rows:
            yield path, 1, f"it does not say where {coming} goes"


def breaches(root):
    names = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
    names += [each.relative_to(root).as_posix() for each in sorted(root.glob("docs/*.md"))]
    texts = {name: (root / name).read_text("utf-8") for name in names}
    snippets = list(compiled_snippets(root))
    for path, text in texts.items():
        yield from check_blocks(path, text, snippets)
        yield from check_paths(path, text, root)
    yield from check_rooms(root, texts)
    yield from check_inner_rooms(texts)
    yield from check_architecture(root, texts)
    yield from check_options(root, texts)
    program = next(BLOCK.finditer(texts["README.md"])).group(2)
    if program.count("\n") > 20:
        yield "README.md", 1, f"the first program has {program.count(chr(10))} lines, 20 are allowed"


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent.parent
    found = list(breaches(root))
    for path, line, why in found:
        print(f"{path}:{line}: {why}")
    print(f"{len(found)} breaches in the documents")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

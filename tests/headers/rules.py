#!/usr/bin/env python3
"""Checks the sources by the rules of docs/architecture.md; prints each breach as PATH:LINE: RULE: WHY.

rules.py [ROOT]. exceptions.txt next to this file lists the allowed breaches with their reasons.
"""
import re
import sys
from collections import namedtuple
from pathlib import Path

Breach = namedtuple("Breach", "path line rule why")

# Which rooms a room may include besides itself; include/dohle is open to all.
ARROWS = {
    "base": set(),
    "telemetry": {"base"},
    "wire": {"base"},
    "auth": {"base"},
    "frames": {"base"},
    "net": {"base"},
    "disk": {"base"},
    "sim": {"base", "frames"},
    "log": {"base", "wire"},
    "client": {"base", "telemetry", "wire", "auth", "frames"},
    "node": {"base", "telemetry", "wire", "auth", "frames", "log"},
    "properties": {"base"},
    "messaging": {"base", "telemetry", "wire", "client", "properties"},
    "server": {"base", "net"},
    "testing": {"base", "wire", "messaging", "node"},
    "web": {"base"},
    "tools": {"base", "properties"},
}
# Additional includes of one .cpp file of a room: the construction of Client and of Node uses the real
# net and disk, and one file makes `embedded:` addresses.
IN_ONE_FILE = {"client": {"net"}, "node": {"net", "disk"}, "messaging": {"node"}}
# Rooms inside a room, with the neighbours that each may include. The files of the outer room
# itself (its interface, and the assembly of its parts) may include all of them.
INNER_ARROWS = {
    "client": {
        "cluster": set(),
        "produce": {"cluster"},
        "consume": {"cluster", "group"},
        "group": {"cluster"},
        "admin": {"cluster", "group"},
    },
    "node": {
        "security": {"journal"},
        "door": {"security"},
        "journal": set(),
        "storage": {"journal"},
        "fetch": {"storage"},
        "group": {"storage", "journal"},
        "serve": {"door", "fetch", "group", "security", "storage"},
    },
    "messaging": {
        "embedded": set(),
        "reports": set(),
        "events": {"reports"},
        "failures": {"events", "reports"},
        "source": {"failures", "reports"},
        "subscribe": {"events", "failures", "reports", "source"},
        "trace": {"events", "source"},
        "middleware": {"events", "reports", "trace"},
        "publish": {"reports"},
        "requests": {"events", "reports", "subscribe", "trace"},
        "options": {"embedded", "failures", "publish", "reports", "source", "subscribe"},
    },
    "net": {"tls": set()},
    "tools": {
        "text": set(),
        "records": {"text"},
        "commands": {"records", "text"},
        "bench": {"commands", "text"},
    },
}
# Headers of the outer room that each inner room may include: constants, and values without rooms.
GROUND = {"node": {"limits.hpp", "line_limit.hpp", "lines.hpp", "node_settings.hpp", "turn.hpp"}}
# Folders whose sources may include a library's headers. Other libraries are not used by src and include.
LIBRARY_FOLDERS = {
    "CLI/": ("src/tools/", "examples/"),
    "boost/": ("include/dohle/asio.hpp", "tests/", "examples/"),
    "curl/": ("src/telemetry/otlp/",),
    "fmt/": ("",),  # everywhere but in public headers (check_public)
    "google/protobuf/": ("include/dohle/codec/", "tests/", "examples/"),
    "httplib.h": ("src/web/", "tests/"),
    "nlohmann/": ("src/server/", "src/tools/", "include/dohle/codec/", "tests/", "examples/"),
    "openssl/": ("src/auth/", "src/net/tls/", "tests/"),
    "re2/": ("src/messaging/source/topic_matcher.cpp", "src/node/security/"),
    "spdlog/": ("include/dohle/spdlog.hpp", "tests/", "examples/"),
    "toml++/": ("src/tools/",),
}
SYSTEM_FOLDERS = {"arpa", "linux", "netinet", "sys"}
DECIDING = {"wire", "auth", "frames", "client", "log", "node", "properties", "messaging"}
CODE = {".hpp", ".cpp"}
TEXT = CODE | {".py", ".java", ".sh", ".cmake", ".txt", ".md", ""}
TREES = ["src", "include", "tests", "bench", "examples", "scripts", "cmake", "docs"]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
IMPURE = re.compile(
    r"\b(?:steady|system|high_resolution)_clock::now\b|\b(?:clock_gettime|gettimeofday)\b"
    r"|\bstd::(?:j?thread|(?:shared_|recursive_|timed_)?mutex|condition_variable(?:_any)?|random_device"
    r"|this_thread|lock_guard|unique_lock|scoped_lock|shared_lock)\b|\bpthread_\w+"
)
ASSERTED = re.compile(r"(?<![\w.:])assert\s*\(|\bcassert\b")
GUESSABLE = re.compile(r"\b(?:Seeded|System)?Random\b")
# The third argument is the callback for the passphrase.
PROMPTING = re.compile(r"\bPEM_(?:bytes_)?read\w*\s*\([^;,]*,[^;,]*,\s*(?:nullptr|NULL|0)\s*,")
SLEEP = re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b|\b(?<!await_)sleep\s*\(\s*\d")
UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
SKIPPED = re.compile(r"\b(?:DISABLED_\w+|GTEST" + r"_SKIP)\b")
EMPTY_NAME = re.compile(r"\b(?:class|struct)\s+(?:DOHLE_API\s+)?(\w*(?:Manager|Helper|Utils?|Impl|Core))\b")
FILE_NAME = re.compile(r"^[a-z0-9_]+\.(?:hpp|cpp)$")
# The definition of a type at namespace scope, where code is not indented; and an alias with its target.
TYPE = re.compile(r"^(?:class|struct|enum class|enum)\s+(?:DOHLE_API\s+)?(\w+)\b(?!::|<)[^;{}()]*\{", re.M)
ALIAS = re.compile(r"^using\s+(\w+)\s*=\s*([^;]*);", re.M)
# Names that several types inside of other ones once had.
ONCE = re.compile(
    r"\b(?:class|struct)\s+(Engine|Fetched|FetchSession|FrameReader|GroupActions|Lane|StreamConnection)\b[^;]*\{"
)
PAST_THE_AUTHORIZER = re.compile(r"\btopics(?:\(\)|_)?\s*(?:\.|->)\s*find\b")
# Uses of a code that do not make an error of it.
COMPARED = re.compile(r"(?:\bcase |\.is\(|[!=]= )$")
ENUM = r"enum class %s\b[^{]*\{(.*?)\};"
# A list of errors in a doc comment, up to the end of its sentence.
ERRORS = re.compile(r"\bErrors?(?: of every call)?: (.*?)(?:\.(?:\s|$)|$)")
EMPTY_FILE_WORDS = {"util", "utils", "helper", "helpers", "manager", "common", "impl", "misc"}


def without_comments(text):
    """The code with comments and string contents blanked, line numbers kept; #include lines stay."""

    def blank(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + re.sub(r"[^\n]", " ", found[1:-1]) + found[-1]

    lines = []
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
    for line_with, line_without in zip(text.split("\n"), pattern.sub(blank, text).split("\n")):
        lines.append(line_with if INCLUDE.match(line_with) and "#" in line_without else line_without)
    return lines


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        self.files = {}
        for tree in TREES:
            for path in sorted((self.root / tree).rglob("*")):
                if path.is_file() and path.suffix in TEXT and "data" not in path.parts:
                    self.files[path.relative_to(self.root).as_posix()] = path.read_text("utf-8", "replace")
        self.code = {p: without_comments(t) for p, t in self.files.items() if Path(p).suffix in CODE}

    def includes(self, path):
        for number, line in enumerate(self.code.get(path, []), 1):
            found = INCLUDE.match(line)
            if found:
                yield number, found.group(1), found.group(2)

    def resolve(self, path, name):
        """The file of the tree that an include names, if it is one."""
        for candidate in (f"src/{name}", f"include/{name}", f"{Path(path).parent.as_posix()}/{name}"):
            if candidate in self.code:
                return candidate
        return None


def room_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def check_arrows(tree):
    constructing = {}
    for path in tree.code:
        room = room_of(path)
        if room is None:
            continue
        if room not in ARROWS:
            yield Breach(path, 1, "room", f"src/{room} is no room of the design")
            continue
        for number, _, name in tree.includes(path):
            target = name.split("/")[0]
            if path.endswith(".cpp") and target in IN_ONE_FILE.get(room, ()):
                if constructing.setdefault((room, target), path) == path:
                    continue
            if target in ARROWS and target != room and target not in ARROWS[room]:
                yield Breach(path, number, f"arrow:{target}", f"{room} may not include {target}")


def check_inner_arrows(tree):
    for path in tree.code:
        parts = path.split("/")
        if parts[0] != "src" or len(parts) < 4 or parts[1] not in INNER_ARROWS:
            continue
        outer, inner = parts[1], parts[2]
        arrows = INNER_ARROWS[outer]
        if inner not in arrows:
            yield Breach(path, 1, "room", f"src/{outer}/{inner} is no room of the design")
            continue
        for number, _, name in tree.includes(path):
            to = name.split("/")
            if to[0] != outer or (len(to) > 2 and (to[1] == inner or to[1] in arrows[inner])):
                continue
            if len(to) == 2 and to[1] in GROUND.get(outer, ()):
                continue
            yield Breach(path, number, f"arrow:{to[1]}", f"{outer}/{inner} may not include {name}")


def check_public(tree):
    for path in tree.code:
        if not path.startswith("include/"):
            continue
        free = path.startswith(("include/dohle/asio.hpp", "include/dohle/codec/", "include/dohle/spdlog.hpp"))
        for number, _, name in tree.includes(path):
            if name.startswith("dohle/") or re.fullmatch(r"[a-z_0-9]+", name) or free:
                continue
            yield Breach(path, number, "public", f"a public header includes {name}")


def check_libraries(tree):
    for path in tree.code:
        for number, _, name in tree.includes(path):
            for library, folders in LIBRARY_FOLDERS.items():
                if name.startswith(library) and not path.startswith(folders):
                    yield Breach(path, number, "library", f"only {', '.join(folders)} may include {name}")
        yield from check_known_libraries(tree, path)


def check_known_libraries(tree, path):
    if not path.startswith(("src/", "include/")):
        return
    for number, bracket, name in tree.includes(path):
        first = name.split("/")[0]
        known = first in SYSTEM_FOLDERS or name.startswith(("dohle/", *LIBRARY_FOLDERS))
        if bracket == "<" and "/" in name and not known:
            yield Breach(path, number, "library", f"{name} is of no library that is used")


def check_handlers(tree):
    handlers = [p for p in tree.code if p.startswith("src/node/serve/handlers/")]
    why = "a handler finds a topic by its Access, which asks the Authorizer"
    return check_lines(tree, handlers, PAST_THE_AUTHORIZER, "authorizer", why)


def check_types(tree):
    """A type of a header has a name of its own. Those of one .cpp file are known there alone."""
    places = {}
    for path in tree.code:
        if not path.startswith(("src/", "include/")):
            continue
        text = "\n".join(tree.code[path])
        found = list(ONCE.finditer(text))
        if path.endswith(".hpp"):
            found += TYPE.finditer(text)
            # An alias of the same name means the same type.
            found += [each for each in ALIAS.finditer(text) if each.group(2).split("::")[-1] != each.group(1)]
        for at, name in sorted({(each.start(1), each.group(1)) for each in found}):
            places.setdefault(name, []).append((path, text.count("\n", 0, at) + 1))
    for name, found in sorted(places.items()):
        # Users know the public one.
        (first, _), *others = sorted(found, key=lambda place: not place[0].startswith("include/"))
        for path, line in others:
            yield Breach(path, line, "twice", f"{first} has a {name}, too: its name has to tell it apart")


def enumerators(text, name):
    body = re.search(ENUM % name, text, re.S)
    without = re.sub(r"//[^\n]*", "", body.group(1)) if body else ""
    return [each.split("=")[0].strip() for each in without.split(",") if each.strip()]


def comments_of(text):
    """Each `///` comment as one line, with the number of its first line."""
    begin, words = 0, []
    for number, line in enumerate(text.split("\n") + [""], 1):
        found = re.match(r"\s*///\s?(.*)", line)
        if found:
            begin = begin if words else number
            words.append(found.group(1))
        elif words:
            yield begin, " ".join(words)
            words = []


def check_errors(tree):
    """Each Errc is the code of an error somewhere, and doc comments name no other code."""
    header = "include/dohle/error.hpp"
    text = tree.files.get(header, "")
    codes = enumerators(text, "Errc")
    made = set()
    for path in tree.code:
        if not path.startswith(("src/", "include/")) or path == header:
            continue
        for line in tree.code[path]:
            made |= {each.group(1) for each in re.finditer(r"\bErrc::(\w+)", line)
                     if not COMPARED.search(line[:each.start()])}
    for code in codes:
        if code not in made:
            yield Breach(header, 1, "error", f"nothing makes an error with the code {code}")
    known = set(codes) | set(enumerators(text, "ErrorCategory"))
    for path in tree.code:
        if not path.startswith("include/") or not codes:
            continue
        for line, comment in comments_of(tree.files[path]):
            yield from check_named_errors(path, line, comment, known)


def check_named_errors(path, line, comment, known):
    for errors in ERRORS.finditer(comment):
        for item in re.split(r"[;,]|\bor\b", errors.group(1)):
            words = item.replace("`", "").split()
            is_code = words and (re.fullmatch(r"[a-z]+(?:_[a-z]+)+", words[0])
                                 or (len(words) == 1 and re.fullmatch(r"[a-z]+", words[0])))
            if is_code and words[0] not in known:
                yield Breach(path, line, "error", f"{words[0]} is no code of an error")


def check_lines(tree, paths, pattern, rule, why):
    for path in paths:
        lines = tree.code[path] if path in tree.code else tree.files[path].split("\n")
        for number, line in enumerate(lines, 1):
            found = pattern.search(line)
            if found:
                yield Breach(path, number, rule, f"{found.group(0).strip()}: {why}")


def check_purity(tree):
    deciding = [p for p in tree.code if room_of(p) in DECIDING]
    return check_lines(tree, deciding, IMPURE, "pure", "decisions take `now` and events, and share nothing")


def check_assertions(tree):
    sources = [p for p in tree.code if p.startswith(("src/", "include/"))]
    return check_lines(tree, sources, ASSERTED, "assert", "base/assert.hpp has DOHLE_ASSERT, with a message")


def check_randomness(tree):
    why = "a client may act with it: the node draws from SecureRandom"
    return check_lines(tree, [p for p in tree.code if room_of(p) == "node"], GUESSABLE, "random", why)


def check_prompts(tree):
    for path in tree.code:
        if not path.startswith("src/"):
            continue
        text = "\n".join(tree.code[path])
        for found in PROMPTING.finditer(text):
            number = text.count("\n", 0, found.start()) + 1
            yield Breach(path, number, "prompt", "without a callback OpenSSL asks for a passphrase on the terminal")


def check_tests(tree):
    tests = [p for p in tree.code if p.startswith("tests/")]
    yield from check_lines(tree, tests, SLEEP, "sleep", "tests wait for events, not for time")
    yield from check_lines(tree, tests, SKIPPED, "skipped", "a test runs or is not there")


def check_names(tree):
    for path, text in tree.files.items():
        name = Path(path).name
        if path in tree.code and not FILE_NAME.match(name):
            yield Breach(path, 1, "name", "files are snake_case.hpp and snake_case.cpp")
        if EMPTY_FILE_WORDS & set(re.split(r"[_.]", name)):
            yield Breach(path, 1, "name", "the file's name does not name its subject")
        for number, line in enumerate(text.split("\n"), 1):
            if UNFINISHED.search(line):
                yield Breach(path, number, "unfinished", line.strip()[:60])
    yield from check_lines(tree, tree.code, EMPTY_NAME, "name", "the type's name does not name its subject")


CHECKS = [check_arrows, check_inner_arrows, check_public, check_libraries, check_purity, check_assertions, check_randomness, check_prompts, check_tests, check_names]


def read_exceptions(file):
    """Lines of `PATH RULE REASON`."""
    allowed = {}
    for line in file.read_text("utf-8").splitlines() if file.exists() else []:
        if line.strip() and not line.startswith("#"):
            path, rule, reason = line.split(None, 2)
            allowed[path, rule] = reason
    return allowed


CHECKS += [check_handlers, check_types, check_errors]


def breaches(root, exceptions):
    tree = Tree(root)
    used = set()
    for check in CHECKS:
        for breach in check(tree):
            key = (breach.path, breach.rule)
            if key in exceptions:
                used.add(key)
            else:
                yield breach
    for path, rule in sorted(set(exceptions) - used):
        yield Breach(path, 1, rule, "is in exceptions.txt but breaks no rule")


def main():
    here = Path(__file__).resolve().parent
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent.parent
    found = list(breaches(root, read_exceptions(here / "exceptions.txt")))
    for breach in found:
        print(f"{breach.path}:{breach.line}: {breach.rule}: {breach.why}")
    print(f"{len(found)} breaches of the rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

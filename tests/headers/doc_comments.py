#!/usr/bin/env python3
"""Finds public names without a doc comment; prints each as PATH:LINE: NAME.

Also finds functions that return a Result and do not say their errors; prints each as PATH:LINE: errors of NAME. A
function may refer to another one ("As seek"), and an overload is not looked at.

doc_comments.py [ROOT]. Looks at include/dohle, without detail/. A name is documented by a `///` comment
right before its declaration, or by `///<` after it. Not required for: private and protected members,
default constructors, copies, moves, assignments, destructors, operators, friends, and names that
are declared again.
"""
import re
import sys
from pathlib import Path

# A constructor or function whose meaning the language defines.
SELF_EXPLAINING = re.compile(
    r"~\w+\s*\(|\busing (?:value_type|difference_type)\b|^template <.*> struct std::hash|^struct std::hash|^iterator\(|^explicit iterator\(|\boperator\b|^friend\b|^using\s+[\w:<>, ]+::[\w=]+\s*$|=\s*(?:default|delete)$|^static_assert\b"
)
RETURNS_RESULT = re.compile(r"(?:template <.*> |requires.*\) |\[\[nodiscard\]\] |static |DOHLE_API |inline )*Result<[^()]*> \w+ ?\(")
ERRORS = re.compile(r"\b[Ee]rrors?\b|\bAs [`\w]|\bThe same\b")
ACCESS = re.compile(r"^(public|private|protected)\s*:$")
SCOPE = re.compile(
    r"^(?:template\s*<.*>\s*(?:requires.*?)?)?(?P<kind>(?:inline )?namespace|class|struct|enum class|enum)\b"
    r"\s*(?:\[\[\w+\]\]\s*)?(?:DOHLE_API\s+)?(?P<name>[\w:]*)"
)


def blank_strings(line):
    return re.sub(r'"(?:\\.|[^"\\])*"', lambda m: '"' + "_" * (len(m.group()) - 2) + '"', line)


def without_requires(text):
    """The declaration after `requires(…)`."""
    if not re.match(r"requires\s*\(", text):
        return text
    depth = 0
    for place, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == ")" and depth == 0:
            return text[place + 1 :].strip()
    return text


def name_of(text):
    """The name that a declaration declares, so that a reader finds the place."""
    text = re.sub(r"^\s*template\s*<.*?>\s*(?=\w|\[)", "", text)
    text = re.sub(r"\[\[.*?\]\]|DOHLE_API", "", text).strip()
    concept = re.search(r"\bconcept (\w+)", text)
    if concept:
        return concept.group(1)
    text = without_requires(text)
    call = re.search(r"(\w+)\s*\(", text)
    if call:
        return call.group(1)
    using = re.match(r"(?:using|concept)\s+(\w+)", text)
    if using:
        return using.group(1)
    words = re.findall(r"\w+", re.split(r"[={:]", text.replace("::", "__"))[0])
    return words[-1] if words else text


class Header:
    def __init__(self, path):
        self.path = path
        self.found = []
        # Each scope: (kind, name, whether its names are public). Kinds: namespace, class, enum, body.
        self.scopes = []
        self.comment = ""
        self.with_common_errors = set()
        self.seen = set()

    def is_public(self):
        return all(public for _, _, public in self.scopes)

    def is_declaring(self):
        return all(kind != "body" for kind, _, _ in self.scopes)

    def note(self, text, line, documented, is_definition=False):
        if not self.is_public() or not self.is_declaring():
            return
        text = re.sub(r"\s+", " ", text).strip()
        if documented:
            self.note_errors(text, line)
            return
        if not text or text.startswith("#") or SELF_EXPLAINING.search(text):
            return
        owner = next((name for kind, name, _ in reversed(self.scopes) if kind == "class"), None)
        name = name_of(text)
        # Copies, moves, and second declarations in the same scope.
        if owner and name == owner and re.search(r"\(\s*(?:const\s+)?" + owner + r"(?:<\w+>)?\s*&", text):
            return
        if owner and re.match(r"(?:constexpr )?" + owner + r"\(\)", text):
            return
        if not is_definition and re.match(r"(?:class|struct|enum class)\s+\w+$", text):
            return  # declared ahead
        if (owner, name) in self.seen:
            return
        self.found.append((line, name))

    def note_errors(self, text, line):
        owner = next((name for kind, name, _ in reversed(self.scopes) if kind == "class"), None)
        name = name_of(text)
        is_told = ERRORS.search(self.comment) or owner in self.with_common_errors
        if RETURNS_RESULT.match(text) and not is_told and (owner, name) not in self.seen:
            self.found.append((line, f"errors of {name}"))

    def remember(self, text):
        owner = next((name for kind, name, _ in reversed(self.scopes) if kind == "class"), None)
        self.seen.add((owner, name_of(re.sub(r"\s+", " ", text).strip())))

    def read(self):
        pending, begin, documented, depth = "", 0, False, 0
        skipping = initializer = False
        for number, raw in enumerate(self.path.read_text().split("\n"), 1):
            line = blank_strings(raw)
            stripped = line.strip()
            if stripped.startswith("///") and not pending.strip():
                self.comment = (self.comment if documented else "") + stripped[3:]
                documented = True
                continue
            behind = "///<" in line
            code = line.split("//")[0].rstrip()
            if not code.strip():
                if not pending.strip() and not stripped.startswith("//"):
                    documented = False
                continue
            if code.lstrip().startswith("#"):
                continue
            for char in code + "\n":
                if char == "(" or char == "[":
                    depth += 1
                elif char == ")" or char == "]":
                    depth -= 1
                if skipping:  # behind the braces of an initializer
                    skipping = char != ";"
                    continue
                if char == "{" and depth == 0:
                    initializer = bool(re.search(r"=\s*[\w:<>, ]*$", pending)) and "(" not in pending.split("=")[0]
                    documented = self.open(pending, begin or number, documented or behind)
                    pending, begin = "", 0
                    continue
                if char == "}" and depth == 0:
                    was_body = bool(self.scopes) and self.scopes[-1][0] == "body"
                    self.close(pending, begin or number, documented or behind)
                    pending, begin, documented = "", 0, False
                    skipping, initializer = was_body and initializer and self.is_declaring(), False
                    continue
                in_enum = bool(self.scopes) and self.scopes[-1][0] == "enum"
                if (char == ";" or (char == "," and in_enum)) and depth == 0:
                    if self.scopes and self.scopes[-1][0] == "body":
                        pending, begin = "", 0
                        continue
                    self.note(pending, begin or number, documented or behind)
                    if (documented or behind) and pending.strip():
                        self.remember(pending)
                    pending, begin, documented = "", 0, False
                    continue
                if char == ":" and ACCESS.match(pending.strip() + ":"):
                    kind, name, _ = self.scopes.pop()
                    self.scopes.append((kind, name, pending.strip() == "public"))
                    pending, begin = "", 0
                    continue
                if char.strip() and not begin:
                    begin = number
                pending += char

    def open(self, pending, line, documented):
        """A brace opens a namespace, a type, or a scope without declarations (bodies, initializers)."""
        text = re.sub(r"\s+", " ", pending).strip()
        scope = SCOPE.match(text)
        if scope and "(" not in text.split("requires")[0].replace(scope.group(0), ""):
            kind = scope.group("kind")
            if "namespace" in kind:
                public = scope.group("name").split("::")[-1] not in ("client", "messaging", "detail")
                self.scopes.append(("namespace", scope.group("name"), public))
            else:
                self.note(text, line, documented, is_definition=True)
                self.remember(text)
                if documented and "Errors of every call" in self.comment:
                    self.with_common_errors.add(scope.group("name"))
                in_enum = kind.startswith("enum")
                # Codec documents its members.
                public = kind != "class" and "Codec<" not in text
                self.scopes.append(("enum" if in_enum else "class", scope.group("name"), public))
            return False
        # A function's body, or a member's initializer.
        self.note(text, line, documented)
        if documented:
            self.remember(text)
        self.scopes.append(("body", "", True))
        return False

    def close(self, pending, line, documented):
        if self.scopes and self.scopes[-1][0] == "enum":
            self.note(pending, line, documented)
        if self.scopes:
            self.scopes.pop()


def undocumented(path):
    header = Header(path)
    header.read()
    return header.found


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2])
    count = 0
    for path in sorted((root / "include/dohle").rglob("*.hpp")):
        if "detail" in path.parts:
            continue
        for line, name in undocumented(path):
            print(f"{path.relative_to(root)}:{line}: {name}")
            count += 1
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()

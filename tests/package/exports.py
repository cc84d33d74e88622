#!/usr/bin/env python3
"""exports.py CLANG INCLUDE-DIRECTORY: every function and object that the public headers declare and the
library defines is exported by a shared library (DOHLE_API), and so is the table of virtual functions of a
class whose table the library defines. `exports.py CLANG --must-find` proves that a missing one is reported."""
import json
import os
import subprocess
import sys
import tempfile

FUNCTIONS = {"FunctionDecl", "CXXMethodDecl", "CXXConstructorDecl", "CXXDestructorDecl", "CXXConversionDecl"}
CLASSES = {"CXXRecordDecl", "ClassTemplateSpecializationDecl"}
# Their members are compiled where they are used.
TEMPLATES = {"ClassTemplateDecl", "FunctionTemplateDecl", "ClassTemplatePartialSpecializationDecl", "VarTemplateDecl"}


def declarations(clang, include):
    headers = sorted(os.path.relpath(os.path.join(root, name), include)
                     for root, _, names in os.walk(include) for name in names if name.endswith(".hpp"))
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as source:
        source.write("".join(f"#include <{header}>\n" for header in headers))
        source.flush()
        text = subprocess.run(
            [clang, "-std=c++23", "-DDOHLE_SHARED", "-I", include, "-fsyntax-only", "-Xclang",
             "-ast-dump=json", "-Xclang", "-ast-dump-filter=dohle::v0", source.name],
            check=True, stdout=subprocess.PIPE, text=True).stdout
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        node, at = decoder.raw_decode(text, at)
        yield node
        while at < len(text) and text[at].isspace():
            at += 1


def is_defined_here(node):
    is_object = node["kind"] == "VarDecl"
    return (any(each.get("kind") == "CompoundStmt" for each in node.get("inner", [])) or node.get("explicitlyDefaulted")
            or node.get("explicitlyDeleted") or node.get("pure")
            or (is_object and (node.get("constexpr") or node.get("inline"))))


def is_virtual(node):
    return node.get("virtual") or any(each.get("kind") == "OverrideAttr" for each in node.get("inner", []))


class Found:
    def __init__(self):
        self.declared = {}  # mangled name: (text, is it exported)
        self.inline = set()
        self.hidden_classes = []  # (text, virtual functions that are not defined in the class)

    def visit(self, node, scope, is_exported):
        kind, inner = node.get("kind"), node.get("inner", [])
        if kind in TEMPLATES or node.get("isImplicit"):
            return
        has_mark = is_exported or any(each.get("kind") == "VisibilityAttr" for each in inner)
        if kind in FUNCTIONS or kind == "VarDecl":
            return self.take(node, inner, scope, has_mark)
        if kind in {"NamespaceDecl", "LinkageSpecDecl"}:
            has_mark = False
        elif kind not in CLASSES:
            return
        name = node.get("name", "")
        if kind in CLASSES and not has_mark:
            keys = [each.get("mangledName") for each in inner
                    if each.get("kind") in FUNCTIONS and is_virtual(each) and not is_defined_here(each)]
            if keys:
                self.hidden_classes.append((f"{scope}{name}, its table of virtual functions", keys))
        for each in inner:
            self.visit(each, f"{scope}{name}::" if name else scope, has_mark)

    def take(self, node, inner, scope, has_mark):
        name = node.get("mangledName")
        if is_defined_here(node):
            self.inline.add(name)
        text = scope + node["name"] + " " + node["type"]["qualType"]
        self.declared[name] = (text, has_mark or self.declared.get(name, ("", False))[1])

    def hidden(self):
        tables = [text for text, keys in self.hidden_classes if not self.inline.issuperset(keys)]
        return sorted(tables + [text for name, (text, is_exported) in self.declared.items()
                                if name not in self.inline and not is_exported])


def check(clang, include):
    found = Found()
    for node in declarations(clang, include):
        found.visit(node, "", False)
    return found.hidden(), len(found.declared.keys() - found.inline)


def prove(clang):
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "made.hpp"), "w") as header:
            header.write("""#pragma once
namespace dohle { inline namespace v0 {
struct __attribute__((visibility("default"))) Whole { void exported(); struct Within { void exported_too(); }; };
struct Parts {
  __attribute__((visibility("default"))) void exported();
  void hidden();
  void in_place() {}
  void below();
  Parts() = default;
};
inline void Parts::below() {}
struct Base {
  virtual ~Base() = default;
  virtual void must() = 0;
  virtual void below();
};
inline void Base::below() {}
struct Derived : Base {
  __attribute__((visibility("default"))) void must() override;
};
void also_hidden();
extern int hidden_object;
inline constexpr int constant = 1;
template <class T> void made_where_used(T);
} }
""")
        hidden, count = check(clang, directory)
    expected = ["v0::Derived, its table of virtual functions", "v0::Parts::hidden void ()",
                "v0::also_hidden void ()", "v0::hidden_object int"]
    assert hidden == expected, hidden
    assert count == 7, count


def main():
    clang = sys.argv[1]
    if sys.argv[2] == "--must-find":
        return prove(clang)
    hidden, count = check(clang, sys.argv[2])
    if count < 100:
        sys.exit(f"only {count} declarations were found")
    for text in hidden:
        print(f"not exported (DOHLE_API): {text}")
    print(f"{count} declarations, {len(hidden)} of them not exported")
    sys.exit(1 if hidden else 0)


main()

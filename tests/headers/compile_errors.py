#!/usr/bin/env python3
"""Compiles programs with a typical mistake; the only error has to be the sentence that helps.

compile_errors.py COMPILER INCLUDE-DIRECTORY... Each program of compile_errors/ says in its first line
"// The only error: " with a part of that error. All are compiled in one unit, each in a namespace of
its own, since the headers take longest: there have to be as many errors as programs. Arguments that a
format does not fit are errors too, and so is the warning about a dropped Result, which both compilers
give by default.
"""
import re
import subprocess
import sys
from pathlib import Path

ONLY = "// The only error: "
HERE = Path(__file__).resolve().parent / "compile_errors"


def unit_of(programs):
    """The includes of all programs, and the rest of each in a namespace."""
    includes, bodies = [], []
    for name, text in programs.items():
        includes += re.findall(r"^#include .*$", text, re.M)
        body = re.sub(r"^#include .*$", "", text, flags=re.M)
        bodies.append(f'namespace {name} {{\n#line 1 "{name}.cpp"\n{body}}}')
    return "\n".join([*dict.fromkeys(includes), *bodies]) + "\n"


def errors_of(compiler, includes, source):
    # Of clang's warnings about dropped values, that about a Result is one.
    own = ["-ferror-limit=0", "-Werror=unused-value"] if "clang" in compiler else ["-Werror=unused-result"]
    done = subprocess.run([compiler, "-std=c++23", "-fsyntax-only", "-Wformat", "-Werror=format", *own,
                           *[f"-I{each}" for each in includes], "-x", "c++", "-"],
                          input=source, capture_output=True, text=True, timeout=200, check=False)
    return [line for line in done.stderr.splitlines() if re.search(r"\berror: ", line)]


def main():
    compiler, *includes = sys.argv[1:]
    programs = {path.stem: path.read_text("utf-8") for path in sorted(HERE.glob("*.cpp"))}
    errors = errors_of(compiler, includes, unit_of(programs))
    breaches = []
    for name, text in programs.items():
        first = text.splitlines()[0]
        wanted = first.removeprefix(ONLY)
        found = next((error for error in errors if first.startswith(ONLY) and wanted in error), None)
        if found:
            errors.remove(found)
        else:
            breaches.append(f"{name}.cpp: no error says: {first}")
    breaches += [f"an error that no program expects: {error}" for error in errors]
    for each in breaches:
        print(each)
    print(f"{len(programs)} programs, {len(breaches)} breaches")
    return 1 if breaches or len(programs) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())

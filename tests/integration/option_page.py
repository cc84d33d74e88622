"""Compares the table of options in docs/messaging.md with the option tables of the sources.

The rows come from a program that prints them: "row NAME", lowest, highest, unit and default, with
tabs between. Which rows a function of the page sets is read from include/dohle/options.hpp.
"""
import re
from typing import NamedTuple

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
UNBOUNDED = (-INT64_MAX - 1, INT64_MAX)
SCOPES = {
    "BrokerOptions": ["broker"],
    "PublishOptions": ["publish"],
    "RequestOptions": ["request"],
    "SubscribeOptions": ["subscribe"],
    "Converts": ["broker", "publish", "subscribe"],
    "Publishes": ["broker", "publish"],
    "Reads": ["broker", "subscribe"],
    "Requests": ["broker", "request"],
}


class Row(NamedTuple):
    lowest: int
    highest: int
    unit: str
    default: str


def listed_rows(printed):
    found = re.findall(r"^row (\S+)\t(-?\d+)\t(-?\d+)\t(\w*)\t(.*)$", printed, re.M)
    return {name: Row(int(low), int(high), unit, default) for name, low, high, unit, default in found}


def amount(number, unit):
    """As the page writes it: 1 min, 50 MiB, 1,000,000, 2^31 - 1."""
    scales = {"ms": (("day", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)),
              "bytes": (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1))}
    if number == INT32_MAX:
        return "2 GiB - 1" if unit == "bytes" else "2^31 - 1"
    if number == 0 or unit not in scales:
        return f"{number:,}"
    name, size = next((name, size) for name, size in scales[unit] if number % size == 0)
    many = "s" if name == "day" and number != size else ""
    return f"{number // size:,} {name}{many}"


def range_text(row):
    low, high = amount(row.lowest, row.unit), amount(row.highest, row.unit)
    if row.unit == "bytes" and row.lowest == 0:
        return f"at most {row.highest:,} bytes"
    if row.lowest == -1:
        return f"0 to {high}, or -1: none"
    return f"at least {low}" if row.highest == INT64_MAX else f"{low} to {high}"


def default_text(row):
    return amount(int(row.default), row.unit) if row.default.isdigit() else row.default


def has(cell, text):
    return re.search(rf"(?<![\w,.^-]){re.escape(text)}(?![\w.^]|,\d)", cell) is not None


def setters(header, rows):
    """The rows that each function sets, and the functions whose argument is one less."""
    direct, calls, less_one = {}, {}, set()
    for part in re.split(r"\[\[nodiscard\]\] ", re.sub(r"//[^\n]*", "", header))[1:]:
        named = re.match(r"(?:inline )?\w+ (with_\w+|disable_auto_ack)\(", part)
        if not named:
            continue
        name = named.group(1)
        scopes = re.findall(r"\((?:\w+::)?(\w+)(?: auto)?& o\)", part)
        members = {name.removeprefix("with_"), *re.findall(r"\bo\.(\w+)", part)}
        direct.setdefault(name, set()).update(
            f"{place}.{member}" for scope in scopes for place in SCOPES[scope] for member in members)
        calls.setdefault(name, set()).update(set(re.findall(r"return (with_\w+)\(", part)) - {name})
        if "attempts_of(" in part:
            less_one.add(name)
    set_by = {name: rows.keys() & direct[name].union(*(direct[each] for each in calls[name]))
              for name in direct}
    return set_by, less_one


def table(page):
    """The options of each row of the page, and its cell with the default and the range."""
    section = re.search(r"^## Options\n(.*?)^## ", page, re.M | re.S).group(1)
    for line in section.splitlines():
        cells = [each.strip() for each in line.strip("|").split("|")]
        if len(cells) == 6 and cells[1].startswith("`"):
            yield re.findall(r"`(?:kafka::)?([\w:]+)`", cells[1]), cells[2]


def breaches(rows, header, page):
    set_by, less_one = setters(header, rows)
    seen = set()
    for names, cell in table(page):
        default_cell, _, range_cell = cell.partition(";")
        for name in names:
            options, _, member = name.partition("::")
            for each in [f"{SCOPES[options][0]}.{member}"] if member else sorted(set_by.get(name, [])):
                seen.add(each)
                row = rows[each]
                if name in less_one:
                    row = row._replace(lowest=row.lowest - 1, default="")
                if row.default and not has(default_cell, default_text(row)):
                    yield (f"docs/messaging.md: the default of {name} ({each}) is "
                           f"{default_text(row)}; the page says: {cell}")
                if row[:2] != UNBOUNDED and not has(range_cell, range_text(row)):
                    yield f"docs/messaging.md: {name} ({each}) is {range_text(row)}; the page says: {cell}"
    for each in sorted(rows.keys() - seen):
        yield f"docs/messaging.md: no row for {each}"

"""Where the keys of a TOML file stand. tomllib, which has read it before, does not say."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from migsafe.plan.toml.fields import path

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_HEADER = re.compile(r"\[(\[?)\s*([^\]\n]+?)\s*\]\]?")
_KEY = re.compile(r"""((?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[\w.-]|[ \t])+?)[ \t]*=[ \t]*""")
_STRING = re.compile(
    r"'''(?P<ml>.*?)'''(?!')|\"\"\"(?P<mb>(?:[^\\]|\\.)*?)\"\"\"(?!\")|'(?P<l>[^'\n]*)'|\"(?P<b>(?:[^\"\\\n]|\\.)*)\"",
    re.DOTALL,
)
_OTHER = re.compile(r"""[^\[\]{}"'#\n]+""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The lines of keys and tables by their paths (`verify 4.sql`), and where texts stand in the file.

    A text begins at the offset of its first character. `exact` are those that stand there as they are,
    without escapes.
    """

    lines: dict[str, int] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    exact: set[str] = field(default_factory=set)


def find_places(text: str) -> Places:
    """The places of everything in a valid TOML file; what is not found there has none."""
    found = Places()
    for name, at, value in _keys(text):
        found.lines.setdefault(name, text.count("\n", 0, at) + 1)
        if value is not None:
            kind = value.lastgroup or "b"
            start, end = value.span(kind)
            if kind in {"ml", "mb"} and text.startswith("\n", start):
                start += 1
            found.starts[name], found.lengths[name] = start, end - start
            if kind in {"ml", "l"} or "\\" not in value[0]:
                found.exact.add(name)
    return found


def _keys(text: str) -> Iterator[tuple[str, int, re.Match[str] | None]]:
    """The path of each key and table, its offset, and the string that is its value."""
    table, counts, at = "", Counter[str](), 0
    while (at := _end(_BLANK, text, at)) < len(text):
        if header := _HEADER.match(text, at):
            table = _below(header[2], counts)
            if header[1]:
                counts[table] += 1
                table = f"{table} {counts[table]}"
            yield table, at, None
            at = header.end()
        elif key := _KEY.match(text, at):
            value = _STRING.match(text, key.end())
            yield path(table, key[1].strip().strip("\"'")), at, value
            at = _value(text, key.end())
        else:
            return


def _below(name: str, counts: Counter[str]) -> str:
    """The path of a table: below one of a list it is below the latest."""
    parts = [part.strip().strip("\"'") for part in name.split(".")]
    called = ""
    for number, part in enumerate(parts, 1):
        called = path(called, part)
        if number < len(parts) and counts[called]:
            called = f"{called} {counts[called]}"
    return called


def _value(text: str, at: int) -> int:
    """The offset behind a value."""
    depth = 0
    while at < len(text):
        if string := _STRING.match(text, at):
            at = string.end()
        elif text[at] in "[{":
            depth, at = depth + 1, at + 1
        elif text[at] in "]}":
            depth, at = depth - 1, at + 1
        elif text[at] == "#" or (text[at] == "\n" and depth):
            at = _end(_BLANK, text, at)
        elif text[at] == "\n":
            return at
        else:
            at = max(at + 1, _end(_OTHER, text, at))
    return at


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at

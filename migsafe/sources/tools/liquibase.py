"""Liquibase formatted SQL: `--liquibase formatted sql`, then changesets.

Every changeset runs in a transaction of its own unless it says `runInTransaction:false`; one for another
`dbms` does not run at all. Lines of `--rollback SQL` and blocks of `/* liquibase rollback ... */` are the
way back. https://docs.liquibase.com/concepts/changelogs/sql-format.html
https://docs.liquibase.com/concepts/changelogs/attributes/run-in-transaction.html
"""

import re
from dataclasses import dataclass

from migsafe.sources.settings import Direction
from migsafe.sources.tools.marked import Marked, blank, instead_of, lines

HEADER = re.compile(r"(?i)\A\ufeff?\s*--[ \t]*liquibase[ \t]+formatted[ \t]+sql\b")
_CHANGESET = re.compile(r"(?im)^\ufeff?[ \t]*--[ \t]*changeset[ \t]+(?P<rest>[^\r\n]+)")
_ATTRIBUTE = re.compile(r"""(?P<key>[A-Za-z]+):(?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))""")
_ROLLBACK_LINE = re.compile(r"(?i)\A([ \t]*--[ \t]*rollback[ \t]+)(?P<sql>[^\r\n]*)")
_ROLLBACK_BLOCK = re.compile(r"(?is)/\*[ \t]*liquibase[ \t]+rollback\b(?P<sql>.*?)\*/")
_NO_ROLLBACK = re.compile(r"(?i)\A\s*(?:empty|not required|changesetid:.*)\s*;?\s*\Z")
_IGNORE = re.compile(r"(?i)\A[ \t]*--[ \t]*ignoreLines:(?P<what>start|end|\d+)")
_OPEN, _CLOSE = "BEGIN;", "COMMIT;"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changeset:
    start: int
    body: int
    end: int
    attributes: dict[str, str]

    @property
    def in_transaction(self) -> bool:
        return self.attributes.get("runintransaction", "true").lower() != "false"

    @property
    def runs_here(self) -> bool:
        names = [name.strip().lower() for name in self.attributes.get("dbms", "").split(",") if name.strip()]
        refused = {name[1:] for name in names if name.startswith("!")}
        wanted = {name for name in names if not name.startswith("!")}
        if {"postgresql", "all"} & refused or "none" in wanted:
            return False
        return not wanted or bool({"postgresql", "all"} & wanted)


def mark(text: str, direction: Direction) -> Marked:
    """What runs of a changelog, each changeset in the transaction that it asks for.

    When they differ, or there are several, BEGIN and COMMIT stand where the changesets' header lines were.
    """
    changesets = _changesets(text)
    running = [changeset for changeset in changesets if changeset.runs_here]
    up = direction is Direction.UP
    bodies = {
        changeset.start: (_forward if up else _back)(text[changeset.body : changeset.end])
        for changeset in running
    }
    apart = len(running) > 1 and any(changeset.in_transaction for changeset in running)
    pieces = [text[: changesets[0].start] if changesets else text]
    is_open = False
    for changeset in changesets:
        header, body = text[changeset.start : changeset.body], text[changeset.body : changeset.end]
        if changeset not in running:
            pieces.append(blank(header + body))
            continue
        marks = (_CLOSE if is_open else "") + (_OPEN if changeset.in_transaction else "")
        pieces.append(instead_of(header, marks) if apart else header)
        is_open = changeset.in_transaction
        pieces.append(_with_semicolons(bodies[changeset.start], changeset.attributes.get("enddelimiter", "")))
    if apart and is_open:
        pieces.append(f"\n{_CLOSE}")
    return Marked(
        text="".join(pieces),
        parts=tuple(changeset.start for changeset in running),
        in_transaction=not apart and all(changeset.in_transaction for changeset in running),
        applies=up or any(body.strip() for body in bodies.values()),
    )


def _changesets(text: str) -> list[_Changeset]:
    found = list(_CHANGESET.finditer(text))
    ends = [*(match.start() for match in found), len(text)][1:]
    return [
        _Changeset(start=match.start(), body=match.end(), end=end, attributes=_attributes(match["rest"]))
        for match, end in zip(found, ends, strict=True)
    ]


def _attributes(rest: str) -> dict[str, str]:
    # The first pair is author:id.
    pairs = list(_ATTRIBUTE.finditer(rest))
    return {
        pair["key"].lower(): pair["quoted"] if pair["quoted"] is not None else pair["plain"]
        for pair in pairs
        if pair.start() > 0
    }


def _forward(body: str) -> str:
    pieces: list[str] = []
    skip = 0
    skipping = False
    for _, line in lines(body):
        ignore = _IGNORE.match(line)
        if ignore:
            what = ignore["what"].lower()
            skipping = what == "start"
            skip = int(what) if what.isdecimal() else 0
            pieces.append(blank(line))
        elif skipping or skip:
            skip = max(0, skip - 1)
            pieces.append(blank(line))
        else:
            pieces.append(line)
    return "".join(pieces)


def _back(body: str) -> str:
    pieces: list[str] = []
    for at, piece, is_block in _blocks(body):
        del at
        if is_block:
            found = _ROLLBACK_BLOCK.fullmatch(piece)
            inside = found["sql"] if found else ""
            pieces.append(blank(piece[: -len(inside) - 2]) + inside + "  ")
        else:
            pieces += [_rollback_of(line) for _, line in lines(piece)]
    return "".join(pieces)


def _blocks(body: str) -> list[tuple[int, str, bool]]:
    pieces: list[tuple[int, str, bool]] = []
    at = 0
    for found in _ROLLBACK_BLOCK.finditer(body):
        pieces.append((at, body[at : found.start()], False))
        pieces.append((found.start(), found.group(), True))
        at = found.end()
    return [*pieces, (at, body[at:], False)]


def _rollback_of(line: str) -> str:
    found = _ROLLBACK_LINE.match(line)
    if found is None or _NO_ROLLBACK.match(found["sql"]):
        return blank(line)
    return blank(found.group(1)) + line[len(found.group(1)) :]


def _with_semicolons(body: str, delimiter: str) -> str:
    mark_ = delimiter.removeprefix("\\n").removesuffix("\\n").strip()
    if not mark_ or mark_ == ";" or "$" in mark_ or "\\" in mark_:
        return body
    at_line_start = delimiter.startswith("\\n") or mark_ == "/" or mark_.isalpha()
    pattern = (
        rf"(?im)^\ufeff?[ \t]*{re.escape(mark_)}[ \t]*(?=\r|\n|\Z)" if at_line_start else re.escape(mark_)
    )
    return re.sub(pattern, lambda found: instead_of(found.group(), ";"), body)

"""Applies the grammar to a statement's tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, assert_never

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.grammar.notation import (
    Choice,
    Labelled,
    Listed,
    Many,
    Maybe,
    Node,
    Reference,
    Sequence,
    Word,
    rules,
)
from migsafe.sql.grammar.primitives import PRIMITIVES

Kept = list[tuple[str, Any]]
Matcher = Callable[[Cursor, Kept], bool]

_PREFIXES = frozenset(
    {
        *("or", "replace", "temporary", "temp", "recursive", "constraint", "trusted", "procedural"),
        *("unlogged", "local", "global", "default", "unique"),
    }
)
_ALSO_CHANGED = frozenset({"procedural"})
_VERBS = frozenset({"create", "alter", "drop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The statement's command tag, and what its rule kept, by label; `start` is its first token's index."""

    tag: str
    start: int
    kept: tuple[tuple[str, Any], ...]

    def all(self, label: str) -> tuple[Any, ...]:
        """Everything kept under a label, in order."""
        return tuple(value for name, value in self.kept if name == label)

    def first(self, label: str) -> Any:
        """The first thing kept under a label, or None."""
        return next((value for name, value in self.kept if name == label), None)


def match_statement(cursor: Cursor) -> Found | None:
    """The rule that fits the whole statement; None when no rule begins like it.

    Raises:
        Unreadable: A rule begins like the statement, and none fits.
    """
    candidates = _index().get(_key(cursor), ())
    furthest = cursor.at
    for tag in candidates:
        kept: Kept = []
        start = cursor.at
        if _matcher(tag)(cursor, kept):
            if cursor.done:
                return Found(tag=tag.split("/")[0], start=start, kept=tuple(kept))
            furthest = max(furthest, cursor.at)
        cursor.at = start
    if not candidates:
        return None
    cursor.at = furthest
    raise Unreadable(f"it is no {candidates[0].split('/')[0]} that PostgreSQL knows")


def match_rule(name: str, cursor: Cursor) -> Kept | None:
    """What a rule keeps when it fits here, at least in part; None when it does not."""
    kept: Kept = []
    return kept if _matcher(name)(cursor, kept) else None


def _key(cursor: Cursor) -> tuple[str, str]:
    verb = cursor.word()
    if verb not in _VERBS:
        return verb, ""
    ahead = 1
    while cursor.word(ahead) in (_PREFIXES if verb == "create" else _ALSO_CHANGED):
        ahead += 1
    return verb, cursor.word(ahead)


@cache
def _index() -> dict[tuple[str, str], tuple[str, ...]]:
    """The statements' rules, by verb and kind of object."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for tag in rules():
        if not tag[0].isupper():
            continue
        verb, *kind = tag.split("/")[0].lower().split()
        if verb not in _VERBS:
            kind = [""]
        elif tag == "ALTER DEFAULT PRIVILEGES":
            kind = ["default"]
        key = verb, kind[0]
        found[key] = (*found.get(key, ()), tag)
    return found


@cache
def _matcher(name: str) -> Matcher:
    return _compile(rules()[name])


def _compile(node: Node) -> Matcher:
    match node:
        case Word(text):
            return _word(text)
        case Reference(name):
            if primitive := PRIMITIVES.get(name):
                return lambda cursor, _: primitive(cursor) is not None
            if name not in rules():
                raise ValueError(f"no rule and no primitive: {name}")
            return lambda cursor, kept: _matcher(name)(cursor, kept)  # noqa: PLW0108 -- a rule may hold itself
        case Sequence(parts):
            return _sequence(tuple(_compile(part) for part in parts))
        case Choice(options):
            return _choice(tuple(_compile(option) for option in options))
        case Maybe(inner):
            compiled = _compile(inner)
            return lambda cursor, kept: compiled(cursor, kept) or True
        case Many(inner):
            return _many(_compile(inner))
        case Listed(inner):
            return _listed(_compile(inner))
        case Labelled(label, inner):
            return _labelled(label, inner)
        case _:
            assert_never(node)


def _word(text: str) -> Matcher:
    def matches(cursor: Cursor, _: Kept) -> bool:
        at = cursor.at
        if at < cursor.end and cursor.words[at] == text:
            cursor.at = at + 1
            return True
        return False

    return matches


def _sequence(parts: tuple[Matcher, ...]) -> Matcher:
    def matches(cursor: Cursor, kept: Kept) -> bool:
        start, count = cursor.at, len(kept)
        for part in parts:
            if not part(cursor, kept):
                cursor.at = start
                del kept[count:]
                return False
        return True

    return matches


def _choice(options: tuple[Matcher, ...]) -> Matcher:
    return lambda cursor, kept: any(option(cursor, kept) for option in options)


def _many(inner: Matcher) -> Matcher:
    def matches(cursor: Cursor, kept: Kept) -> bool:
        at = -1
        while cursor.at > at:
            at = cursor.at
            if not inner(cursor, kept):
                break
        return True

    return matches


def _listed(inner: Matcher) -> Matcher:
    def matches(cursor: Cursor, kept: Kept) -> bool:
        if not inner(cursor, kept):
            return False
        while cursor.word() == ",":
            cursor.at += 1
            if not inner(cursor, kept):
                cursor.at -= 1
                return True
        return True

    return matches


def _labelled(label: str, inner: Node) -> Matcher:
    if isinstance(inner, Reference) and (primitive := PRIMITIVES.get(inner.name)):

        def keeps_value(cursor: Cursor, kept: Kept) -> bool:
            value = primitive(cursor)
            if value is None:
                return False
            kept.append((label, value))
            return True

        return keeps_value
    compiled = _compile(inner)

    def keeps_part(cursor: Cursor, kept: Kept) -> bool:
        start = cursor.at
        if not compiled(cursor, kept):
            return False
        kept.append((label, cursor.part(start, cursor.at)))
        return True

    return keeps_part

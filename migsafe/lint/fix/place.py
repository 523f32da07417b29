"""Puts statements into a script and takes them out, by lines, so that it stays readable."""

import re
from collections.abc import Iterable

from migsafe.lint.fix.model import Edit
from migsafe.sql.script import ReadStatement, Script
from migsafe.sql.written import NotAsExpected, words_of

_REST_OF_LINE = re.compile(r"[ \t]*(?:--[^\r\n]*)?(?=\r|\n|\Z)")
_BLANK_REST = re.compile(r"[ \t]*(?:\r\n|\r|\n|\Z)")
_AFTER_EMPTY_LINE = re.compile(r"(?:\n|\r)[ \t]*(?:\r\n|\r|\n)\Z")
_LINE_END = re.compile(r"\r\n|\r|\n")
# What tools read in comments: no statement may come between them and what they speak about, or before them.
_MARKER = re.compile(
    r"--\s*(?:\+|migrate:|changeset\b|liquibase\b|rollback\b|precondition|flyway:|migsafe:\s*phase\b|@)",
    re.IGNORECASE,
)


def new_line(text: str) -> str:
    """How lines end in this text."""
    found = _LINE_END.search(text)
    return found.group() if found else "\n"


def semicolon_end(script: Script, index: int) -> int:
    """The offset behind a statement and its semicolon.

    Raises:
        NotAsExpected: It ends in another way, as with psql's backslash commands.
    """
    statement = script.statements[index].source
    at = statement.end
    for comment in (each for each in script.comments if each.start >= statement.end):
        if script.text[at : comment.start].strip():
            break
        at = comment.end
    behind = script.text.find(";", at)
    if behind >= 0 and not script.text[at:behind].strip():
        return behind + 1
    if index == len(script.statements) - 1:
        return statement.end
    raise NotAsExpected


def insert_before(script: Script, index: int, statements: Iterable[str]) -> Edit:
    """Puts statements in front of one, above the comments that belong to it."""
    lines = list(statements)
    at = _anchor(script, index)
    indent = _indent(script.text, at)
    end = new_line(script.text)
    if indent is None:
        return Edit(start=at, end=at, text="".join(f"{line}; " for line in lines))
    return Edit(start=at, end=at, text="".join(f"{line};{end}{indent}" for line in lines))


def insert_behind(script: Script, index: int, statements: Iterable[str]) -> tuple[Edit, ...]:
    """Puts statements behind one and the comment on its line; gives it a semicolon where it has none.

    Raises:
        NotAsExpected: It is not ended by a semicolon, nor by the script.
    """
    statement = script.statements[index].source
    at = semicolon_end(script, index)
    end = new_line(script.text)
    indent = _indent(script.text, statement.start) or ""
    body = "".join(f"{end}{indent}{line};" for line in statements)
    if not body:
        return ()
    missing: tuple[Edit, ...] = ()
    if at == statement.end and not script.text[:at].endswith(";"):
        words = words_of(script.statements[index])
        last = words.end(len(words.tokens) - 1)
        missing = (Edit(start=last, end=last, text=";"),)
    rest = _REST_OF_LINE.match(script.text, at)
    if rest is None:
        # Something else goes on in this line.
        return (*missing, Edit(start=at, end=at, text=f"{body}{end}{indent}"))
    return (*missing, Edit(start=rest.end(), end=rest.end(), text=body))


def delete(script: Script, index: int) -> Edit:
    """Takes a statement out, with its line when nothing else stands there.

    Raises:
        NotAsExpected: It is not ended by a semicolon, nor by the script.
    """
    statement = script.statements[index].source
    end = semicolon_end(script, index)
    if any(statement.start <= each.start < end for each in script.comments):
        raise NotAsExpected
    start = statement.start
    indent = _indent(script.text, start)
    rest = _BLANK_REST.match(script.text, end)
    if indent is not None and rest:
        start, end = start - len(indent), rest.end()
        between = _BLANK_REST.match(script.text, end)
        # Of two empty lines that would meet, one is enough.
        if (
            between
            and between.end() > end
            and _AFTER_EMPTY_LINE.search(script.text[max(0, start - 200) : start])
        ):
            end = between.end()
        return Edit(start=start, end=end, text="")
    return Edit(start=start, end=end, text="")


def _anchor(script: Script, index: int) -> int:
    """Where something new goes in front of a statement: above its comments, below those of tools."""
    statement: ReadStatement = script.statements[index]
    at = statement.start
    for comment in reversed(statement.source.comments):
        between = script.text[comment.end : at]
        if between.strip() or len(_LINE_END.findall(between)) > 1:
            break
        alone = _indent(script.text, comment.start) is not None
        of_us = "migsafe:" in comment.text
        header = not script.text[: comment.start].strip("\ufeff \t\r\n") and not of_us
        if not alone or header or _MARKER.match(comment.text):
            break
        at = comment.start
    return at


def _indent(text: str, at: int) -> str | None:
    """The blanks before this place, when nothing else stands before it on its line."""
    start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    before = text[start:at]
    if start == 0:
        before = before.removeprefix("\ufeff")
    return None if before.strip(" \t") else before

"""Migrations that a project's own tool rendered, as sources with places in their Python files."""

import os
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from migsafe.directives import as_sql_comment
from migsafe.sources.model import Origin, Source, SourceProblem
from migsafe.sources.settings import SourceKind
from migsafe.sources.sql_folder import display, read_file

_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """SQL and the place it comes from; `copied` when it stands there as it is.

    `first` and `last` are the lines of the call, or of the comment, that it comes from.
    """

    text: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0
    copied: bool = False
    first: int = 0
    last: int = 0


def as_source(rendered: dict[str, Any], tool: SourceKind) -> Source:
    """The source of one migration as `inside` describes it.

    Comments for migsafe in the Python file stand in front of the statement that they belong to.
    """
    path = Path(os.path.relpath(rendered["path"]))
    shown = read_file(path).text
    lines = shown.splitlines()
    pieces = [_piece(statement, shown, lines) for statement in rendered["statements"]]
    origins: list[Origin] = []
    text = ""
    name = display(path)
    for piece in _with_comments(pieces, shown, lines):
        start = len(text)
        text += piece.text
        origins.append(
            Origin(
                start=start,
                end=len(text),
                path=name,
                line=piece.line,
                column=piece.column,
                end_line=piece.end_line,
                end_column=piece.end_column,
                copied=piece.copied,
            )
        )
        text += _BETWEEN
    return Source(
        path=name,
        text=text,
        in_transaction=rendered["in_transaction"],
        phase=rendered["phase"],
        revision=rendered["revision"],
        tool=tool.value,
        # A file that renders to nothing still is not its own text.
        origins=tuple(origins) or (Origin(start=0, end=0, path=name, line=1),),
        shown=shown,
        problems=tuple(_problem(problem, name, lines) for problem in rendered["problems"]),
    )


def _piece(statement: dict[str, Any], shown: str, lines: list[str]) -> _Piece:
    text = statement["text"]
    line, column, end_line, end_column = _place(statement["place"], lines)
    place = _Piece(
        text=text,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
        first=line,
        last=end_line or line,
    )
    found = _verbatim(text.rstrip(";\n "), shown, lines, line, end_line)
    if found is None:
        return place
    return replace(place, line=found[0], column=found[1], end_line=0, end_column=0, copied=True)


def _verbatim(text: str, shown: str, lines: list[str], line: int, end_line: int) -> tuple[int, int] | None:
    """Where the SQL itself stands in the call, when it stands there once and as it is."""
    if not text or not end_line:
        return None
    start = sum(len(each) + 1 for each in lines[: line - 1])
    end = sum(len(each) + 1 for each in lines[:end_line])
    called = shown[start:end]
    at = called.find(text)
    if at < 0 or called.find(text, at + 1) >= 0:
        return None
    before = called[:at]
    return line + before.count("\n"), len(before) - (before.rfind("\n") + 1) + 1


def _place(place: dict[str, int] | None, lines: list[str]) -> tuple[int, int, int, int]:
    """Line, column, end line and end column, counted in code points from 1; what is not known is 0."""
    if place is None:
        return 1, 1, 0, 0
    line = place["line"]
    if "column" not in place:
        return line, 1, 0, 0
    end_line = place["end_line"]
    return (
        line,
        _column(lines, line, place["column"]),
        end_line,
        _column(lines, end_line, place["end_column"]),
    )


def _column(lines: list[str], line: int, offset: int) -> int:
    text = lines[line - 1] if 1 <= line <= len(lines) else ""
    return len(text.encode()[:offset].decode("utf-8", "ignore")) + 1


def _problem(problem: dict[str, Any], path: str, lines: list[str]) -> SourceProblem:
    line, column, end_line, end_column = _place(problem["place"], lines)
    return SourceProblem(
        message=problem["message"],
        path=path,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
    )


def _with_comments(pieces: list[_Piece], shown: str, lines: list[str]) -> Iterable[_Piece]:
    """The pieces with the comments for migsafe before the one they stand above, beside or in.

    A comment that belongs to no statement goes to the top, where it speaks for the file.
    """
    before: dict[int, list[_Piece]] = {}
    for comment in _comments(shown):
        before.setdefault(_target(comment, pieces, lines), []).append(comment)
    yield from before.pop(-1, [])
    for number, piece in enumerate(pieces):
        yield from before.get(number, [])
        yield piece


def _target(comment: _Piece, pieces: list[_Piece], lines: list[str]) -> int:
    line = comment.line
    while line <= len(lines) and lines[line - 1].lstrip().startswith("#"):
        line += 1
    near = {comment.line, line}
    return next((at for at, piece in enumerate(pieces) if near & {*range(piece.first, piece.last + 1)}), -1)


def _comments(shown: str) -> list[_Piece]:
    found: list[_Piece] = []
    try:
        for token in tokenize.tokenize(BytesIO(shown.encode()).readline):
            if token.type == tokenize.COMMENT and (text := as_sql_comment(token.string)):
                (line, column), (end_line, end_column) = token.start, token.end
                found.append(
                    _Piece(
                        text=text,
                        line=line,
                        column=column + 1,
                        end_line=end_line,
                        end_column=end_column + 1,
                    )
                )
    except (tokenize.TokenError, SyntaxError):
        return found
    return found

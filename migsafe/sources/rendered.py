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
    """SQL and the place it comes from; `copied` when it stands there as it is. Or a problem and its place.

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
    problem: str = ""


def as_source(rendered: dict[str, Any], tool: SourceKind) -> Source:
    """The source of one migration as `inside` describes it.

    Comments for migsafe in the Python file stand in front of what they belong to.
    """
    path = Path(os.path.relpath(rendered["path"]))
    shown = read_file(path).text
    lines = shown.splitlines()
    name = display(path)
    pieces = _with_comments(_pieces(rendered, shown, lines), shown, lines)
    origins: list[Origin] = []
    problems: list[SourceProblem] = []
    text = ""
    for piece in pieces:
        if piece.problem:
            problems.append(_problem(piece, name, at=len(text)))
            continue
        origins.append(_origin(piece, name, at=len(text)))
        text += piece.text + _BETWEEN
    return Source(
        path=name,
        text=text,
        in_transaction=rendered["in_transaction"],
        shows_transactions=rendered.get("shows_transactions", False),
        settings=tuple(rendered["settings"].items()),
        phase=rendered["phase"],
        revision=rendered["revision"],
        tool=tool.value,
        # A file that renders to nothing still is not its own text.
        origins=tuple(origins) or (Origin(start=0, end=0, path=name, line=1),),
        shown=shown,
        problems=tuple(problems),
    )


def _pieces(rendered: dict[str, Any], shown: str, lines: list[str]) -> list[_Piece]:
    """Statements and problems in the order in which the tool came upon them."""
    pieces: list[_Piece] = []
    problems = list(rendered["problems"])
    for number, statement in enumerate(rendered["statements"]):
        while problems and problems[0]["before"] <= number:
            pieces.append(_place("", problems.pop(0), lines))
        pieces.append(_copied(_place(statement["text"].strip(), statement, lines), shown))
    return pieces + [_place("", problem, lines) for problem in problems]


def _place(text: str, said: dict[str, Any], lines: list[str]) -> _Piece:
    place = said["place"] or {"line": 1}
    piece = _Piece(
        text=text,
        problem=said.get("message", ""),
        line=place["line"],
        first=place["line"],
        last=place["line"],
    )
    if "column" not in place:
        return piece
    return replace(
        piece,
        column=_column(lines, place["line"], place["column"]),
        end_line=place["end_line"],
        end_column=_column(lines, place["end_line"], place["end_column"]),
        last=place["end_line"],
    )


def _copied(piece: _Piece, shown: str) -> _Piece:
    """The piece at its very place, when the SQL itself stands in the call, once and as it is."""
    text = piece.text.rstrip(";\n ")
    if not text or not piece.end_line:
        return piece
    whole = shown.splitlines(keepends=True)
    start = sum(len(line) for line in whole[: piece.line - 1])
    called = shown[start : start + sum(len(line) for line in whole[piece.line - 1 : piece.end_line])]
    at = called.find(text)
    if at < 0 or called.find(text, at + 1) >= 0:
        return piece
    before = called[:at]
    return replace(
        piece,
        line=piece.line + before.count("\n"),
        column=len(before) - (before.rfind("\n") + 1) + 1,
        end_line=0,
        end_column=0,
        copied=True,
    )


def _origin(piece: _Piece, path: str, *, at: int) -> Origin:
    return Origin(
        start=at,
        end=at + len(piece.text),
        path=path,
        line=piece.line,
        column=piece.column,
        end_line=piece.end_line,
        end_column=piece.end_column,
        copied=piece.copied,
    )


def _problem(piece: _Piece, path: str, *, at: int) -> SourceProblem:
    return SourceProblem(
        message=piece.problem,
        path=path,
        line=piece.line,
        column=piece.column,
        end_line=piece.end_line,
        end_column=piece.end_column,
        at=at,
    )


def _column(lines: list[str], line: int, offset: int) -> int:
    """A column counted in code points from 1, of an offset in bytes from 0."""
    text = lines[line - 1] if 1 <= line <= len(lines) else ""
    return len(text.encode()[:offset].decode("utf-8", "ignore")) + 1


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

"""Cuts a script into statements, by PostgreSQL's lexical rules and psql's: linear in time, never raises.

Every character of the script belongs to exactly one statement's outer span or to the trailing span, so
the spans join back to the text. A quote or comment that does not end makes the rest of the script one
statement that says so.
https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from migsafe.sql.names import NAME_START, TAG_PART


class StatementKind(StrEnum):
    """What a piece of a script is for."""

    SQL = "sql"
    META = "meta"
    """A psql meta-command, such as \\connect: one line that starts with a backslash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment with its marks, and where it stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement: `text` has no comments or blanks before it and no semicolon after it.

    `start` and `end` are offsets of `text`, `outer_start` and `outer_end` of all that belongs to it: what
    stands before it since the last statement, its semicolon, the data of COPY FROM stdin. `problem` says
    why it cannot be read, and is empty when it may be.
    """

    text: str
    start: int
    end: int
    outer_start: int
    outer_end: int
    comments: tuple[Comment, ...] = ()
    kind: StatementKind = StatementKind.SQL
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """All statements of a script in order, all its comments, and where the text after the last one starts."""

    statements: tuple[Statement, ...]
    comments: tuple[Comment, ...]
    trailing_start: int


# A BOM may also stand in the middle, where files were joined.
_BLANK = re.compile(r"[\s;\ufeff]+")
_LINE_COMMENT = re.compile(r"--[^\r\n]*")
_COMMENT_MARK = re.compile(r"/\*|\*/")
_PLAIN_STRING = re.compile(r"'(?:[^']++|'')*+'")
_ESCAPE_STRING = re.compile(r"'(?:[^'\\]++|\\.|'')*+'", re.DOTALL)
_QUOTED_NAME = re.compile(r'"(?:[^"]++|"")*+"')
_DOLLAR_TAG = re.compile(rf"\$(?:{NAME_START}{TAG_PART}*+)?\$")
_META_LINE = re.compile(r"\\[^\r\n]*")
_STOP = re.compile(r"""['"$;\\]|--|/\*|\{[{%\#]""")
# Possessive: a comment that could also be read as several would take exponential time.
_GAP = r"(?:\s|--[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)++"
_STOP_IN_BODY = re.compile(
    rf"""['"$;\\()]|--|/\*|\{{[{{%\#]|(?<![\w$])(?:begin(?={_GAP}atomic\b)|case|end)(?![\w$])""",
    re.IGNORECASE,
)
_HAS_BODY = re.compile(rf"create{_GAP}(?:or{_GAP}replace{_GAP})?(?:function|procedure|rule)\b", re.IGNORECASE)
_COPY = re.compile(r"copy\b", re.IGNORECASE)
_FROM_STDIN = re.compile(r"\bfrom\s+stdin\b", re.IGNORECASE)
_QUOTED = re.compile(r"""'[^']*'|"[^"]*"|--[^\r\n]*|/\*.*?\*/""", re.DOTALL)
_DATA_END = re.compile(r"^\\\.[ \t]*(?:\r\n|\r|\n|\Z)", re.MULTILINE)
_LINE_END = re.compile(r"\r\n|\r|\n|\Z")
_TEMPLATE_ENDS = {"{{": "}}", "{%": "%}", "{#": "#}"}
_LONGEST_PLACEHOLDER = 1_000


def split(text: str) -> Split:
    """The statements of a script. Any text is accepted."""
    return _Splitter(text).run()


def split_lazily(text: str) -> Iterator[Statement]:
    """The statements of a script, one after the other: for a text too big to keep them all."""
    splitter = _Splitter(text)
    while (statement := splitter.next()) is not None:
        yield statement
        splitter.comments.clear()


class _Splitter:
    """One pass over one text; `at` only ever grows."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.outer_start = 0
        self.comments: list[Comment] = []

    def run(self) -> Split:
        statements: list[Statement] = []
        while (statement := self.next()) is not None:
            statements.append(statement)
        return Split(
            statements=tuple(statements), comments=tuple(self.comments), trailing_start=self.outer_start
        )

    def next(self) -> Statement | None:
        """The next statement, or None behind the last one."""
        first_comment = len(self.comments)
        problem = self.skip_to_statement()
        if not problem and self.at >= len(self.text):
            return None
        statement = self.statement(self.outer_start, tuple(self.comments[first_comment:]), problem)
        self.outer_start = self.at
        return statement

    def skip_to_statement(self) -> str:
        """Goes over blanks, comments and stray semicolons; a comment without end is a problem."""
        while True:
            if blank := _BLANK.match(self.text, self.at):
                self.at = blank.end()
            elif self.text.startswith("--", self.at):
                self.line_comment()
            elif self.text.startswith("/*", self.at):
                start = self.at
                if problem := self.block_comment():
                    self.at = start
                    return problem
            else:
                return ""

    def statement(self, outer_start: int, comments: tuple[Comment, ...], problem: str) -> Statement:
        start = self.at
        kind = StatementKind.SQL
        if problem:
            end = self.at = len(self.text)
        elif meta := _META_LINE.match(self.text, start):
            kind = StatementKind.META
            end = self.at = meta.end()
        else:
            end, problem = self.sql_end()
        body = self.text[start:end].rstrip()
        if not problem and _COPY.match(body) and _FROM_STDIN.search(_QUOTED.sub(" ", body)):
            self.copy_data()
        return Statement(
            text=body,
            start=start,
            end=start + len(body),
            outer_start=outer_start,
            outer_end=self.at,
            comments=comments,
            kind=kind,
            problem=problem,
        )

    def sql_end(self) -> tuple[int, str]:
        """Goes behind the statement; gives the end of its text, and a problem if it has no end."""
        start = self.at
        has_body = _HAS_BODY.match(self.text, start)
        stop = _STOP_IN_BODY if has_body else _STOP
        depth = 0
        while True:
            found = stop.search(self.text, self.at)
            if found is None:
                self.at = len(self.text)
                return self.at, "a block that BEGIN ATOMIC or a bracket opens does not end" if depth else ""
            self.at = found.start()
            mark = found.group().lower()
            if mark in {"(", "begin"} or (mark == "case" and depth):
                depth += 1
                self.at = found.end()
            elif mark in {")", "end"}:
                depth = max(0, depth - 1)
                self.at = found.end()
            elif mark == ";" and not depth:
                self.at += 1
                return found.start(), ""
            elif mark == "\\" and self.text.startswith("\\;", self.at):
                self.at += 2
                return found.start(), ""
            elif mark == "\\":
                return found.start(), ""
            elif problem := self.quoted(mark, start):
                self.at = len(self.text)
                return self.at, problem

    def quoted(self, mark: str, start: int) -> str:
        """Goes behind the quote or comment that starts here, or behind the mark when it is none."""
        match mark:
            case "--":
                self.line_comment()
            case "/*":
                return self.block_comment()
            case "'":
                return self.pattern(
                    _ESCAPE_STRING if self.is_escape_string(start) else _PLAIN_STRING, "string"
                )
            case '"':
                return self.pattern(_QUOTED_NAME, "quoted name")
            case "$":
                return self.dollar_quote(start)
            case "{{" | "{%" | "{#":
                self.placeholder(_TEMPLATE_ENDS[mark])
            case _:
                self.at += len(mark)
        return ""

    def placeholder(self, end: str) -> None:
        """Goes behind a placeholder: quotes and semicolons in it are not SQL's. Only a short one is one."""
        found = self.text.find(end, self.at + 2, self.at + _LONGEST_PLACEHOLDER)
        self.at = found + len(end) if found >= 0 else self.at + 2

    def pattern(self, pattern: re.Pattern[str], what: str) -> str:
        if found := pattern.match(self.text, self.at):
            self.at = found.end()
            return ""
        return f"a {what} does not end"

    def is_escape_string(self, start: int) -> bool:
        before = self.at - 1
        return (
            before >= start
            and self.text[before] in "eE"
            and (before == start or not _is_name_part(self.text[before - 1]))
        )

    def dollar_quote(self, start: int) -> str:
        if self.text.startswith("${", self.at):
            self.placeholder("}")
            return ""
        tag = _DOLLAR_TAG.match(self.text, self.at)
        if tag is None or (self.at > start and _is_name_part(self.text[self.at - 1])):
            self.at += 1
            return ""
        end = self.text.find(tag.group(), tag.end())
        if end < 0:
            return f"a string in {tag.group()} does not end"
        self.at = end + len(tag.group())
        return ""

    def line_comment(self) -> None:
        found = _LINE_COMMENT.match(self.text, self.at)
        end = found.end() if found else len(self.text)
        self.comments.append(Comment(text=self.text[self.at : end], start=self.at, end=end))
        self.at = end

    def block_comment(self) -> str:
        start = self.at
        depth = 0
        for mark in _COMMENT_MARK.finditer(self.text, start):
            depth += 1 if mark.group() == "/*" else -1
            if depth == 0:
                self.at = mark.end()
                self.comments.append(Comment(text=self.text[start : self.at], start=start, end=self.at))
                return ""
        return "a comment that /* opens does not end"

    def copy_data(self) -> None:
        r"""Goes over the lines after COPY FROM stdin, and the line `\.` that ends them."""
        line_end = _LINE_END.search(self.text, self.at)
        if line_end is None or self.text[self.at : line_end.start()].strip():
            return
        data_end = _DATA_END.search(self.text, line_end.end())
        self.at = data_end.end() if data_end else len(self.text)


def _is_name_part(character: str) -> bool:
    return character.isalnum() or character in "_$" or character >= "\x80"

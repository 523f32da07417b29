"""Names of relations, columns and other objects, as PostgreSQL stores them."""

import re
from typing import NamedTuple

MAX_IDENTIFIER_BYTES = 63
# How names begin that plans give to what is on its way in or out: no application uses them.
WORKING_NAMES = ("migsafe_",)
# What a name without quotes begins with and goes on with, and a dollar quote's tag: letters, _, and all that
# is not ASCII. As what it is not: the range \x80-\U0010ffff would take 5 ms to compile, wherever it stands.
NAME_START = r"[^\x00-@\[-^`{-\x7f]"
NAME_PART = r"[^\x00-#%-/:-@\[-^`{-\x7f]"
TAG_PART = r"[^\x00-/:-@\[-^`{-\x7f]"


class Name(NamedTuple):
    """A possibly schema-qualified name, already folded to lower case where it was not quoted."""

    name: str
    schema: str | None = None

    def __str__(self) -> str:
        """The form for people: `schema.name`, without quotes."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def sql(self) -> str:
        """The form for SQL: every part quoted, so that any name works."""
        quoted = quote_identifier(self.name)
        return f"{quote_identifier(self.schema)}.{quoted}" if self.schema else quoted


def quote_identifier(name: str) -> str:
    """The name in double quotes, always.

    https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
    """
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """The text as an SQL string literal that reads the same under any standard_conforming_strings.

    https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS
    """
    if "\\" in text:
        return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "'" + text.replace("'", "''") + "'"


_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_PART = re.compile(r'\s*(?:([^".\s]+)|"((?:[^"]|"")+)")\s*')


def format_name(name: Name) -> str:
    """The shortest form that `parse_name` reads back: quoted only where it must be."""
    parts = (name.schema, name.name) if name.schema else (name.name,)
    return ".".join(part if _PLAIN.fullmatch(part) else quote_identifier(part) for part in parts)


def parse_name(text: str) -> Name | None:
    """The name from `table`, `schema.table` or `"My Schema"."t"`; None when it is no such name."""
    parts: list[str] = []
    at = 0
    while match := _PART.match(text, at):
        parts.append(match[1] or match[2].replace('""', '"'))
        at = match.end()
        if at == len(text):
            break
        if text[at] != ".":
            return None
        at += 1
    if at != len(text) or len(parts) not in {1, 2}:
        return None
    return Name(parts[-1], parts[0] if len(parts) == 2 else None)

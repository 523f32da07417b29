"""Facts about the names that a statement gives to something new.

https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
"""

import re
from collections.abc import Iterator

from migsafe.lint.facts import Facts
from migsafe.sql import operations as ops
from migsafe.sql.changes import CreateDomain, CreateType, CreateView, RenameObject
from migsafe.sql.keywords import FUNCTION_OR_TYPE, RESERVED
from migsafe.sql.lex import TokenKind
from migsafe.sql.names import MAX_IDENTIFIER_BYTES, Name
from migsafe.sql.operations import Operation
from migsafe.sql.statement_tokens import tokens_of

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_LONG = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{63,}|\"[^\"]{64,}\"")
_DEFINES = ("create", "alter")


def read_names(facts: Facts, operation: Operation, text: str) -> None:
    """Fills in what is to be said of the new names in an operation."""
    for name in names_given(operation):
        if not _PLAIN.fullmatch(name):
            facts.name_mixed = True
        elif name in RESERVED or name in FUNCTION_OR_TYPE:
            facts.name_reserved = True
        else:
            continue
        facts.given_name = facts.given_name or name
    created = _created(operation)
    if created is not None and created.schema is None:
        facts.name_unqualified = True
        facts.given_name = facts.given_name or created.name
    if cut := _cut_name(text):
        facts.name_cut = True
        facts.given_name = cut


def names_given(operation: Operation) -> Iterator[str]:
    """The names that the operation gives to tables, columns, constraints, indexes, views and types."""
    match operation:
        case ops.CreateTable(table=table, columns=columns, constraints=constraints):
            yield table.name
            yield from (column.name for column in columns)
            yield from (constraint.name for constraint in constraints if constraint.name)
        case ops.AddColumn(column=column):
            yield column.name
        case ops.AddConstraint(constraint=constraint) if constraint.name:
            yield constraint.name
        case ops.CreateIndex(name=str(name)):
            yield name
        case ops.RenameTable() | ops.RenameColumn() | ops.RenameConstraint() | ops.RenameIndex():
            yield operation.new_name
        case ops.OtherStatement(changes=changes):
            for change in changes:
                if isinstance(change, CreateView | CreateType | CreateDomain):
                    yield change.name.name
                elif isinstance(change, RenameObject) and change.part_kind != "value":
                    yield change.new_name
        case _:
            pass


def _created(operation: Operation) -> Name | None:
    """The table or view that is created, as written."""
    match operation:
        case ops.CreateTable(table=table, temporary=False):
            return table
        case ops.OtherStatement(changes=(CreateView(name=name, temporary=False), *_)):
            return name
        case _:
            return None


def _cut_name(text: str) -> str:
    """The first name that PostgreSQL cuts because it is longer than 63 bytes."""
    if len(text) <= MAX_IDENTIFIER_BYTES or (text.isascii() and not _LONG.search(text)):
        return ""
    tokens = tokens_of(text)
    if not tokens or tokens[0].value not in _DEFINES:
        return ""
    for token in tokens:
        if token.kind not in {TokenKind.WORD, TokenKind.QUOTED}:
            continue
        written = token.text[1:-1].replace('""', '"') if token.kind is TokenKind.QUOTED else token.text
        if len(written.encode(errors="replace")) > MAX_IDENTIFIER_BYTES:
            return written
    return ""

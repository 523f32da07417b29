"""Our own reader for PostgreSQL's statements, over tokens."""

import re
from dataclasses import replace

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.lex import Token, TokenKind, Unlexable, lex
from migsafe.sql.operations import Operation, OtherStatement, Unread
from migsafe.sql.read.alter_table import alter_table
from migsafe.sql.read.changes import schema_changes
from migsafe.sql.read.create_table import create_table
from migsafe.sql.read.data import copy, data_statement, explain, truncate
from migsafe.sql.read.indexes import alter_index, create_index, drop_index, reindex
from migsafe.sql.read.meta import meta_command
from migsafe.sql.read.other import drop_table, other_statement
from migsafe.sql.read.session import discard, reset_setting, set_setting, transaction
from migsafe.sql.split import Statement, StatementKind

__all__ = ["read"]

# Characters of one statement that are read in full; of a longer INSERT, only what stands before its rows.
MAX_LENGTH = 1_000_000
_ROWS_FOLLOW = re.compile(r"\bvalues\s*\(", re.IGNORECASE)
_HEAD_LENGTH = 20_000
_PAIRS = {")": "(", "]": "["}


def read(statement: Statement) -> tuple[Operation, ...]:
    """What a statement asks for: one operation or more, never none. Never raises.

    What is not understood becomes exactly one `Unread`.
    """
    if statement.problem:
        return (Unread(reason=statement.problem),)
    if statement.kind is StatementKind.META:
        return (meta_command(statement.text),)
    try:
        text = _readable_part(statement.text)
        tokens = lex(text)
        _check_brackets(tokens)
        return _dispatch(Cursor(text, tokens))
    except (Unreadable, Unlexable) as error:
        return (Unread(reason=str(error)),)


def _dispatch(cursor: Cursor) -> tuple[Operation, ...]:
    found = transaction(cursor) or _definition(cursor) or _command(cursor)
    if found is None:
        found = data_statement(cursor)
        found = other_statement(cursor) if found is None else found
    if found is None:
        raise cursor.unexpected("a statement of PostgreSQL")
    cursor.expect_end()
    return _with_changes(cursor, found)


def _with_changes(cursor: Cursor, found: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """The operations, of which the first says what the statement does to the schema."""
    first = found[0]
    if not isinstance(first, OtherStatement) or not (changes := schema_changes(cursor)):
        return found
    return (replace(first, changes=changes), *found[1:])


def _definition(cursor: Cursor) -> tuple[Operation, ...] | None:
    """Statements about tables and indexes."""
    if cursor.take("alter", "table"):
        return alter_table(cursor)
    if cursor.take("alter", "index"):
        return alter_index(cursor)
    if cursor.take("drop", "table"):
        return drop_table(cursor)
    if cursor.take("drop", "index"):
        return drop_index(cursor)
    if cursor.take("create", "index"):
        return create_index(cursor, unique=False)
    if cursor.take("create", "unique", "index"):
        return create_index(cursor, unique=True)
    return _create_table(cursor)


def _create_table(cursor: Cursor) -> tuple[Operation, ...] | None:
    start = cursor.at
    if cursor.take("create"):
        cursor.take_any("local", "global")
        temporary = bool(cursor.take_any("temporary", "temp"))
        unlogged = cursor.take("unlogged")
        if cursor.take("table"):
            return create_table(cursor, temporary=temporary, unlogged=unlogged)
    cursor.at = start
    return None


def _command(cursor: Cursor) -> tuple[Operation, ...] | None:
    readers = {
        "copy": copy,
        "discard": discard,
        "explain": explain,
        "reindex": reindex,
        "reset": reset_setting,
        "set": set_setting,
        "truncate": truncate,
    }
    reader = readers.get(cursor.word())
    if reader is None:
        return None
    cursor.next()
    return reader(cursor)


def _readable_part(text: str) -> str:
    """The statement, or the head of an INSERT whose rows are too many to look at."""
    if len(text) <= MAX_LENGTH:
        return text
    if text[:6].lower() == "insert" and (rows := _ROWS_FOLLOW.search(text, 0, _HEAD_LENGTH)):
        return text[: rows.end() - 1] + "()"
    raise Unreadable(f"it is longer than {MAX_LENGTH:,} characters")


def _check_brackets(tokens: tuple[Token, ...]) -> None:
    open_ones: list[str] = []
    for token in tokens:
        if token.kind is not TokenKind.OTHER:
            continue
        if token.value in {"(", "["}:
            open_ones.append(token.value)
        elif token.value in _PAIRS and (not open_ones or open_ones.pop() != _PAIRS[token.value]):
            raise Unreadable(f"a {token.value} closes nothing")
    if open_ones:
        raise Unreadable("a bracket is not closed")

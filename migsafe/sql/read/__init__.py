"""Our own reader for PostgreSQL's statements, over tokens."""

import re
from collections.abc import Callable
from dataclasses import replace

from migsafe.sql.cursor import Cursor, Unreadable, pair_brackets
from migsafe.sql.lex import PLACEHOLDER, Tokens, Unlexable, lex, lex_template
from migsafe.sql.operations import OpaqueCode, Operation, OtherStatement, Unread
from migsafe.sql.read.alter_table import alter_relation, alter_table
from migsafe.sql.read.block import Part, nothing, read_block
from migsafe.sql.read.changes import schema_changes
from migsafe.sql.read.create_table import create_table
from migsafe.sql.read.data import copy, data_statement, truncate
from migsafe.sql.read.explain import explain
from migsafe.sql.read.indexes import alter_index, create_index, drop_index, reindex
from migsafe.sql.read.lock import drop_table, lock
from migsafe.sql.read.meta import meta_command
from migsafe.sql.read.other import other_statement
from migsafe.sql.read.session import discard, reset_setting, set_setting, transaction
from migsafe.sql.read.views import (
    alter_or_drop_relation,
    create_foreign_table,
    create_schema,
    create_view,
    wrapped,
)
from migsafe.sql.split import Statement, StatementKind, split

__all__ = ["Part", "read", "read_body", "read_parts"]

# Characters of one statement that are read in full. Of an INSERT with many rows only what stands before them
# is read: they hold data, which no operation says anything about, and would take most of the time.
MAX_LENGTH = 1_000_000
_MANY_ROWS = 20_000
_ROWS_FOLLOW = re.compile(
    r"insert\s+into\s+[^\s()'/-]+(?:\s*\([^()'/-]*+\))?\s*(?:overriding\s+\w+\s+value\s+)?values\s*(?=\()",
    re.IGNORECASE,
)
_ATOMIC = re.compile(r"\s*(?:begin\s+atomic\b|return\b)", re.IGNORECASE)
_ATOMIC_END = re.compile(r"\bend\s*\Z", re.IGNORECASE)


def read(statement: Statement) -> tuple[Operation, ...]:
    """What a statement asks for: one operation or more, never none. Never raises.

    What is not understood becomes exactly one `Unread`. Of a DO block, its statements are operations.
    """
    operations = _read(statement)
    if isinstance(operations[0], OpaqueCode) and operations[0].tag == "DO":
        return tuple(part.operation for part in parts_of(statement, operations))
    return operations


def parts_of(statement: Statement, operations: tuple[Operation, ...]) -> tuple[Part, ...]:
    """The operations with their offsets in the script: those of a DO block have their own."""
    first = operations[0] if len(operations) == 1 else None
    whole = (statement.start, statement.end)
    if not isinstance(first, OpaqueCode) or first.language != "plpgsql" or not first.body:
        return tuple(Part(operation=each, start=whole[0], end=whole[1]) for each in operations)
    parts = read_block(first.body, _read_part, _read_inside) or (nothing(first.body),)
    if first.body_start < 0:
        return tuple(replace(part, start=whole[0], end=whole[1]) for part in parts)
    at = statement.start + first.body_start
    return tuple(replace(part, start=part.start + at, end=part.end + at) for part in parts)


def read_parts(statement: Statement) -> tuple[Part, ...]:
    """Like `read`, with the offsets of each operation in the script."""
    return parts_of(statement, _read(statement))


def read_body(body: str, language: str) -> tuple[Part, ...]:
    """The operations of a routine's body, with their offsets in it."""
    if language == "plpgsql":
        return read_block(body, _read_part, _read_inside)
    if language != "sql":
        reason = f"what code in {language} does"
        return (Part(operation=OpaqueCode(tag="DO", reason=reason), start=0, end=len(body)),)
    start = found.end() if (found := _ATOMIC.match(body)) else 0
    inside = _ATOMIC_END.sub(lambda end: " " * len(end.group()), body[start:]) if found else body
    return tuple(
        Part(operation=operation, start=start + statement.start, end=start + statement.end)
        for statement in split(inside).statements
        for operation in _read(statement)
    )


def _read_part(cursor: Cursor) -> tuple[Operation, ...]:
    """The operations of one statement inside of a block; nothing in it can be unread."""
    try:
        return _changing(cursor)
    except Unreadable as error:
        return (OpaqueCode(tag="DO", reason=f"what was not understood: {error}"),)


def _read_inside(text: str) -> tuple[Operation, ...]:
    """The operations of a text that a block runs, all statements of it; nothing in it can be unread."""
    return tuple(
        OpaqueCode(tag="DO", reason=f"what was not understood: {operation.reason}")
        if isinstance(operation, Unread)
        else operation
        for statement in split(text).statements
        for operation in _read(statement)
    )


def _read(statement: Statement) -> tuple[Operation, ...]:
    if statement.problem:
        return (Unread(reason=statement.problem),)
    if statement.kind is StatementKind.META:
        return (meta_command(statement.text),)
    try:
        text = _readable_part(statement.text)
        return _read_tokens(text, lex(text))
    except (Unreadable, Unlexable) as error:
        if PLACEHOLDER.search(statement.text, 0, MAX_LENGTH):
            return _read_template(statement.text)
        return (Unread(reason=str(error)),)


def _read_tokens(text: str, tokens: Tokens) -> tuple[Operation, ...]:
    pair_brackets(tokens)
    return _changing(Cursor(text, tokens))


def _changing(cursor: Cursor) -> tuple[Operation, ...]:
    """The operations, of which the first says what the statement does to the schema."""
    whole = cursor.part(cursor.at, cursor.end)
    found = _dispatch(cursor)
    first = found[0]
    if not isinstance(first, OtherStatement) or first.changes or not (changes := schema_changes(whole)):
        return found
    return (replace(first, changes=changes), *found[1:])


def _read_template(text: str) -> tuple[Operation, ...]:
    """A statement with placeholders, each of which stands for a name or a value."""
    try:
        return _read_tokens(text, lex_template(text))
    except (Unreadable, Unlexable) as error:
        return (Unread(reason=f"with its placeholders not filled in, {error}"),)


def _dispatch(cursor: Cursor) -> tuple[Operation, ...]:
    found = _by_first_word(cursor)
    if found is None:
        found = data_statement(cursor)
        found = other_statement(cursor) if found is None else found
    if found is None:
        raise cursor.unexpected("a statement of PostgreSQL")
    cursor.expect_end()
    return found


def _by_first_word(cursor: Cursor) -> tuple[Operation, ...] | None:
    match cursor.word():
        case "alter" | "drop":
            return _alter_or_drop(cursor)
        case "create":
            return _create(cursor)
        case word if reader := _COMMANDS.get(word):
            cursor.next()
            return reader(cursor)
        case _:
            return transaction(cursor)


def _alter_or_drop(cursor: Cursor) -> tuple[Operation, ...] | None:
    """Changes of tables, indexes and views; all else is in the grammar."""
    reader = _CHANGES.get((cursor.word(), cursor.word(1)))
    if reader is None:
        return alter_or_drop_relation(cursor)
    cursor.at += 2
    return reader(cursor)


def _create(cursor: Cursor) -> tuple[Operation, ...] | None:
    """New tables, indexes, views and schemas; all else is in the grammar."""
    start = cursor.at
    if cursor.take("create", "index"):
        return create_index(cursor, unique=False)
    if cursor.take("create", "unique", "index"):
        return create_index(cursor, unique=True)
    if cursor.at_words("create", "foreign", "table"):
        return create_foreign_table(cursor)
    if cursor.at_words("create", "schema"):
        return create_schema(cursor, _changing)
    cursor.take("create")
    is_local = bool(cursor.take_any("local", "global"))
    temporary = bool(cursor.take_any("temporary", "temp"))
    unlogged = not temporary and not is_local and cursor.take("unlogged")
    if (temporary or not is_local) and cursor.take("table"):
        return create_table(cursor, temporary=temporary, unlogged=unlogged)
    cursor.at = start
    return None if unlogged and cursor.word(2) == "sequence" else create_view(cursor)


def _alter_sequence(cursor: Cursor) -> tuple[Operation, ...]:
    """ALTER SEQUENCE: with options of its own, or with actions of ALTER TABLE."""
    start = cursor.at
    cursor.at -= 2
    try:
        found = other_statement(cursor)
    except Unreadable:
        found = None
    if found is None:
        cursor.at = start
        found = (wrapped("ALTER SEQUENCE", alter_relation(cursor)),)
    return found


_COMMANDS: dict[str, Callable[[Cursor], tuple[Operation, ...]]] = {
    "copy": copy,
    "discard": discard,
    "explain": lambda cursor: explain(cursor, _dispatch),
    "lock": lock,
    "reindex": reindex,
    "reset": reset_setting,
    "set": set_setting,
    "truncate": truncate,
}
_CHANGES: dict[tuple[str, str], Callable[[Cursor], tuple[Operation, ...]]] = {
    ("alter", "index"): alter_index,
    ("alter", "sequence"): _alter_sequence,
    ("alter", "table"): alter_table,
    ("drop", "index"): drop_index,
    ("drop", "table"): drop_table,
}


def _readable_part(text: str) -> str:
    """The statement, or the head of an INSERT whose rows are too many to look at."""
    if len(text) <= _MANY_ROWS:
        return text
    if rows := _ROWS_FOLLOW.match(text):
        return text[: rows.end()] + "()"
    if len(text) <= MAX_LENGTH:
        return text
    raise Unreadable(f"it is longer than {MAX_LENGTH:,} characters")

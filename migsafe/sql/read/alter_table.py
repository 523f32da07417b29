"""ALTER TABLE: one operation for each of its actions.

https://www.postgresql.org/docs/current/sql-altertable.html
"""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.grammar.match import match_rule
from migsafe.sql.keywords import RESERVED
from migsafe.sql.lex import TokenKind
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AttachPartition,
    DetachPartition,
    DropColumn,
    DropConstraint,
    Operation,
    OtherStatement,
    OtherTableAction,
    RenameColumn,
    RenameConstraint,
    RenameTable,
    SetSchema,
    ValidateConstraint,
)
from migsafe.sql.read.alter_column import Where, alter_column
from migsafe.sql.read.columns import column_definition, starts_constraint, table_constraint
from migsafe.sql.read.create_table import partition_bound

# Actions known by their first words.
_SIMPLE: tuple[tuple[str, ...], ...] = (
    ("set", "without", "cluster"),
    ("set", "without", "oids"),
    ("set", "logged"),
    ("set", "unlogged"),
    ("enable", "row", "level", "security"),
    ("disable", "row", "level", "security"),
    ("force", "row", "level", "security"),
    ("no", "force", "row", "level", "security"),
    ("not", "of"),
    ("replica", "identity", "full"),
    ("replica", "identity", "nothing"),
    ("replica", "identity", "default"),
)
_WITH_NAME: tuple[tuple[str, ...], ...] = (
    ("cluster", "on"),
    ("set", "tablespace"),
    ("set", "access", "method"),
    ("owner", "to"),
    ("no", "inherit"),
    ("inherit",),
    ("of",),
    ("replica", "identity", "using", "index"),
    ("enable", "always", "trigger"),
    ("enable", "replica", "trigger"),
    ("enable", "trigger"),
    ("disable", "trigger"),
    ("enable", "always", "rule"),
    ("enable", "replica", "rule"),
    ("enable", "rule"),
    ("disable", "rule"),
)


_QUALIFIED = (("inherit",), ("no", "inherit"), ("of",))
_SPECIAL = {
    ("owner", "to"): ("current_user", "current_role", "session_user"),
    ("set", "access", "method"): ("default",),
    ("enable", "trigger"): ("all", "user"),
    ("disable", "trigger"): ("all", "user"),
}


def alter_table(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `ALTER TABLE`."""
    if cursor.take("all", "in", "tablespace"):
        return all_in_tablespace(cursor, "ALTER TABLE")
    return alter_relation(cursor)


def all_in_tablespace(cursor: Cursor, tag: str) -> tuple[Operation, ...]:
    """What follows ALTER ... ALL IN TABLESPACE."""
    if match_rule("all_in_tablespace", cursor) is None:
        raise cursor.unexpected("SET TABLESPACE")
    cursor.expect_end()
    return (OtherStatement(tag=f"{tag} ALL IN TABLESPACE"),)


def alter_relation(cursor: Cursor, *, is_index: bool = False) -> tuple[Operation, ...]:
    """The name and the actions behind ALTER TABLE, ALTER VIEW and their like."""
    if_exists = cursor.skip_if_exists()
    only = cursor.take("only")
    bracket = only and cursor.take("(")
    table = cursor.name("a table")
    if bracket:
        cursor.expect(")")
    if not only:
        cursor.take("*")
    where = Where(table=table, if_exists=if_exists, only=only)
    if alone := _alone(cursor, where, is_index=is_index):
        operations: tuple[Operation, ...] = (alone,)
    else:
        operations = cursor.listed(lambda here: _action(here, where))
    cursor.expect_end()
    return operations


def _alone(cursor: Cursor, where: Where, *, is_index: bool) -> Operation | None:
    """An action that must be the only one of its statement, or None."""
    if cursor.take("rename"):
        return _rename(cursor, where)
    if not where["if_exists"] and (cursor.at_words("depends") or cursor.at_words("no", "depends")):
        return OtherTableAction(**where, action="DEPENDS ON EXTENSION", detail=_checked(cursor, "depends"))
    if cursor.take("set", "schema"):
        return SetSchema(**where, new_schema=cursor.identifier("a schema"))
    if cursor.take("attach", "partition"):
        partition = cursor.name("a table")
        # An index is attached without bounds.
        if is_index and where["if_exists"]:
            raise Unreadable("ALTER INDEX IF EXISTS attaches no partition")
        default = cursor.take("default")
        if is_index and cursor.done:
            return AttachPartition(**where, partition=partition)
        bound = "DEFAULT" if default else partition_bound(cursor)
        return AttachPartition(**where, partition=partition, default=default, bound=bound)
    if cursor.take("detach", "partition"):
        partition = cursor.name("a table")
        concurrently = cursor.take("concurrently")
        finalize = not concurrently and cursor.take("finalize")
        return DetachPartition(**where, partition=partition, concurrently=concurrently, finalize=finalize)
    for words in (("split", "partition"), ("merge", "partitions")):  # PostgreSQL 19
        if cursor.take(*words):
            if match_rule("_".join(words), cursor) is None:
                raise cursor.unexpected("partitions")
            return OtherTableAction(**where, action=" ".join(words).upper())
    return None


def _rename(cursor: Cursor, where: Where) -> Operation:
    if cursor.take("to"):
        return RenameTable(**where, new_name=cursor.identifier("a table's new name"))
    if cursor.take("constraint"):
        constraint = cursor.identifier("a constraint")
        cursor.expect("to")
        return RenameConstraint(**where, constraint=constraint, new_name=cursor.identifier("a new name"))
    cursor.take("column")
    column = cursor.identifier("a column")
    cursor.expect("to")
    return RenameColumn(**where, column=column, new_name=cursor.identifier("a column's new name"))


def _action(cursor: Cursor, where: Where) -> Operation:
    if cursor.take("add"):
        return _add(cursor, where)
    if cursor.take("drop"):
        return _drop(cursor, where)
    if cursor.take("alter", "constraint"):
        constraint = cursor.identifier("a constraint")
        return OtherTableAction(
            **where, action="ALTER CONSTRAINT", detail=f"{constraint} {_constraint_marks(cursor)}"
        )
    if cursor.take("alter"):
        cursor.take("column")
        if cursor.kind() is TokenKind.NUMBER:  # a column of an index
            column = cursor.next().text
            if not column.isdecimal() or not 1 <= int(column) <= 32767:
                raise cursor.unexpected("a column's number")
            if cursor.at_words("set", "statistics"):
                return alter_column(cursor, column, where)
            raise cursor.unexpected("SET STATISTICS")
        return alter_column(cursor, cursor.identifier("a column"), where)
    if cursor.take("validate", "constraint"):
        return ValidateConstraint(**where, constraint=cursor.identifier("a constraint"))
    if cursor.word() == "options":
        return OtherTableAction(**where, action="OPTIONS", detail=_checked(cursor, "foreign_changes"))
    return _other(cursor, where)


def _add(cursor: Cursor, where: Where) -> Operation:
    if starts_constraint(cursor):
        return AddConstraint(**where, constraint=table_constraint(cursor))
    cursor.take("column")
    if_not_exists = cursor.skip_if_not_exists()
    return AddColumn(**where, column=column_definition(cursor), if_not_exists=if_not_exists)


def _drop(cursor: Cursor, where: Where) -> Operation:
    if cursor.take("constraint"):
        exists = cursor.skip_if_exists()
        constraint = cursor.identifier("a constraint")
        return DropConstraint(
            **where, constraint=constraint, cascade=cursor.cascade(), constraint_if_exists=exists
        )
    cursor.take("column")
    exists = cursor.skip_if_exists()
    column = cursor.identifier("a column")
    return DropColumn(**where, column=column, cascade=cursor.cascade(), column_if_exists=exists)


def _checked(cursor: Cursor, rule: str) -> str:
    """The text of what a rule of the grammar fits."""
    start = cursor.at
    if match_rule(rule, cursor) is None:
        raise cursor.unexpected(rule.replace("_", " "))
    # Options are kept without their brackets.
    first = (
        start + 1 if cursor.words[start] == "(" else start + 2 if cursor.words[start] == "options" else start
    )
    return cursor.part(first, cursor.at - (first > start)).source()


def _constraint_marks(cursor: Cursor) -> str:
    if cursor.take("inherit"):
        return "INHERIT"
    if cursor.word() == "," or cursor.done:
        return ""
    marks = _checked(cursor, "constraint_marks")
    words = " ".join(marks.lower().split())
    if "not deferrable" in words and "initially deferred" in words:
        raise Unreadable("a constraint that is not deferrable cannot be initially deferred")
    return marks


def _other(cursor: Cursor, where: Where) -> Operation:
    for words in _SIMPLE:
        if cursor.take(*words):
            return OtherTableAction(**where, action=" ".join(words).upper())
    for words in _WITH_NAME:
        if cursor.take(*words):
            name = _named(cursor, words)
            return OtherTableAction(**where, action=" ".join(words).upper(), detail=name)
    if cursor.word() in {"set", "reset"} and cursor.word(1) == "(":
        action = cursor.next().value.upper()
        return OtherTableAction(**where, action=action, detail=_checked(cursor, "storage"))
    raise cursor.unexpected("an action of ALTER TABLE")


def _named(cursor: Cursor, action: tuple[str, ...]) -> str:
    """The name behind an action; some words that are no names are good for some actions."""
    special = _SPECIAL.get(action, ())
    if word := cursor.take_any(*special):
        return word
    if action == ("owner", "to"):
        role = cursor.identifier("a role", label=True)
        if cursor.words[cursor.at - 1] in RESERVED:
            cursor.at -= 1
            raise cursor.unexpected("a role")
        return role
    return str(cursor.name()) if action in _QUALIFIED else cursor.identifier()

"""ALTER TABLE: one operation for each of its actions.

https://www.postgresql.org/docs/current/sql-altertable.html
"""

from migsafe.sql.cursor import Cursor
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


def alter_table(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `ALTER TABLE`."""
    if cursor.take("all", "in", "tablespace"):
        cursor.identifier("a tablespace")
        cursor.rest()
        return (OtherStatement(tag="ALTER TABLE ALL IN TABLESPACE"),)
    if_exists = cursor.skip_if_exists()
    only = cursor.take("only")
    bracket = only and cursor.take("(")
    table = cursor.name("a table")
    if bracket:
        cursor.expect(")")
    if not only:
        cursor.take("*")
    where = Where(table=table, if_exists=if_exists, only=only)
    if alone := _alone(cursor, where):
        operations: tuple[Operation, ...] = (alone,)
    else:
        operations = cursor.listed(lambda here: _action(here, where))
    cursor.expect_end()
    return operations


def _alone(cursor: Cursor, where: Where) -> Operation | None:
    """An action that must be the only one of its statement, or None."""
    if cursor.take("rename"):
        return _rename(cursor, where)
    if cursor.take("set", "schema"):
        return SetSchema(**where, new_schema=cursor.identifier("a schema"))
    if cursor.take("attach", "partition"):
        partition = cursor.name("a table")
        default = cursor.take("default")
        bound = "DEFAULT" if default else partition_bound(cursor)
        return AttachPartition(**where, partition=partition, default=default, bound=bound)
    if cursor.take("detach", "partition"):
        partition = cursor.name("a table")
        return DetachPartition(
            **where,
            partition=partition,
            concurrently=cursor.take("concurrently"),
            finalize=cursor.take("finalize"),
        )
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
        return alter_column(cursor, cursor.identifier("a column"), where)
    if cursor.take("validate", "constraint"):
        return ValidateConstraint(**where, constraint=cursor.identifier("a constraint"))
    if cursor.word() == "options":
        cursor.next()
        return OtherTableAction(**where, action="OPTIONS", detail=cursor.inside().source())
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


def _constraint_marks(cursor: Cursor) -> str:
    marks = cursor.until(lambda here: here.word() == ",")
    words = {token.value for token in marks.tokens[marks.at : marks.end]}
    known = {"deferrable", "not", "initially", "deferred", "immediate", "enforced", "inherit", "no"}
    if not words or not words <= known:
        raise marks.unexpected("how to change the constraint")
    return marks.source()


def _other(cursor: Cursor, where: Where) -> Operation:
    for words in _SIMPLE:
        if cursor.take(*words):
            return OtherTableAction(**where, action=" ".join(words).upper())
    for words in _WITH_NAME:
        if cursor.take(*words):
            # CURRENT_USER, ALL, USER and DEFAULT are kept words, and valid here.
            cursor.identifier("a name", label=True)
            name = cursor.tokens[cursor.at - 1].value
            if cursor.take("."):
                name = f"{name}.{cursor.identifier('a name', label=True)}"
            return OtherTableAction(**where, action=" ".join(words).upper(), detail=name)
    if cursor.word() in {"set", "reset"} and cursor.word(1) == "(":
        action = cursor.next().value.upper()
        return OtherTableAction(**where, action=action, detail=cursor.inside().source())
    raise cursor.unexpected("an action of ALTER TABLE")

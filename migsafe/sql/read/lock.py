"""LOCK TABLE and DROP TABLE: statements that name tables and little else."""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.names import Name
from migsafe.sql.operations import DropTable, LockTable, Operation

_LOCK_MODES = frozenset(
    {
        "access share",
        "row share",
        "row exclusive",
        "share update exclusive",
        "share",
        "share row exclusive",
        "exclusive",
        "access exclusive",
    }
)


def lock(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `LOCK`."""
    cursor.take("table")
    tables = cursor.listed(_table)
    mode = "access exclusive"
    if cursor.take("in"):
        words: list[str] = []
        while not cursor.done and cursor.word() != "mode":
            words.append(cursor.next().value)
        cursor.expect("mode")
        mode = " ".join(words)
        if mode not in _LOCK_MODES:
            raise Unreadable(f"{mode.upper()} is no lock mode")
    nowait = cursor.take("nowait")
    cursor.expect_end()
    return tuple(
        LockTable(table=table, only=only, mode=mode.upper(), nowait=nowait) for table, only in tables
    )


def _table(cursor: Cursor) -> tuple[Name, bool]:
    only = cursor.take("only")
    bracket = only and cursor.take("(")
    name = cursor.name("a table")
    if bracket:
        cursor.expect(")")
    elif not only:
        cursor.take("*")
    return name, only


def drop_table(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `DROP TABLE`."""
    if_exists = cursor.skip_if_exists()
    tables = cursor.listed(lambda here: here.name("a table"))
    cascade = cursor.cascade()
    cursor.expect_end()
    return tuple(DropTable(table=table, if_exists=if_exists, cascade=cascade) for table in tables)

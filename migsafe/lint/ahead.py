"""Facts that only the rest of the script tells: what is made again, what else its transaction does."""

from dataclasses import dataclass

from migsafe.lint.facts import Facts
from migsafe.sql import operations as ops
from migsafe.sql.changes import CreateOnTable, DropObject, SchemaChange
from migsafe.sql.names import Name
from migsafe.sql.operations import Operation

_FUNCTIONS = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE", "ROUTINE", "WINDOW"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An operation that was gone through: its facts, its table by its qualified name, where it ran."""

    operation: Operation
    facts: Facts
    table: Name | None
    transaction: int | None
    statement: int


def look_ahead(seen: list[Seen], *, statements: int, left_open: bool) -> None:
    """Completes the facts of all operations of one script; `left_open`: its last transaction has no end."""
    _beside_ddl(seen)
    if left_open:
        _marks_last_begin(seen)
    _altered_again(seen)
    _first_long_timeout(seen)
    for position, one in enumerate(seen):
        one.facts.only_statement = statements == 1
        match one.operation:
            case ops.DropIndex() | ops.DropConstraint() | ops.DropTable() | ops.OtherStatement():
                one.facts.recreated_later = _is_made_again(one, seen[position + 1 :])
            case ops.OtherTableAction(action="ENABLE ROW LEVEL SECURITY"):
                one.facts.has_policy |= _gets_policy(one, seen[position + 1 :])
            case _:
                pass
        if one.facts.key_unindexed:
            one.facts.key_unindexed = not _gets_index(one, seen[position + 1 :])


def _beside_ddl(seen: list[Seen]) -> None:
    """Statements that change rows, in the same transaction, or outside any, as DDL with a strong lock."""
    with_ddl = {one.transaction for one in seen if one.facts.strong_lock}
    for one in seen:
        if isinstance(one.operation, ops.Update | ops.Delete):
            one.facts.beside_ddl = one.transaction in with_ddl


def _marks_last_begin(seen: list[Seen]) -> None:
    for one in reversed(seen):
        if isinstance(one.operation, ops.Begin) and not one.facts.in_transaction:
            one.facts.left_open = True
            return


def _altered_again(seen: list[Seen]) -> None:
    """All ALTER TABLE statements on a table but the first, within one transaction."""
    first: dict[tuple[Name, int | None], int] = {}
    for one in seen:
        if not _is_alter_table(one.operation) or one.table is None:
            continue
        statement = first.setdefault((one.table, one.transaction), one.statement)
        one.facts.altered_again = statement != one.statement


def _first_long_timeout(seen: list[Seen]) -> None:
    """The first strong lock that is waited for too long, and again after one that is not."""
    said = False
    for one in seen:
        if one.facts.strong_lock:
            one.facts.first_with_long_lock_timeout = one.facts.lock_timeout_long and not said
            said = one.facts.lock_timeout_long


def _is_alter_table(operation: Operation) -> bool:
    return isinstance(operation, ops.TableOperation) and not isinstance(
        operation,
        ops.CreateIndex | ops.DropTable | ops.Truncate | ops.LockTable | ops.Insert | ops.Update | ops.Delete,
    )


def _is_made_again(dropped: Seen, later: list[Seen]) -> bool:
    """Whether the script makes the like of what was dropped: an index of the same name or columns, ..."""
    facts = dropped.facts
    for one in later:
        match dropped.operation, one.operation:
            case ops.DropIndex(index=index), ops.CreateIndex(name=name):
                same_table = dropped.table is not None and dropped.table == one.table
                if name == index.name or (same_table and _alike(facts.column, one.facts.column)):
                    return True
            case ops.DropConstraint(constraint=old), ops.AddConstraint():
                same = one.facts.constraint == old or (
                    one.facts.constraint_kind == facts.constraint_kind and one.facts.column == facts.column
                )
                if same and one.table == dropped.table:
                    return True
            case ops.DropTable(), ops.CreateTable() if one.table == dropped.table:
                return True
            case ops.OtherStatement(), ops.OtherStatement():
                if facts.change == "drop" and _is_like(dropped.operation.changes, one.facts):
                    return True
            case _:
                pass
    return False


def _alike(dropped: str, created: str) -> bool:
    """Whether two indexes begin with the same column."""
    return bool(dropped) and dropped.split(", ", maxsplit=1)[0] == created.split(", ", maxsplit=1)[0]


def _is_like(dropped: tuple[SchemaChange, ...], created: Facts) -> bool:
    """Whether what is created has the kind and the bare name of one of the dropped objects."""
    if created.change not in {"create", "replace"}:
        return False
    name = created.object.rpartition(".")[2]
    for change in dropped:
        if isinstance(change, DropObject) and change.name.name == name:
            kinds = {change.kind, created.object_kind}
            return len(kinds) == 1 or kinds <= _FUNCTIONS or kinds <= {"VIEW", "MATERIALIZED VIEW"}
    return False


def _gets_policy(enabled: Seen, later: list[Seen]) -> bool:
    changes = (
        change
        for one in later
        if isinstance(one.operation, ops.OtherStatement)
        for change in one.operation.changes
    )
    tables = {
        change.table.name
        for change in changes
        if isinstance(change, CreateOnTable) and change.kind == "POLICY"
    }
    return enabled.table is not None and enabled.table.name in tables


def _gets_index(key: Seen, later: list[Seen]) -> bool:
    wanted = set(key.facts.column.split(", "))
    for one in later:
        if not isinstance(one.operation, ops.CreateIndex) or one.table != key.table:
            continue
        if set(one.operation.columns[: len(wanted)]) == wanted and one.operation.where is None:
            return True
    return False

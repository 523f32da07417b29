"""Facts that only the rest of the script tells: what is made again, what else its transaction does."""

from dataclasses import dataclass

from migsafe.lint.facts import Facts
from migsafe.sql import operations as ops
from migsafe.sql.changes import CreateOnTable, DropObject, SchemaChange
from migsafe.sql.names import Name
from migsafe.sql.operations import Operation

# What neither fails later nor leaves something behind.
_NO_WORK = (
    ops.Begin, ops.Commit, ops.Rollback, ops.Savepoint, ops.SetSetting, ops.ResetSetting, ops.Query,
)  # fmt: skip
_FUNCTIONS = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE", "ROUTINE", "WINDOW"})
_VIEWS = frozenset({"VIEW", "MATERIALIZED VIEW"})
_TYPES = frozenset({"TYPE", "DOMAIN"})


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
    _firsts_of_transactions(seen)
    _left_half_done(seen)
    for position, one in enumerate(seen):
        one.facts.only_statement = statements == 1
        match one.operation:
            case ops.DropIndex() | ops.DropConstraint():
                _follow_key(one, seen[position + 1 :])
            case ops.RenameColumn() | ops.RenameTable():
                one.facts.name_kept = _is_taken_over(one, seen[position + 1 :])
            case ops.DropDefault():
                one.facts.recreated_later = _gets_a_value(one, seen[position + 1 :])
            case ops.DropTable() | ops.OtherStatement():
                one.facts.recreated_later = _is_made_again(one, seen[position + 1 :])
            case ops.OtherTableAction(action=action) if action.startswith("DISABLE "):
                one.facts.recreated_later = _is_enabled_again(one, seen[position + 1 :])
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


def _firsts_of_transactions(seen: list[Seen]) -> None:
    """What is right to say of a whole transaction is said at the first statement that it is true of."""
    second: set[int | None] = set()
    work: set[int | None] = set()
    for one in seen:
        facts = one.facts
        if facts.locks_second_table:
            facts.first_second_table = one.transaction not in second
            second.add(one.transaction)
        if facts.holds_lock and facts.takes_long:
            facts.first_work_under_lock = one.transaction not in work
            work.add(one.transaction)


def _left_half_done(seen: list[Seen]) -> None:
    """The first statement of a committed transaction that cannot be run again, when work comes behind it."""
    said: set[int | None] = {None}
    works = [one for one in seen if not isinstance(one.operation, _NO_WORK)]
    last = works[-1].transaction if works else None
    for one in works:
        if not one.facts.repeatable and one.transaction not in said and one.transaction != last:
            one.facts.left_half_done = True
            said.add(one.transaction)


def _is_taken_over(renamed: Seen, later: list[Seen]) -> bool:
    """Whether another column, or another table, has the name by the time that the transaction commits."""
    for one in later:
        if one.transaction is None or one.transaction != renamed.transaction:
            continue
        match renamed.operation, one.operation:
            case ops.RenameColumn(column=old), ops.RenameColumn(new_name=new):
                if old == new and one.table == renamed.table:
                    return True
            case ops.RenameTable(table=table), ops.RenameTable(new_name=new):
                if table.name == new:
                    return True
            case _:
                pass
    return False


def _gets_a_value(dropped: Seen, later: list[Seen]) -> bool:
    """Whether the column is given a default, or becomes an identity, before the transaction commits."""
    for one in later:
        if (one.table, one.transaction) != (dropped.table, dropped.transaction) or one.transaction is None:
            continue
        match one.operation:
            case ops.SetDefault(column=name):
                found = name == dropped.facts.column
            case ops.OtherTableAction(action="ALTER COLUMN ADD GENERATED AS IDENTITY", column=str(name)):
                found = name == dropped.facts.column
            case _:
                found = False
        if found:
            return True
    return False


def _is_enabled_again(disabled: Seen, later: list[Seen]) -> bool:
    """Within one transaction nobody else gets in between: the table is locked against writers."""
    return disabled.transaction is not None and any(
        isinstance(one.operation, ops.OtherTableAction)
        and one.operation.action.startswith("ENABLE ")
        and (one.table, one.transaction) == (disabled.table, disabled.transaction)
        for one in later
    )


def _follow_key(dropped: Seen, later: list[Seen]) -> None:
    """What becomes of an index or constraint: made again, followed by another, or gone with its column."""
    facts = dropped.facts
    facts.recreated_later = _is_made_again(dropped, later)
    columns = set(facts.column.split(", ")) if facts.column else set()
    for one in later:
        if one.table is None or one.table != dropped.table:
            continue
        match one.operation:
            case ops.DropTable():
                facts.gone_later = True
            case ops.DropColumn(column=column):
                facts.gone_later |= column in columns
            case ops.AddConstraint() if one.facts.constraint_kind in {"unique", "primary_key"}:
                facts.unique_later |= columns == set(one.facts.column.split(", ")) or one.facts.using_index
            case ops.CreateIndex(unique=True) if one.operation.where is None:
                facts.unique_later |= columns == set(one.operation.columns)
            case _:
                pass


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
                same_kind = one.facts.constraint_kind == facts.constraint_kind
                another_key = same_kind and facts.constraint_kind == "primary_key"
                same = one.facts.constraint == old or another_key
                same = same or (same_kind and one.facts.column == facts.column)
                if same and one.table == dropped.table:
                    return True
            case ops.DropConstraint(), ops.AddColumn() if facts.constraint_kind == "primary_key":
                if one.facts.inline_primary_key and one.table == dropped.table:
                    return True
            case ops.DropTable(), ops.CreateTable() if one.table == dropped.table:
                return True
            case ops.OtherStatement(), ops.OtherStatement():
                if facts.change == "drop" and _is_like(dropped.operation.changes, one.facts):
                    return True
                if facts.change in {"rename", "move"} and _has_its_name(dropped, one):
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
            return _alike_kinds(change.kind, created.object_kind)
    return False


def _has_its_name(renamed: Seen, later: Seen) -> bool:
    """Whether another object, made or renamed later, has the name that this one had until now."""
    old, new = renamed.facts, later.facts
    name = new.object if new.change in {"create", "replace"} else new.new_name
    same_name = name.rpartition(".")[2] == old.object.rpartition(".")[2]
    made = new.change in {"create", "replace", "rename"}
    return made and same_name and _alike_kinds(old.object_kind, new.object_kind)


def _alike_kinds(one: str, other: str) -> bool:
    """Whether an object of one kind may stand in for one of the other."""
    kinds = {one, other}
    return len(kinds) == 1 or any(kinds <= group for group in (_FUNCTIONS, _VIEWS, _TYPES))


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

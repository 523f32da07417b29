"""A foreign key or a CHECK is added NOT VALID, and validated by a statement of its own.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT
"""

from dataclasses import dataclass, replace

from migsafe.catalog.find import free_constraint_name
from migsafe.catalog.model import Table
from migsafe.catalog.names import constraint_name
from migsafe.lint.fix.known import known_table, written
from migsafe.lint.fix.model import Edit, Fix, make_fix
from migsafe.lint.fix.place import insert_behind
from migsafe.lint.fix.refused import Refused
from migsafe.lint.fix.scene import Scene
from migsafe.lint.fix.transaction import own_transaction
from migsafe.sql import operations as ops
from migsafe.sql.inline import Inline, inline_constraints
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind, Operation
from migsafe.sql.written import Action, AlterTable, NotAsExpected, alter_table

_INLINE = frozenset({ConstraintKind.CHECK, ConstraintKind.FOREIGN_KEY})
_CHECKED = _INLINE | {ConstraintKind.NOT_NULL}  # of a table from PostgreSQL 18 on


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """The edits for one constraint, and its name as SQL writes it."""

    edits: tuple[Edit, ...]
    name: str


def fix(scene: Scene) -> Fix:
    """NOT VALID now, VALIDATE CONSTRAINT behind the statement or behind its transaction.

    Raises:
        Refused: The constraint's name or its table is not known, or the transaction is not the script's.
        NotAsExpected: The statement is written in a way that is not edited.
    """
    statement = alter_table(scene.statement)
    table = _table(scene)
    changes: list[_Change] = []
    for operation, action in zip(scene.statement.operations, statement.actions, strict=True):
        changes += _changes(scene, statement, table, operation, action)
    if not changes:
        raise NotAsExpected
    if len({change.name for change in changes}) < len(changes):
        raise Refused("PostgreSQL would number the names of its constraints: give each its own")
    keywords = statement.words.keywords
    after = [statement.statement(f"{keywords('VALIDATE CONSTRAINT')} {change.name}") for change in changes]
    edits = [edit for change in changes for edit in change.edits]
    return make_fix("Add the constraint NOT VALID, then validate it", [*edits, *later(scene, after)])


def _table(scene: Scene) -> Table:
    operation = scene.statement.operations[0]
    if not isinstance(operation, ops.TableOperation):
        raise NotAsExpected
    for each in scene.statement.operations:
        _check_referenced(scene, each)
    return known_table(scene, operation.table)


def _check_referenced(scene: Scene, operation: Operation) -> None:
    constraint = operation.constraint if isinstance(operation, ops.AddConstraint) else None
    target = scene.catalog.table(constraint.references) if constraint and constraint.references else None
    if target is not None and target.partitioned:
        raise Refused(f"the foreign key references {target.name}, which is partitioned")


def _changes(
    scene: Scene, statement: AlterTable, table: Table, operation: Operation, action: Action
) -> list[_Change]:
    match operation:
        case ops.AddConstraint(constraint=constraint) if constraint.kind in _CHECKED:
            if constraint.not_valid or constraint.not_enforced:
                return []
            return [_table_constraint(scene, statement, table, constraint, action)]
        case ops.AddColumn(if_not_exists=False, column=column):
            found = inline_constraints(statement.words, action, column, _INLINE)
            if any(each.definition.kind is ConstraintKind.CHECK for each in found) or (
                column.default is not None and not column.default.is_null_constant
            ):
                return _out_of_line(scene, statement, table, found, action)
            return []
        case ops.AddColumn(column=column) if any(each.kind in _INLINE for each in column.constraints):
            raise Refused("with IF NOT EXISTS the constraint comes with the column or not at all")
        case _:
            return []


def _table_constraint(
    scene: Scene, statement: AlterTable, table: Table, constraint: ConstraintDefinition, action: Action
) -> _Change:
    words = statement.words
    name = _name(scene, table, constraint)
    if not words.at(action.first, "add"):
        raise NotAsExpected
    at = words.end(action.end - 1)
    marked = Edit(start=at, end=at, text=words.keywords(" NOT VALID"))
    if constraint.name:
        return _Change(edits=(marked,), name=name)
    # A name that was foretold wrongly is better an error than another constraint that gets validated.
    at = words.end(action.first)
    named = Edit(start=at, end=at, text=f"{words.keywords(' CONSTRAINT')} {name}")
    return _Change(edits=(named, marked), name=name)


def _out_of_line(
    scene: Scene, statement: AlterTable, table: Table, found: tuple[Inline, ...], action: Action
) -> list[_Change]:
    """Constraints inside ADD COLUMN become actions of their own, in the same statement."""
    words = statement.words
    at = words.end(action.end - 1)
    changes: list[_Change] = []
    for each in found:
        name = _name(scene, table, each.definition)
        said = words.keywords(", ADD CONSTRAINT")
        key = f"{words.keywords('FOREIGN KEY')} ({each.column}) " if each.is_foreign_key else ""
        text = f"{said} {name} {key}{each.body} {words.keywords('NOT VALID')}"
        gone = Edit(start=words.end(each.first - 1), end=words.end(each.end - 1), text="")
        changes.append(_Change(edits=(gone, Edit(start=at, end=at, text=text)), name=name))
    return changes


def _name(scene: Scene, table: Table, constraint: ConstraintDefinition) -> str:
    """The constraint's name: its own, or the one that PostgreSQL would make up."""
    if constraint.name:
        return written(constraint.name)
    own = {each.column.name for each in scene.statement.operations if isinstance(each, ops.AddColumn)}
    if constraint.kind is ConstraintKind.CHECK:
        # What looks like a column and is none is part of a type or a function.
        columns = tuple(each for each in constraint.columns if each in own or table.column(each))
        constraint = replace(constraint, columns=columns)
    free = free_constraint_name(scene.catalog, table.name.schema)
    return written(constraint_name(table.name.name, constraint, free))


def later(scene: Scene, statements: list[str]) -> tuple[Edit, ...]:
    """Puts statements behind this one, or behind the transaction that it is in.

    Raises:
        Refused: The transaction is not the script's own, or goes on with something that may need them.
    """
    if not scene.session.in_transaction:
        return insert_behind(scene.script, scene.index, statements)
    _, end = own_transaction(scene)
    name = scene.catalog.resolve(_table(scene).name)
    for index in range(scene.index + 1, end):
        for operation in scene.at(index).operations:
            _check(operation, scene, str(name))
    return insert_behind(scene.script, end, statements)


def _check(operation: Operation, scene: Scene, table: str) -> None:
    """What comes between must not need the constraint, nor change what its name or its table's is."""
    match operation:
        case ops.SetSetting(local=True) | ops.Savepoint() | ops.Rollback() | ops.Unread():
            raise Refused("its transaction goes on with settings or savepoints of its own")
        case ops.SetSetting(name=name) | ops.ResetSetting(name=str(name)) if name.lower() == "search_path":
            raise Refused("the search path changes before its transaction ends")
        case ops.TableOperation() if str(scene.catalog.resolve(operation.table)) == table and not isinstance(
            operation, ops.AddColumn | ops.AddConstraint | ops.CreateIndex | ops.SetDefault
        ):
            raise Refused("its transaction changes the table again after this")
        case ops.OtherStatement(tag=tag) if tag in ops.OPAQUE_TAGS:
            raise Refused(f"its transaction also has {tag}")
        case _:
            return

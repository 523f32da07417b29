"""A migration as its operations, each with SQL of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from migsafe.directives import DOWN, UP, read_directives
from migsafe.errors import PlanError
from migsafe.sql.changes import DropObject
from migsafe.sql.operations import (
    Begin,
    Commit,
    DropIndex,
    Operation,
    OtherStatement,
    ResetSetting,
    SetSetting,
)
from migsafe.sql.position import Lines
from migsafe.sql.script import ReadStatement, read_script
from migsafe.sql.written import NotAsExpected, alter_table

# Settings that say how long to wait and who is served first. A plan has its own answers to that.
_TIMES = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "deadlock_timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One operation of a migration. `sql` does this and nothing else; `line` is where it stands.

    `up` and `down` are the expressions that a person gave in comments before or in the statement
    (`-- migsafe: up EXPRESSION`): the new value from the old row, and the old value from the new row.
    """

    operation: Operation
    sql: str
    line: int
    up: str | None = None
    down: str | None = None


def read_migration(text: str, *, file: str = "the migration") -> tuple[Wanted, ...]:
    """What a migration wants, in order, without the transaction and the timeouts around it.

    Raises:
        PlanError: A statement cannot be read, or a plan cannot stand in for it; with its line.
    """
    lines = Lines(text)
    return tuple(
        wanted
        for statement in read_script(text).statements
        for wanted in _wanted(statement, line=lines.position(statement.start).line, file=file)
    )


def _wanted(statement: ReadStatement, *, line: int, file: str) -> Iterator[Wanted]:
    if statement.unread is not None:
        raise PlanError(f"{file}:{line}: a statement could not be read: {statement.unread.reason}")
    operations = tuple(each for each in statement.operations if not _is_frame(each))
    for setting in operations:
        if isinstance(setting, SetSetting | ResetSetting):
            raise PlanError(
                f"{file}:{line}: the migration sets {setting.name or 'all settings'}, which every step of a "
                "plan would have to do again",
                advice="Write names with their schema and values with their type, and leave the SET out.",
            )
    said = _said(statement, line=line, file=file)
    if len(operations) == 1 and len(statement.operations) == 1:
        yield Wanted(operation=operations[0], sql=statement.text, line=line, **said)
    elif operations:
        if said:
            raise PlanError(
                f"{file}:{line}: an expression is given for a statement that does several things",
                advice="Write a statement for each of them, and the comment before the one that it is about.",
            )
        yield from _taken_apart(statement, line=line, file=file)


def _said(statement: ReadStatement, *, line: int, file: str) -> dict[str, str]:
    """The expressions that comments give for this statement, by `up` and `down`."""
    found: dict[str, str] = {}
    for comment in statement.source.comments:
        for directive in read_directives(comment.text):
            if directive.verb not in {UP, DOWN}:
                continue
            if directive.problem or directive.verb in found:
                raise PlanError(
                    f"{file}:{line}: `migsafe: {directive.verb}`: {directive.problem or 'is said twice'}"
                )
            found[directive.verb] = directive.expression
    return found


def _is_frame(operation: Operation) -> bool:
    match operation:
        case Begin() | Commit():
            return True
        case SetSetting(name=name) | ResetSetting(name=str(name)):
            return name in _TIMES
        case _:
            return False


def _taken_apart(statement: ReadStatement, *, line: int, file: str) -> Iterator[Wanted]:
    """The actions of one ALTER TABLE, or what one DROP drops, each as a statement of its own."""
    dropped = tuple(_dropped_apart(statement, line))
    if dropped:
        yield from dropped
        return
    try:
        whole = alter_table(statement)
    except NotAsExpected:
        kinds = ", ".join(operation.kind for operation in statement.operations)
        raise PlanError(
            f"{file}:{line}: one statement does several things ({kinds})",
            advice="Write a statement for each of them.",
        ) from None
    for operation, action in zip(statement.operations, whole.actions, strict=True):
        yield Wanted(operation=operation, sql=whole.statement(whole.text(action)), line=line)


def _dropped_apart(statement: ReadStatement, line: int) -> Iterator[Wanted]:
    """DROP of several indexes, views, types, sequences or functions; nothing for any other statement."""
    operations = statement.operations
    if all(isinstance(each, DropIndex) for each in operations):
        for index in operations:
            if isinstance(index, DropIndex):
                yield Wanted(operation=index, sql=f"DROP INDEX {_ending(index.index.sql, index)}", line=line)
        return
    first = operations[0]
    changes = first.changes if isinstance(first, OtherStatement) else ()
    if len(changes) != len(operations):
        return
    for operation, change in zip(operations, changes, strict=True):
        if isinstance(operation, OtherStatement) and isinstance(change, DropObject):
            arguments = (
                None if change.arguments is None else ", ".join(str(each) for each in change.arguments)
            )
            name = change.name.sql if arguments is None else f"{change.name.sql}({arguments})"
            sql = f"DROP {change.kind} {_ending(name, change)}"
            yield Wanted(operation=replace(operation, changes=(change,)), sql=sql, line=line)


def _ending(name: str, drop: DropIndex | DropObject) -> str:
    return f"{'IF EXISTS ' * drop.if_exists}{name}{' CASCADE' * drop.cascade}"

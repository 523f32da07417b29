"""Triggers that keep two shapes equal may be dropped or disabled by somebody: found out before it matters.

Without them one version does not see what the other one writes, and nothing would say so: a contract would
then drop the only right value.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

from migsafe.errors import StateRefused
from migsafe.plan.model import DdlStep, Plan
from migsafe.run.connect import Conn
from migsafe.run.ledger import steps
from migsafe.run.ledger.model import StepState
from migsafe.run.session import Session
from migsafe.sql.changes import CreateTrigger, DropObject
from migsafe.sql.names import Name
from migsafe.sql.operations import DropTable, Operation, OtherStatement, RenameTable, SetSchema
from migsafe.sql.script import read_script

OURS = "migsafe"  # the schema of the functions that keep two shapes equal

# A trigger of a partitioned table is one in each partition too, each of which may be disabled by itself.
_STATE = """
    WITH RECURSIVE tree AS (
        SELECT to_regclass(%(table)s)::oid AS oid
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent
    )
    SELECT coalesce(bool_or(t.tgrelid = to_regclass(%(table)s)), false),
           min(t.tgrelid::regclass::text) FILTER (WHERE t.tgenabled = 'D')
    FROM pg_trigger t JOIN tree ON tree.oid = t.tgrelid WHERE t.tgname = %(name)s
"""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of ours, and the title of the step that makes it."""

    table: Name
    name: str
    step: str


@dataclass(frozen=True, slots=True)
class Lost:
    """One that does not work any more: `table` is where it was disabled, None when it is gone."""

    trigger: Trigger
    table: str | None

    def __str__(self) -> str:
        """For people."""
        if self.table is None:
            return f"the trigger {self.trigger.name} of {self.trigger.table} is gone"
        return f"the trigger {self.trigger.name} of {self.table} is disabled"

    @property
    def remedy(self) -> str:
        """What makes it work again."""
        name = self.trigger.name.replace('"', '""')
        if self.table is None:
            return (
                f"Make {self.trigger.name} again: its statements are in the plan, in '{self.trigger.step}'."
            )
        return f'ALTER TABLE {self.table} ENABLE ALWAYS TRIGGER "{name}";'


def made_by(plan: Plan, done: Collection[str]) -> tuple[Trigger, ...]:
    """Those that are there once these steps are done."""
    there: dict[tuple[Name, str], Trigger] = {}
    for step in plan.steps:
        if isinstance(step, DdlStep) and step.id in done:
            for operation in operations_of(step.sql):
                _follow(there, operation, step.title)
    return tuple(there.values())


def find_lost(session: Session) -> tuple[Lost, ...]:
    """Which of them are gone or disabled now, of the steps that the ledger has as done."""
    rows = steps.read_steps(session.conn, session.rollout_id)
    wanted = made_by(session.plan, {row.id for row in rows if row.state is StepState.DONE})
    return tuple(lost for trigger in wanted if (lost := _look(session.conn, trigger)) is not None)


def require_intact(session: Session) -> None:
    """Make sure that the versions see each other's writes, before anything relies on it.

    Raises:
        StateRefused: One of the triggers is gone or disabled.
    """
    lost = find_lost(session)
    if lost:
        raise StateRefused(
            f"{listed(lost)}: the old and the new version may not have seen each other's writes since then",
            advice=f"{remedies(lost)}\nCompare the rows that were written meanwhile in both shapes, then run "
            f"the same command again. As long as the new version has written nothing, `migsafe revert` and a "
            "new start do the same.",
        )


def listed(lost: Sequence[Lost]) -> str:
    """What is wrong with them."""
    return " and ".join(map(str, lost))


def remedies(lost: Sequence[Lost]) -> str:
    """What makes them work again."""
    return "\n".join(dict.fromkeys(each.remedy for each in lost))


@cache
def operations_of(statements: tuple[str, ...]) -> tuple[Operation, ...]:
    """What the statements of a step ask for."""
    read = (statement for text in statements for statement in read_script(text).statements)
    return tuple(operation for statement in read for operation in statement.operations)


def _follow(there: dict[tuple[Name, str], Trigger], operation: Operation, title: str) -> None:
    match operation:
        case OtherStatement(changes=changes):
            for change in changes:
                match change:
                    case CreateTrigger(name=name, table=table) if change.function.schema == OURS:
                        there[table, name] = Trigger(table, name, title)
                    case DropObject(kind="TRIGGER", name=Name(name=name), table=Name() as table):
                        there.pop((table, name), None)
        case DropTable(table=table):
            for key in [key for key in there if key[0] == table]:
                del there[key]
        case RenameTable(table=table, new_name=new_name):
            _move(there, table, Name(new_name, table.schema))
        case SetSchema(table=table, new_schema=new_schema):
            _move(there, table, Name(table.name, new_schema))


def _move(there: dict[tuple[Name, str], Trigger], table: Name, to: Name) -> None:
    for key in [key for key in there if key[0] == table]:
        trigger = there.pop(key)
        there[to, trigger.name] = Trigger(to, trigger.name, trigger.step)


def _look(conn: Conn, trigger: Trigger) -> Lost | None:
    row = conn.execute(_STATE, {"table": trigger.table.sql, "name": trigger.name}).fetchone()
    is_there, disabled = row or (False, None)
    return Lost(trigger, disabled) if disabled or not is_there else None

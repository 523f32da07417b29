"""A plan: what will be done to the database and to the traffic, as data. Nothing here connects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from migsafe.effects.model import Lock
from migsafe.plan.stages import Compatibility, Stage
from migsafe.sql.names import Name

FORMAT_VERSION = 1

Scalar = str | int | float | bool
Options = Mapping[str, Scalar]


_OF_ROWS = frozenset({"delete", "insert", "update"})


class DownMap(StrEnum):
    """How much of the new shape the old one can hold."""

    TOTAL = "total"  # everything: going back loses nothing
    LOSSY = "lossy"  # values of the new version may not fit
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """A column that makes way for another one, by their names before and after the rollout."""

    old: str
    new: str
    old_type: str
    new_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One operation of the migration, for people, gates and reports."""

    kind: str  # the operation's: "rename_column", "create_index" ...
    summary: str
    subject: Name  # the table, view or type that is changed
    down_map: DownMap = DownMap.TOTAL
    application_change: bool = False  # whether the application must be another one before or behind it
    column: ColumnChange | None = None

    @property
    def changes_rows(self) -> bool:
        """Whether the migration itself changes rows that a revert does not bring back."""
        return self.down_map is DownMap.NONE and self.kind in _OF_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `id` is unique in the plan; `stage` is the stage that its phase leads to.

    `undo` takes it back: statements of one transaction, or, with `undo_apart`, of a transaction each (one of
    them takes as long as the table is big, or is CONCURRENTLY). Apart, they are repeated from the first one
    after a crash, so that doing any of them twice must do no harm.
    """

    id: str
    stage: Stage
    title: str
    undo: tuple[str, ...] = ()
    undo_apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DdlStep(Step):
    """Statements of one transaction: all or nothing.

    `patient` marks work as long as the table is big that holds only a weak lock (VALIDATE CONSTRAINT):
    it gets no statement timeout. Everything else must be instant once its locks are granted.
    """

    sql: tuple[str, ...]
    locks: tuple[Lock, ...] = ()
    patient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStep(Step):
    """One CREATE INDEX CONCURRENTLY: outside a transaction, repaired when it was left invalid."""

    index: Name
    table: Name
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrentStep(Step):
    """One statement that runs only outside of a transaction, such as DROP INDEX CONCURRENTLY.

    `done` is a condition that holds once its work is there; empty when only the ledger can tell. `broken` is
    a condition that holds when an attempt was broken off half-way, and `mend` the statement that helps then.
    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION
    """

    table: Name
    sql: str
    done: str = ""
    broken: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRows:
    """INSERT INTO `into` (`columns`) SELECT `values` FROM the step's table; rows that are there stay.

    `values` are expressions over a row of the table. The row is locked until its copy is committed, so that
    AFTER ROW triggers which bring later writes over find the copy. With a `key`, only a row that has the same
    one counts as there; a row that the target refuses otherwise ends the step with that error.
    """

    into: Name
    columns: tuple[str, ...]
    values: tuple[str, ...]
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillStep(Step):
    """The rows of `table` for which `pending` holds, in batches until there is none: one of three things.

    They get `assignments` (UPDATE table SET ...), or they are copied to another table (`copy`), or they are
    taken away (`delete`). `pending` is true exactly for the rows that are not right yet, so that repeating
    it does no harm. Expressions call a row by the table's name without its schema, in its partitions too.
    """

    table: Name
    pending: str
    assignments: str = ""
    copy: CopyRows | None = None
    delete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyStep(Step):
    """Proof that no row of the table satisfies `mismatch`, found true `passes` times in a row.

    Where it must stay true until the old shape is gone, `again` is the same question by the names of the
    verified stage, about `again_table` when that has another name by then.
    """

    table: Name
    key: tuple[str, ...]
    mismatch: str
    passes: int = 2
    again: str = ""
    again_table: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A question that must be answered before a stage changes. `kind` and `options` belong to rollout/."""

    name: str
    kind: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How traffic moves from blue to green."""

    provider: str
    options: Options = field(default_factory=dict)
    steps: tuple[int, ...] = (5, 25, 50, 100)  # percent of green
    step_seconds: float = 60.0  # how long each step is watched before its gates are asked
    hold_seconds: float = 600.0  # how long a gate may hold before the rollout pauses
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """How long things are kept, in seconds, and how the old version is recognised when it should be gone."""

    soak_seconds: float = 0.0
    keep_seconds: float = 7 * 86_400.0
    blue_application_name: str | None = None  # sessions with this name belong to blue


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole rollout. `steps` are in the order in which they run.

    `migration` is the SQL that the plan was made from, and `choices` are the options it was made with: with
    them it can be made again, to see whether it still fits a database.
    """

    name: str
    summary: str
    changes: tuple[Change, ...]
    compatibility: Compatibility
    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()
    traffic: Traffic | None = None
    contract: Contract = field(default_factory=Contract)
    server_version: int | None = None  # server_version_num that the plan was made for
    migration: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def down_map(self) -> DownMap:
        """How much of the new shape the old one can hold, all changes together."""
        return max((change.down_map for change in self.changes), key=list(DownMap).index)

    @property
    def application_change(self) -> bool:
        """Whether a new version of the application belongs to any of its changes."""
        return any(change.application_change for change in self.changes)

    @property
    def subjects(self) -> tuple[Name, ...]:
        """What is changed, each once."""
        return tuple(dict.fromkeys(change.subject for change in self.changes))

    def steps_to(self, stage: Stage) -> tuple[Step, ...]:
        """The steps that lead to this stage, in order."""
        return tuple(step for step in self.steps if step.stage is stage)

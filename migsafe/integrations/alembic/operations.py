"""`op.migsafe_plan` and `op.migsafe_backfill`: the real runner inside a revision.

Both commit what the revision did before them: the runner has its own connection and its own transactions,
recorded in the ledger, so that a broken-off upgrade goes on where it was. They are the last thing that a
revision does, or the only one.
https://alembic.sqlalchemy.org/en/latest/api/operations.html#operation-plugins
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from alembic.operations import MigrateOperation, Operations
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from migsafe.errors import MigsafeError, UsageError
from migsafe.integrations.alembic import offline
from migsafe.integrations.alembic.database import database_of
from migsafe.integrations.alembic.drive import go_back, go_on
from migsafe.integrations.alembic.plans import find_plan, load_compared
from migsafe.integrations.alembic.said import said
from migsafe.plan.draft import EITHER
from migsafe.plan.model import BackfillStep, Change, Plan
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import load_plan
from migsafe.run.order import before, stages_of
from migsafe.run.settings import Settings
from migsafe.sql.names import parse_name
from migsafe.suggest import did_you_mean


@Operations.register_operation("migsafe_plan")
class PlanOp(MigrateOperation):
    """Brings a rollout to a stage of its plan."""

    def __init__(self, plan: str, *, to: str | None, back_to: str | None, sql: Any) -> None:
        self.plan, self.to, self.back_to = plan, to, back_to
        self.sql: Mapping[str, str] | None = sql

    @classmethod
    def migsafe_plan(
        cls,
        operations: Operations,
        plan: str,
        *,
        to: str | None = None,
        back_to: str | None = None,
        sql: Mapping[str, str] | None = None,
    ) -> None:
        """Go on to a stage of a plan (`to`, in upgrade), or take back what lies behind one (`back_to`).

        Args:
            operations: Given by Alembic.
            plan: The plan file, beside the revision or from the current folder.
            to: expanded, backfilled, verified, tombstoned or dropped. Reached already: nothing is done.
            back_to: The same, or planned for all of it.
            sql: The SQL of the steps that lead there, by their ids, for whoever reads the revision. It must
                be what the plan says.

        Raises:
            CommandError: The plan cannot be carried out (now): why, and what to do. What was done is in the
                ledger; running Alembic again goes on.
        """
        operations.invoke(cls(plan, to=to, back_to=back_to, sql=sql))


@Operations.register_operation("migsafe_backfill")
class BackfillOp(MigrateOperation):
    """Updates the rows of a table in batches."""

    def __init__(
        self, table: str, *, assignments: str, where: str, plan: str | None, settings: Settings
    ) -> None:
        self.table, self.assignments, self.where = table, assignments, where
        self.plan, self.settings = plan, settings

    @classmethod
    def migsafe_backfill(
        cls,
        operations: Operations,
        table: str,
        *,
        set: str,  # noqa: A002 -- what SQL calls it
        where: str,
        plan: str | None = None,
        batch_seconds: float = 0.25,
        max_rows_per_second: float | None = None,
    ) -> None:
        """UPDATE table SET ... WHERE ..., in short batches, resumed after any interruption.

        Args:
            operations: Given by Alembic.
            table: Its name, with the schema where it is not `public`.
            set: The assignments: `"full_name" = "name"`.
            where: True exactly for the rows that are not right yet; it ends when there is none.
            plan: The plan that has it as a step; without one it is a rollout of its own.
            batch_seconds: What one batch takes, about.
            max_rows_per_second: A limit; None: as fast as the batches allow.

        Raises:
            CommandError: It could not be finished: why. Running Alembic again goes on.
        """
        settings = Settings(batch_seconds=batch_seconds, max_rows_per_second=max_rows_per_second)
        operations.invoke(cls(table, assignments=set, where=where, plan=plan, settings=settings))


@Operations.implementation_for(PlanOp)
def _run_plan(operations: Operations, operation: PlanOp) -> None:
    context = operations.migration_context
    with _as_command_errors():
        if (operation.to is None) is (operation.back_to is None):
            raise UsageError("op.migsafe_plan goes `to` a stage, or `back_to` one: say which of them")
        if operation.back_to is not None:
            target = _stage(operation.back_to)
            plan = load_plan(find_plan(operation.plan))
            if context.as_sql:
                offline.render_back(context, plan, target)
            else:
                _apart(context, lambda dsn: go_back(plan, target, dsn, said(context), Settings()))
            return
        target = _stage(operation.to or "")
        stages = _led_through(load_plan(find_plan(operation.plan)), operation.sql, target)
        plan = load_compared(operation.plan, operation.sql, stages)
        if context.as_sql:
            offline.render(context, plan, stages)
        else:
            _apart(context, lambda dsn: go_on(plan, target, dsn, said(context), Settings()))


@Operations.implementation_for(BackfillOp)
def _run_backfill(operations: Operations, operation: BackfillOp) -> None:
    context = operations.migration_context
    with _as_command_errors():
        plan, step = _plan_of(operation)
        if context.as_sql:
            offline.render_steps(context, plan, [step])
            return

        def work(dsn: str) -> None:
            if operation.plan is None:
                # A downgrade and an upgrade ask for it once more: what is right already costs one look.
                go_back(plan, Stage.PLANNED, dsn, said(context), operation.settings)
            go_on(plan, Stage.BACKFILLED, dsn, said(context), operation.settings)

        _apart(context, work)


def _led_through(plan: Plan, sql: Mapping[str, str] | None, target: Stage) -> tuple[Stage, ...]:
    """The stages that a revision brings about: those of the steps that it repeats, else all of its half."""
    half = Stage.PLANNED if target.position <= Stage.VERIFIED.position else before(plan, target)
    stages = [stage for stage in stages_of(plan) if half.position < stage.position <= target.position]
    if sql is None:
        return tuple(stages)
    named = {step.stage for step in plan.steps if step.id in sql}
    return tuple(stage for stage in stages if stage in named or stage is target)


def _plan_of(operation: BackfillOp) -> tuple[Plan, BackfillStep]:
    """The plan, and the step of it that is meant."""
    name = parse_name(operation.table)
    if name is None:
        raise UsageError(f"op.migsafe_backfill: {operation.table!r} is no table's name")
    name = name if name.schema else type(name)(name=name.name, schema="public")
    if operation.plan is not None:
        known = load_plan(find_plan(operation.plan))
        wanted = (name, operation.assignments, operation.where)
        for step in known.steps_to(Stage.BACKFILLED):
            if isinstance(step, BackfillStep) and (step.table, step.assignments, step.pending) == wanted:
                return known, step
        raise UsageError(
            f"op.migsafe_backfill: the plan {operation.plan} has no such backfill of {name}",
            advice="The plan is what counts: write its revisions again with "
            "`migsafe plan REVISION --revisions`. Nothing was run.",
        )
    mark = hashlib.sha256("\0".join((str(name), operation.assignments, operation.where)).encode())
    title = f"Update {name} in batches"
    step = BackfillStep(
        id="backfill",
        stage=Stage.BACKFILLED,
        title=title,
        table=name,
        pending=operation.where,
        assignments=operation.assignments,
    )
    change = Change(kind="update", summary=title, subject=name)
    plan = Plan(
        name=f"alembic_backfill_{name.name}_{mark.hexdigest()[:8]}",
        summary=title,
        changes=(change,),
        compatibility=EITHER,
        steps=(step,),
    )
    return plan, step


def _apart(context: MigrationContext, work: Callable[[str], None]) -> None:
    """Work on connections of our own, with nothing of Alembic's left uncommitted: its locks would stop us."""
    if context._in_external_transaction:  # noqa: SLF001 -- nothing public tells
        raise UsageError(
            "env.py began a transaction before context.configure(), so that nobody can commit what was done "
            "so far",
            advice="Let Alembic begin it: `with context.begin_transaction():`.",
        )
    with context.autocommit_block():
        connection = context.connection
        if connection is None:
            raise UsageError("there is no connection to work with")
        work(database_of(connection))


def _stage(name: str) -> Stage:
    if name in set(Stage):
        return Stage(name)
    raise UsageError(f"op.migsafe_plan: there is no stage {name!r}{did_you_mean(name, tuple(Stage))}")


class _as_command_errors:  # noqa: N801 -- reads as a function where it is used
    """What we raise, as Alembic's command line shows it: one message, no traceback."""

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, MigsafeError):
            raise CommandError(f"migsafe: {error}") from error
